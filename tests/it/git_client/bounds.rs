//! What a read and a push may take: bytes, objects and time.

use error_budget_monitor::rollback::{PushWay, Restoration, Restored, restore};
use git2::{Buf, Oid, Repository, Signature};
use testkit::stub::{Reply, Request, Stub};

use super::*;

const MIB: u64 = 1 << 20;

fn limited(url: &str, max_bytes: u64) -> Git {
    git(GitSettings {
        max_bytes,
        ..settings(url)
    })
}

fn impatient(url: &str) -> Git {
    git(GitSettings {
        timeout: Duration::from_millis(500),
        ..settings(url)
    })
}

/// Bytes that do not get shorter by packing, always the same.
fn noise(length: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b' ' + u8::try_from(state % 95).expect("less than 95"))
        })
        .collect()
}

fn result(body: impl Into<Vec<u8>>) -> Reply {
    Reply::untyped(200, body).with_header("content-type", "application/x-git-upload-pack-result")
}

/// A server that has what `world` has, says so, and then answers each fetch as told.
fn hostile(world: &World, reply: Reply) -> Stub {
    let advertised = world.advertisement();
    Stub::http(move |request: &Request| {
        Some(if request.method == "GET" {
            Reply::untyped(200, advertised.clone()).with_header(
                "content-type",
                "application/x-git-upload-pack-advertisement",
            )
        } else {
            reply.clone()
        })
    })
}

fn packet(content: &[u8]) -> Vec<u8> {
    let mut packet = format!("{:04x}", content.len() + 4).into_bytes();
    packet.extend(content);
    packet
}

fn data(content: &[u8]) -> Vec<u8> {
    packet(&[&[1], content].concat())
}

/// What stands before a pack: no boundary, and nothing in common.
const BEFORE_PACK: &[u8] = b"00000008NAK\n";

fn pack_header(objects: u32) -> Vec<u8> {
    let mut header = b"PACK\0\0\0\x02".to_vec();
    header.extend(objects.to_be_bytes());
    header
}

/// Returns one object as it stands in a pack.
fn packed(content: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repo = Repository::init_bare(folder.path()).expect("our own folder");
    let id = repo.blob(content.as_bytes()).expect("writable");
    let mut builder = repo.packbuilder().expect("a repository packs");
    builder.insert_object(id, None).expect("just written");
    let mut pack = Buf::new();
    builder.write_buf(&mut pack).expect("writable");
    pack[12..pack.len() - 20].to_vec()
}

#[test]
fn a_read_that_is_larger_than_configured_ends_and_names_the_setting() {
    let world = seeded();
    let large = noise(2 << 20);
    world
        .repo
        .commit("large", at(1), &[(OTHER_FILE, Some(&large))]);
    let git = limited(&world.server.url(NAME), MIB);
    assert_eq!(
        refused_read(&git).to_string(),
        "read the history of platform/gitops: the server sent more than 1048576 bytes; \
         raise GITOPS_MAX_BYTES if the repository is that large"
    );
    // The rollback needs none of it.
    world.repo.configure("uploadpack.allowFilter", true);
    assert_eq!(read(&git).changes.len(), 1);
}

#[test]
fn all_rounds_of_a_read_count_together() {
    let world = seeded();
    let piece = noise(900 << 10);
    world
        .repo
        .commit("old", at(1), &[("apps/old/file", Some(&piece))]);
    world
        .repo
        .prepare("gone", at(2))
        .remove("apps/old")
        .create();
    world.repo.commit_many(60, "apps/cart/other", at(3));
    let second = noise(901 << 10);
    world
        .repo
        .commit("new", at(900), &[(OTHER_FILE, Some(&second))]);
    let git = limited(&world.server.url(NAME), MIB);
    let shallow = Want {
        changes: 0,
        ..Want::default()
    };
    git.read(&shallow).expect("less than a MiB");
    let error = refused_read(&git);
    assert!(
        matches!(error.fault, GitFault::TooMuch { limit: MIB }),
        "{error}"
    );
    assert!(!error.is_transient());
}

#[test]
fn what_is_here_is_not_sent_again_when_the_history_is_deepened() {
    let world = seeded();
    let piece = noise(700 << 10);
    world
        .repo
        .commit("large", at(1), &[("apps/cart/large", Some(&piece))]);
    world.repo.commit_many(230, OTHER_FILE, at(3));
    // Three rounds: 50, 200 and 800 commits.
    let git = limited(&world.server.url(NAME), MIB);
    let snapshot = git.read(&everything()).expect("less than a MiB");
    assert_eq!(snapshot.changes.len(), 1);
    let asked: Vec<_> = world
        .server
        .requests()
        .into_iter()
        .map(|it| it.method)
        .collect();
    assert_eq!(asked, ["GET", "POST", "POST", "POST"]);
}

#[test]
fn packs_and_words_without_end_stop_at_the_most_bytes() {
    let world = seeded();
    // One file of 2^60 bytes, in pieces that are not compressed.
    let object = [
        0xb0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x78, 0x01,
    ];
    let begun = [BEFORE_PACK, &data(&pack_header(1)), &data(&object)].concat();
    let length = 50_000_u16;
    let stored = [
        &[0][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        &vec![b'x'; usize::from(length)],
    ]
    .concat();
    let words = packet(&[&[2][..], &[b'.'; 60_000]].concat());
    for refrain in [data(&stored), words] {
        let stub = hostile(
            &world,
            result(begun.clone()).followed_without_end_by(refrain),
        );
        let error = refused_read(&limited(&stub.url(), MIB));
        assert!(matches!(error.fault, GitFault::TooMuch { .. }), "{error}");
    }
    // References without end, before anything was asked for.
    let reference = packet(format!("{} refs/heads/other\0shallow\n", world.repo.tip()).as_bytes());
    let advertised = Reply::untyped(200, "001e# service=git-upload-pack\n0000")
        .with_header(
            "content-type",
            "application/x-git-upload-pack-advertisement",
        )
        .followed_without_end_by(reference);
    let stub = Stub::sequence([advertised]);
    let error = refused_read(&limited(&stub.url(), MIB));
    assert!(matches!(error.fault, GitFault::TooMuch { .. }), "{error}");
}

#[test]
fn more_objects_than_can_be_held_are_refused_before_room_is_made_for_them() {
    let world = seeded();
    for objects in [1_000_001, u32::MAX] {
        let body = [BEFORE_PACK, &data(&pack_header(objects))].concat();
        // In one piece, or byte by byte.
        let split: Vec<u8> = pack_header(objects)
            .iter()
            .flat_map(|byte| data(&[*byte]))
            .collect();
        for body in [body, [BEFORE_PACK, &split].concat()] {
            let stub = hostile(&world, result(body));
            assert_eq!(
                refused_read(&git(settings(&stub.url()))).to_string(),
                "read the history of platform/gitops: the server sent more than 1000000 files, folders and commits; \
                 keep what GITOPS_PATH names in a smaller repository"
            );
        }
    }
}

#[test]
fn a_pack_that_drips_ends_at_the_deadline() {
    let world = seeded();
    let object = packed(&noise(50_000));
    let body = [BEFORE_PACK, &data(&pack_header(1)), &data(&object)].concat();
    let stub = hostile(&world, result(body).dripping(Duration::from_millis(20)));
    let error = refused_read(&impatient(&stub.url()));
    assert!(matches!(error.fault, GitFault::Deadline), "{error}");
    assert!(error.is_transient());
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_pack_is_left_to_the_next_run() {
    let world = seeded();
    let object = packed(&noise(50_000));
    let whole = [BEFORE_PACK, &data(&pack_header(1)), &data(&object)].concat();
    for length in [0, 3, 8, 12, 20, 25, 5_000, whole.len()] {
        let body = &whole[..length];
        // An orderly end looks like the end of the body; a broken one is a fault of transport.
        let stub = hostile(&world, result(body));
        let error = refused_read(&git(settings(&stub.url())));
        assert_eq!(
            error.to_string(),
            "read the history of platform/gitops: the server's answer was cut short; the next run tries again",
            "{length} bytes"
        );
        assert!(error.is_transient());
        let stub = hostile(&world, result(body).cut_short());
        let error = refused_read(&git(settings(&stub.url())));
        assert!(matches!(error.fault, GitFault::Transport(_)), "{error}");
        assert!(error.is_transient());
    }
}

#[test]
fn answers_that_are_not_git_s_are_one_sentence() {
    let world = seeded();
    let bad_checksum = [
        BEFORE_PACK,
        &data(&pack_header(1)),
        &data(&packed("x")),
        &data(&[0; 20]),
        b"0000",
    ]
    .concat();
    let cases: [(&[u8], &str); 8] = [
        (b"zzzz", "the answer is not one of git's; check GITOPS_REPO"),
        (b"0001", "the answer is not one of git's; check GITOPS_REPO"),
        (b"+00f", "the answer is not one of git's; check GITOPS_REPO"),
        (
            b"000cshallow ",
            "the answer is not one of git's; check GITOPS_REPO",
        ),
        (
            b"0000000eok branch\n",
            "the answer is not one of git's; check GITOPS_REPO",
        ),
        (
            b"0017ERR no such thing\n\x1b",
            "the server ended with \"no such thing\"",
        ),
        (
            b"00000008NAK\n000c\x03broken\n",
            "the server ended with \"broken\"",
        ),
        (&bad_checksum, "packfile trailer mismatch"),
    ];
    for (body, words) in cases {
        let stub = hostile(&world, result(body));
        let error = refused_read(&git(settings(&stub.url())));
        assert_eq!(
            error.to_string(),
            format!("read the history of platform/gitops: {words}")
        );
        assert!(!error.is_transient());
    }
}

#[test]
fn a_push_that_is_larger_than_a_rollback_can_be_is_not_sent() {
    const ENTRIES: usize = 250_000;
    let world = seeded();
    let good = world.repo.tip();
    let bad = world.release("v2", 1);
    // Submodules are entries without an object, so that a large folder is made quickly; random ids do not pack.
    let repo = Repository::open_bare(world.repo.path()).expect("our own repository");
    let digits = noise(20 * ENTRIES);
    let id = |text: String| Oid::from_str(&text).expect("an id");
    let tree = |text: &str| {
        let tree = world.repo.tree_at(&bad, text).expect("it is there");
        repo.find_tree(id(tree)).expect("it is there")
    };
    let mut apps = repo.treebuilder(Some(&tree("apps"))).expect("a tree");
    for (number, digits) in digits.as_bytes().chunks(20).enumerate() {
        let id = Oid::from_bytes(digits).expect("20 bytes");
        let name = format!("m{number}");
        apps.insert(name, id, 0o160_000).expect("a new entry");
    }
    let apps = apps.write().expect("our own repository is writable");
    let mut root = repo.treebuilder(Some(&tree(""))).expect("a tree");
    root.insert("apps", apps, 0o040_000).expect("an entry");
    let root = root.write().expect("our own repository is writable");
    let who = Signature::now("Bot", "bot@example.com").expect("a name");
    let parent = repo.find_commit(id(bad)).expect("it is there");
    let root = repo.find_tree(root).expect("just written");
    repo.commit(
        Some("refs/heads/main"),
        &who,
        &who,
        "large",
        &root,
        &[&parent],
    )
    .expect("our own repository is writable");

    let snapshot = world.read();
    let commit = write(&snapshot, &good);
    let error = snapshot.push(&commit).expect_err("too large");
    assert_eq!(
        error.to_string(),
        "push to the branch of platform/gitops: the folders on the way to GITOPS_PATH take more than 4194304 bytes \
         to send; keep fewer entries in them"
    );
    // Nothing left this host, so the rollback ends here instead of being looked for in vain.
    let work = Restoration {
        id: "r-1".to_owned(),
        from_state: snapshot.tip_state.clone(),
        to: good,
        keeps: Vec::new(),
        tip: snapshot.tip.clone(),
        message: MESSAGE.to_owned(),
        at: at(9_000),
    };
    let git = world.git();
    let restored = RUNTIME.block_on(restore(&git, PushWay::Push, &work, Some(snapshot), |_| {
        Ok(())
    }));
    let Restored::Refused {
        why,
        by_server: false,
    } = restored
    else {
        panic!("{restored:?}");
    };
    assert_eq!(why, error.to_string());
    assert_eq!(world.server.push_attempts(), 0);
}
