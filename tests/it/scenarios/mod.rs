//! The real program from end to end: a real Prometheus with a month of history, a real git server, a state folder.

mod done_when;
mod program;
mod world;
