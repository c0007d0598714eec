//! The memory: whether a run could write it, what is in it, and what it lets through now.

use chrono::{DateTime, Duration, Utc};

use super::finding::Finding;
use crate::config::StateObjects;
use crate::journal::{
    FolderState, LockState, ServiceState, probe_folder, probe_lock, state_folder,
};
use crate::policy::{GateState, Reason, Timeline, limits};
use crate::service::{Service, history};
use crate::state;

const FOLDER: &str = "state folder";
const FILE: &str = "state file";
const CONFIG_MAP: &str = "state ConfigMap";
const LOCK: &str = "state lock";
const RIGHTS: &str = "state rights";
const SHARD: &str = "shard";
const UNFINISHED: &str = "last rollback";
const LIMITS: &str = "limits";
const BLACKOUT: &str = "blackout";

/// For how long a rollback that did not help is worth a word: as long as it stops the next one.
const BREAKER: Duration = Duration::hours(24);

/// Looks at the state file and what lies beside it; nothing is left behind. `timeline` is what the branch says, where
/// it was read: a lost memory does not reset the limits.
pub(super) fn look(
    service: &Service<'_>,
    timeline: Option<&Timeline>,
    now: DateTime<Utc>,
) -> Vec<Finding> {
    let config = &service.config.state;
    let mut findings = match &config.objects {
        Some(objects) => vec![rights(service, objects), lease(service, objects)],
        None => vec![folder(service), lock(service)],
    };
    if config.sharding.shards > 1 {
        findings.push(shard(service));
    }
    let (subject, rebuilds) = match &config.objects {
        Some(_) => (
            CONFIG_MAP,
            "let the next run rebuild it from git and Argo CD; it keeps a copy of the damaged one beside it",
        ),
        None => (
            FILE,
            "let the next run rebuild it from git and Argo CD; it keeps the damaged file beside it",
        ),
    };
    let tried = format!("read {}", state::place(config, &service.key));
    match state::view(config, std::slice::from_ref(&service.key)) {
        Ok(glimpse) => {
            let state = glimpse.state.service(&service.key);
            let count = state.rollbacks.len();
            let is_there = match &config.objects {
                Some(_) => glimpse.state.services.contains_key(&service.key),
                None => config.state_file.exists(),
            };
            findings.push(match glimpse.damage {
                Some(damage) => Finding::warning(
                    subject,
                    tried,
                    format!("it is damaged ({damage})"),
                    rebuilds,
                ),
                None if is_there => Finding::ok(
                    subject,
                    tried,
                    format!("usable, {count} rollbacks of this service are remembered"),
                ),
                None => Finding::ok(
                    subject,
                    tried,
                    "it is not there yet; the first run fills it from git and Argo CD",
                ),
            });
            findings.push(last(&state, now));
            findings.push(limits_now(service, &state, timeline, now));
        }
        Err(error) => {
            let remedy = "make it readable, or run the version that wrote it";
            findings.push(Finding::failed(subject, tried, &error.to_string(), remedy));
        }
    }
    findings.push(blackout(service, now));
    findings
}

fn shard(service: &Service<'_>) -> Finding {
    let config = &service.config.state;
    let (shard, sharding) = (config.shard, config.sharding);
    let tried = "look which shard serves it";
    match (sharding.shards, sharding.shard) {
        (shards, Some(_)) => {
            Finding::ok(SHARD, tried, format!("shard {shard} of {shards}, this one"))
        }
        (shards, None) => Finding::ok(
            SHARD,
            tried,
            format!("shard {shard} of {shards}; SHARD is not set, so this is no run of a shard"),
        ),
    }
}

fn rights(service: &Service<'_>, objects: &StateObjects) -> Finding {
    let tried = "ask the API server for the rights to ConfigMaps and Leases";
    let remedy = "grant the Role that `doctor --print-rbac` prints";
    match state::missing_rights(&service.config.state, objects, &service.key) {
        Ok(missing) if missing.is_empty() => Finding::ok(RIGHTS, tried, "all are there"),
        Ok(missing) => Finding::problem(
            RIGHTS,
            tried,
            format!("missing: {}", missing.join(", ")),
            remedy,
        ),
        Err(error) => Finding::failed(RIGHTS, tried, &error.to_string(), remedy),
    }
}

fn lease(service: &Service<'_>, objects: &StateObjects) -> Finding {
    let tried = "look whether a run holds the Lease";
    match state::look_at_lease(&service.config.state, objects) {
        Ok((name, seen)) => match seen.holder {
            None => Finding::ok(LOCK, tried, format!("nobody holds {name}")),
            Some(holder) => Finding::warning(
                LOCK,
                tried,
                format!(
                    "{holder} holds {name}, renewed at {}",
                    seen.renewed_at.as_deref().unwrap_or("an unknown time")
                ),
                "wait for its end: until then every other run ends with 75; what a run that died left is free after STATE_LEASE",
            ),
        },
        Err(error) => Finding::failed(
            LOCK,
            tried,
            &error.to_string(),
            "check KUBECONFIG, the network policy and the rights",
        ),
    }
}

fn folder(service: &Service<'_>) -> Finding {
    let file = &service.config.state.state_file;
    let tried = format!(
        "write into {} and leave nothing",
        state_folder(file).display()
    );
    match probe_folder(file) {
        FolderState::Writable => Finding::ok(FOLDER, tried, "it takes files, and there is space"),
        FolderState::Missing { above } => Finding::ok(
            FOLDER,
            tried,
            format!("it is not there yet; a run makes it in {}", above.display()),
        ),
        FolderState::Refuses { tried: at, source } => Finding::problem(
            FOLDER,
            tried,
            format!("{} cannot be written ({source})", at.display()),
            "make it writable, free space, or point STATE_FILE elsewhere",
        ),
    }
}

fn lock(service: &Service<'_>) -> Finding {
    let tried = "look whether a run holds the lock";
    match probe_lock(&service.config.state.state_file) {
        LockState::Free => Finding::ok(LOCK, tried, "nobody holds it"),
        LockState::Missing => Finding::ok(LOCK, tried, "there is none yet; the first run makes it"),
        LockState::Held { holder } => Finding::warning(
            LOCK,
            tried,
            match holder {
                Some(holder) => format!("a run is under way and holds it: {holder}"),
                None => "a run is under way and holds it".to_owned(),
            },
            "wait for its end, or end its process if it hangs: until then every other run ends with 75",
        ),
        LockState::Unusable { source } => Finding::problem(
            LOCK,
            tried,
            format!("it cannot be locked ({source})"),
            "put STATE_FILE on a volume that knows locks, and make it readable",
        ),
    }
}

fn last(state: &ServiceState, now: DateTime<Utc>) -> Finding {
    let tried = "look how the last rollback ended";
    if let Some(pending) = state.pending() {
        return Finding::warning(
            UNFINISHED,
            tried,
            format!("{} waits for a person's word", pending.id),
            format!("`approve {}` or `reject {}`", pending.id, pending.id),
        );
    }
    if let Some(unfinished) = state.unfinished() {
        return Finding::warning(
            UNFINISHED,
            tried,
            format!("{} is not finished", unfinished.id),
            "let the next run finish it; nothing else is rolled back until then",
        );
    }
    let remembered = history(state);
    let newest = remembered.all().iter().max_by_key(|past| past.begun_at);
    match newest {
        None => Finding::ok(UNFINISHED, tried, "none is remembered"),
        Some(past) => match past.phase.trouble(false) {
            Some(broken) if !past.is_released && now - past.begun_at < BREAKER => Finding::warning(
                UNFINISHED,
                tried,
                format!("{} {broken}", past.id),
                format!(
                    "look why: automatic rollbacks are held until `release {}`, another deployment, or for 24 h",
                    past.id
                ),
            ),
            Some(_) | None => Finding::ok(
                UNFINISHED,
                tried,
                format!("{} does not stand in the way", past.id),
            ),
        },
    }
}

fn limits_now(
    service: &Service<'_>,
    state: &ServiceState,
    timeline: Option<&Timeline>,
    now: DateTime<Utc>,
) -> Finding {
    let tried = "compare COOLDOWN and MAX_ROLLBACKS_PER_* with what was done";
    let settings = &service.config.policy;
    let nothing_allowed = [
        ("MAX_ROLLBACKS_PER_HOUR", settings.max_per_hour),
        ("MAX_ROLLBACKS_PER_DAY", settings.max_per_day),
    ]
    .into_iter()
    .find(|(_, most)| *most == 0);
    if let Some((name, _)) = nothing_allowed {
        return Finding::problem(
            LIMITS,
            tried,
            format!("{name} is 0: no rollback is ever let through"),
            format!("set {name} to at least 1; ROLLBACK_ENABLED=false switches rollbacks off"),
        );
    }
    let remembered = history(state);
    let remembered = match timeline {
        Some(timeline) => remembered.joined_with(timeline, now, settings.verify_deadline),
        None => remembered,
    };
    let gate = limits(&remembered, settings, None, now);
    // A blackout has a line of its own.
    match gate.reason {
        Some(Reason::Blackout) => Finding::ok(LIMITS, tried, "none is reached"),
        _ if gate.state == GateState::Pass => Finding::ok(LIMITS, tried, gate.detail),
        Some(_) | None => Finding::warning(
            LIMITS,
            tried,
            gate.detail,
            "wait, or find out why so much is rolled back",
        ),
    }
}

fn blackout(service: &Service<'_>, now: DateTime<Utc>) -> Finding {
    let windows = &service.config.policy.blackout;
    let tried = format!("compare BLACKOUT_WINDOWS ({windows}) with the clock");
    match windows.covers(now) {
        None => Finding::ok(BLACKOUT, tried, "none is open now"),
        Some(active) => Finding::warning(
            BLACKOUT,
            tried,
            format!(
                "{} is open until {}",
                active.window,
                active.until.format("%Y-%m-%d %H:%M UTC")
            ),
            if service.config.policy.emergency_overrides_blackout {
                "know that only the emergency level rolls back until then"
            } else {
                "know that nothing is rolled back until then"
            },
        ),
    }
}
