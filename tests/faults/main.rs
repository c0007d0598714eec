//! The program is killed, raced, misled and repeated: it never does a thing twice, and never forgets one that it began.
//!
//! What it did is read from the servers' own records, never from its state. Each suite writes one line of a table to
//! `target/faults/`, which `scripts/test.sh` prints.

mod crowd;
mod deeds;
mod kills;
mod lies;
mod objects;
mod older_schema;
mod races;
mod relay;
mod stage;
mod stories;
mod table;
mod twice;

#[path = "../it/scenarios"]
#[expect(
    dead_code,
    reason = "what surrounds the program is shared with the scenarios"
)]
mod scenarios {
    pub(crate) mod argocd {
        pub(crate) mod scene;
    }
    pub(crate) mod cluster;
    pub(crate) mod memory;
    pub(crate) mod program;
    pub(crate) mod world;
}
