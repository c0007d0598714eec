//! What `RUNBOOK_FILE` may name.

use super::{accepted, problem};

#[test]
fn a_runbook_is_read_for_the_service_with_the_settings_of_its_cluster() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("runbook.yaml");
    std::fs::write(
        &file,
        "name: ${SERVICE}\nrollback:\n- {name: a, wait: 1s}\n",
    )
    .expect("our own folder");
    let path = file.to_str().expect("test paths are text");
    assert!(accepted(&[]).runbook.is_none());
    let config = accepted(&[("RUNBOOK_FILE", path), ("KUBERNETES_CONTEXT", "blue")]);
    let read = config.runbook.expect("it is set");
    assert_eq!(read.runbook.name.as_str(), "checkout");
    assert_eq!(read.cluster.namespace.as_deref(), Some("shop"));
    assert_eq!(read.cluster.context.as_deref(), Some("blue"));
}

#[test]
fn a_file_that_is_no_runbook_is_a_problem_with_its_place() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("runbook.yaml");
    let path = file.to_str().expect("test paths are text");
    let missing = problem(&[("RUNBOOK_FILE", path)]);
    assert!(missing.contains("which cannot be read"), "{missing}");
    let device = problem(&[("RUNBOOK_FILE", "/dev/zero")]);
    assert!(device.contains("it is not a regular file"), "{device}");
    std::fs::write(&file, "#".repeat(256 * 1024 + 1)).expect("our own folder");
    let large = problem(&[("RUNBOOK_FILE", path)]);
    assert!(large.contains("larger than 262144 bytes"), "{large}");
    std::fs::write(&file, "name: x\nrollback:\n- {name: a, wate: 1s}\n").expect("our own folder");
    let broken = problem(&[("RUNBOOK_FILE", path)]);
    assert!(
        broken.contains("unknown field `wate`") && broken.contains("at line 3 column 13"),
        "{broken}"
    );
    std::fs::write(
        &file,
        "name: x\nrollback:\n- {name: a, wait: ghp_0123456789abcdefghij}\n",
    )
    .expect("our own folder");
    let secret = problem(&[("RUNBOOK_FILE", path)]);
    assert!(!secret.contains("ghp_0123456789"), "{secret}");
    std::fs::write(
        &file,
        "name: x\nrollback:\n- name: a\n  undo: {workloads: [deployment/a], to: ghp_0123456789abcdefghij}\n",
    )
    .expect("our own folder");
    let secret = problem(&[("RUNBOOK_FILE", path)]);
    assert!(
        secret.contains("[redacted]") && !secret.contains("ghp_0123456789"),
        "{secret}"
    );
    // What is wrong with the cluster's settings is said once.
    std::fs::write(&file, "name: x\nrollback:\n- {name: a, wait: 1s}\n").expect("our own folder");
    problem(&[("RUNBOOK_FILE", path), ("STATE_TIMEOUT", "0s")]);
}
