//! Servers that leave out the contents of files: nothing but the bytes on the way is different.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use git2::{Oid, Repository};
use proptest::prelude::*;
use testkit::git::{Fault, GitServer};
use testkit::stub::{Reply, Stub};

use super::properties::{commit, step};
use super::*;

/// A world whose server can leave out contents, and looks hard at what it is sent.
fn filtering() -> World {
    let world = seeded();
    let repo = &world.repo;
    repo.configure("uploadpack.allowFilter", true);
    repo.configure("receive.fsckObjects", true);
    repo.configure("transfer.fsckObjects", true);
    world
}

/// Returns how many contents of files lie in the scratch folder.
fn contents(snapshot: &Snapshot) -> usize {
    let repo = Repository::open(snapshot.folder()).expect("the scratch repository");
    let odb = repo.odb().expect("it has objects");
    let mut count = 0;
    odb.foreach(|id| {
        let (_, kind) = odb.read_header(*id).expect("it is there");
        count += usize::from(kind == git2::ObjectType::Blob);
        true
    })
    .expect("readable");
    count
}

fn has(snapshot: &Snapshot, id: &str) -> bool {
    let repo = Repository::open(snapshot.folder()).expect("the scratch repository");
    let odb = repo.odb().expect("it has objects");
    odb.exists(Oid::from_str(id).expect("an id"))
}

/// Returns the methods of the requests so far.
fn methods(server: &GitServer) -> Vec<String> {
    server.requests().into_iter().map(|r| r.method).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_read_without_contents_decides_and_writes_what_one_with_them_does(
        steps in prop::collection::vec(step(), 1..9),
        pick in any::<prop::sample::Index>(),
        is_file in any::<bool>(),
    ) {
        let world = filtering();
        for (minute, step) in (1..).zip(&steps) {
            commit(&world.repo, step, minute);
        }
        let mut settings = world.settings();
        if is_file {
            settings.paths = vec![FILE.to_owned(), "z/none".to_owned()];
            settings.paths.truncate(1);
        }
        let git = git(settings);

        let lean = read(&git);
        world.repo.configure("uploadpack.allowFilter", false);
        let whole = read(&git);

        prop_assert_eq!(contents(&lean), 0);
        prop_assert!(contents(&whole) > 0);
        prop_assert_eq!(format!("{lean:?}"), format!("{whole:?}"));
        let target = &pick.get(&whole.changes).revision;
        prop_assert_eq!(lean.state_at(target), whole.state_at(target));
        match (lean.draft(target), whole.draft(target)) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(one, other);
                let (ours, theirs) = (write(&lean, target), write(&whole, target));
                prop_assert_eq!(&ours, &theirs);
                prop_assert_eq!(lean.push(&ours).expect("an answer"), Push::Accepted);
                prop_assert_eq!(contents(&lean), 0);
                prop_assert_eq!(whole.push(&theirs).expect("an answer"), Push::Accepted);
                prop_assert_eq!(world.server.push_attempts(), 1);
                prop_assert_eq!(world.repo.tip(), ours);
            }
            (Err(one), Err(other)) => prop_assert_eq!(refusal(one), refusal(other)),
            (one, other) => prop_assert!(false, "{one:?} {other:?}"),
        }
        world.repo.fsck();
    }
}

#[test]
fn history_is_deepened_again_and_again_without_contents() {
    let world = filtering();
    let good = world.release("v1b", 1);
    world.release("v2", 2);
    world.repo.commit_many(830, OTHER_FILE, at(3));
    let snapshot = world.read_changes(2);
    assert_eq!(
        revisions(&snapshot.changes),
        world.repo.path_history(PATH)[..2]
    );
    assert_eq!(contents(&snapshot), 0);
    assert_eq!(
        methods(&world.server),
        ["GET", "POST", "POST", "POST", "POST"],
        "50, 200, 800 and 3200 commits"
    );
    let (commit, answer) = roll_back(&snapshot, &good);
    assert_eq!(answer, Push::Accepted);
    assert_eq!(
        world.repo.tree_at(&commit, PATH),
        world.repo.tree_at(&good, PATH)
    );
    world.repo.fsck();
}

#[test]
fn a_tag_is_asked_for_once_and_beside_the_branch() {
    let world = filtering();
    let wanted = world.release("v1b", 1);
    world.repo.commit_many(230, OTHER_FILE, at(2));
    world.release("v2", 900);
    let tag = world.repo.annotate("inner", &wanted);
    world.repo.annotate("v1b", &tag);
    world.repo.tag("at-the-tip", &world.repo.tip());
    for (name, rounds) in [("v1b", 3), ("at-the-tip", 1)] {
        let want = Want {
            changes: 1,
            revision: Some(name.to_owned()),
            ..Want::default()
        };
        let asked = world.server.requests().len();
        let snapshot = world.git().read(&want).expect("a readable branch");
        assert_eq!(contents(&snapshot), 0);
        assert_eq!(
            methods(&world.server)[asked..],
            [&["GET"][..], &["POST"].repeat(rounds)].concat()
        );
        let copy = GitRepo::open(snapshot.folder());
        assert_eq!(copy.refs_fingerprint().lines().count(), 2, "{name}");
        let found = snapshot.revision.as_ref().expect("it was asked for");
        let is_wanted = found.revision == wanted;
        assert_eq!(is_wanted, name == "v1b", "{name}");
    }
}

#[test]
fn a_tag_of_a_file_whose_content_is_left_out_says_what_it_names() {
    let world = filtering();
    let file = world.repo.tree_at("main", FILE).expect("it is there");
    world.repo.tag("light", &file);
    let tag = world.repo.annotate("annotated", &file);
    world.repo.annotate("twice", &tag);
    for name in ["light", "annotated", "twice"] {
        let want = Want {
            changes: 1,
            revision: Some(name.to_owned()),
            ..Want::default()
        };
        let error = world.git().read(&want).expect_err(name);
        assert_eq!(
            error.to_string(),
            format!(
                "read the history of platform/gitops: the tag {name:?} names a blob and no commit; check --to"
            )
        );
    }
}

#[test]
fn a_push_sends_the_commit_and_the_folders_on_the_way() {
    let world = filtering();
    let good = world.repo.tip();
    world.repo.commit(
        "v2",
        at(1),
        &[(FILE, Some("v2\n")), ("apps/checkout/a/b", Some("new\n"))],
    );
    let snapshot = world.read();
    let before = objects(&world.repo);
    let (commit, answer) = roll_back(&snapshot, &good);
    assert_eq!(answer, Push::Accepted);
    let mut sent: Vec<_> = objects(&world.repo)
        .into_iter()
        .filter(|id| !before.contains(id))
        .collect();
    let mut expected = vec![commit.clone()];
    // The seed's `apps` is the same as the restored one.
    assert_eq!(
        world.repo.tree_at(&commit, ""),
        world.repo.tree_at(&good, "")
    );
    sent.sort();
    expected.sort();
    assert_eq!(sent, expected);
    world.repo.fsck();
}

fn objects(repo: &GitRepo) -> Vec<String> {
    let repo = Repository::open_bare(repo.path()).expect("the server's repository");
    let mut ids = Vec::new();
    repo.odb()
        .and_then(|odb| {
            odb.foreach(|id| {
                ids.push(id.to_string());
                true
            })
        })
        .expect("readable");
    ids
}

/// A server that says that it can leave out contents, and asks git, which may see it otherwise.
fn boastful(world: &World) -> Stub {
    let advertised = world.advertisement_with("filter");
    let path = world.repo.path().to_owned();
    Stub::http(move |request| {
        Some(if request.method == "GET" {
            Reply::untyped(200, advertised.clone()).with_header(
                "content-type",
                "application/x-git-upload-pack-advertisement",
            )
        } else {
            Reply::untyped(200, upload_pack(&path, &request.body))
                .with_header("content-type", "application/x-git-upload-pack-result")
        })
    })
}

/// Returns what git answers to a request.
pub(super) fn upload_pack(repo: &Path, request: &[u8]) -> Vec<u8> {
    let mut git = Command::new("git")
        .args(["upload-pack", "--stateless-rpc"])
        .arg(repo)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("git is there");
    let mut input = git.stdin.take().expect("a pipe was asked for");
    // git may end before it has read everything.
    input.write_all(request).unwrap_or_default();
    drop(input);
    git.wait_with_output().expect("our own child").stdout
}

#[test]
fn a_server_that_offers_filters_and_then_refuses_them_is_read_once_more_without() {
    let world = filtering();
    let good = world.repo.tip();
    world.release("v2", 1);
    let expected = format!("{:?}", world.read());

    let stub = boastful(&world);
    let snapshot = read(&git(settings(&stub.url())));
    assert_eq!(contents(&snapshot), 0, "git agrees");
    assert_eq!(stub.requests().len(), 2);

    world.repo.configure("uploadpack.allowFilter", false);
    let snapshot = read(&git(settings(&stub.url())));
    assert_eq!(format!("{snapshot:?}"), expected);
    assert!(contents(&snapshot) > 0);
    let requests = stub.requests();
    let asked: Vec<_> = requests[2..]
        .iter()
        .map(|request| String::from_utf8_lossy(&request.body).contains("filter"))
        .collect();
    assert_eq!(asked, [false, true, false, false]);
    write(&snapshot, &good);
}

#[test]
fn a_server_that_fails_with_and_without_filters_is_read_twice_and_no_more() {
    let world = filtering();
    let stub = boastful(&world);
    std::fs::remove_dir_all(world.repo.path()).expect("our own repository");
    let error = refused_read(&git(settings(&stub.url())));
    assert!(matches!(error.fault, GitFault::Cut), "{error}");
    assert_eq!(stub.requests().len(), 4);
}

#[test]
fn a_shown_diff_fetches_just_the_contents_it_needs_where_the_server_lets_it() {
    let world = filtering();
    let good = world.repo.tip();
    world.repo.configure("uploadpack.allowAnySHA1InWant", true);
    world.release("v2", 1);
    let other = world.repo.tree_at("main", OTHER_FILE).expect("it is there");
    let snapshot = world.read();
    let asked = world.server.requests().len();
    let draft = snapshot.draft(&good).expect("something to restore");
    assert_eq!(world.server.requests().len(), asked, "nothing is needed");

    let shown = snapshot.diff(draft).expect("a diff");

    assert_eq!(shown, shown_with_contents(&world, &good));
    assert!(shown.contains("-v2\n+v1\n"), "{shown}");
    assert_eq!(methods(&world.server)[asked..asked + 2], ["GET", "POST"]);
    assert_eq!(contents(&snapshot), 2);
    assert!(!has(&snapshot, &other));
    // Once there they are not fetched again, and the rollback goes on as before.
    let asked = world.server.requests().len();
    assert_eq!(snapshot.diff(draft).expect("a diff"), shown);
    assert_eq!(world.server.requests().len(), asked);
    let (_, answer) = roll_back(&snapshot, &good);
    assert_eq!(answer, Push::Accepted);
    world.repo.fsck();
}

#[test]
fn a_shown_diff_fetches_the_whole_snapshot_where_only_commits_can_be_asked_for() {
    shows_with_a_whole_snapshot(true);
}

#[test]
fn a_shown_diff_fetches_the_whole_snapshot_where_no_id_can_be_asked_for() {
    shows_with_a_whole_snapshot(false);
}

fn shows_with_a_whole_snapshot(may_ask_for_commits: bool) {
    let world = filtering();
    world
        .repo
        .configure("uploadpack.allowReachableSHA1InWant", may_ask_for_commits);
    let good = world.release("v1b", 1);
    world.release("v2", 2);
    world.repo.commit_many(60, OTHER_FILE, at(3));
    let snapshot = world.read_changes(2);
    let before = format!("{snapshot:?}");
    let boundary = std::fs::read_to_string(snapshot.folder().join("shallow"));
    // That the branch moves meanwhile does not matter.
    world.noise("o9\n", 2_000);
    let draft = snapshot.draft(&good).expect("something to restore");

    let shown = snapshot.diff(draft).expect("a diff");

    assert_eq!(shown, shown_with_contents(&world, &good));
    assert_eq!(format!("{snapshot:?}"), before);
    assert_eq!(
        std::fs::read_to_string(snapshot.folder().join("shallow")).ok(),
        boundary.ok()
    );
}

#[test]
fn a_diff_whose_contents_cannot_be_fetched_names_the_files() {
    let world = filtering();
    let good = world.repo.tip();
    world.release("v2", 1);
    let snapshot = world.read();
    let draft = snapshot.draft(&good).expect("something to restore");
    world.server.set_fault(Fault::Status(503));
    let id = |revision: &str| world.repo.tree_at(revision, FILE).expect("it is there");
    assert_eq!(
        snapshot.diff(draft).expect("a list"),
        format!(
            "The contents of these files were not fetched; their ids before and after:\n\
             {FILE}: {} -> {}\n",
            id("main"),
            id(&good)
        )
    );
}

/// Returns the diff of a rollback as a read with all contents shows it.
fn shown_with_contents(world: &World, target: &str) -> String {
    world.repo.configure("uploadpack.allowFilter", false);
    let snapshot = world.read();
    world.repo.configure("uploadpack.allowFilter", true);
    let draft = snapshot.draft(target).expect("something to restore");
    snapshot.diff(draft).expect("a diff")
}
