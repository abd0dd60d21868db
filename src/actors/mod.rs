//! The actors: what holds state over time and decides. They never block; work goes to pools and comes back as a message.

pub mod kernel;
pub mod kernels;
pub mod outbox;
pub mod registry;
pub mod view;
pub mod widget;

#[cfg(test)]
mod tests;
