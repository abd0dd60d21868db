//! Requests, from the address to the answer: bodies, queries, cookies, links and tickets, on a server with a key and on one of a Hub
//! that does not answer.

use std::{cell::RefCell, mem::ManuallyDrop, net::SocketAddr, rc::Rc, str};

use actix_http::Request;
use actix_web::{
    App, Error, HttpResponse,
    body::{MessageBody, to_bytes_limited},
    dev::{Service as _, ServiceResponse},
    http::{
        Method, StatusCode, Uri,
        header::{HeaderMap, HeaderName, HeaderValue, LOCATION},
    },
    rt::{System, SystemRunner},
    test::{TestRequest, init_service},
};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value, json};

use super::check_told;
use crate::{
    Config, Running, Server,
    clock::unix_seconds,
    config::Auth,
    jupyterhub::{Secret, Service},
    protocol::view::Role,
    web::routes::configure,
};

const KEY: &str = "key-of-the-fuzzer";
const WIDGET: &str = "square";
/// Below it is the server of a Hub; the other one is below `/`.
const HUB_BASE: &str = "/services/framehub/";
/// Longest answer: the largest page or picture is far smaller.
const LONGEST_ANSWER: usize = 4 << 20;

/// An answer, as far as it is judged. That of a socket has no body.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

type Ask = Rc<dyn Fn(Request) -> LocalBoxFuture<'static, Answer>>;

/// The servers, on this thread.
struct Sites {
    system: SystemRunner,
    with_key: Running,
    /// Lives on.
    _of_hub: Running,
    ask: Ask,
    ask_hub: Ask,
    /// What stands for what in an input.
    words: Vec<(u8, String)>,
}

thread_local! {
    // Never dropped: a runtime cannot end while its thread's storage is taken down.
    static SITES: RefCell<Option<ManuallyDrop<Sites>>> = const { RefCell::new(None) };
}

/// A request as text: the first line is the method and the target, then come headers, an empty line and the body. `@` and a letter
/// stand for what only this server knows: `@K` its key, `@L` the secret of a link to a widget, `@T` a ticket for it.
pub(super) fn run(input: &[u8]) {
    SITES.with_borrow_mut(|sites| {
        let sites = sites.get_or_insert_with(|| ManuallyDrop::new(Sites::start()));
        let (known, text) = sites.filled(input);
        let Some(request) = request(&text) else { return };
        let path = request.path().to_owned();
        let ask = if path.starts_with(HUB_BASE) { &sites.ask_hub } else { &sites.ask };
        let answer = sites.system.block_on(ask(request));
        answer.check(&path, known);
        sites.tidy();
    });
}

impl Sites {
    fn start() -> Self {
        let system = System::new();
        let (with_key, of_hub, ask, ask_hub) = system.block_on(async {
            let config = Config {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                trusted_proxies: vec!["127.0.0.1".parse().expect("a network")],
                no_demos: true,
                max_pixels: 64 * 64,
                max_snapshot_pixels: 64 * 64,
                max_widgets: 10,
                // The fuzzer is one caller.
                max_requests_per_second: 1_000_000,
                ..Config::default()
            };
            let of_hub = Config {
                auth: Auth::JupyterHub,
                jupyterhub: Some(service()),
                base_url: HUB_BASE.to_owned(),
                ..config.clone()
            };
            let with_key = Config { key: Some(KEY.to_owned()), ..config };
            let start = async |config| Server::new(config).demos().start().await.expect("the server starts");
            let (with_key, of_hub) = (start(with_key).await, start(of_hub).await);
            let (ask, ask_hub) = (asked(&with_key).await, asked(&of_hub).await);
            (with_key, of_hub, ask, ask_hub)
        });
        let mut sites = Self { system, with_key, _of_hub: of_hub, ask, ask_hub, words: Vec::new() };
        sites.make();
        sites
    }

    /// Makes the widget, a share of it, and what opens it.
    fn make(&mut self) {
        let hub = self.with_key.hub.clone();
        let (widget, link) = self.system.block_on(async {
            let widget = loop {
                // One of that name may be about to close.
                match hub.create(WIDGET, Some(WIDGET), Map::new(), &Map::new()).await {
                    Ok(widget) => break widget,
                    Err(_) => actix_web::rt::task::yield_now().await,
                }
            };
            let request = TestRequest::post()
                .uri(&format!("/api/widgets/{WIDGET}/shares"))
                .append_header(("Authorization", format!("Bearer {KEY}")))
                .set_json(json!({"link": true, "role": "interact"}));
            let answer = (self.ask)(request.to_request()).await;
            let shared: Value = serde_json::from_slice(&answer.body).expect("JSON");
            let link = shared["url"].as_str().and_then(|url| url.split_once("share=")).expect("a link").1;
            (widget, link.to_owned())
        });
        let (ticket, _) = hub.tickets().issue(widget.identity(), Role::Watch, unix_seconds());
        self.words = vec![(b'K', KEY.to_owned()), (b'L', link), (b'T', ticket)];
    }

    /// The input with the words that it asks for, and whether it asks for any.
    fn filled(&self, input: &[u8]) -> (bool, Vec<u8>) {
        let (mut known, mut text) = (false, Vec::new());
        let mut rest = input;
        while let [first, others @ ..] = rest {
            let word = others.first().filter(|_| *first == b'@');
            if let Some((_, word)) = word.and_then(|word| self.words.iter().find(|(name, _)| name == word)) {
                text.extend_from_slice(word.as_bytes());
                known = true;
                rest = &others[1..];
            } else {
                text.push(*first);
                rest = others;
            }
        }
        (known, text)
    }

    /// Has everything as it was before the request.
    fn tidy(&mut self) {
        let hub = &self.with_key.hub;
        for widget in hub.registry().all() {
            if widget.id() != WIDGET {
                hub.close(&widget);
            }
        }
        let whole = hub.registry().get(WIDGET).filter(|widget| !widget.shares().list(0).is_empty());
        if whole.is_none() {
            if let Some(widget) = hub.registry().get(WIDGET) {
                hub.close(&widget);
            }
            self.make();
        }
    }
}

/// A Hub's service whose Hub is not there: nothing listens on that port.
fn service() -> Service {
    Service {
        prefix: HUB_BASE.to_owned(),
        api_url: "http://127.0.0.1:9/hub/api".to_owned(),
        tls: None,
        api_token: Secret::new("token-of-the-fuzzer"),
        client_id: "service-framehub".to_owned(),
        authorize_url: "/hub/api/oauth2/authorize".to_owned(),
        callback_url: format!("{HUB_BASE}oauth_callback"),
        access_scopes: vec!["access:services".to_owned()],
        listen: None,
    }
}

/// What asks a server, past its sockets.
async fn asked(running: &Running) -> Ask {
    let service = Rc::new(init_service(App::new().configure(configure(running.site.clone()))).await);
    Rc::new(move |request| {
        let service = Rc::clone(&service);
        Box::pin(async move { Answer::of(service.call(request).await).await })
    })
}

impl Answer {
    async fn of<B: MessageBody>(response: Result<ServiceResponse<B>, Error>) -> Self {
        match response {
            Ok(response) => Self::read(response.into()).await,
            Err(error) => Self::read(error.error_response()).await,
        }
    }

    async fn read<B: MessageBody>(response: HttpResponse<B>) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = match status {
            StatusCode::SWITCHING_PROTOCOLS => Ok(Bytes::new()),
            _ => to_bytes_limited(response.into_body(), LONGEST_ANSWER).await.expect("a short answer"),
        };
        let body = body.unwrap_or_else(|_| panic!("the body of the answer cannot be made"));
        Self { status, headers, body }
    }

    /// Checks the answer to a request that had something which only the server knows, or nothing.
    fn check(&self, path: &str, known: bool) {
        let Self { status, headers, body } = self;
        let own = path.strip_prefix(HUB_BASE).or_else(|| path.strip_prefix('/')).unwrap_or(path);
        if !known && (own.starts_with("api/") || own == "metrics") {
            assert!(!status.is_success() && *status != 101, "{path} is open for everybody: {status}");
        }
        assert!(!status.is_server_error() || *status == StatusCode::SERVICE_UNAVAILABLE, "{path}: {status}");
        // Who sent it is told what was wrong with the request.
        assert!(known || !contains(body, KEY.as_bytes()), "the key is told");
        if let Some(location) = headers.get(LOCATION) {
            let location = location.to_str().expect("addresses are ASCII");
            let elsewhere = location.strip_prefix('/').is_none_or(|rest| rest.starts_with(['/', '\\']));
            assert!(!elsewhere, "{path} leads to {location}");
            // What somebody takes for a path may be anything.
            let query = location.split_once('?').map_or("", |(_, query)| query);
            assert!(!query.contains(KEY), "{path} leads to an address with the key");
        }
        if status.is_client_error()
            && let Ok(told) = serde_json::from_slice::<Value>(body)
        {
            check_told(told["error"]["message"].as_str().expect("errors have a message"));
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The request that a text is; `None` if no HTTP parser would let it through.
fn request(text: &[u8]) -> Option<Request> {
    let (line, mut rest) = first_line(text)?;
    let (method, target) = str::from_utf8(line).ok()?.split_once(' ')?;
    let uri = Uri::try_from(target).ok().filter(|uri| uri.path().starts_with('/'))?;
    let mut request = TestRequest::default()
        .method(Method::from_bytes(method.as_bytes()).ok()?)
        .uri(&uri.to_string())
        .peer_addr(([127, 0, 0, 1], 4000).into());
    while let Some((line, others)) = first_line(rest) {
        rest = others;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request = request.append_header((name, value));
    }
    Some(request.set_payload(Bytes::copy_from_slice(rest)).to_request())
}

/// The text up to the first line break, and what follows it.
fn first_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some((&text[..end], &text[end + 1..]))
}
