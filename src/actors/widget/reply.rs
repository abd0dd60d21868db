//! The answer of work that a widget has done elsewhere: it comes, whatever becomes of the work.

use actix::{dev::ToEnvelope, prelude::*};

use super::Widget;

/// Tells the widget how work ended. If it is dropped before, as by a panic or where there was no thread for the work, it says so.
pub struct Reply<M>
where
    M: Message<Result = ()> + Send + 'static,
    Widget: Handler<M>,
{
    widget: Addr<Widget>,
    /// What is said then.
    lost: Option<M>,
}

impl<M> Reply<M>
where
    M: Message<Result = ()> + Send + 'static,
    Widget: Handler<M>,
    Context<Widget>: ToEnvelope<Widget, M>,
{
    pub fn new(widget: Addr<Widget>, lost: M) -> Self {
        Self { widget, lost: Some(lost) }
    }

    pub fn send(mut self, message: M) {
        self.lost = Some(message);
    }
}

impl<M> Drop for Reply<M>
where
    M: Message<Result = ()> + Send + 'static,
    Widget: Handler<M>,
{
    fn drop(&mut self) {
        if let Some(message) = self.lost.take() {
            self.widget.do_send(message);
        }
    }
}
