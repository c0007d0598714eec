//! TLS from a private certificate authority, all the way through git.

use std::path::PathBuf;

use tempfile::TempDir;
use testkit::git::TlsFront;
use testkit::stub::{Authority, ServerTls};

use super::*;

/// A repository with a bad release, behind TLS.
struct Secured {
    world: World,
    front: TlsFront,
    folder: TempDir,
}

impl Secured {
    fn behind(tls: &ServerTls) -> Self {
        let world = seeded();
        world.release("v2", 1);
        let front = TlsFront::start(&world.server, tls);
        Self {
            world,
            front,
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// Writes certificates into a file.
    fn file(&self, pem: &str) -> PathBuf {
        let path = self.folder.path().join("ca.pem");
        std::fs::write(&path, pem).expect("our own folder");
        path
    }

    fn git(&self, ca_file: Option<PathBuf>) -> Git {
        git(GitSettings {
            ca_file,
            ..settings(&self.front.url(NAME))
        })
    }

    /// Checks that nothing is read, for a reason that is told, and that the token stays here.
    #[track_caller]
    fn refuses(&self, ca_file: Option<PathBuf>) -> String {
        let error = refused_read(&self.git(ca_file));
        assert!(matches!(error.fault, GitFault::Transport(_)), "{error}");
        assert_eq!(self.world.server.requests(), [], "{error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains(TOKEN), "{text}");
        error.to_string()
    }
}

#[test]
fn a_private_authority_that_is_configured_is_believed_for_reading_and_pushing() {
    let authority = Authority::new();
    let secured = Secured::behind(&authority.server());
    let snapshot = read(&secured.git(Some(secured.file(&authority.pem()))));
    let target = snapshot.changes[1].revision.clone();
    let (commit, answer) = roll_back(&snapshot, &target);
    assert_eq!(answer, Push::Accepted);
    let repo = &secured.world.repo;
    assert_eq!(repo.tip(), commit);
    assert_eq!(repo.tree_at(&commit, PATH), repo.tree_at(&target, PATH));
    repo.fsck();
}

#[test]
fn an_authority_that_nobody_named_is_not_believed() {
    let authority = Authority::new();
    let secured = Secured::behind(&authority.server());
    let said = secured.refuses(None);
    assert!(said.contains("certificate"), "{said}");
    let other = secured.file(&Authority::new().pem());
    let said = secured.refuses(Some(other));
    assert!(said.contains("certificate"), "{said}");
}

#[test]
fn a_certificate_for_another_host_is_not_believed() {
    let authority = Authority::new();
    let secured = Secured::behind(&authority.server_for_another_host());
    let said = secured.refuses(Some(secured.file(&authority.pem())));
    assert!(said.contains("certificate"), "{said}");
    assert!(said.contains("elsewhere.example"), "{said}");
}

#[test]
fn a_file_without_certificates_is_a_wrong_setting() {
    let authority = Authority::new();
    let secured = Secured::behind(&authority.server());
    let error = refused_read(&secured.git(Some(secured.file("no certificate\n"))));
    assert!(matches!(error.fault, GitFault::Settings(_)), "{error}");
    assert!(!error.is_transient());
    assert!(error.to_string().contains("ca.pem"), "{error}");
    assert_eq!(secured.world.server.requests(), []);
}
