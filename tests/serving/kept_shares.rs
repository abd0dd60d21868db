//! Shares that outlive the server, as their owner's kernel and those with whom something is shared see it.

use std::{fs, path::PathBuf};

use framehub::{Config, hub::random_id};
use serde_json::{Value, json};

use crate::{
    fake_hub::{ACCESS, FakeHub, PREFIX},
    jupyterhub::{LONG, ask, cookie, kernel, open, sign_in, view},
    kernel_link::Kernel,
    server::{KEY, TestServer, config},
    shares::{revoke, share, view_by_cookie},
};

/// A file for shares, which goes with this.
struct File(PathBuf);

impl File {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("framehub-test-{}.json", random_id())))
    }

    fn with(&self, config: Config) -> Config {
        Config { shares_file: Some(self.0.clone()), ..config }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
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
