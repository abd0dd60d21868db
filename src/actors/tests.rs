//! What rests on an actor that a panic ends is told so, and comes back.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use actix::prelude::*;
use parking_lot::{Condvar, Mutex};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    kernel::{Connect, FromKernel, Kernel, Outbox, Relay, ToKernel},
    kernels::OwnName,
    view::{ToClient, View, Viewer},
    widget::{Attach, GetReport, Widget},
};
use crate::{
    Config, Frame, Kind, KindError, Patience, RemoteFrameBuffer, RenderError, WidgetHandle,
    budget::Allowed,
    handle::SnapshotError,
    hub::Hub,
    metrics::Format,
    protocol::{
        close_code,
        kernel::{Create, KernelMessage, RelayOpen},
        view::{Frames, Role},
    },
    render::Kinds,
};

/// Has an actor panic.
#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

macro_rules! can_panic {
    ($($actor:ty),*) => {$(
        impl Handler<Panic> for $actor {
            type Result = ();

            fn handle(&mut self, _: Panic, _: &mut Self::Context) {
                panic!("injected");
            }
        }
    )*};
}
can_panic!(Widget, View, Kernel, Relay);

/// Stands in for the socket of a view or a kernel.
struct Ear<M>(UnboundedSender<M>);

impl<M: Unpin + 'static> Actor for Ear<M> {
    type Context = Context<Self>;
}

impl<M: Message<Result = ()> + Unpin + 'static> Handler<M> for Ear<M> {
    type Result = ();

    fn handle(&mut self, message: M, _: &mut Self::Context) {
        // A test may have heard enough.
        let _ = self.0.send(message);
    }
}

fn ear<M: Message<Result = ()> + Send + Unpin + 'static>() -> (Recipient<M>, UnboundedReceiver<M>) {
    let (sender, heard) = unbounded_channel();
    (Ear(sender).start().recipient(), heard)
}

/// A renderer that draws nothing.
struct Still;

impl RemoteFrameBuffer for Still {}

/// A renderer that does not come back before the test lets it.
struct Hanging(Arc<Gate>);

impl RemoteFrameBuffer for Hanging {
    fn get_frame(&mut self) -> Result<Option<Frame>, RenderError> {
        let Gate { inside, opens } = &*self.0;
        let mut inside = inside.lock();
        *inside += 1;
        opens.wait(&mut inside);
        Ok(None)
    }
}

/// Where renderers hang.
#[derive(Default)]
struct Gate {
    /// How many are in there.
    inside: Mutex<usize>,
    opens: Condvar,
}

fn hub() -> Hub {
    hub_with(Config::default(), Arc::default())
}

fn hub_with(config: Config, gate: Arc<Gate>) -> Hub {
    let mut kinds = Kinds::default();
    kinds.register(Kind::new("still", |_widget, _options| Ok::<_, KindError>(Still)));
    kinds.register(Kind::new("hanging", move |_widget, _options| {
        Ok::<_, KindError>(Hanging(Arc::clone(&gate)))
    }));
    Hub::start(kinds, config.hub_limits(), None).unwrap()
}

async fn still(hub: &Hub) -> WidgetHandle {
    hub.create("still", Some("plot"), Map::new(), &Map::new()).await.unwrap()
}

async fn view(widget: &WidgetHandle) -> (Addr<View>, UnboundedReceiver<ToClient>) {
    view_on(Arbiter::current(), widget).await
}

async fn view_on(thread: ArbiterHandle, widget: &WidgetHandle) -> (Addr<View>, UnboundedReceiver<ToClient>) {
    let (outbox, heard) = ear();
    let attach = Attach {
        viewer: Viewer::Anyone,
        role: Role::Interact,
        base64: false,
        adaptive: true,
        outbox,
        visitor: None,
        allowed: Allowed::default(),
        administers: false,
        thread,
    };
    (widget.addr().send(attach).await.unwrap().unwrap(), heard)
}

/// How a view's connection was closed.
async fn view_closed(mut heard: UnboundedReceiver<ToClient>) -> (u16, &'static str) {
    while let Some(message) = heard.recv().await {
        if let ToClient::Close { code, reason } = message {
            return (code, reason);
        }
    }
    panic!("it was not closed");
}

const FAILED: (u16, &str) = (close_code::INTERNAL, "failed");

/// How often a panic has ended such an actor.
async fn panics(hub: &Hub, actor: &str) -> f64 {
    let text = hub.scrape(Format::Text).await.unwrap();
    let series = format!("framehub_actor_panics_total{{actor=\"{actor}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

/// A kernel's connection.
struct Process {
    hub: Hub,
    kernel: Addr<Kernel>,
    connection: u64,
    heard: UnboundedReceiver<ToKernel>,
}

impl Process {
    async fn connect(hub: &Hub) -> Self {
        let session: OwnName = (None, "a session's secret".to_owned());
        let (socket, heard) = ear();
        let admission = hub.admit_kernel(hub.kernel_place(None).unwrap());
        let connect = Connect {
            name: String::new(),
            socket,
            base: "http://server/".to_owned(),
            notebook_server: None,
            admission,
        };
        let kernel = hub.kernel(&session);
        let connection = kernel.send(connect).await.unwrap();
        Self { hub: hub.clone(), kernel, connection, heard }
    }

    fn say(&self, message: KernelMessage) {
        self.kernel.do_send(FromKernel { connection: self.connection, message: Ok(message) });
    }

    /// The next message of a type.
    async fn told(&mut self, kind: &str) -> Value {
        while let Some(message) = self.heard.recv().await {
            let ToKernel::Text(text, _) = message else { continue };
            let value: Value = serde_json::from_str(&text).unwrap();
            if value["type"] == kind {
                return value;
            }
        }
        panic!("no {kind} came");
    }

    /// Makes a widget, with an id of before or a new one.
    async fn create(&mut self, widget: Option<&str>) -> WidgetHandle {
        self.say(KernelMessage::Create(Create {
            request: 1,
            traits: Map::new(),
            place: None,
            kind: "Plot".to_owned(),
            number: 0,
            widget: widget.map(str::to_owned),
        }));
        let created = self.told("created").await;
        self.hub.registry().get(created["widget"].as_str().unwrap()).unwrap()
    }

    /// How the connection was closed.
    async fn closed(mut self) -> (u16, &'static str) {
        while let Some(message) = self.heard.recv().await {
            if let ToKernel::Close { code, reason } = message {
                return (code, reason);
            }
        }
        panic!("it was not closed");
    }
}

#[actix_web::test]
async fn a_widget_that_a_panic_ends_tells_its_views_and_frees_its_id() {
    let hub = hub();
    let widget = still(&hub).await;
    let (_, heard) = view(&widget).await;
    widget.addr().do_send(Panic);
    assert_eq!(view_closed(heard).await, FAILED);
    assert!(hub.registry().get("plot").is_none() && widget.is_closed());
    assert_eq!(panics(&hub, "widget").await, 1.0);
    let (_, heard) = view(&still(&hub).await).await;
    drop(heard);
}

#[actix_web::test]
async fn a_view_that_a_panic_ends_is_told_and_leaves_the_widget_to_the_others() {
    let hub = hub();
    let widget = still(&hub).await;
    let (failing, heard) = view(&widget).await;
    let (_, others) = view(&widget).await;
    failing.do_send(Panic);
    assert_eq!(view_closed(heard).await, FAILED);
    let report = widget.addr().send(GetReport).await.unwrap().unwrap();
    let views = report.json()["views"].as_array().unwrap();
    assert_eq!(views.iter().map(|view| &view["view"]).collect::<Vec<_>>(), ["v2"]);
    assert!(!others.is_closed());
    assert_eq!(panics(&hub, "view").await, 1.0);
}

#[actix_web::test]
async fn a_view_that_begins_after_its_widget_was_closed_is_told_that_it_was() {
    let hub = hub();
    let widget = still(&hub).await;
    let (go, gone) = mpsc::channel();
    let busy = Arbiter::new();
    busy.spawn_fn(move || gone.recv().expect("the test goes on"));
    let (_, heard) = view_on(busy.handle(), &widget).await;
    widget.close();
    while widget.addr().connected() {
        tokio::task::yield_now().await;
    }
    go.send(()).unwrap();
    assert_eq!(view_closed(heard).await, (close_code::WIDGET_CLOSED, "closed"));
    busy.stop();
}

#[actix_web::test]
async fn a_kernel_makes_the_widget_again_whose_actor_a_panic_ended() {
    let hub = hub();
    let mut process = Process::connect(&hub).await;
    let widget = process.create(None).await;
    let (_, heard) = view(&widget).await;
    let id = widget.id().to_owned();
    widget.addr().do_send(Panic);
    assert_eq!(view_closed(heard).await, FAILED);
    assert_eq!(process.closed().await, FAILED);
    let mut again = Process::connect(&hub).await;
    assert_eq!(again.told("welcome").await["resumed"], json!([]));
    view(&again.create(Some(&id)).await).await;
}

#[actix_web::test]
async fn a_process_whose_kernel_a_panic_ended_connects_again_and_has_its_widgets_ids() {
    let hub = hub();
    let mut process = Process::connect(&hub).await;
    let widget = process.create(None).await;
    let (_, heard) = view(&widget).await;
    let id = widget.id().to_owned();
    process.kernel.do_send(Panic);
    assert_eq!(process.closed().await, FAILED);
    assert_eq!(view_closed(heard).await, FAILED);
    assert_eq!((panics(&hub, "kernel").await, hub.connected_kernels()), (1.0, 0));
    let mut again = Process::connect(&hub).await;
    view(&again.create(Some(&id)).await).await;
}

#[actix_web::test]
async fn a_relayed_view_that_a_panic_ends_is_told_through_its_kernel() {
    let hub = hub();
    let mut process = Process::connect(&hub).await;
    let widget = process.create(None).await;
    let (outbox, mut heard) = ear();
    let open = RelayOpen {
        widget: widget.id().to_owned(),
        relay: 7,
        role: Role::Interact,
        frames: Frames::Binary,
        adaptive: true,
    };
    let relay = Relay::new(
        &open,
        &widget,
        Outbox::new(outbox, &process.kernel, 1),
        process.kernel.clone(),
        hub.clone(),
    )
    .start();
    relay.do_send(Panic);
    let closed = loop {
        let Some(ToKernel::Text(text, _)) = heard.recv().await else { continue };
        let value: Value = serde_json::from_str(&text).unwrap();
        if value["type"] == "relay_closed" {
            break value;
        }
    };
    assert_eq!(
        (&closed["relay"], &closed["code"], &closed["reason"]),
        (&json!(7), &json!(1011), &json!("failed"))
    );
    assert_eq!(panics(&hub, "relay").await, 1.0);
}

#[actix_web::test]
async fn a_widget_whose_renderer_gets_no_thread_keeps_it_and_what_waits() {
    let hub = hub();
    let widget = still(&hub).await;
    hub.threads().refuse(true);
    let snapshot = widget.snapshot(None).await;
    assert!(snapshot.unwrap_err().to_string().contains("no thread"));
    hub.threads().refuse(false);
    // It draws nothing, but it is asked again.
    assert_eq!(widget.snapshot(None).await.unwrap_err(), SnapshotError::NoFrame);
}

/// More than a runtime has threads that may block.
const HANGING: usize = 520;

#[actix_web::test]
async fn renderers_that_hang_take_neither_their_users_others_turn_away_nor_what_compares_frames() {
    let gate = Arc::new(Gate::default());
    let patience = Patience { renderer: Duration::from_millis(1), ..Patience::default() };
    let hub = hub_with(Config { patience, user_max_widgets: 1000, ..Config::default() }, Arc::clone(&gate));
    let make = async |kind| {
        hub.create_for_user(kind, Some("ann".to_owned()), Map::new(), &Map::new()).await.unwrap()
    };
    for _ in 0..HANGING {
        let widget = make("hanging").await;
        actix_web::rt::spawn(async move { widget.snapshot(None).await });
    }
    while *gate.inside.lock() < HANGING {
        actix_web::rt::task::yield_now().await;
    }
    let widget = make("still").await;
    assert_eq!(widget.snapshot(None).await.unwrap_err(), SnapshotError::NoFrame);
    widget.send_frame(Frame::gray8(1, 1, vec![7]).unwrap()).unwrap();
    while widget.snapshot(None).await.is_err() {}
    gate.opens.notify_all();
}
