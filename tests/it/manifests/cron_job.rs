//! When the job runs, how long, and what it writes to.

use std::path::Path;
use std::time::Duration;

use error_budget_monitor::config::Config;
use serde_json::{Value, json};

use super::{JOB, at, container, documents, job, list, object, pod, read, settings_of, text};

/// After this time without a success the rule `ErrorBudgetMonitorNotRunning` fires, in seconds.
const DEAD_MAN: u64 = 900;
/// What a pass needs beside the proof, at most, in seconds. It covers asking, fetching, pushing and telling.
const BESIDE_THE_PROOF: u64 = 120;

#[test]
fn the_file_that_works_alone_holds_these_objects() {
    let objects = documents(&read(&at(JOB)));
    let found: Vec<(&str, &str)> = objects
        .iter()
        .map(|object| (text(&object["kind"]), text(&object["metadata"]["name"])))
        .collect();
    assert_eq!(
        found,
        [
            ("ServiceAccount", "error-budget-monitor"),
            ("ConfigMap", "error-budget-monitor"),
            ("PersistentVolumeClaim", "error-budget-monitor"),
            ("CronJob", "error-budget-rollback-monitor"),
        ]
    );
    for object in &objects {
        assert_eq!(object["metadata"]["namespace"], "monitoring");
        assert_eq!(object["metadata"]["labels"]["app"], "error-budget-monitor");
    }
}

#[test]
fn the_job_runs_every_five_minutes_alone_and_is_not_tried_twice() {
    let cron_job = &object("CronJob")["spec"];
    assert_eq!(cron_job["schedule"], "*/5 * * * *");
    assert_eq!(cron_job["timeZone"], "Etc/UTC");
    assert_eq!(cron_job["concurrencyPolicy"], "Forbid");
    assert_eq!(cron_job["startingDeadlineSeconds"], 120);
    assert_eq!(cron_job["successfulJobsHistoryLimit"], 3);
    assert_eq!(cron_job["failedJobsHistoryLimit"], 3);
    let job = job();
    assert_eq!(job["backoffLimit"], 0);
    assert_eq!(job["podReplacementPolicy"], "Failed");
    assert_eq!(job["ttlSecondsAfterFinished"], 3600);
    assert_eq!(pod()["restartPolicy"], "Never");
}

#[test]
fn settings_that_cannot_work_fail_the_job_and_no_disruption_is_excused() {
    assert_eq!(
        job()["podFailurePolicy"],
        json!({"rules": [{"action": "FailJob", "onExitCodes": {
            "containerName": "error-budget-monitor", "operator": "In", "values": [64, 78],
        }}]})
    );
}

#[test]
fn the_job_outlasts_the_proof_and_ends_before_the_dead_man_fires() {
    let seconds = |value: &Value| value.as_u64().expect("whole seconds");
    let deadline = seconds(&job()["activeDeadlineSeconds"]);
    let grace = seconds(&pod()["terminationGracePeriodSeconds"]);
    let settings = settings_of(&object("ConfigMap"));
    let config = Config::from_vars(
        settings
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .filter(|(name, _)| name != "GITOPS_PATH" && !name.starts_with("ARGOCD_"))
            .filter(|(name, _)| name != "GITOPS_BRANCH"),
    )
    .expect("the ConfigMap can be read");
    let proof = config.verify.timeout.as_secs();
    assert!(
        proof + BESIDE_THE_PROOF <= deadline,
        "VERIFY_TIMEOUT {proof} s in a job of {deadline} s"
    );
    // The tick that a long run covers is skipped; the one after it must succeed in time.
    assert!(
        deadline + grace < DEAD_MAN - 300,
        "{deadline} s + {grace} s"
    );
    assert!(config.verify.deadline >= Duration::from_secs(300));
}

#[test]
fn what_is_written_lies_on_the_volume_and_everything_else_is_read_only() {
    let pod = pod();
    let container = container(&pod);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let mount = |path: &Path| {
        list(&container["volumeMounts"])
            .iter()
            .find(|mount| path.starts_with(text(&mount["mountPath"])))
            .unwrap_or_else(|| panic!("{} lies on no volume", path.display()))
            .clone()
    };
    let settings = settings_of(&object("ConfigMap"));
    for (variable, sub_path) in [("STATE_FILE", "state"), ("LOG_FILE", "log")] {
        let path = settings[variable].clone().expect("it is set");
        let path = Path::new(&path);
        let mount = mount(path);
        assert_eq!(mount["name"], "memory", "{variable}");
        assert_eq!(mount["subPath"], sub_path, "{variable}");
        // A file that is a mount itself cannot be renamed, and both are replaced by renaming.
        assert_ne!(Path::new(text(&mount["mountPath"])), path, "{variable}");
    }
    assert_eq!(mount(Path::new("/tmp/x"))["name"], "scratch");
    assert_eq!(
        pod["volumes"][0],
        json!({"name": "memory", "persistentVolumeClaim": {"claimName": "error-budget-monitor"}})
    );
}

#[test]
fn every_mount_has_a_volume_and_every_volume_a_mount() {
    let pod = pod();
    let mut mounted: Vec<&str> = list(&container(&pod)["volumeMounts"])
        .iter()
        .map(|mount| text(&mount["name"]))
        .collect();
    mounted.sort_unstable();
    mounted.dedup();
    let mut volumes: Vec<&str> = list(&pod["volumes"])
        .iter()
        .map(|volume| text(&volume["name"]))
        .collect();
    volumes.sort_unstable();
    assert_eq!(mounted, volumes);
}

#[test]
fn the_image_is_that_of_this_version() {
    let pod = pod();
    let image = text(&container(&pod)["image"]);
    assert!(
        image.ends_with(concat!(":", env!("CARGO_PKG_VERSION"))),
        "{image}"
    );
}
