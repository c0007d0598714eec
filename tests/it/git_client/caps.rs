//! Servers that say as much as they may, or one thing more: each answer that is read piece by piece has its cap.

use std::fs;
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use testkit::stub::{Reply, Request, Stub};

use super::filter::upload_pack;
use super::*;

/// Most lines of a kind before the history, as the client has it.
const MAX_LINES: usize = 50_000;

/// How late a read may end that is given half a second. Tests share the machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// A server that answers as git does, with more at the beginning of what it advertises and of what it sends.
fn talkative(world: &World, references: String, boundary: Vec<u8>) -> Stub {
    let line = world.advertisement();
    let advertised = format!(
        "{}{references}0000",
        line.strip_suffix("0000").expect("its end")
    );
    let path = world.repo.path().to_owned();
    Stub::http(move |request: &Request| {
        let (kind, body) = match request.method.as_str() {
            "GET" => ("advertisement", advertised.clone().into_bytes()),
            _ if request.body.starts_with(b"0014command") => ("result", Vec::new()),
            _ => {
                let answer = upload_pack(&path, &request.body);
                ("result", [&boundary[..], &answer].concat())
            }
        };
        let kind = format!("application/x-git-upload-pack-{kind}");
        Some(Reply::untyped(200, body).with_header("content-type", &kind))
    })
}

/// Lines about commits that nobody has, whose ids all begin alike: what a table of ids is slowest with.
fn made_up(word: &str, count: usize) -> Vec<u8> {
    let length = word.len() + 46;
    (0..count)
        .flat_map(|number| format!("{length:04x}{word} aaaaaaaa{number:032x}\n").into_bytes())
        .collect()
}

#[test]
fn a_boundary_of_commits_that_were_not_sent_is_dropped_up_to_the_cap_and_refused_past_it() {
    let world = seeded();
    world.repo.commit_many(60, OTHER_FILE, at(3));
    let whole = format!("{:?}", world.read());
    let counts = prop_oneof![1..MAX_LINES, Just(MAX_LINES), Just(MAX_LINES + 1)];
    let words = prop_oneof![Just("shallow"), Just("unshallow")];
    let config = Config {
        cases: 5,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&(counts, words), |(count, word)| {
        // The first round of the true answer adds one line of its own.
        let stub = talkative(&world, String::new(), made_up(word, count));
        let read = git(settings(&stub.url())).read(&everything());
        if count < MAX_LINES {
            let snapshot = read.expect("a readable branch");
            prop_assert_eq!(format!("{snapshot:?}"), &whole[..]);
            let kept = fs::read_to_string(snapshot.folder().join("shallow"));
            prop_assert_eq!(kept.unwrap_or_default().lines().count(), 0);
        } else {
            let fault = read.expect_err("too much").fault;
            let is_refused = matches!(fault, GitFault::TooManyLines { limit: MAX_LINES });
            prop_assert!(is_refused, "{fault}");
        }
        Ok(())
    });
    outcome.expect("it holds for every count");
}

/// What is kept of it does not grow with it.
#[test]
fn very_many_references_are_read_over_and_a_tip_beyond_the_cap_is_not_known() {
    let world = seeded();
    let reference = |number: usize| {
        let line = format!("{} refs/pull/{number:06}/head\n", world.repo.tip());
        format!("{:04x}{line}", line.len() + 4)
    };
    let line = reference(0).len();
    for references in [(1 << 20) / line - 10, (1 << 20) / line + 1] {
        let stub = talkative(&world, (0..references).map(reference).collect(), Vec::new());
        let git = git(settings(&stub.url()));
        assert_eq!(read(&git).tip, world.repo.tip());
        let tip = git.tip(Duration::from_secs(60));
        match references * line < 1 << 20 {
            true => assert_eq!(tip.expect("a tip"), world.repo.tip()),
            false => {
                let fault = tip.expect_err("too much").fault;
                assert!(matches!(fault, GitFault::TooMuch { .. }), "{fault}");
            }
        }
    }
}

/// What a server answers to a fetch before the history, one line for each commit that both have.
fn acknowledged(count: usize) -> Vec<u8> {
    packet(format!("ACK {} common\n", "a".repeat(40)).as_bytes()).repeat(count)
}

#[test]
fn acknowledgements_are_read_up_to_the_cap_and_refused_past_it() {
    let world = seeded();
    let whole = format!("{:?}", world.read());
    let at_the_cap = acknowledged(MAX_LINES - 1);
    let past_it = acknowledged(MAX_LINES + 1);
    for (lines, is_read) in [(at_the_cap, true), (past_it, false)] {
        // They stand where the boundary ends.
        let stub = answering(&world, move |answer| {
            let end = answer.windows(8).position(|at| at == b"0008NAK\n");
            let (boundary, rest) = answer.split_at(end.expect("the server has nothing in common"));
            Reply::untyped(200, [boundary, &lines, rest].concat())
        });
        let read = git(settings(&stub.url())).read(&everything());
        match is_read {
            true => assert_eq!(format!("{:?}", read.expect("a readable branch")), whole),
            false => {
                let fault = read.expect_err("too much").fault;
                let is_refused = matches!(fault, GitFault::TooManyLines { limit: MAX_LINES });
                assert!(is_refused, "{fault}");
            }
        }
    }
}

/// A server that answers as git does, but for what is made of its answer to a fetch.
fn answering(world: &World, made_of: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) -> Stub {
    let advertised = world.advertisement();
    let path = world.repo.path().to_owned();
    Stub::http(move |request: &Request| {
        let (kind, reply) = match request.method.as_str() {
            "GET" => ("advertisement", Reply::untyped(200, advertised.clone())),
            _ => ("result", made_of(&upload_pack(&path, &request.body))),
        };
        let kind = format!("application/x-git-upload-pack-{kind}");
        Some(reply.with_header("content-type", &kind))
    })
}

/// A packet as git writes it.
fn packet(content: &[u8]) -> Vec<u8> {
    [format!("{:04x}", content.len() + 4).as_bytes(), content].concat()
}

/// As much as any server may say, and half a second: each loop over what comes ends, by its count or by the clock.
#[test]
fn what_never_ends_is_ended_wherever_it_stands() {
    let world = seeded();
    let id = "a".repeat(40);
    let reference = packet(format!("{} refs/heads/other\n", world.repo.tip()).as_bytes());
    let beginnings: [(&[u8], Vec<u8>); 6] = [
        (b"", packet(format!("shallow {id}\n").as_bytes())),
        (b"", packet(format!("unshallow {id}\n").as_bytes())),
        (b"0000", packet(format!("ACK {id} common\n").as_bytes())),
        (b"00000008NAK\n", packet(b"\x02.\n")),
        (b"00000008NAK\n", b"0005\x01".to_vec()),
        (b"00000008NAK\n0000", b".".to_vec()),
    ];
    let patient = |url: &str| GitSettings {
        timeout: Duration::from_millis(500),
        max_bytes: u64::MAX,
        ..settings(url)
    };
    let ends = |url: &str, what: &str| {
        let begun = Instant::now();
        let fault = git(patient(url))
            .read(&everything())
            .expect_err("no end")
            .fault;
        let took = begun.elapsed();
        let is_bounded = matches!(
            fault,
            GitFault::Deadline
                | GitFault::TooManyLines { .. }
                | GitFault::Cut
                | GitFault::Protocol { .. }
        );
        assert!(
            is_bounded && took < PATIENCE,
            "{what}: {fault} after {took:?}"
        );
    };
    for (before, refrain) in beginnings {
        let what = String::from_utf8_lossy(&refrain).into_owned();
        let before = before.to_vec();
        // A thousand at once, as a fast server sends them.
        let refrain = refrain.repeat(1_000);
        let stub = answering(&world, move |_| {
            Reply::untyped(200, before.clone()).followed_without_end_by(refrain.clone())
        });
        ends(&stub.url(), &what);
    }
    let stub = Stub::http(move |_| {
        let kind = "application/x-git-upload-pack-advertisement";
        let begun = Reply::untyped(200, "001e# service=git-upload-pack\n0000");
        let begun = begun.with_header("content-type", kind);
        Some(begun.followed_without_end_by(reference.repeat(1_000)))
    });
    ends(&stub.url(), "references");
}

/// A server that takes what is pushed, and whose report is `report`.
fn reporting(world: &World, report: Reply) -> Stub {
    let tip = world.repo.tip();
    let read = world.advertisement();
    let path = world.repo.path().to_owned();
    Stub::http(move |request: &Request| {
        let is_push = request.target.contains("receive-pack");
        let (kind, reply) = match (request.method.as_str(), is_push) {
            ("GET", true) => {
                let line = format!("{tip} refs/heads/main\0report-status side-band-64k\n");
                let line = String::from_utf8(packet(line.as_bytes())).expect("text");
                let body = format!("001f# service=git-receive-pack\n0000{line}0000");
                ("git-receive-pack-advertisement", Reply::untyped(200, body))
            }
            ("GET", false) => (
                "git-upload-pack-advertisement",
                Reply::untyped(200, read.clone()),
            ),
            (_, true) => ("git-receive-pack-result", report.clone()),
            (_, false) => {
                let answer = upload_pack(&path, &request.body);
                ("git-upload-pack-result", Reply::untyped(200, answer))
            }
        };
        Some(reply.with_header("content-type", &format!("application/x-{kind}")))
    })
}

/// The report of a push that was taken, in one piece of its own.
fn taken() -> Vec<u8> {
    let lines = [
        packet(b"unpack ok\n"),
        packet(b"ok refs/heads/main\n"),
        b"0000".to_vec(),
    ];
    packet(&[&[1][..], &lines.concat()].concat())
}

#[test]
fn a_report_counts_however_much_is_said_beside_it_and_never_where_it_lies_beyond_what_is_kept() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    let words = packet(&[&[2][..], &[b'.'; 60_000]].concat());
    let padding = packet(&[&[1][..], &packet(&[b'x'; 60_000])].concat());
    let push = |report: Vec<u8>| {
        let stub = reporting(&world, Reply::untyped(200, report));
        let snapshot = read(&git(settings(&stub.url())));
        let commit = write(&snapshot, &good);
        snapshot.push(&commit)
    };
    let end = b"0000".to_vec();
    let beside = [words.repeat(200), taken(), words.repeat(200), end.clone()].concat();
    assert_eq!(push(beside).expect("an answer"), Push::Accepted);
    let beyond = [padding.repeat(40), taken(), end].concat();
    let fault = push(beyond).expect_err("it is not known").fault;
    assert!(matches!(fault, GitFault::Protocol { .. }), "{fault}");
}

#[test]
fn a_report_without_end_is_ended_and_leaves_it_open() {
    let world = seeded();
    let good = world.repo.tip();
    world.release("v2", 1);
    for piece in [b"\x02.\n".to_vec(), b"\x01....".to_vec()] {
        let endless =
            Reply::untyped(200, taken()).followed_without_end_by(packet(&piece).repeat(1_000));
        let stub = reporting(&world, endless);
        let snapshot = read(&git(GitSettings {
            timeout: Duration::from_millis(1_500),
            max_bytes: u64::MAX,
            ..settings(&stub.url())
        }));
        let commit = write(&snapshot, &good);
        let begun = Instant::now();
        let fault = snapshot.push(&commit).expect_err("no end").fault;
        assert!(matches!(fault, GitFault::Deadline), "{fault}");
        assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    }
}

/// Every length that four characters can name, with less behind it than it says, as much, and more.
#[test]
fn any_length_of_a_packet_ends_the_read_in_one_sentence() {
    let world = seeded();
    let lengths = prop_oneof![
        "[0-9a-fA-F]{4}",
        "[ -~]{4}",
        Just("fff0".to_owned()),
        Just("ffff".to_owned()),
        Just("0004".to_owned()),
    ];
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let cases = (lengths, 0_usize..70_000, prop::bool::ANY);
    let outcome = TestRunner::new(config).run(&cases, |(length, behind, is_first)| {
        let packet = [length.as_bytes(), &vec![b'a'; behind]].concat();
        let before: &[u8] = if is_first { b"" } else { b"00000008NAK\n" };
        let body = [before, &packet].concat();
        let stub = answering(&world, move |_| Reply::untyped(200, body.clone()));
        let begun = Instant::now();
        let read = git(settings(&stub.url())).read(&everything());
        let fault = read.expect_err("no history").fault;
        prop_assert!(
            matches!(
                fault,
                GitFault::Protocol { .. } | GitFault::Cut | GitFault::Library(_)
            ),
            "{fault:?}"
        );
        prop_assert!(begun.elapsed() < PATIENCE);
        Ok(())
    });
    outcome.expect("it holds for every length");
}
