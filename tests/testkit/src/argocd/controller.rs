//! The controller as a function of the world: each step makes at most one visible change to each application.

use chrono::{DateTime, Utc};

use super::application::{Application, PostSync, Stage, Work};
use super::clock::delta;
use super::manifest::Identity;
use super::operation::{Operation, OperationState, Phase};
use super::outcome::result_of;
use super::world::World;

/// What a parked operation says.
const PARKED: &str = "Sync operation blocked by sync window";

/// The PostSync hook that goes wrong.
const POST_SYNC: &str = "batch/Job/migrate";

impl World {
    /// Makes one step for each application; tells whether anything changed.
    pub(super) fn step(&mut self) -> bool {
        let now = self.now();
        let keys: Vec<_> = self.apps.keys().cloned().collect();
        let mut has_moved = false;
        for key in keys {
            let mut app = self.apps.remove(&key).expect("listed a moment ago");
            let has_changed =
                app.own(now) || (!self.is_controller_down && self.control(&mut app, now));
            if has_changed {
                app.touch();
                has_moved = true;
            }
            self.apps.insert(key, app);
        }
        has_moved
    }

    fn control(&mut self, app: &mut Application, now: DateTime<Utc>) -> bool {
        app.write_comparison()
            || self.hydrate(app, now)
            || self.operate(app, now)
            || self.compare_if_due(app, now)
            || self.watch_health(app, now)
    }

    fn operate(&mut self, app: &mut Application, now: DateTime<Utc>) -> bool {
        let Some(operation) = &app.operation else {
            return false;
        };
        let Some(mut state) = app.status.operation_state.take() else {
            let operation = operation.clone();
            self.pick_up(app, operation, now);
            return true;
        };
        let before = (state.clone(), app.memory.work.stage);
        self.go_on(app, &mut state, now);
        let has_changed = before != (state.clone(), app.memory.work.stage);
        let (phase, is_over) = (state.phase, app.operation.is_none());
        app.status.operation_state = Some(state);
        self.record(app, |record| {
            record.phase = Some(phase);
            record.ended_at = is_over.then_some(now);
        });
        has_changed
    }

    fn pick_up(&mut self, app: &mut Application, operation: Operation, now: DateTime<Utc>) {
        app.memory.work = Work::default();
        app.status.operation_state = Some(OperationState {
            operation,
            phase: Phase::Running,
            message: String::new(),
            sync_result: None,
            started_at: now,
            finished_at: None,
            retry_count: 0,
        });
        self.record(app, |record| {
            record.started_at = Some(now);
            record.phase = Some(Phase::Running);
        });
    }

    fn go_on(&self, app: &mut Application, state: &mut OperationState, now: DateTime<Utc>) {
        if state.phase == Phase::Terminating {
            return self.terminate(app, state, now);
        }
        let is_overdue = |limit| now >= state.started_at + delta(limit);
        if self.sync_timeout.is_some_and(is_overdue) && app.memory.work.stage != Stage::Applied {
            app.memory.work.is_timed_out = true;
            state.phase = Phase::Terminating;
            "operation is terminating due to timeout".clone_into(&mut state.message);
        } else if state.finished_at.is_some() {
            wait_for_retry(app, state, now);
        } else {
            self.run(app, state, now);
        }
    }

    fn run(&self, app: &mut Application, state: &mut OperationState, now: DateTime<Utc>) {
        if app.memory.work.stage == Stage::Applied {
            let has_waited = !app.trouble.hooks.is_empty() || app.trouble.waits_for.is_some();
            let words = if has_waited {
                "no more tasks"
            } else {
                "all tasks run"
            };
            return finish(
                app,
                state,
                Phase::Succeeded,
                format!("successfully synced ({words})"),
                now,
            );
        }
        if state.sync_result.is_none() {
            state.sync_result = Some(result_of(app, &state.operation));
        }
        let is_blocked = self.is_blocked(app, state);
        if app.memory.work.stage == Stage::New {
            app.memory.work.stage = Stage::Picked;
        }
        if is_blocked {
            PARKED.clone_into(&mut state.message);
        } else if app.memory.work.stage == Stage::Picked {
            self.resolve(app, state, now);
        } else {
            self.apply(app, state, now);
        }
    }

    /// Tells whether a window stands in the way. At the first look nobody knows yet that a person asked.
    fn is_blocked(&self, app: &Application, state: &OperationState) -> bool {
        let is_manual =
            app.memory.work.stage != Stage::New && !state.operation.initiated_by.automated;
        !self.project_of(app).can_sync(is_manual)
    }

    fn resolve(&self, app: &mut Application, state: &mut OperationState, now: DateTime<Utc>) {
        let result = state.sync_result.get_or_insert_default();
        let pairs = result.pairs();
        let revisions: Result<Vec<_>, _> = pairs
            .iter()
            .map(|(source, revision)| self.repository.resolve(source, revision))
            .collect();
        let rendered = revisions.and_then(|revisions| {
            result.resolve(revisions);
            self.repository.render(&result.pairs())
        });
        state.message = String::new();
        match rendered {
            Ok(_) => {
                app.memory.work.stage = Stage::Resolved;
                app.memory.work.since = Some(now);
            }
            Err(why) => self.fail(app, state, Phase::Error, &unloadable(&why), now),
        }
    }

    fn apply(&self, app: &mut Application, state: &mut OperationState, now: DateTime<Utc>) {
        let since = app.memory.work.since.unwrap_or(now);
        if app.trouble.never_finishes || now < since + delta(self.pace.operation) {
            state.message = app.waiting_for(&state.operation);
            return;
        }
        let result = state.sync_result.get_or_insert_default();
        let pairs = result.pairs();
        let targets = match self.repository.render(&pairs) {
            Ok(targets) => targets,
            Err(why) => return self.fail(app, state, Phase::Error, &unloadable(&why), now),
        };
        let operation = &state.operation;
        let names = app.meant(operation, &targets);
        let meant = |name: &str| names.contains(name);
        let is_failing = app.trouble.failing_tries > 0;
        app.trouble.failing_tries = app.trouble.failing_tries.saturating_sub(1);
        let refusal = pairs
            .iter()
            .find_map(|(_, revision)| app.trouble.fails_to_apply.get(revision).cloned())
            .or_else(|| is_failing.then(|| "the webhook is not there".to_owned()));
        if let Some(why) = refusal {
            // Whatever comes before the object that is refused is there.
            let part = targets.len() / 2;
            result.resources = app.results(operation, &targets, &names, "Running");
            let refused = targets.keys().filter(|name| meant(name)).skip(part);
            for name in refused {
                let failed = Identity::of(name, &targets[name].text).refused(&why);
                result
                    .resources
                    .retain(|it| it["name"] != failed["name"] || it["kind"] != failed["kind"]);
                result.resources.push(failed);
            }
            if !operation.sync.dry_run {
                app.apply(&targets, false, meant, part, now);
            }
            let message = format!("one or more objects failed to apply, reason: {why}");
            return self.fail(app, state, Phase::Failed, &message, now);
        }
        let hook = app.post_sync(operation, &pairs[0].1);
        if result.resources.is_empty() {
            let phase = hook.map_or("Running", |_| "Succeeded");
            result.resources = app.results(operation, &targets, &names, phase);
        }
        if !operation.sync.dry_run {
            app.apply(&targets, operation.sync.prune, meant, usize::MAX, now);
            match hook {
                Some(wrong) => return self.go_wrong(app, state, wrong, now),
                None => {
                    app.run_hooks(operation, &pairs[0].1);
                    app.remember(state, now);
                }
            }
        }
        app.memory.work.stage = Stage::Applied;
    }

    /// Lets the PostSync hook go wrong: what was to run runs, and the history does not say so.
    fn go_wrong(
        &self,
        app: &mut Application,
        state: &mut OperationState,
        wrong: PostSync,
        now: DateTime<Utc>,
    ) {
        if !std::mem::replace(&mut app.memory.work.is_applied, true) {
            app.memory.is_look_due = true;
        }
        match wrong {
            PostSync::Hangs => {
                state.message = format!("waiting for completion of hook {POST_SYNC}");
            }
            PostSync::Fails => {
                let why = "Job has reached the specified backoff limit";
                let hook = Identity::of_hook(POST_SYNC).failed_hook("PostSync", why);
                state
                    .sync_result
                    .get_or_insert_default()
                    .resources
                    .push(hook);
                let message = "one or more synchronization tasks completed unsuccessfully";
                self.fail(app, state, Phase::Failed, message, now);
            }
        }
    }

    fn terminate(&self, app: &mut Application, state: &mut OperationState, now: DateTime<Utc>) {
        if app.trouble.ignores_termination || self.is_blocked(app, state) {
            return;
        }
        let waits_for_hook = state.message.contains(" of hook ");
        if let Some(hook) = app.trouble.hooks.first().filter(|_| waits_for_hook) {
            let hook = Identity::of_hook(hook).failed_hook("PreSync", "Terminated");
            state
                .sync_result
                .get_or_insert_default()
                .resources
                .push(hook);
        }
        let mut message = "Operation terminated".to_owned();
        if app.memory.work.is_timed_out {
            message.push_str(", triggered by controller sync timeout");
        }
        message.push_str(&retried(state));
        finish(app, state, Phase::Failed, message, now);
    }

    /// Ends a try; the operation ends with it unless another one is left.
    fn fail(
        &self,
        app: &mut Application,
        state: &mut OperationState,
        phase: Phase,
        message: &str,
        now: DateTime<Utc>,
    ) {
        let limit = state.operation.retry.limit;
        if limit >= 0 && state.retry_count >= limit {
            let message = format!("{message}{}", retried(state));
            return finish(app, state, phase, message, now);
        }
        state.retry_count += 1;
        state.finished_at = Some(now);
        let retry_at = now + self.pace.retry_wait(state.retry_count);
        state.message = format!(
            "{message}. Retrying attempt #{} at {}.",
            state.retry_count,
            retry_at.format("%-I:%M%p")
        );
        app.memory.work.retry_at = Some(retry_at);
    }

    /// Shows how what runs is, unless a comparison is about to.
    fn watch_health(&self, app: &mut Application, now: DateTime<Utc>) -> bool {
        let health = app.actual_health(now, &self.pace);
        let is_news = app.status.reconciled_at.is_some() && app.status.health.status != health;
        if !is_news || app.operation.is_some() {
            return false;
        }
        app.status.set_health(health, now);
        true
    }
}

fn wait_for_retry(app: &mut Application, state: &mut OperationState, now: DateTime<Utc>) {
    if app.memory.work.retry_at.is_some_and(|at| now < at) {
        return;
    }
    app.memory.work = Work {
        stage: Stage::Picked,
        ..Work::default()
    };
    state.finished_at = None;
    state.sync_result = None;
    state.message = format!("Retrying operation. Attempt #{}", state.retry_count);
}

fn finish(
    app: &mut Application,
    state: &mut OperationState,
    phase: Phase,
    message: String,
    now: DateTime<Utc>,
) {
    state.phase = phase;
    state.message = message;
    state.finished_at = Some(now);
    app.operation = None;
    app.memory.is_compare_due |= !state.operation.sync.dry_run;
}

fn retried(state: &OperationState) -> String {
    match state.retry_count {
        0 => String::new(),
        count => format!(" (retried {count} times)."),
    }
}

fn unloadable(why: &str) -> String {
    format!("ComparisonError: Failed to load target state: {why}")
}
