//! The same over the memory in Kubernetes, on a real API server: killed at every boundary, every step done twice,
//! raced, and with an API server that fails in every way. The stories are those in which most is done outside.

use std::sync::{Arc, Mutex};

use error_budget_monitor::config::shard_of;
use serde_json::{Value, json};
use testkit::kubernetes::{Namespace, shared_cluster};
use testkit::stub::{Reply, Request, Stub};

use crate::crowd;
use crate::scenarios::program::{Program, Running};
use crate::stage::Stage;
use crate::stories::{STORIES, Story};
use crate::table;

/// The stories: git alone, and Argo CD before and after git.
const TOLD: [&str; 3] = [
    "a push",
    "Argo CD rolls back first",
    "Argo CD follows the branch",
];

/// Fewest boundaries of the stories together.
const BOUNDARIES: usize = 60;

/// Fewest steps that are written down in one story.
const LEAST_STEPS: usize = 3;

/// Rounds of the race.
const ROUNDS: usize = 30;

/// Into how many shards the services move while a run of before goes on.
const SHARDS: u32 = 3;

impl Stage {
    /// Has the memory in Kubernetes. Whoever finds a run dead gives its Lease back, as its end would.
    fn in_kubernetes(mut self) -> Self {
        let cluster = shared_cluster().expect("it was looked for");
        self.world.moves_to(cluster);
        let moved = |program: Program| self.world.in_kubernetes(program);
        let (program, first, calm) = (self.program.clone(), self.first.clone(), self.calm.clone());
        let (program, first, calm) = (moved(program), first.map(moved), calm.map(moved));
        Self {
            program,
            first,
            calm,
            when_killed: Box::new(|stage| stage.world.objects().frees_leases()),
            ..self
        }
    }

    /// Puts a server that lies, or keeps a record, between the program and the API server.
    fn behind(&self, script: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> Stub {
        let stub = self.world.objects().behind(script);
        self.world
            .objects()
            .kubeconfig_for(self.world.folder(), &stub.url());
        stub
    }
}

fn told() -> Option<Vec<&'static Story>> {
    shared_cluster()?;
    let named = |name: &&str| STORIES.iter().find(|story| story.name == *name);
    Some(
        TOLD.iter()
            .map(|name| named(name).expect("a story of that name"))
            .collect(),
    )
}

#[test]
fn killed_anywhere_over_kubernetes_it_ends_as_if_nothing_had_happened() {
    let Some(stories) = told() else {
        return;
    };
    let name = |story: &&Story| story.name.to_owned();
    let boundaries = crowd::each(crowd::BUSY, &stories, name, |story| {
        (story.stage)().in_kubernetes().play(&[]).boundaries.len()
    });
    let points: Vec<(&Story, usize)> = stories
        .iter()
        .zip(boundaries)
        .flat_map(|(story, boundaries)| (1..=boundaries).map(|at| (*story, at)))
        .collect();
    let name =
        |(story, at): &(&Story, usize)| format!("{} in Kubernetes, killed at {at}", story.name);
    let kills = crowd::each(crowd::BUSY, &points, name, |(story, at)| {
        let stage = (story.stage)().in_kubernetes();
        let played = stage.play(&[*at]);
        story.allowed.holds(&stage);
        played.kills
    });
    table::reached(
        "SIGKILL at every boundary over Kubernetes",
        BOUNDARIES,
        "points",
        kills.iter().sum(),
        &format!(" in {} stories", stories.len()),
    );
}

#[test]
fn every_step_done_twice_over_kubernetes_is_as_done_once() {
    let Some(stories) = told() else {
        return;
    };
    let name = |story: &&Story| story.name.to_owned();
    let steps = crowd::each(crowd::BUSY, &stories, name, |story| {
        let played = (story.stage)().in_kubernetes().play(&[]);
        let named = (1..).zip(played.boundaries);
        let written = named.filter(|(_, name)| name == "journal.durable");
        written.map(|(at, _)| at).collect::<Vec<usize>>()
    });
    // A memory that is lost leaves the rest to a person where Argo CD went back and the commit was still to follow.
    let steps: Vec<(&Story, usize, bool)> = stories
        .iter()
        .zip(steps)
        .flat_map(|(story, steps)| steps.into_iter().map(move |at| (*story, at)))
        .flat_map(|(story, at)| [(story, at, true), (story, at, false)])
        .filter(|(story, _, is_wiped)| !is_wiped || !story.name.contains("rolls back first"))
        .collect();
    let name = |(story, at, is_wiped): &(&Story, usize, bool)| {
        let how = if *is_wiped { "wiped" } else { "put back" };
        format!("{} in Kubernetes, {how} at {at}", story.name)
    };
    let done = crowd::each(crowd::BUSY, &steps, name, |(story, at, is_wiped)| {
        done_twice(story, *at, *is_wiped);
    });
    table::reached(
        "every step executed twice over Kubernetes",
        stories.len() * LEAST_STEPS,
        "steps",
        done.len(),
        &format!(" in {} stories", stories.len()),
    );
}

/// Kills the run when a step is written down, and takes that record away, or all of them.
fn done_twice(story: &Story, at: usize, is_wiped: bool) {
    let mut stage = (story.stage)().in_kubernetes();
    let written: Arc<Mutex<Vec<Value>>> = Arc::new(Mutex::new(vec![stage.world.object()]));
    let record = Arc::clone(&written);
    let _relay = stage.behind(move |request| {
        if is_write(request, "/configmaps") {
            let body = serde_json::from_slice(&request.body).expect("JSON");
            record.lock().expect("one at a time").push(body);
        }
        None
    });
    stage.when_killed = Box::new(move |stage| {
        let objects = stage.world.objects();
        stage.world.forgets();
        let written = written.lock().expect("one at a time");
        if let (false, [.., before, _]) = (is_wiped, &written[..]) {
            let data = before["data"].clone();
            objects.put(
                "configmaps",
                &json!({"metadata": {"name": stage.world.object_name()}, "data": data}),
            );
        }
        objects.frees_leases();
    });
    stage.play(&[at]);
    story.allowed.holds(&stage);
}

#[test]
fn however_many_start_at_once_over_kubernetes_one_acts() {
    let Some(stories) = told() else {
        return;
    };
    let rounds: Vec<(usize, usize)> = (0..ROUNDS).map(|round| (round, 2 + round % 5)).collect();
    let name = |(round, processes): &(usize, usize)| format!("round {round}, {processes} at once");
    let started = crowd::each(crowd::BUSY, &rounds, name, |(round, processes)| {
        let story = stories[0];
        let stage = (story.stage)().in_kubernetes();
        // In every second round some of them are of another number of shards, and hold another Lease.
        let shard = shard_of(&stage.world.key(), SHARDS).to_string();
        let moved = stage
            .program
            .clone()
            .env("SHARDS", &SHARDS.to_string())
            .env("SHARD", &shard);
        if round % 2 == 1 {
            grants_leases_of_shards(stage.world.objects());
        }
        let running: Vec<Running> = (0..*processes)
            .map(|process| match round % 2 == 1 && process % 2 == 1 {
                true => moved.start(),
                false => stage.program.start(),
            })
            .collect();
        for running in running {
            let ran = running.wait();
            assert!(matches!(ran.code, Some(0 | 1 | 75)), "{ran}");
        }
        story.allowed.holds(&stage);
        stage.world.objects().frees_leases();
        stage.play(&[]);
        story.allowed.holds(&stage);
        *processes
    });
    table::reached(
        "2 to 6 processes racing over Kubernetes",
        ROUNDS,
        "rounds",
        started.len(),
        &format!(
            ", {} processes, half of the rounds while the number of shards changes",
            started.iter().sum::<usize>()
        ),
    );
}

/// The Role of one number of shards names their Leases; while it changes, both have to be allowed.
fn grants_leases_of_shards(namespace: &Namespace) {
    namespace.grants(&json!({
        "metadata": {"name": "shards"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update"]}],
    }));
}

/// How the API server fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    /// It hangs up, and nothing was done.
    HangsUp,
    /// It does what is asked, and the answer is lost.
    AnswerLost,
    /// It does what is asked and says that it took too long.
    DoneAndTimedOut,
    /// It is in trouble.
    Trouble,
    /// It is busy, and nothing was done.
    Busy,
    /// Somebody else was faster, it says.
    Conflict,
    /// It says nothing.
    Silent,
}

const FAILURES: [Failure; 7] = [
    Failure::HangsUp,
    Failure::AnswerLost,
    Failure::DoneAndTimedOut,
    Failure::Trouble,
    Failure::Busy,
    Failure::Conflict,
    Failure::Silent,
];

const CALLS: [(&str, &str); 5] = [
    ("GET", "/leases"),
    ("POST", "/leases"),
    ("PUT", "/leases"),
    ("GET", "/configmaps"),
    ("PUT", "/configmaps"),
];

#[test]
fn an_api_server_that_fails_in_every_way_makes_nothing_happen_twice() {
    let Some(stories) = told() else {
        return;
    };
    let mut cases = Vec::new();
    for story in &stories[..2] {
        for call in CALLS {
            for failure in FAILURES {
                // From which call of that kind on: at once, or after some went well.
                for after in [0, 2] {
                    cases.push((*story, call, failure, after));
                }
            }
        }
    }
    let name = |(story, call, failure, after): &(&Story, (&str, &str), Failure, usize)| {
        format!(
            "{} in Kubernetes, {call:?} {failure:?} after {after}",
            story.name
        )
    };
    let done = crowd::each(
        crowd::BUSY,
        &cases,
        name,
        |(story, call, failure, after)| {
            let stage = (story.stage)().in_kubernetes();
            let (namespace, (method, piece)) = (stage.world.objects().clone(), *call);
            let (count, failure, after) = (Mutex::new(0), *failure, *after);
            let relay = stage.behind(move |request| {
                if request.method != method || !request.path().contains(piece) {
                    return None;
                }
                let mut count = count.lock().expect("one at a time");
                *count += 1;
                (*count > after).then(|| fails(failure, &namespace, request))
            });
            let ran = stage.program.clone().env("STATE_TIMEOUT", "1s").run();
            assert!(matches!(ran.code, Some(0 | 1 | 69 | 75 | 78)), "{ran}");
            drop(relay);
            stage.world.objects().kubeconfig(stage.world.folder());
            stage.world.objects().frees_leases();
            stage.play(&[]);
            story.allowed.holds(&stage);
        },
    );
    table::reached(
        "an API server that fails",
        CALLS.len() * FAILURES.len(),
        "cases",
        done.len(),
        " in 2 stories",
    );
}

fn fails(failure: Failure, namespace: &Namespace, request: &Request) -> Reply {
    let status = |code: u16, reason: &str| {
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
                            "message": format!("it failed with {reason}"), "code": code});
        Reply::json(code, status.to_string())
    };
    let does = || namespace.pass_on(request).map(drop).unwrap_or_default();
    match failure {
        Failure::HangsUp => Reply::hangup(),
        Failure::AnswerLost => {
            does();
            Reply::hangup()
        }
        Failure::DoneAndTimedOut => {
            does();
            status(504, "Timeout")
        }
        Failure::Trouble => status(500, "InternalError"),
        Failure::Busy => Reply::text(429, "Too many requests, please try again later.\n"),
        Failure::Conflict => status(409, "Conflict"),
        Failure::Silent => Reply::silence(),
    }
}

fn is_write(request: &Request, kind: &str) -> bool {
    request.method != "GET" && request.path().contains(kind)
}
