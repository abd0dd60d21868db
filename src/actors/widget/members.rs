//! The views of a widget: how they come and go, what they may do, whose size counts, what they are told.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

use super::{
    Adapt, Attach, ControlWanted, Disconnect, Input, Leave, Member, TakeControlAway, ViewChanged, Visitor,
    Widget, WidgetLimits,
};
use crate::{
    actors::view::{self, End, Place, View, Viewer},
    budget::Spent,
    event::{Event, EventKind, MAX_QUEUED, MAX_QUEUED_BYTES, Owed, ViewId},
    metrics::Reason,
    presence::told_every,
    protocol::{
        Refusal, close_code,
        view::{ControlAction, Role, ServerMessage, State},
    },
    quota::{ViewPlace, most_of_visitors},
    sizing::Mapping,
};

/// Views that come and go within this time are announced to the others at once, so that a crowd that joins costs no crowd of
/// messages.
const ANNOUNCE_WITHIN: Duration = Duration::from_millis(100);
/// The control of a widget is taken so often a second over a while, by people who press a button.
pub(super) const TAKES: u32 = 5;
/// So often at once.
pub(super) const TAKES_AT_ONCE: u32 = 20;
/// What views are told of a renderer's failure that are not the owner's: what it says of it, such as a traceback, is the owner's.
const FAILED: &str = "The widget failed. Its owner is told why.";
/// What a view is told that somebody else ended.
const DISCONNECTED: End = End {
    reason: "disconnected",
    message: "the widget's owner or an administrator has disconnected this view",
    code: close_code::DISCONNECTED,
};

/// What a visitor's view is told whose place the owner needs.
const MADE_ROOM: End = End {
    reason: "max_views",
    message: "the widget's owner needs the place of this view (--max-views): try again later",
    code: close_code::TRY_LATER,
};

impl Widget {
    /// Lets the driver follow who acted last, once no button is down in any view: a new size must not move the picture under
    /// somebody's drag.
    fn drive(&mut self, acted: Option<ViewId>, ctx: &mut Context<Self>) {
        let before = self.control.driver();
        if let Some(view) = acted
            && self.views.get(&view).is_some_and(|member| member.role == Role::Interact)
        {
            self.control.act(view);
        }
        if !self.views.values().any(|member| member.dragging) {
            self.control.rest();
        }
        if self.control.driver() != before {
            self.resize(ctx);
            self.announce(ctx);
        }
    }

    /// A view can no longer be seen: it lets go of the control, and its pointer is not shown.
    fn hidden(&mut self, view: ViewId, ctx: &mut Context<Self>) {
        if self.presence.forget(view) {
            self.tell_pointers_soon(ctx);
        }
        if self.control.holder() == Some(view) {
            self.control.release(view);
            self.follow_control(ctx);
            self.announce(ctx);
        }
    }

    /// Tells views that their users may act, or may no longer: those release what they hold, and their pointers are not shown.
    fn follow_control(&mut self, ctx: &mut Context<Self>) {
        let mut forgot = false;
        for (&view, member) in &mut self.views {
            let acting = self.control.may_act(view);
            if member.role == Role::Interact && member.acting != acting {
                member.acting = acting;
                member.addr.do_send(view::SetActing(acting));
                forgot |= !acting && self.presence.forget(view);
            }
        }
        if forgot {
            self.tell_pointers_soon(ctx);
        }
    }

    /// A view takes hold of the control.
    fn take_control(&mut self, view: ViewId) -> Result<(), Refusal> {
        // Each change of hands is told to all views.
        if self.control.holder().is_none() && !self.takes.take(Instant::now()) {
            let message = format!("the control was taken more than {TAKES} times a second: take it later");
            return Err(Refusal::of_message("rate", message));
        }
        self.control.take(view).map_err(|holder| {
            let message =
                format!("{holder} holds the control: wait until it lets go, or ask the widget's owner");
            Refusal::of_message("held", message)
        })
    }

    fn tell_pointers_soon(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.pointers_timer, true) {
            ctx.run_later(told_every(self.views.len()), |widget, _| {
                widget.pointers_timer = false;
                widget.tell_pointers();
            });
        }
    }

    /// Tells each view where the pointers of the others are.
    pub(super) fn tell_pointers(&self) {
        let Some(widget) = &self.size else { return };
        for (&view, member) in &self.views {
            let Some(size) = self.delivery.size(view) else { continue };
            let mapping = Mapping::new((size.width, size.height), (widget.width, widget.height));
            let pointers = self.presence.seen_by(view, |x, y| mapping.back(x, y));
            member.addr.do_send(view::Tell(ServerMessage::Pointers { pointers: &pointers }.to_text()));
        }
    }

    /// A place for one more view. Visitors leave some to the owner, and none takes those of all others; where the owner finds none, the
    /// visitor who came last makes room.
    fn place_for(
        &mut self,
        visitor: Option<&Visitor>,
        ctx: &mut Context<Self>,
    ) -> Result<ViewPlace, Refusal> {
        if let Some(visitor) = visitor {
            self.check_visitor(visitor)?;
        }
        loop {
            let full = match self.free_place(visitor.is_some()) {
                Ok(place) => return Ok(place),
                Err(full) => full,
            };
            if visitor.is_some() || !self.make_room(ctx) {
                return Err(full);
            }
        }
    }

    fn free_place(&self, is_visitors: bool) -> Result<ViewPlace, Refusal> {
        let max = self.around.limits.max_views;
        if self.views.len() >= max {
            let message =
                format!("the widget has {max} views, which is the limit (--max-views): close one of them");
            return Err(Refusal::of_connection("max_views", message, close_code::TRY_LATER));
        }
        let place = self.shared.quota.view(is_visitors);
        place.map_err(|full| Refusal::of_connection(full.code(), full.to_string(), close_code::TRY_LATER))
    }

    /// Whether there may be one more view of a visitor, and of this one.
    fn check_visitor(&self, visitor: &Visitor) -> Result<(), Refusal> {
        let WidgetLimits { max_views, max_views_of_visitor: of_one, .. } = self.around.limits;
        let most = most_of_visitors(max_views);
        let visitors = || self.views.values().filter_map(|member| member.visitor.as_ref());
        let (code, message) = if visitors().count() >= most {
            let message = format!(
                "the widget has {most} views of others than its owner, for whom the rest is kept (--max-views): try again later"
            );
            ("max_views", message)
        } else if visitor.0.is_some() && visitors().filter(|other| *other == visitor).count() >= of_one {
            let message = format!(
                "you have {of_one} views of the widget, which is the limit for who it is shared with (--max-views-of-visitor): close one of them"
            );
            ("max_views_of_visitor", message)
        } else {
            return Ok(());
        };
        self.around.metrics.server().exceeded(Spent::View);
        Err(Refusal::of_connection(code, message, close_code::TRY_LATER))
    }

    /// Ends the view of the visitor who came last. Answers whether there was one.
    fn make_room(&mut self, ctx: &mut Context<Self>) -> bool {
        let mut newest = self.views.iter().rev().filter(|(_, member)| member.visitor.is_some());
        let Some((&view, member)) = newest.next() else { return false };
        member.addr.do_send(MADE_ROOM);
        // Its place is free at once.
        self.leave(view, ctx);
        true
    }

    /// A view is gone.
    fn leave(&mut self, view: ViewId, ctx: &mut Context<Self>) {
        if self.views.remove(&view).is_none() {
            return;
        }
        self.delivery.leave(view);
        self.tell_kernel_of_views();
        if self.presence.forget(view) {
            self.tell_pointers_soon(ctx);
        }
        let mut others = self.views.iter().filter(|(_, member)| member.role == Role::Interact);
        self.control.leave(view, others.next().map(|(&view, _)| view));
        self.follow_control(ctx);
        self.drive(None, ctx);
        self.resize(ctx);
        self.announce_soon(ctx);
        self.pump(ctx);
    }

    /// Takes a connection in.
    fn attach(&mut self, attach: Attach, ctx: &mut Context<Self>) -> Result<Addr<View>, Refusal> {
        if self.closing {
            return Err(Refusal::of_connection("closed", "the widget was closed", close_code::WIDGET_CLOSED));
        }
        let held = self.place_for(attach.visitor.as_ref(), ctx)?;
        let id = ViewId(self.next_view);
        self.next_view += 1;
        let traits = self.shared.traits.lock().clone();
        let owners = self.shared.is_owners(&attach.viewer);
        let administrator = match &attach.viewer {
            Viewer::User(user) if attach.administers => Some(user.clone()),
            _ => None,
        };
        let place = Place {
            id,
            viewer: attach.viewer,
            role: attach.role,
            adaptive: attach.adaptive,
            capacity: traits.max_buffered_frames,
            credits: self.delivery.join(id, attach.base64, traits.max_buffered_frames),
            outbox: attach.outbox,
            allowed: attach.allowed,
            widget: ctx.address(),
        };
        if attach.visitor.is_some() {
            self.delivery.is_visitors(id);
        }
        let (shared, metrics) = (Arc::clone(&self.shared), Arc::clone(&self.around.metrics));
        let limits = self.around.limits.view;
        let addr = View::start_in_arbiter(&attach.thread, move |_| View::new(place, shared, metrics, limits));
        let member = Member {
            addr: addr.clone(),
            role: attach.role,
            owners,
            administrator,
            acting: true,
            dragging: false,
            owed: Owed::default(),
            visitor: attach.visitor,
            _held: held,
        };
        self.views.insert(id, member);
        self.follow_control(ctx);
        addr.do_send(view::Tell(ServerMessage::Traits { traits: &traits }.to_text()));
        if let Some(member) = self.views.get(&id) {
            addr.do_send(view::Tell(self.status(id, member, &self.administrators()).to_text()));
        }
        self.announce_soon(ctx);
        self.tell_kernel_of_views();
        Ok(addr)
    }

    pub(super) fn tell_all(&self, message: &ServerMessage) {
        let text = message.to_text();
        for member in self.views.values() {
            member.addr.do_send(view::Tell(text.clone()));
        }
    }

    /// Tells every view how things are.
    pub(super) fn tell_status(&self) {
        let administrators = self.administrators();
        for (&view, member) in &self.views {
            member.addr.do_send(view::Tell(self.status(view, member, &administrators).to_text()));
        }
    }

    /// The administrators who watch.
    fn administrators(&self) -> BTreeSet<&str> {
        self.views.values().filter_map(|member| member.administrator.as_deref()).collect()
    }

    fn announce_soon(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.announce_timer, true) {
            ctx.run_later(ANNOUNCE_WITHIN, |widget, ctx| {
                widget.announce_timer = false;
                widget.announce(ctx);
            });
        }
    }

    fn status<'a>(
        &'a self,
        view: ViewId,
        member: &Member,
        administrators: &'a BTreeSet<&'a str>,
    ) -> ServerMessage<'a> {
        let withheld = self.state == State::Error && !member.owners;
        ServerMessage::Status {
            view,
            widget: &self.shared.identity.id,
            kind: &self.shared.identity.kind,
            role: member.role,
            driver: self.control.driver() == Some(view),
            state: self.state,
            message: if withheld { Some(FAILED) } else { self.message.as_deref() },
            views: self.views.len(),
            control: self.control.holder(),
            administrators: member.owners.then_some(administrators).filter(|names| !names.is_empty()),
        }
    }
}

impl Handler<Attach> for Widget {
    type Result = Result<Addr<View>, Refusal>;

    fn handle(&mut self, attach: Attach, ctx: &mut Self::Context) -> Self::Result {
        let attached = self.attach(attach, ctx);
        if let Err(refusal) = &attached {
            self.around.metrics.server().refused(Reason::Limit, refusal.code, &refusal.message);
        }
        attached
    }
}

impl Handler<ViewChanged> for Widget {
    type Result = ();

    fn handle(&mut self, change: ViewChanged, ctx: &mut Self::Context) {
        if !self.views.contains_key(&change.view) {
            return;
        }
        self.delivery.changed(change.view, change.size, change.visible);
        if change.acted || (self.control.driver().is_none() && change.size.is_some()) {
            self.drive(Some(change.view), ctx);
        }
        if !self.presence.is_empty() {
            // It may have joined just now, and where they lie in it depends on its size.
            self.tell_pointers_soon(ctx);
        }
        if !change.visible {
            // Nobody is there to let go of the control, and the others would wait in vain.
            self.hidden(change.view, ctx);
        }
        self.tell_kernel_of_views();
        self.resize(ctx);
        self.serve(ctx);
        self.pump(ctx);
    }
}

impl Handler<Input> for Widget {
    type Result = ();

    fn handle(&mut self, input: Input, ctx: &mut Self::Context) {
        if self.closing {
            return;
        }
        if input.kind.is_users_doing() {
            self.bounds.used();
        }
        let acts =
            matches!(input.kind, EventKind::PointerDown(_) | EventKind::KeyDown(_) | EventKind::Wheel(_));
        let ends_drag = self
            .views
            .get_mut(&input.view)
            .is_some_and(|member| std::mem::replace(&mut member.dragging, input.dragging) && !input.dragging);
        let mut event = Event { kind: input.kind, timestamp: input.timestamp, view: Some(input.view) };
        if let (Some(view), Some(widget)) = (self.delivery.size(input.view), &self.size) {
            Mapping::new((view.width, view.height), (widget.width, widget.height)).event(&mut event);
        }
        // A view that had to make room releases what it held when it is gone already.
        let shows = self.shared.traits.lock().show_pointers && self.views.contains_key(&input.view);
        if shows && self.presence.observe(input.view, &event.kind) {
            self.tell_pointers_soon(ctx);
        }
        let is_owed = self.views.get(&input.view).is_none_or(|member| member.owed.is_due());
        let passes = input.releases && is_owed;
        if self.is_kernel_gone() && !passes {
            // What the user does to a picture that nobody draws is not to happen later.
            return;
        }
        if self.queue.is_full() && !passes {
            let refusal = Refusal::of_connection(
                "queue",
                format!(
                    "{MAX_QUEUED} events or {MAX_QUEUED_BYTES} bytes of them wait for the renderer: send fewer, or connect again when it is done"
                ),
                close_code::POLICY,
            );
            if let Some(member) = self.views.get(&input.view) {
                member.addr.do_send(view::FromClient(Err(refusal)));
            }
            return;
        }
        if let Some(member) = self.views.get_mut(&input.view) {
            member.owed.note(&event.kind, input.releases);
        }
        let merged = self.queue.coalesced();
        self.push(event);
        self.around.metrics.event(self.queue.coalesced() - merged);
        if acts || ends_drag {
            // Only now: the user acted on the picture as it was.
            self.drive(acts.then_some(input.view), ctx);
        }
        self.pump(ctx);
    }
}

impl Handler<ControlWanted> for Widget {
    type Result = ();

    fn handle(&mut self, ControlWanted { view, action }: ControlWanted, ctx: &mut Self::Context) {
        let before = self.control;
        if !self.views.contains_key(&view) {
            return;
        }
        match action {
            ControlAction::Release => self.control.release(view),
            ControlAction::Take => {
                if let Err(refusal) = self.take_control(view)
                    && let Some(member) = self.views.get(&view)
                {
                    member.addr.do_send(view::FromClient(Err(refusal)));
                }
            }
        }
        if self.control == before {
            return;
        }
        self.follow_control(ctx);
        self.resize(ctx);
        self.announce(ctx);
        self.pump(ctx);
    }
}

impl Handler<TakeControlAway> for Widget {
    type Result = ();

    fn handle(&mut self, _: TakeControlAway, ctx: &mut Self::Context) {
        if self.control.holder().is_some() {
            self.control.take_away();
            self.follow_control(ctx);
            self.announce(ctx);
        }
    }
}

impl Handler<Disconnect> for Widget {
    type Result = usize;

    fn handle(&mut self, Disconnect(view): Disconnect, _: &mut Self::Context) -> usize {
        let ended = self.views.iter().filter(|(id, _)| view.is_none_or(|view| view == **id));
        // Each says itself that it leaves, after it has released what its user held.
        ended.map(|(_, member)| member.addr.do_send(DISCONNECTED)).count()
    }
}

impl Handler<Adapt> for Widget {
    type Result = ();

    fn handle(&mut self, Adapt { view, reduction }: Adapt, _: &mut Self::Context) {
        self.delivery.adapt(view, reduction);
    }
}

impl Handler<Leave> for Widget {
    type Result = ();

    fn handle(&mut self, Leave(view): Leave, ctx: &mut Self::Context) {
        self.leave(view, ctx);
    }
}
