//! The edge: HTTP routes, pages, the API, sockets, and who may use them.

mod answer;
pub mod api;
pub mod auth;
pub mod budget;
pub mod error;
pub mod forwarded;
pub mod half_open;
pub mod intake;
pub mod kernel;
pub mod pages;
pub mod proof;
pub mod routes;
pub mod shares;
pub mod snapshot;
pub mod socket;
mod trace;
pub mod users;
pub mod views;
pub mod websocket;
