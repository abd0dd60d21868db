//! The body of an answer that keeps something until all of it is on its way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};

/// A body, and what goes with it.
pub struct Answer<T> {
    body: BoxBody,
    _kept: T,
}

impl<T: Unpin + 'static> Answer<T> {
    /// The same body, which keeps something until it goes.
    pub fn keeping(kept: T, body: BoxBody) -> BoxBody {
        BoxBody::new(Self { body, _kept: kept })
    }
}

impl<T: Unpin> MessageBody for Answer<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
