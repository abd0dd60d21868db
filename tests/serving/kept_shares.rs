//! Shares that outlive the server, as their owner's kernel and those with whom something is shared see it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use framehub::{Config, Server, random::random_id};
use serde_json::{Value, json};

use crate::{
    fake_hub::{ACCESS, FakeHub, PREFIX},
    jupyterhub::{LONG, ask, cookie, kernel, open, sign_in, view},
    kernel_link::Kernel,
    server::{KEY, TestServer, config, wait_for},
    shares::{ended, revoke, share, view_by_cookie},
};

/// A file for shares in a folder of its own, which goes with this.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("framehub-test-{}", random_id())).join("shares.json"))
    }

    fn with(&self, config: Config) -> Config {
        Config { shares_file: Some(self.0.clone()), ..config }
    }

    fn folder(&self) -> &Path {
        self.0.parent().unwrap()
    }

    /// From now on nothing can be written: there is a file where the folder was.
    fn fill(&self) {
        fs::rename(self.folder(), self.folder().with_extension("away")).unwrap();
        fs::write(self.folder(), "no folder").unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.folder()).unwrap();
        fs::rename(self.folder().with_extension("away"), self.folder()).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for path in [self.folder().to_owned(), self.folder().with_extension("away")] {
            let _ = fs::remove_dir_all(&path);
            let _ = fs::remove_file(&path);
        }
    }
}

/// How many changes of shares the metrics say are not on disk.
fn unkept(server: &TestServer, token: &str) -> u64 {
    let text = String::from_utf8(ask(server, "GET", &format!("{PREFIX}metrics"), token, "").body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("framehub_shares_unkept ")).expect("a gauge");
    line.parse().unwrap()
}

#[test]
fn after_a_restart_a_widget_is_shared_as_before_and_what_was_revoked_stays_revoked() {
    let (hub, file) = (FakeHub::start(), File::new());
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(|name| hub.token(name, &[ACCESS]));
    let server = TestServer::with(file.with(hub.config(LONG)));
    let mut program = kernel(&server, "session-of-the-tests", &ann);
    let widget = program.widget(json!({}));
    share(&server, &widget, &ann, &json!({"user": "bob", "role": "interact"})).expect(201);
    let revoked = share(&server, &widget, &ann, &json!({"user": "carl"})).expect(201);
    let link = share(&server, &widget, &ann, &json!({"link": true})).expect(201);
    // Who reads the file when both are shared has no use for it later.
    let older = fs::read(&file.0).unwrap();
    assert_eq!(revoke(&server, &widget, &ann, &revoked), 204);
    assert_ne!(fs::read(&file.0).unwrap(), older);
    drop(server);

    let server = TestServer::with(file.with(hub.config(LONG)));
    // The kernel is not back: those who may see the widget are told so, others that there is none.
    for (token, status) in [(&ann, 503), (&bob, 503), (&carl, 404)] {
        assert_eq!(view(&server, &widget, token).err(), Some(status));
    }
    // Nobody else gets them by making a widget of that id, nor for another.
    let mut others = kernel(&server, "session-of-another", &bob);
    assert_eq!(others.try_create(json!({"widget": widget})).unwrap_err()["code"], "exists");
    let mut program = kernel(&server, "session-of-the-tests", &ann);
    assert_eq!(program.widget(json!({"widget": widget})), widget);
    let fresh = program.widget(json!({}));
    assert_eq!(view(&server, &fresh, &bob).err(), Some(404));
    let mut bobs = view(&server, &widget, &bob).unwrap();
    assert_eq!(bobs.text("status", |_| true)["role"], "interact");
    assert_eq!(view(&server, &widget, &carl).err(), Some(404));
    let session = sign_in(&server, &hub, "carl");
    let arrived = open(&server, link["url"].as_str().unwrap(), &session);
    let cookies = format!("{session}; {}", cookie(&arrived, "framehub-link-"));
    let mut carls = view_by_cookie(&server, PREFIX, &widget, &cookies, "").unwrap();
    assert_eq!(carls.text("status", |_| true)["role"], "watch");

    // What is closed is not shared the next time.
    program.send(json!({"type": "close", "widget": widget}));
    assert_eq!(bobs.close_code(), 4000);
    drop(server);
    let server = TestServer::with(file.with(hub.config(LONG)));
    assert_eq!(view(&server, &widget, &bob).err(), Some(404));
    let mut program = kernel(&server, "session-of-the-tests", &ann);
    program.widget(json!({"widget": widget}));
    let listed = ask(&server, "GET", &format!("{PREFIX}api/widgets/{widget}/shares"), &ann, "");
    assert_eq!(listed.expect(200)["shares"], json!([]));
}

#[test]
fn a_link_is_good_for_one_change_of_its_key_and_none_once_the_keys_are_taken_out_of_the_file() {
    let (hub, file) = (FakeHub::start(), File::new());
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let server = TestServer::with(file.with(hub.config(LONG)));
    let widget = kernel(&server, "session-of-the-tests", &ann).widget(json!({}));
    share(&server, &widget, &ann, &json!({"user": "bob"})).expect(201);
    let link = share(&server, &widget, &ann, &json!({"link": true})).expect(201);
    drop(server);
    let kept: Value = serde_json::from_slice(&fs::read(&file.0).unwrap()).unwrap();
    let (key, began, other) = (&kept["links"]["newer"], &kept["links"]["began"], json!(vec![7; 32]));
    for (links, opens) in [
        (json!({"newer": key, "began": began, "before": null}), true),
        (json!({"newer": other, "began": began, "before": key}), true),
        (json!({"newer": other, "began": began, "before": other}), false),
        (Value::Null, false),
    ] {
        let mut changed = kept.clone();
        match &links {
            Value::Null => drop(changed.as_object_mut().unwrap().remove("links")),
            links => changed["links"] = links.clone(),
        }
        fs::write(&file.0, changed.to_string()).unwrap();
        let server = TestServer::with(file.with(hub.config(LONG)));
        let mut program = kernel(&server, "session-of-the-tests", &ann);
        program.widget(json!({"widget": widget}));
        let session = sign_in(&server, &hub, "carl");
        let arrived = open(&server, link["url"].as_str().unwrap(), &session);
        assert_eq!(arrived.status, if opens { 303 } else { 404 }, "{links}");
        // Who is named needs no key.
        view(&server, &widget, &bob).unwrap();
        // A link that is made now is signed with what there is.
        let fresh = share(&server, &widget, &ann, &json!({"link": true})).expect(201);
        assert_eq!(open(&server, fresh["url"].as_str().unwrap(), &session).status, 303);
    }
}

#[test]
fn what_a_kernel_shares_is_kept_when_it_is_told_so_also_without_users() {
    let file = File::new();
    let server = TestServer::with(file.with(config()));
    let mut kernel = Kernel::start(&server, "session-of-the-tests");
    let widget = kernel.widget(json!({}));
    let mut shared = || {
        let request = kernel.ask("share", json!({"widget": widget, "share": {"link": true}}));
        kernel.text("shared", |answer| answer["request"] == request)["share"].take()
    };
    let (first, second) = (shared(), shared());
    let ids = [&first, &second].map(|share| share["id"].as_str().unwrap().to_owned());
    let kept = || fs::read_to_string(&file.0).unwrap();
    assert!(ids.iter().all(|id| kept().contains(id)));
    let request = kernel.ask("revoke", json!({"widget": widget, "share": ids[0]}));
    kernel.text("revoked", |answer| answer["request"] == request);
    assert!(!kept().contains(&ids[0]) && kept().contains(&ids[1]));
    assert!(!kept().contains(KEY));
}

#[test]
fn a_share_that_cannot_be_kept_is_refused_and_not_in_force() {
    let (hub, file) = (FakeHub::start(), File::new());
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(|name| hub.token(name, &[ACCESS]));
    let server = TestServer::with(file.with(hub.config(LONG)));
    let mut program = kernel(&server, "session-of-the-tests", &ann);
    let widget = program.widget(json!({}));
    let kept = share(&server, &widget, &ann, &json!({"user": "carl"})).expect(201);
    file.fill();
    for body in [json!({"user": "bob"}), json!({"link": true}), json!({"user": "carl", "role": "interact"})] {
        let (message, _) = share(&server, &widget, &ann, &body).error(503, "not_kept");
        assert!(message.contains("nothing is shared"), "{message}");
    }
    let request = program.ask("share", json!({"widget": widget, "share": {"user": "bob"}}));
    let refused = program.text("refused", |answer| answer["request"] == request);
    assert_eq!(refused["code"], "not_kept");
    assert_eq!(view(&server, &widget, &bob).err(), Some(404));
    assert_eq!(view(&server, &widget, &carl).unwrap().text("status", |_| true)["role"], "watch");
    let listed = ask(&server, "GET", &format!("{PREFIX}api/widgets/{widget}/shares"), &ann, "");
    assert_eq!(listed.expect(200)["shares"], json!([kept]));
    file.make_room();
    share(&server, &widget, &ann, &json!({"user": "bob"})).expect(201);
    assert!(view(&server, &widget, &bob).is_ok());
}

#[test]
fn a_revocation_that_is_not_on_disk_holds_and_is_not_told_as_done() {
    let (hub, file) = (FakeHub::start(), File::new());
    let [ann, bob] = ["ann", "bob"].map(|name| hub.token(name, &[ACCESS]));
    let admin = hub.token("ada", &[ACCESS, "admin-ui"]);
    let server = TestServer::with(file.with(hub.config(LONG)));
    let mut program = kernel(&server, "session-of-the-tests", &ann);
    let widget = program.widget(json!({}));
    let [first, second] =
        ["bob", "carl"].map(|user| share(&server, &widget, &ann, &json!({"user": user})).expect(201));
    let bobs = view(&server, &widget, &bob).unwrap();
    file.fill();
    assert_eq!(revoke(&server, &widget, &ann, &first), 503);
    assert_eq!(ended(bobs), (json!("revoked"), 4003));
    assert_eq!(revoke(&server, &widget, &ann, &first), 503, "asked again");
    let ask_kernel = |program: &mut Kernel, share: &Value| {
        let request = program.ask("revoke", json!({"widget": widget, "share": share["id"]}));
        program.any(&["revoked", "refused"], |answer| answer["request"] == request)
    };
    assert_eq!(ask_kernel(&mut program, &second)["code"], "not_kept");
    assert_eq!(view(&server, &widget, &bob).err(), Some(404));
    assert!(unkept(&server, &admin) > 0);
    file.make_room();
    // By itself, too; but whoever asks again knows.
    assert_eq!(revoke(&server, &widget, &ann, &first), 204);
    assert_eq!(ask_kernel(&mut program, &second)["type"], "revoked");
    assert_eq!(unkept(&server, &admin), 0);
    drop(server);
    let server = TestServer::with(file.with(hub.config(LONG)));
    kernel(&server, "session-of-the-tests", &ann).widget(json!({"widget": widget}));
    assert_eq!(view(&server, &widget, &bob).err(), Some(404));
}

#[test]
fn a_revocation_that_nobody_asks_for_again_is_kept_as_soon_as_that_can_be() {
    let (hub, file) = (FakeHub::start(), File::new());
    let ann = hub.token("ann", &[ACCESS]);
    let admin = hub.token("ada", &[ACCESS, "admin-ui"]);
    let server = TestServer::with(file.with(hub.config(LONG)));
    let mut program = kernel(&server, "session-of-the-tests", &ann);
    let [revoked, closed] = [(); 2].map(|()| program.widget(json!({})));
    let made = share(&server, &revoked, &ann, &json!({"user": "bob"})).expect(201);
    share(&server, &closed, &ann, &json!({"user": "bob"})).expect(201);
    file.fill();
    assert_eq!(revoke(&server, &revoked, &ann, &made), 503);
    ask(&server, "DELETE", &format!("{PREFIX}api/widgets/{closed}"), &ann, "").expect(204);
    file.make_room();
    wait_for("the next try", || (unkept(&server, &admin) == 0).then_some(()));
    let kept: Value = serde_json::from_slice(&fs::read(&file.0).unwrap()).unwrap();
    assert_eq!(kept["widgets"], json!({}));
}

#[test]
fn a_file_of_shares_that_cannot_be_read_stops_the_server_and_stays() {
    let file = File::new();
    fs::create_dir(file.folder()).unwrap();
    for text in ["", "not a file of shares", r#"{"links": null, "widgets": {"#] {
        fs::write(&file.0, text).unwrap();
        let config = file.with(config());
        let started = actix::System::new().block_on(async { Server::new(config).start().await.map(|_| ()) });
        let error = started.expect_err("it started").to_string();
        assert!(error.contains(file.0.to_str().unwrap()) && error.contains("move it away"), "{error}");
        assert_eq!(fs::read_to_string(&file.0).unwrap(), text);
    }
}
