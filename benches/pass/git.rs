//! What the git side of a rollback costs: fetch, decide, restore and push, in a process of its own, beside what the
//! git program does for the same change, against a real server on loopback.
//!
//! The repositories are made once and kept in the target folder.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::{DateTime, Utc};
use error_budget_monitor::clients::git::{Git, GitSettings, Ignore, Push, Want};
use testkit::git::{GitRepo, GitServer, JGitServer};
use tokio::runtime::Handle;
use url::Url;

use crate::process::{self, Cost};
use crate::proxy::{Exchange, Proxy};
use crate::table::{Table, Unit};
use crate::{Failure, MIB, millis};

/// First argument that makes this benchmark roll back one repository, whose URL is the second.
pub(crate) const ROLL_BACK: &str = "roll-back-one";

/// Runs of the git program; each checks out thousands of files.
const RUNS_OF_GIT: usize = 3;

/// Limits of a job. Source: targets of the design.
struct Limits {
    /// From start to end of the process.
    wall: Duration,
    /// Peak of resident memory (MiB).
    memory: Option<f64>,
    /// Sent by the server (MB).
    received: Option<f64>,
}

/// A repository of `files` files, `commits` commits long; each commit but the first changes one file.
struct Shape {
    name: &'static str,
    commits: usize,
    files: usize,
    /// How many commits lie behind the newest change of the watched folder, and behind the one before it.
    behind: [usize; 2],
}

const LARGE: Shape = Shape {
    name: "20,000 × 20,000",
    commits: 20_000,
    files: 20_000,
    behind: BEHIND,
};

/// The same, with changes that are found after the history was deepened once.
const DEEPER: Shape = Shape {
    name: "20,000 × 20,000, deepened",
    behind: [70, 150],
    ..LARGE
};

/// The same, with changes that are found only after the history was deepened three times, to 3,200 commits.
const DEEPEST: Shape = Shape {
    name: "20,000 × 20,000, deepened thrice",
    behind: [700, 1_500],
    ..LARGE
};

const SMALL: Shape = Shape {
    name: "1,000 × 2,000",
    commits: 1_000,
    files: 2_000,
    behind: BEHIND,
};

/// How many pull requests the repository with many references has.
const PULL_REQUESTS: usize = 100_000;

/// The watched folder.
const PATH: &str = "apps/team-007/service-3";

/// Random letters in each file.
const SEALED: usize = 700;

/// The usual distance of the newest two changes of the watched folder from the tip (commits).
const BEHIND: [usize; 2] = [7, 30];

/// Measures all jobs.
pub(crate) fn report(runs: usize, table: &mut Table) -> Result<(), Failure> {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-git");
    let large = LARGE.prepare(&root)?;
    let deeper = DEEPER.prepare(&root)?;
    let deepest = DEEPEST.prepare(&root)?;
    let small = SMALL.prepare(&root)?;
    let many = with_many_references(&small, &root)?;
    let server = GitServer::serving(&root, None);
    let address: SocketAddr = server.base_url().trim_start_matches("http://").parse()?;
    let bench = Bench {
        proxy: Proxy::start(address)?,
        runs,
    };
    let limits = |wall, memory, received| {
        Some(Limits {
            wall: Duration::from_millis(wall),
            memory,
            received,
        })
    };
    let jgit = JGitServer::serving(&root);
    let by_jgit = match &jgit {
        Some(jgit) => Some(Bench {
            proxy: Proxy::start(jgit.base_url().trim_start_matches("http://").parse()?)?,
            runs,
        }),
        None => None,
    };
    for (repo, shape, whole, lean) in [
        (
            &large,
            LARGE,
            limits(600, Some(35.0), Some(13.0)),
            limits(350, Some(25.0), Some(1.0)),
        ),
        (
            &deeper,
            DEEPER,
            limits(600, None, None),
            limits(350, Some(25.0), Some(1.0)),
        ),
        (&deepest, DEEPEST, None, None),
        (
            &small,
            SMALL,
            limits(150, None, None),
            limits(150, None, None),
        ),
    ] {
        repo.configure("uploadpack.allowFilter", false);
        let kind = format!("{}, with contents", shape.name);
        bench.ours(repo, table, &kind, whole.as_ref())?;
        if let Some(by_jgit) = &by_jgit {
            let kind = format!("{}, JGit, with contents", shape.name);
            by_jgit.ours(repo, table, &kind, whole.as_ref())?;
        }
        repo.configure("uploadpack.allowFilter", true);
        let kind = format!("{}, without", shape.name);
        bench.ours(repo, table, &kind, lean.as_ref())?;
        if let Some(by_jgit) = &by_jgit {
            let kind = format!("{}, JGit, without", shape.name);
            by_jgit.ours(repo, table, &kind, lean.as_ref())?;
        }
        if shape.behind != BEHIND {
            // What git itself does is not another thing there.
            continue;
        }
        let kind = format!("{}, git clone", shape.name);
        bench.git(repo, table, &kind, CLONE)?;
        let kind = format!("{}, git sparse", shape.name);
        bench.git(repo, table, &kind, SPARSE)?;
    }
    many.configure("uploadpack.allowFilter", true);
    bench.ours(&many, table, "1,000 × 2,000, 100,000 refs", None)
}

/// What a script does without any care: everything is fetched and checked out.
const CLONE: &str = "git clone --quiet \"$URL\" work && cd work";

/// What a careful script does: the newest history without contents, and only the watched folder checked out.
const SPARSE: &str = "git clone --quiet --filter=blob:none --no-checkout --depth 50 \"$URL\" work && cd work && \
                      git sparse-checkout set --no-cone \"/$WATCHED/\" && git checkout --quiet main";

/// The rest of both.
const CHANGE_AND_PUSH: &str = "target=$(git log --first-parent --format=%H -2 -- \"$WATCHED\" | tail -1) && \
                               git checkout --quiet \"$target\" -- \"$WATCHED\" && git commit --quiet -m back && \
                               git push --quiet origin main";

/// What one job cost, and what it asked.
type Job = (Cost, Vec<Exchange>);

struct Bench {
    proxy: Proxy,
    runs: usize,
}

impl Bench {
    fn ours(
        &self,
        repo: &GitRepo,
        table: &mut Table,
        kind: &str,
        limits: Option<&Limits>,
    ) -> Result<(), Failure> {
        let program = env::current_exe()?;
        let arguments = [ROLL_BACK, &self.url(repo)];
        self.job(repo, table, kind, self.runs, limits, |folder| {
            process::run(&program, &arguments, &[], folder)
        })
    }

    fn git(
        &self,
        repo: &GitRepo,
        table: &mut Table,
        kind: &str,
        fetch: &str,
    ) -> Result<(), Failure> {
        let script = format!("set -e; cd \"$FOLDER\"; {fetch} && {CHANGE_AND_PUSH}");
        let runs = self.runs.min(RUNS_OF_GIT);
        self.job(repo, table, kind, runs, None, |folder| {
            let environment = [
                ("PATH", env::var("PATH").unwrap_or_default()),
                ("HOME", "/nonexistent".to_owned()),
                ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
                ("GIT_AUTHOR_NAME", "Bench".to_owned()),
                ("GIT_AUTHOR_EMAIL", "bench@example.com".to_owned()),
                ("GIT_COMMITTER_NAME", "Bench".to_owned()),
                ("GIT_COMMITTER_EMAIL", "bench@example.com".to_owned()),
                ("URL", self.url(repo)),
                ("WATCHED", PATH.to_owned()),
                ("FOLDER", folder.display().to_string()),
            ];
            process::run(Path::new("/bin/sh"), &["-c", &script], &environment, folder)
        })
    }

    /// Does one job several times; each begins with the same branch and must restore the same folder.
    fn job(
        &self,
        repo: &GitRepo,
        table: &mut Table,
        kind: &str,
        runs: usize,
        limits: Option<&Limits>,
        run: impl Fn(&Path) -> io::Result<Cost>,
    ) -> Result<(), Failure> {
        let tip = repo.tip();
        let history = repo.path_history(PATH);
        let target = history.get(1).ok_or("the watched folder has no history")?;
        let mut costs: Vec<Job> = Vec::new();
        for _ in 0..runs {
            self.proxy.take();
            let folder = tempfile::tempdir()?;
            let cost = run(folder.path())?;
            let is_restored = repo.tip() != tip
                && repo.tree_at("main", PATH) == repo.tree_at(target, PATH)
                && repo.id_at("main~1") == tip;
            if cost.code != 0 || !is_restored {
                let log = fs::read_to_string(folder.path().join("stderr"))?;
                return Err(format!("{kind} ended with {}:\n{log}", cost.code).into());
            }
            repo.reset("main", &tip);
            costs.push((cost, self.proxy.take()));
        }
        let mut row = |what: &str, unit, limit, of: &dyn Fn(&Job) -> f64| {
            let measured: Vec<f64> = costs.iter().map(of).collect();
            table.row(&format!("{kind}: {what}"), unit, &measured, limit);
        };
        row(
            "wall time",
            Unit::Millis,
            limits.map(|limits| millis(limits.wall)),
            &|(cost, _)| millis(cost.wall),
        );
        // Of our own process, or of git with its children; the server's is not in it.
        row("processor time", Unit::Millis, None, &|(cost, _)| {
            millis(cost.cpu)
        });
        row(
            "peak memory",
            Unit::MiB,
            limits.and_then(|limits| limits.memory),
            &|(cost, _)| cost.peak_memory as f64 / MIB,
        );
        row(
            "received",
            Unit::MB,
            limits.and_then(|limits| limits.received),
            &|(_, exchanges)| exchanges.iter().map(|one| one.received).sum::<usize>() as f64 / 1e6,
        );
        row("sent", Unit::MB, None, &|(_, exchanges)| {
            exchanges.iter().map(|one| one.request.len()).sum::<usize>() as f64 / 1e6
        });
        row("HTTP requests", Unit::Count, None, &|(_, exchanges)| {
            exchanges.len() as f64
        });
        Ok(())
    }

    fn url(&self, repo: &GitRepo) -> String {
        let name = repo.path().file_name().unwrap_or_default();
        format!("http://{}/{}", self.proxy.address(), name.display())
    }
}

/// Is the process that is measured: rolls back the newest change of the watched folder.
pub(crate) fn roll_back(url: &str) -> Result<(), Failure> {
    let url = Url::parse(url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(async {
        let handle = Handle::current();
        tokio::task::spawn_blocking(move || {
            rolled_back(url, handle).map_err(|error| error.to_string())
        })
        .await
    });
    Ok(done??)
}

fn rolled_back(url: Url, runtime: Handle) -> Result<(), Box<dyn Error>> {
    let settings = GitSettings {
        url,
        name: "bench".to_owned(),
        username: String::new(),
        token: None,
        branch: "main".to_owned(),
        paths: vec![PATH.to_owned()],
        ignore: Ignore::default(),
        ca_file: None,
        timeout: Duration::from_secs(60),
        max_bytes: 256 << 20,
        author_name: "Bench".to_owned(),
        author_email: "bench@example.com".to_owned(),
    };
    let git = Git::new(settings, runtime)?;
    let snapshot = git.read(&Want {
        changes: 2,
        ..Want::default()
    })?;
    let target = &snapshot.changes.get(1).ok_or("no earlier change")?.revision;
    let draft = snapshot.draft(target)?;
    let at = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).ok_or("no time")?;
    let commit = snapshot.commit(draft, "Roll back", at)?;
    match snapshot.push(&commit)? {
        Push::Accepted => Ok(()),
        Push::Refused { words } => Err(words.into()),
    }
}

impl Shape {
    /// Returns the repository, making it when it is not there yet.
    fn prepare(&self, root: &Path) -> Result<GitRepo, Failure> {
        let [newest, before] = self.behind;
        let name = format!("{}-{}-{newest}-{before}", self.commits, self.files);
        let path = root.join(format!("{name}.git"));
        if !path.exists() {
            fs::create_dir_all(root)?;
            // What is cut short begins anew.
            let draft = root.join(format!("{name}.draft"));
            fs::remove_dir_all(&draft).unwrap_or_default();
            GitRepo::create(&draft);
            self.import(&draft)?;
            git(&draft, &["repack", "-adq", "--window=10"])?;
            fs::rename(&draft, &path)?;
        }
        Ok(GitRepo::open(&path))
    }

    fn import(&self, repo: &Path) -> Result<(), Failure> {
        let mut import = Command::new("git")
            .arg("--git-dir")
            .arg(repo)
            .args(["fast-import", "--quiet"])
            .stdin(Stdio::piped())
            .spawn()?;
        let mut out = io::BufWriter::new(import.stdin.take().ok_or("a pipe was asked for")?);
        out.write_all(commit(0).as_bytes())?;
        for file in 0..self.files {
            out.write_all(change(&Self::path(file), file, 0).as_bytes())?;
        }
        // The watched folder changes twice, any other file in turn.
        let watched = 73;
        for number in 1..self.commits {
            let behind = self.commits - 1 - number;
            let mut file = number * 7919 % self.files;
            if self.behind.contains(&behind) {
                file = watched * 10;
            } else if file / 10 == watched {
                file = 0;
            }
            out.write_all(commit(number).as_bytes())?;
            out.write_all(change(&Self::path(file), file, number).as_bytes())?;
        }
        drop(out);
        if import.wait()?.success() {
            Ok(())
        } else {
            Err("git fast-import failed".into())
        }
    }

    /// Ten files are a service, ten services a team.
    fn path(file: usize) -> String {
        format!(
            "apps/team-{:03}/service-{}/file-{}.yaml",
            file / 100,
            file / 10 % 10,
            file % 10
        )
    }
}

fn commit(number: usize) -> String {
    let message = format!("change {number}\n");
    format!(
        "commit refs/heads/main\ncommitter Bot <bot@example.com> {} +0000\ndata {}\n{message}\n",
        1_700_000_000 + number * 60,
        message.len()
    )
}

/// Writes a file as long as a manifest and as hard to pack as a sealed secret: files that share little are the worst
/// case on the way, and 20,000 of them are some 13 MB.
fn change(path: &str, file: usize, version: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut content = format!("image: app-{file}:v{version}\nsealed: ");
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(file as u64 + 1);
    for _ in 0..SEALED {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.push(char::from(LETTERS[(state >> 58) as usize]));
    }
    format!(
        "M 100644 inline {path}\ndata {}\n{content}\n",
        content.len()
    )
}

/// Returns a copy of a repository with many pull requests, each of which is a reference.
fn with_many_references(repo: &GitRepo, root: &Path) -> Result<GitRepo, Failure> {
    let path = root.join("many-references.git");
    if !path.exists() {
        let draft = root.join("many-references.draft");
        fs::remove_dir_all(&draft).unwrap_or_default();
        GitRepo::create(&draft);
        fs::write(
            draft.join("objects/info/alternates"),
            format!("{}\n", repo.path().join("objects").display()),
        )?;
        let tip = repo.tip();
        let mut names: Vec<String> = (1..=PULL_REQUESTS)
            .map(|number| format!("refs/pull/{number}/head"))
            .collect();
        names.sort();
        let mut text =
            format!("# pack-refs with: peeled fully-peeled sorted \n{tip} refs/heads/main\n");
        for name in names {
            writeln!(text, "{tip} {name}")?;
        }
        fs::write(draft.join("packed-refs"), text)?;
        fs::rename(&draft, &path)?;
    }
    Ok(GitRepo::open(&path))
}

fn git(repo: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let ended = Command::new("git")
        .arg("--git-dir")
        .arg(repo)
        .args(arguments)
        .status()?;
    if ended.success() {
        Ok(())
    } else {
        Err(format!("git {arguments:?} failed").into())
    }
}
