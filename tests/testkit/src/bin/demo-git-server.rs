//! The demo's git server: serves a folder of bare repositories over HTTP until it is killed.
#![expect(
    clippy::print_stdout,
    reason = "the demo keeps what this program prints as its log"
)]

use std::fs;
use std::path::Path;

use chrono::{TimeDelta, Utc};
use testkit::demo::{Arguments, publish};
use testkit::git::{GitServer, MonoRepo};

fn main() {
    let arguments = Arguments::from_env(&[
        "root",
        "token-file",
        "address-file",
        "seed",
        "services",
        "seed-age-minutes",
    ]);
    let token = arguments.optional("token-file").map(|file| {
        fs::read_to_string(file).unwrap_or_else(|error| panic!("cannot read {file}: {error}"))
    });
    let server = GitServer::serving(
        Path::new(arguments.required("root")),
        token.as_deref().map(str::trim),
    );
    if let Some(name) = arguments.optional("seed") {
        let services: Vec<&str> = arguments.required("services").split(',').collect();
        // Whole minutes are enough, and nobody waits longer than a year for a demo.
        let age = TimeDelta::minutes(arguments.number("seed-age-minutes", 0.0) as i64);
        MonoRepo::seed(server.create(name), &services, Utc::now() - age);
    }
    server.on_request(|request| println!("{request}"));
    publish(
        Path::new(arguments.required("address-file")),
        &server.base_url(),
    );
    loop {
        std::thread::park();
    }
}
