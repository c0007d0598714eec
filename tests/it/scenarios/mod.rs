//! The real program from end to end: a real Prometheus with a month of history, a real git server, a state folder.

mod bad_git;
mod bad_input;
mod bad_prometheus;
mod bad_settings;
mod bad_state;
mod blame;
mod branch_fate;
mod crash;
mod done_when;
mod evidence;
mod gate;
mod github_app;
mod manual;
mod memory;
mod message;
mod named;
mod program;
mod pull_request;
mod race;
mod recovery;
mod refusals;
mod secrets;
mod sources;
mod status;
mod unfinished;
mod world;
