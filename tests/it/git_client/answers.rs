//! What a push sends, byte by byte, and what the server's answer to it means.

use git2::{Odb, Repository};
use testkit::stub::{Reply, Request, Stub};

use super::filter::upload_pack;
use super::*;

const BRANCH: &str = "refs/heads/main";

/// A server that reads like git does and answers each push as told.
fn answering(world: &World, capabilities: &str, answer: impl Into<Vec<u8>>) -> Stub {
    let reading = world.advertisement();
    let line = format!("{} {BRANCH}\0{capabilities}\n", world.repo.tip());
    let writing = format!(
        "001f# service=git-receive-pack\n0000{:04x}{line}0000",
        line.len() + 4
    );
    let path = world.repo.path().to_owned();
    let answer = answer.into();
    Stub::http(move |request: &Request| {
        let service = match request.target.contains("receive-pack") {
            true => "receive-pack",
            false => "upload-pack",
        };
        let (kind, body) = match (request.method.as_str(), service) {
            ("GET", "upload-pack") => ("advertisement", reading.clone().into_bytes()),
            ("GET", _) => ("advertisement", writing.clone().into_bytes()),
            (_, "upload-pack") => ("result", upload_pack(&path, &request.body)),
            (_, _) => ("result", answer.clone()),
        };
        let kind = format!("application/x-git-{service}-{kind}");
        Some(Reply::untyped(200, body).with_header("content-type", &kind))
    })
}

/// A world whose newest release is bad.
fn burning() -> (World, String) {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    (world, good)
}

fn packet(content: &[u8]) -> Vec<u8> {
    let mut packet = format!("{:04x}", content.len() + 4).into_bytes();
    packet.extend(content);
    packet
}

/// Writes a report as git does: each line is a packet, and all of them are the data of another one where words may
/// come too.
fn report(lines: &[&str], has_words: bool) -> Vec<u8> {
    let mut report: Vec<u8> = lines
        .iter()
        .flat_map(|line| packet(format!("{line}\n").as_bytes()))
        .collect();
    report.extend(b"0000");
    match has_words {
        true => [packet(&[&[1], &report[..]].concat()), b"0000".to_vec()].concat(),
        false => report,
    }
}

fn push(stub: &Stub, target: &str) -> Result<Push, GitError> {
    let snapshot = read(&git(settings(&stub.url())));
    let commit = write(&snapshot, target);
    snapshot.push(&commit)
}

#[test]
fn only_a_report_that_takes_both_pack_and_branch_is_an_accepted_push() {
    const OK: &str = "ok refs/heads/main";
    const OPEN: &str =
        "push to the branch of platform/gitops: the server did not say what became of the branch";
    let refused = |words: &str| {
        Ok(Push::Refused {
            words: words.to_owned(),
        })
    };
    let open = || Err(OPEN.to_owned());
    let unread = "the server could not read what was sent (index-pack abnormal exit)";
    let cases: [(&[&str], Result<Push, String>); 13] = [
        (&["unpack ok", OK], Ok(Push::Accepted)),
        (
            &["unpack ok", "ng refs/heads/main hook declined"],
            refused("hook declined"),
        ),
        (
            &["unpack ok", "ng refs/heads/main"],
            refused("no reason given"),
        ),
        (
            &[
                "unpack index-pack abnormal exit",
                "ng refs/heads/main unpacker error",
            ],
            refused("unpacker error"),
        ),
        (&["unpack index-pack abnormal exit", OK], refused(unread)),
        (&["unpack index-pack abnormal exit"], refused(unread)),
        (&["unpack ok"], open()),
        (&[OK], open()),
        (&[], open()),
        (&["unpack ok", "ok refs/heads/other"], open()),
        (&["unpack ok", "ok refs/heads/main2"], open()),
        (&["unpack ok", OK, OK], open()),
        (
            &["unpack ok", OK, "ng refs/heads/main hook declined"],
            open(),
        ),
    ];
    let (world, good) = burning();
    for (lines, expected) in cases {
        for has_words in [true, false] {
            let capabilities = match has_words {
                true => "report-status side-band-64k",
                false => "report-status",
            };
            let stub = answering(&world, capabilities, report(lines, has_words));
            let answer = push(&stub, &good).map_err(|error| error.to_string());
            assert_eq!(answer, expected, "{lines:?}, words: {has_words}");
        }
    }
}

#[test]
fn nothing_is_sent_to_a_server_that_would_not_say_what_becomes_of_it() {
    let (world, good) = burning();
    let stub = answering(&world, "side-band-64k delete-refs", "");
    assert_eq!(
        push(&stub, &good).expect("an answer"),
        Push::Refused {
            words: "the server would not say what becomes of a push; use one that reports it"
                .to_owned()
        }
    );
    assert!(sent(&stub).is_none());
}

/// Returns the body of the push, where there was one.
fn sent(stub: &Stub) -> Option<Vec<u8>> {
    let mut pushes = stub
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST" && request.target.contains("receive-pack"));
    let first = pushes.next()?;
    assert!(pushes.next().is_none(), "pushed twice");
    Some(first.body)
}

#[test]
fn a_push_names_one_reference_with_its_old_commit_and_carries_only_commit_and_folders() {
    let world = seeded();
    let good = world.repo.commit(
        "v1b",
        at(1),
        &[
            (FILE, Some("v1b\n")),
            ("apps/checkout/a/b", Some("1\n")),
            ("top", Some("1\n")),
        ],
    );
    let tip = world.repo.commit(
        "v2 and more",
        at(2),
        &[
            (FILE, Some("v2\n")),
            ("apps/checkout/a/b", Some("2\n")),
            (OTHER_FILE, Some("o2\n")),
            ("top", Some("2\n")),
        ],
    );
    let taken = report(&["unpack ok", "ok refs/heads/main"], true);
    let stub = answering(
        &world,
        "report-status side-band-64k delete-refs atomic",
        taken,
    );
    let snapshot = read(&git(settings(&stub.url())));
    let commit = write(&snapshot, &good);
    assert_eq!(snapshot.push(&commit).expect("an answer"), Push::Accepted);

    let body = sent(&stub).expect("one push");
    let command = format!("{tip} {commit} {BRANCH}\0 report-status side-band-64k");
    let head = [packet(command.as_bytes()), b"0000".to_vec()].concat();
    assert!(body.starts_with(&head), "{}", body.escape_ascii());
    let copy = GitRepo::open(snapshot.folder());
    let tree = |path: &str| copy.tree_at(&commit, path).expect("it is there");
    let mut expected = vec![commit.clone(), tree(""), tree("apps")];
    expected.sort();
    assert_eq!(packed(&body[head.len()..]), expected);
}

/// Returns the ids of what a pack holds, by itself.
fn packed(pack: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let repo = Repository::init_bare(folder.path()).expect("our own folder");
    let odb: Odb<'_> = repo.odb().expect("it has objects");
    let mut writer = odb.packwriter().expect("writable");
    std::io::Write::write_all(&mut writer, pack).expect("a pack");
    writer.commit().expect("a whole pack");
    let mut ids = Vec::new();
    odb.refresh().expect("readable");
    odb.foreach(|id| {
        ids.push(id.to_string());
        true
    })
    .expect("readable");
    ids.sort();
    ids
}

#[test]
fn a_commit_on_the_tip_that_changes_other_files_is_not_sent() {
    let (world, good) = burning();
    let snapshot = world.read();
    let ours = write(&snapshot, &good);
    let copy = GitRepo::open(snapshot.folder());
    let foreign = copy
        .prepare("not ours", at(3))
        .parents(&[&snapshot.tip])
        .branch("foreign")
        .write(OTHER_FILE, "taken over\n")
        .create();
    let asked = world.server.requests().len();
    assert_eq!(
        refusal(snapshot.push(&foreign).expect_err("a refusal")),
        format!("{OTHER_FILE} lies outside GITOPS_PATH and would change")
    );
    assert_eq!(world.server.requests().len(), asked, "nobody was asked");
    assert_eq!(snapshot.push(&ours).expect("an answer"), Push::Accepted);
}

#[test]
fn a_server_that_repeats_the_token_is_quoted_without_it() {
    let (world, good) = burning();
    let said = format!("who is {TOKEN}?");
    let error = packet(format!("ERR {said}").as_bytes());
    let fatal = packet(&[&[3], said.as_bytes()].concat());
    for answer in [error, fatal] {
        let stub = answering(&world, "report-status side-band-64k", answer);
        let error = push(&stub, &good).expect_err("no report").to_string();
        assert!(!error.contains(TOKEN), "{error}");
    }
    let advertisement = "application/x-git-upload-pack-advertisement";
    let line = format!("{} {BRANCH}\0shallow object-format={TOKEN}\n", good);
    let other_ids = format!(
        "001e# service=git-upload-pack\n0000{:04x}{line}0000",
        line.len() + 4
    );
    let refused = format!(
        "001e# service=git-upload-pack\n0000{:04x}ERR {said}",
        said.len() + 8
    );
    for (kind, body) in [
        (format!("text/{TOKEN}"), String::new()),
        (advertisement.to_owned(), other_ids),
        (advertisement.to_owned(), refused),
    ] {
        let reply = Reply::untyped(200, body).with_header("content-type", &kind);
        let stub = Stub::sequence([reply]);
        let error = refused_read(&git(settings(&stub.url()))).to_string();
        assert!(error.contains("[redacted]"), "{error}");
        assert!(!error.contains(TOKEN), "{error}");
    }
}
