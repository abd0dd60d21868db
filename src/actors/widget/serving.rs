//! How views get what they lack: what is to be encoded goes to the pool, and what comes back goes to them.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use bytestring::ByteString;

use super::{Granted, Lost, Widget};
use crate::{
    actors::view,
    delivery::{Action, Delivery, Encode, Job, Outcome},
    encode,
    event::ViewId,
    protocol::view::State,
    quota::{Account, OverMemory, Whose},
};

/// An encode has begun: the next frame may be drawn.
#[derive(Message)]
#[rtype(result = "()")]
struct EncodeBegun;

#[derive(Message)]
#[rtype(result = "()")]
struct EncodeDone {
    job: Job,
    /// What came of it, or why that was dropped.
    outcome: Result<encode::Outcome, OverMemory>,
}

/// What came of an encode, whose images are charged to an account for as long as any view has still to be sent them.
fn held(outcome: encode::Outcome, account: &Arc<Account>) -> Result<encode::Outcome, OverMemory> {
    let encode::Outcome::Encoded(encoded) = outcome else { return Ok(outcome) };
    let mut encoded = Arc::unwrap_or_clone(encoded);
    for part in &mut encoded.parts {
        part.bytes = account.hold(std::mem::take(&mut part.bytes))?;
    }
    if let Some(text) = encoded.base64.take() {
        // It was text before.
        encoded.base64 = ByteString::try_from(account.hold(text.into_bytes())?).ok();
    }
    Ok(encode::Outcome::Encoded(Arc::new(encoded)))
}

impl Widget {
    /// Gives every view what it lacks and may have.
    pub(super) fn serve(&mut self, ctx: &mut Context<Self>) {
        self.serve_with(Delivery::serve, ctx);
    }

    /// Gives one view, of which alone something changed, what it lacks and may have.
    fn serve_view(&mut self, view: ViewId, ctx: &mut Context<Self>) {
        self.serve_with(|delivery, quality, drawing| delivery.serve_view(view, quality, drawing), ctx);
    }

    fn serve_with(
        &mut self,
        serve: impl FnOnce(&mut Delivery, u8, bool) -> Vec<Action>,
        ctx: &mut Context<Self>,
    ) {
        if self.is_held_back(ctx) {
            return;
        }
        let quality = self.shared.traits.lock().quality;
        let drawing =
            !self.is_kernel_gone() && (self.renderer.is_at_work() || self.shared.is_draw_requested());
        let actions = serve(&mut self.delivery, quality, drawing);
        self.served(&actions);
        self.carry_out(actions, ctx);
    }

    fn carry_out(&mut self, actions: Vec<Action>, ctx: &mut Context<Self>) {
        for action in actions {
            match action {
                Action::Send(send) => {
                    let pixels = send.encoded.parts.iter().map(|part| part.rect().area()).sum();
                    if let Some(member) = self.views.get(&send.view) {
                        let whose = member.visitor.as_ref().map_or(Whose::Owner, |_| Whose::Visitors);
                        self.shared.quota.sent(whose, pixels, Instant::now());
                        member.addr.do_send(view::Deliver(send));
                    }
                }
                Action::Encode(Encode { frame, job, for_visitors }) => {
                    let (widget, begin) = (ctx.address(), self.delivery.begin(job.number));
                    let still_wanted = move || {
                        let begins = begin();
                        if begins {
                            widget.do_send(EncodeBegun);
                        }
                        begins
                    };
                    let (widget, variant, tiles) = (ctx.address(), job.variant, job.tiles.clone());
                    let account = Arc::clone(self.shared.quota.memory());
                    let done = move |outcome| {
                        widget.do_send(EncodeDone { job, outcome: held(outcome, &account) });
                    };
                    let whose = if for_visitors { Whose::Visitors } else { Whose::Owner };
                    let party = self.shared.quota.party(whose);
                    self.around.pool.encode_for(party, frame, variant, tiles, still_wanted, done);
                }
            }
        }
    }
}

impl Handler<Granted> for Widget {
    type Result = ();

    fn handle(&mut self, Granted(view): Granted, ctx: &mut Self::Context) {
        self.serve_view(view, ctx);
        self.pump(ctx);
    }
}

impl Handler<Lost> for Widget {
    type Result = ();

    fn handle(&mut self, Lost { view, credits }: Lost, ctx: &mut Self::Context) {
        self.delivery.lose(view, credits);
        self.serve_view(view, ctx);
        self.pump(ctx);
    }
}

impl Handler<EncodeBegun> for Widget {
    type Result = ();

    fn handle(&mut self, _: EncodeBegun, ctx: &mut Self::Context) {
        self.pump(ctx);
    }
}

impl Handler<EncodeDone> for Widget {
    type Result = ();

    fn handle(&mut self, done: EncodeDone, ctx: &mut Self::Context) {
        let outcome = match done.outcome {
            Ok(encode::Outcome::Encoded(encoded)) => {
                self.has_memory(ctx);
                self.around.metrics.encoded(encoded.encode_time, encoded.base64_time);
                Outcome::Encoded(encoded)
            }
            Ok(encode::Outcome::Stale) => Outcome::Stale,
            Err(over) => {
                self.over_memory(over, ctx);
                Outcome::Failed
            }
            Ok(encode::Outcome::Failed(error)) => {
                self.around.metrics.failed();
                self.set_state(State::Error, Some(format!("the frame cannot be encoded: {error}")), ctx);
                Outcome::Failed
            }
        };
        let actions = self.delivery.encoded(done.job, outcome);
        self.carry_out(actions, ctx);
        self.serve(ctx);
        self.pump(ctx);
    }
}
