//! The server as views, programs and renderers meet it: in one process, on a free port, with fake browsers.

mod access;
mod attacks;
mod bad_input;
mod browser;
mod canvas;
mod control;
mod crowd;
mod events;
mod fake_hub;
mod flow;
mod http;
mod jupyterhub;
mod kernel;
mod kernel_life;
mod kernel_link;
mod kernel_views;
mod lifecycle;
mod link;
mod metrics;
mod ownership;
mod probe;
mod program;
mod server;
mod sharing;
mod snapshots;
mod statistics;
