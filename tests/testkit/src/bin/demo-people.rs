//! The demo's people: who the program tells, and a desk at which one asks what they were told. Runs until killed.
#![expect(
    clippy::print_stdout,
    reason = "the demo keeps what this program prints as its log"
)]

use std::fs;
use std::path::Path;

use testkit::demo::{Arguments, People, publish};
use testkit::git::GitRepo;

fn main() {
    let arguments = Arguments::from_env(&[
        "git-root",
        "repository",
        "git-url",
        "git-token-file",
        "secrets-folder",
        "settings-file",
        "gateway-file",
        "address-file",
    ]);
    let (repository, root) = (
        arguments.required("repository"),
        arguments.required("git-root"),
    );
    let token_file = arguments.required("git-token-file");
    let token = fs::read_to_string(token_file)
        .unwrap_or_else(|error| panic!("cannot read {token_file}: {error}"));
    let people = People::start(
        GitRepo::open(&Path::new(root).join(format!("{repository}.git"))),
        repository,
        arguments.required("git-url"),
        token.trim(),
    );
    let settings = people.settings(Path::new(arguments.required("secrets-folder")));
    publish(Path::new(arguments.required("settings-file")), &settings);
    publish(
        Path::new(arguments.required("gateway-file")),
        &people.gateway(),
    );
    let desk = people.open_desk();
    publish(Path::new(arguments.required("address-file")), &desk.url());
    println!("open at {}", desk.url());
    loop {
        std::thread::park();
    }
}
