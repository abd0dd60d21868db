//! A fake `JupyterHub`: what a service sees of one, in a thread of the test.

use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use framehub::{
    Config,
    config::Auth,
    jupyterhub::{Secret, Service},
    random::random_id,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use crate::server::{PATIENCE, config};

pub const PREFIX: &str = "/services/framehub/";
pub const ACCESS: &str = "access:services!service=framehub";
const API_TOKEN: &str = "secret-of-the-service";
const CALLBACK: &str = "/services/framehub/oauth_callback";

pub struct FakeHub {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// What `/user` says of each token.
    users: HashMap<String, Value>,
    /// Tokens that were got by signing in.
    signed_in: HashSet<String>,
    /// The token that each code is good for, the challenge that came with it.
    codes: HashMap<String, (String, String)>,
    /// How often each token was asked about, and all questions.
    asked: HashMap<String, usize>,
    questions: usize,
    /// Who has a server.
    servers: HashSet<(String, String)>,
    /// Who was said to act, as in the path, and what was said.
    active: Vec<(String, Value)>,
    down: bool,
    /// Whether answers about tokens wait.
    held: bool,
    /// Whether those about tokens that nobody has wait, and those to browsers that come back; how many do, and the most that did.
    strangers_held: bool,
    waiting: usize,
    most_waiting: usize,
    /// How many connections were made.
    connections: usize,
    /// Whether it takes connections, and does nothing with them.
    hanging: bool,
    /// So many bytes more are in each answer than have to be.
    padding: usize,
}

impl FakeHub {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                shared.0.lock().expect("no test panicked here").connections += 1;
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, state }
    }

    /// The configuration of its service. Answers hold for so long.
    pub fn config(&self, holds: Duration) -> Config {
        let service = Service {
            prefix: PREFIX.to_owned(),
            api_url: format!("http://{}/hub/api", self.address),
            tls: None,
            api_token: Secret::new(API_TOKEN),
            client_id: "service-framehub".to_owned(),
            authorize_url: "/hub/api/oauth2/authorize".to_owned(),
            callback_url: CALLBACK.to_owned(),
            access_scopes: vec!["access:services".to_owned(), ACCESS.to_owned()],
            listen: None,
        };
        Config {
            auth: Auth::JupyterHub,
            jupyterhub: Some(service),
            auth_cache: holds,
            base_url: PREFIX.to_owned(),
            key: None,
            ..config()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().expect("no test panicked here")
    }

    /// A token of a user with these scopes.
    pub fn token(&self, name: &str, scopes: &[&str]) -> String {
        self.token_of("user", name, scopes)
    }

    pub fn token_of(&self, kind: &str, name: &str, scopes: &[&str]) -> String {
        let token = random_id();
        let model = json!({"name": name, "kind": kind, "admin": false, "groups": [], "scopes": scopes});
        self.state().users.insert(token.clone(), model);
        token
    }

    /// The groups of a user from now on, as each of the user's tokens tells them.
    pub fn set_groups(&self, name: &str, groups: &[&str]) {
        for user in self.state().users.values_mut().filter(|user| user["name"] == name) {
            user["groups"] = json!(groups);
        }
    }

    /// The scopes of a user from now on, as each of the user's tokens tells them.
    pub fn set_scopes(&self, name: &str, scopes: &[&str]) {
        for user in self.state().users.values_mut().filter(|user| user["name"] == name) {
            user["scopes"] = json!(scopes);
        }
    }

    pub fn revoke(&self, token: &str) {
        self.state().users.remove(token).expect("a token");
    }

    /// The user logs out: all tokens that were got by signing in are revoked.
    pub fn log_out(&self, name: &str) {
        let mut state = self.state();
        let State { users, signed_in, .. } = &mut *state;
        users.retain(|token, user| user["name"] != name || !signed_in.contains(token));
    }

    /// A user has a server of that name, empty for the default one.
    pub fn has_server(&self, user: &str, server: &str) {
        self.state().servers.insert((user.to_owned(), server.to_owned()));
    }

    /// What it was told of users who act: the name as it is in the path, and the body.
    pub fn active(&self) -> Vec<(String, Value)> {
        self.state().active.clone()
    }

    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Takes connections, and answers nothing until this is called with `false`.
    pub fn hang(&self, hanging: bool) {
        self.state().hanging = hanging;
        self.state.1.notify_all();
    }

    /// From now on its answers are longer than they have to be, by so many bytes.
    pub fn pad(&self, bytes: usize) {
        self.state().padding = bytes;
    }

    /// Answers about tokens wait until this is called with `false`.
    pub fn hold(&self, held: bool) {
        self.state().held = held;
        self.state.1.notify_all();
    }

    /// What strangers ask waits until this is called with `false`: about tokens that nobody has, and with codes.
    pub fn hold_strangers(&self, held: bool) {
        self.state().strangers_held = held;
        self.state.1.notify_all();
    }

    /// How many of these questions wait.
    pub fn held(&self) -> usize {
        self.state().waiting
    }

    /// The most that waited at a time.
    pub fn most_held(&self) -> usize {
        self.state().most_waiting
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// How often it was asked about a token.
    pub fn asked(&self, token: &str) -> usize {
        self.state().asked.get(token).copied().unwrap_or_default()
    }

    /// How many requests came.
    pub fn questions(&self) -> usize {
        self.state().questions
    }

    /// A user says yes on the page that a browser was sent to: the query with which the Hub sends it back.
    pub fn authorize(&self, location: &str, name: &str, scopes: &[&str]) -> String {
        let url = Url::parse("http://hub").expect("a URL").join(location).expect("an address");
        assert_eq!(url.path(), "/hub/api/oauth2/authorize");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(query["client_id"], "service-framehub");
        assert_eq!(query["redirect_uri"], CALLBACK);
        assert_eq!(
            (query["response_type"].as_str(), query["code_challenge_method"].as_str()),
            ("code", "S256")
        );
        let (code, token) = (random_id(), self.token(name, scopes));
        self.state().signed_in.insert(token.clone());
        self.state().codes.insert(code.clone(), (token, query["code_challenge"].clone()));
        format!("code={code}&state={}", query["state"])
    }
}

fn serve(stream: TcpStream, shared: &(Mutex<State>, Condvar)) {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            // As Tornado does with a head of more than 64 KiB.
            Ok(read) if read > 65_536 => return,
            Ok(read) if read > 2 => lines.push(line.trim_end().to_owned()),
            Ok(2) => break,
            _ => return,
        }
    }
    let header = |name: &str| {
        let found = lines
            .iter()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.to_owned())
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let mut state = shared.0.lock().expect("no test panicked here");
    state.questions += 1;
    state = shared.1.wait_while(state, |state| state.hanging).expect("no test panicked here");
    if state.down {
        return;
    }
    let request = lines.first().cloned().unwrap_or_default();
    let (status, mut answer) = if request.starts_with("GET /hub/api/user ") {
        let token = header("authorization").and_then(|value| value.strip_prefix("token ").map(str::to_owned));
        let token = token.unwrap_or_default();
        *state.asked.entry(token.clone()).or_default() += 1;
        state = shared.1.wait_while(state, |state| state.held).expect("no test panicked here");
        if !state.users.contains_key(&token) {
            state = wait(state, &shared.1);
        }
        match state.users.get(&token) {
            Some(user) => (200, user.clone()),
            None => (403, json!({"status": 403, "message": "Missing or invalid credentials."})),
        }
    } else if request.starts_with("POST /hub/api/oauth2/token ") {
        state = wait(state, &shared.1);
        exchange(&mut state, &body)
    } else if let Some(name) = request
        .strip_prefix("POST /hub/api/users/")
        .and_then(|rest| rest.split_once("/activity "))
        .map(|(name, _)| name)
    {
        let token = header("authorization");
        acts(&mut state, name, token.as_deref() == Some(&format!("token {API_TOKEN}")), &body)
    } else {
        (404, json!({"status": 404}))
    };
    answer["padding"] = json!("x".repeat(state.padding));
    drop(state);
    let answer = answer.to_string();
    let length = answer.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    let _ = reader.get_mut().write_all((head + &answer).as_bytes());
}

/// Waits while what strangers ask does.
fn wait<'a>(mut state: MutexGuard<'a, State>, changed: &Condvar) -> MutexGuard<'a, State> {
    state.waiting += 1;
    state.most_waiting = state.most_waiting.max(state.waiting);
    state = changed.wait_while(state, |state| state.strangers_held).expect("no test panicked here");
    state.waiting -= 1;
    state
}

fn acts(state: &mut State, name: &str, by_service: bool, body: &[u8]) -> (u16, Value) {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return (400, json!({"status": 400})) };
    if !by_service {
        return (403, json!({"status": 403}));
    }
    let servers = body["servers"].as_object().into_iter().flat_map(|servers| servers.keys());
    if servers.into_iter().any(|server| !state.servers.contains(&(name.to_owned(), server.clone()))) {
        return (400, json!({"status": 400, "message": "No such server"}));
    }
    state.active.push((name.to_owned(), body));
    (200, json!({}))
}

fn exchange(state: &mut State, body: &[u8]) -> (u16, Value) {
    let form: HashMap<_, _> = form_urlencoded::parse(body).into_owned().collect();
    let is = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
    if !is("client_id", "service-framehub") || !is("client_secret", API_TOKEN) {
        return (401, json!({"error": "invalid_client"}));
    }
    // A code is good once.
    let known = form.get("code").and_then(|code| state.codes.remove(code));
    let verifier = form.get("code_verifier").map(String::as_str).unwrap_or_default();
    match known {
        Some((token, challenge))
            if is("grant_type", "authorization_code")
                && is("redirect_uri", CALLBACK)
                && BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge =>
        {
            (200, json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer", "scope": ACCESS}))
        }
        _ => (400, json!({"error": "invalid_grant"})),
    }
}
