//! The fleet: an Indexed CronJob that no shard can hold up.

use std::path::Path;

use serde_json::Value;

use super::{at, documents, list, object, patches, read, settings_of, text};

fn patch(kind: &str) -> Value {
    let path = at("k8s/overlays/fleet/kustomization.yaml");
    let kustomization = documents(&read(&path)).remove(0);
    let mut all = patches(&kustomization).into_iter();
    all.find(|patch| patch["kind"] == kind)
        .expect("a patch of that kind")
}

#[test]
fn there_are_as_many_shards_as_pods_and_none_runs_twice() {
    let settings = settings_of(&patch("ConfigMap"));
    let job = patch("CronJob")["spec"]["jobTemplate"]["spec"].clone();
    let shards = settings["SHARDS"].clone().expect("a number");
    assert_eq!(job["completionMode"], "Indexed");
    for count in ["completions", "parallelism"] {
        assert_eq!(job[count].to_string(), shards, "{count}");
    }
    assert_eq!(job["podReplacementPolicy"], "Failed");
    assert_eq!(settings["STATE"].as_deref(), Some("kubernetes"));
    assert_eq!(settings["STATE_FILE"], None);
    assert_eq!(settings["LOG_FILE"], None);
}

#[test]
fn the_whole_job_ends_before_the_next_tick() {
    let cron_job = object("CronJob")["spec"].clone();
    assert_eq!(cron_job["schedule"], "*/5 * * * *");
    assert_eq!(cron_job["concurrencyPolicy"], "Forbid");
    let grace =
        cron_job["jobTemplate"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            .as_u64();
    let deadline =
        patch("CronJob")["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"].as_u64();
    let (grace, deadline) = (grace.expect("a number"), deadline.expect("a number"));
    assert!(deadline + grace < 300, "{deadline} s and {grace} s to end");
    // As everywhere: two minutes more than the proof may take.
    assert_eq!(
        settings_of(&patch("ConfigMap"))["VERIFY_TIMEOUT"].as_deref(),
        Some("2m")
    );
    assert!(deadline > 2 * 60 + 2 * 60, "{deadline}");
}

#[test]
fn nothing_is_left_of_the_volume() {
    assert_eq!(patch("PersistentVolumeClaim")["$patch"], "delete");
    let pod = patch("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone();
    let gone = list(&pod["volumes"])
        .iter()
        .find(|volume| volume["name"] == "memory");
    assert_eq!(gone.expect("the volume")["$patch"], "delete");
    let mounts = list(&pod["containers"][0]["volumeMounts"]).iter();
    let gone = mounts.filter(|mount| mount["$patch"] == "delete");
    let gone: Vec<&Path> = gone
        .map(|mount| Path::new(text(&mount["mountPath"])))
        .collect();
    let all = ["/var/lib/error-budget-monitor", "/var/log"].map(Path::new);
    assert_eq!(gone, all);
}

#[test]
fn the_api_server_of_a_real_cluster_takes_the_job() {
    let Some(cluster) = testkit::kubernetes::shared_cluster() else {
        return;
    };
    let namespace = cluster.namespace();
    // What kustomize makes of both is held against the schemas by scripts/check-manifests.sh; here the fields that the
    // schemas know nothing of: what goes together.
    let mut cron_job = object("CronJob");
    cron_job["metadata"]["namespace"] = namespace.name.clone().into();
    let changes = patch("CronJob")["spec"]["jobTemplate"]["spec"].clone();
    let job = cron_job["spec"]["jobTemplate"]["spec"]
        .as_object_mut()
        .expect("a job");
    for (name, value) in changes.as_object().expect("fields") {
        if value.is_null() {
            job.remove(name);
        } else if name != "template" {
            job.insert(name.clone(), value.clone());
        }
    }
    namespace.put("cronjobs", &cron_job);
}
