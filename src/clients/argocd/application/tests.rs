use super::*;
use crate::clients::argocd::{Initiator, Note, OperationPhase};

/// A service from one folder of a repository, healthy, with two releases.
const SINGLE: &str = r#"{
  "metadata": {
    "name": "checkout", "namespace": "argocd", "uid": "5b0d", "resourceVersion": "8812", "generation": 41,
    "creationTimestamp": "2026-01-05T08:00:00Z",
    "annotations": {"argocd-image-updater.argoproj.io/image-list": "web=registry/web"},
    "managedFields": [{"manager": "argocd-server", "fieldsV1": {"f:spec": {}}}]
  },
  "spec": {
    "project": "payments", "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
    "source": {"repoURL": "https://git.example.com/deploy.git", "path": "apps/checkout", "targetRevision": "main"},
    "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"]},
    "revisionHistoryLimit": 5, "somethingNew": {"x": 1}
  },
  "status": {
    "sync": {"status": "Synced", "revision": "bbb", "comparedTo": {"source": {"repoURL": "https://git.example.com/deploy.git"}}},
    "health": {"status": "Healthy", "lastTransitionTime": "2026-08-01T10:01:30Z"},
    "reconciledAt": "2026-08-01T10:02:00Z", "controllerNamespace": "argocd", "sourceType": "Kustomize",
    "history": [
      {"id": 0, "revision": "aaa", "deployedAt": "2026-07-30T09:00:10Z", "deployStartedAt": "2026-07-30T09:00:05Z",
       "source": {"repoURL": "https://git.example.com/deploy.git", "path": "apps/checkout", "targetRevision": "main"},
       "initiatedBy": {"username": "alice"}},
      {"id": 1, "revision": "bbb", "deployedAt": "2026-08-01T10:00:10Z", "deployStartedAt": "2026-08-01T10:00:05Z",
       "source": {"repoURL": "https://git.example.com/deploy.git", "path": "apps/checkout", "targetRevision": "main"},
       "initiatedBy": {"automated": true}}
    ],
    "operationState": {
      "phase": "Succeeded", "message": "successfully synced (all tasks run)",
      "startedAt": "2026-08-01T10:00:05Z", "finishedAt": "2026-08-01T10:00:10Z",
      "operation": {"initiatedBy": {"automated": true}, "retry": {"limit": 5}, "sync": {"revision": "bbb", "prune": true}},
      "syncResult": {"revision": "bbb", "resources": [{"kind": "Deployment", "name": "web", "status": "Synced"}]}
    },
    "resources": [
      {"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "shop", "name": "web", "status": "Synced",
       "health": {"status": "Healthy"}},
      {"version": "v1", "kind": "Service", "namespace": "shop", "name": "web", "status": "Synced"},
      {"group": "argoproj.io", "version": "v1alpha1", "kind": "Rollout", "namespace": "shop", "name": "api",
       "status": "Synced", "health": {"status": "Suspended", "message": "CanaryPauseStep"}}
    ],
    "summary": {"images": ["registry/web:2"]}
  }
}"#;

/// A chart with values from a repository, rolled back by a person.
const MULTI: &str = r#"{
  "metadata": {"name": "checkout", "namespace": "team", "ownerReferences":
    [{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "name": "shops", "uid": "1", "controller": true}]},
  "spec": {
    "project": "payments", "source": {"repoURL": ""},
    "sources": [
      {"repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1.*", "helm": {"valueFiles": ["$v/values.yaml"]}},
      {"repoURL": "https://git.example.com/values.git", "targetRevision": "main", "ref": "v"}
    ]
  },
  "status": {
    "sync": {"status": "OutOfSync", "revisions": ["1.4.0", "ddd"]},
    "health": {"status": "Progressing"},
    "reconciledAt": "2026-08-01T10:00:00Z",
    "history": [
      {"id": 7, "revisions": ["1.3.0", "ccc"], "deployedAt": "2026-07-30T09:00:10Z", "source": {"repoURL": ""},
       "sources": [{"repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1.*"},
                   {"repoURL": "https://git.example.com/values.git", "targetRevision": "main", "ref": "v"}], "initiatedBy": {}}
    ],
    "operationState": {
      "phase": "Running", "message": "", "startedAt": "2026-08-01T10:00:05Z",
      "operation": {"initiatedBy": {"username": "slo-bot"}, "sync": {"revisions": ["1.3.0", "ccc"],
        "sources": [{"repoURL": "https://charts.example.com", "chart": "web", "targetRevision": "1.*"}],
        "syncStrategy": {"apply": {}}}, "retry": {}},
      "syncResult": {"revision": "", "revisions": ["1.3.0", "ccc"], "source": {"repoURL": ""}}
    }
  },
  "operation": {"initiatedBy": {"username": "slo-bot"}, "sync": {"revisions": ["1.3.0", "ccc"]}}
}"#;

/// A Helm chart by itself, never synced, being deleted.
const HELM: &str = r#"{
  "metadata": {"name": "checkout", "namespace": "argocd", "deletionTimestamp": "2026-08-01T11:00:00Z",
    "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
  "spec": {"project": "default", "source": {"repoURL": "oci://registry/charts", "chart": "web", "targetRevision": "2.1.0",
    "helm": {"parameters": [{"name": "image.tag", "value": "7"}]}}, "syncPolicy": {"automated": {"enabled": false}}},
  "status": {"sync": {"status": "Unknown"}, "health": {"status": "Missing"},
    "conditions": [{"type": "ComparisonError", "message": "rpc error:\n  failed to pull", "lastTransitionTime": "2026-08-01T10:59:00Z"}]}
}"#;

fn read(text: &str) -> Application {
    Application::read(&serde_json::from_str(text).expect("JSON"))
}

/// Reads an application with these two parts of its status and nothing else.
fn with(state: Value, operation: Value) -> Application {
    Application::read(&serde_json::json!({
        "metadata": {"name": "checkout"}, "operation": operation,
        "status": {"operationState": state, "reconciledAt": "2026-08-01T10:00:00Z"},
    }))
}

fn at(text: &str) -> Option<DateTime<Utc>> {
    Some(text.parse().expect("a time"))
}

#[test]
fn reads_an_application_with_one_source() {
    let app = read(SINGLE);
    assert_eq!(app.name.as_deref(), Some("checkout"));
    assert_eq!(app.namespace.as_deref(), Some("argocd"));
    assert_eq!(app.project.as_deref(), Some("payments"));
    assert_eq!((app.deletion, app.owner.clone()), (None, Owner::Nobody));
    assert_eq!(app.image_updater.as_deref().map(<[String]>::len), Some(1));
    assert!(matches!(app.sources, Sources::Single(_)));
    assert_eq!(app.sources.all()[0].path.as_deref(), Some("apps/checkout"));
    assert_eq!(app.history_limit, Some(5));
    let AutoSync::On(block) = &app.auto_sync else {
        panic!("{:?}", app.auto_sync);
    };
    assert_eq!((block.prune(), block.self_heal()), (Some(true), Some(true)));
    assert_eq!(app.sync.status, SyncStatus::Synced);
    assert_eq!(app.sync.revisions, ["bbb"]);
    assert_eq!(app.health.status, HealthStatus::Healthy);
    assert_eq!(app.health.since, at("2026-08-01T10:01:30Z"));
    assert_eq!(app.conditions, Some(vec![]));
    let rollouts = app.rollouts.as_ref().expect("readable resources");
    assert_eq!(rollouts.len(), 1);
    assert_eq!(rollouts[0].name, "api");
    assert_eq!(rollouts[0].health, HealthStatus::Suspended);
    let history = app.history.as_ref().expect("a history");
    assert_eq!(history[0].id, 0);
    assert_eq!(history[0].by, Initiator::User("alice".to_owned()));
    assert_eq!(history[1].by, Initiator::Automated);
    assert_eq!(history[1].deployed_at, at("2026-08-01T10:00:10Z"));
    let state = app.operation_state.as_ref().expect("an operation");
    assert_eq!(state.phase, OperationPhase::Succeeded);
    assert_eq!(state.resolved, ["bbb"]);
    assert_eq!(state.retry_count, Some(0));
    assert!(state.is_over() && !state.is_waiting_for_retry);
    assert!(!app.is_in_progress() && !is_queued(&app));
}

#[test]
fn reads_an_application_with_several_sources() {
    let app = read(MULTI);
    assert!(matches!(app.sources, Sources::Multi(_)));
    assert_eq!(app.sources.all()[0].chart.as_deref(), Some("web"));
    let name = Some("shops".to_owned());
    assert_eq!(app.owner, Owner::ApplicationSet { name });
    assert_eq!(app.auto_sync, AutoSync::Absent);
    assert_eq!(app.history_limit, Some(10));
    assert_eq!(app.sync.status, SyncStatus::OutOfSync);
    assert_eq!(app.sync.revisions, ["1.4.0", "ddd"]);
    assert_eq!(
        (app.health.status.clone(), app.health.since),
        (HealthStatus::Progressing, None)
    );
    let entry = &app.history.as_ref().expect("a history")[0];
    assert_eq!(entry.revisions, ["1.3.0", "ccc"]);
    assert_eq!(entry.sources.all().len(), 2);
    assert_eq!(entry.by, Initiator::Unknown);
    let state = app.operation_state.as_ref().expect("an operation");
    assert_eq!(state.request.revisions, ["1.3.0", "ccc"]);
    assert_eq!(state.request.by, Initiator::User("slo-bot".to_owned()));
    assert_eq!(state.resolved, ["1.3.0", "ccc"]);
    assert!(app.is_in_progress() && !is_queued(&app));
}

#[test]
fn reads_a_chart_that_was_never_synced() {
    let app = read(HELM);
    let since = at("2026-08-01T11:00:00Z");
    assert_eq!(app.deletion, Some(Deletion { since }));
    assert!(matches!(app.auto_sync, AutoSync::Off(_)));
    assert_eq!(app.sources.all()[0].chart.as_deref(), Some("web"));
    assert_eq!(app.sync.status, SyncStatus::Unknown("Unknown".to_owned()));
    assert_eq!(app.health.status, HealthStatus::Missing);
    assert_eq!(app.history, Some(vec![]));
    assert_eq!((app.operation.clone(), app.reconciled_at), (None, None));
    let conditions = app.conditions.as_ref().expect("conditions");
    assert_eq!(conditions[0].kind, "ComparisonError");
    assert_eq!(conditions[0].message, "rpc error: failed to pull");
    assert!(!app.is_in_progress());
}

#[test]
fn what_is_missing_is_nothing_and_never_a_value() {
    let app = Application::read(&serde_json::json!({}));
    assert_eq!((app.name.clone(), app.project.clone()), (None, None));
    assert_eq!(app.auto_sync, AutoSync::Unknown);
    assert_eq!(app.sources, Sources::Unknown);
    assert_eq!(app.sources, Sources::Unknown);
    assert_eq!(app.sync.status, SyncStatus::Unknown(String::new()));
    assert_eq!(app.health.status, HealthStatus::Unknown(String::new()));
    assert_eq!(app.reconciled_at, None);
}

#[test]
fn what_has_another_type_is_nothing_and_never_a_value() {
    let app = Application::read(&serde_json::json!({
        "metadata": {"name": 1, "deletionTimestamp": "soon", "annotations": "x"},
        "spec": {"project": [], "revisionHistoryLimit": "5", "syncPolicy": 1, "source": "git"},
        "status": {
            "history": [{"id": 3, "revision": "a"}, {"id": "4", "revision": "b"}],
            "sync": {"status": 1, "revision": 2}, "health": "Healthy", "reconciledAt": 17,
            "conditions": {}, "resources": [{"name": "no kind"}],
            "operationState": {"phase": 1, "finishedAt": "x", "retryCount": "x",
                "operation": {"info": "x", "sync": {"dryRun": "no", "resources": 1, "revision": 3},
                    "initiatedBy": {"automated": "x", "username": "me"}}},
        },
    }));
    assert_eq!(app.name, None);
    assert_eq!(app.deletion, Some(Deletion { since: None }));
    assert_eq!((app.project.clone(), app.history_limit), (None, None));
    assert_eq!(
        (&app.auto_sync, &app.sources),
        (&AutoSync::Unknown, &Sources::Unknown)
    );
    assert_eq!((&app.history, &app.conditions), (&None, &None));
    assert_eq!((&app.rollouts, &app.image_updater), (&None, &None));
    assert_eq!(app.owner, Owner::Unknown);
    assert_eq!(app.health.status, HealthStatus::Unknown(String::new()));
    let state = app.operation_state.as_ref().expect("there is one");
    assert_eq!(state.phase, OperationPhase::Unknown(String::new()));
    assert_eq!(state.request.by, Initiator::Unknown);
    assert_eq!((&state.request.notes, state.retry_count), (&None, None));
    assert_eq!(
        (state.request.is_dry_run, state.request.is_selective),
        (None, None)
    );
    assert!(app.is_in_progress(), "unsure is not done");
}

/// Tells whether an operation is asked for that Argo CD has not looked at yet.
fn is_queued(app: &Application) -> bool {
    app.operation.is_some() && app.operation_state.is_none()
}

#[test]
fn a_queued_operation_has_no_state() {
    let operation = serde_json::json!({"sync": {"revision": "aaa"}, "initiatedBy": {"username": "slo-bot"},
        "info": [{"name": "error-budget-rollback", "value": "r-1"}]});
    let app = with(Value::Null, operation);
    assert!(is_queued(&app) && app.is_in_progress() && !app.is_parked_by_window());
    let request = app.operation.expect("an operation");
    let note = Note {
        name: "error-budget-rollback".to_owned(),
        value: "r-1".to_owned(),
    };
    assert_eq!(request.notes, Some(vec![note]));
    assert_eq!(request.is_selective, Some(false));
}

#[test]
fn an_operation_that_waits_for_a_window_is_parked() {
    let parked = serde_json::json!({"phase": "Running", "message": "Sync operation blocked by sync window",
        "startedAt": "2026-08-01T10:00:05Z", "operation": {"sync": {}}});
    let app = with(parked, serde_json::json!({"sync": {}}));
    assert!(app.is_parked_by_window() && app.is_in_progress() && !is_queued(&app));
}

#[test]
fn an_operation_between_two_tries_is_running() {
    let retrying = serde_json::json!({"phase": "Running", "retryCount": 1, "startedAt": "2026-08-01T10:00:05Z",
        "finishedAt": "2026-08-01T09:59:00Z", "operation": {"sync": {}},
        "message": "one or more objects failed to apply. Retrying attempt #1 at 10:01AM."});
    let app = with(retrying, serde_json::json!({"sync": {}}));
    let state = app.operation_state.as_ref().expect("a state");
    assert!(state.is_waiting_for_retry && !state.is_over());
    assert_eq!(state.retry_count, Some(1));
    assert!(app.is_in_progress() && !app.is_parked_by_window());
}

#[test]
fn an_operation_that_is_being_ended_is_not_over() {
    let ending = serde_json::json!({"phase": "Terminating", "startedAt": "2026-08-01T10:00:05Z",
        "message": "Sync operation blocked by sync window", "operation": {"sync": {}}});
    let app = with(ending, serde_json::json!({"sync": {}}));
    let state = app.operation_state.as_ref().expect("a state");
    assert!(state.phase == OperationPhase::Terminating && !state.is_over());
    assert!(app.is_in_progress() && !app.is_parked_by_window());
}

#[test]
fn an_operation_is_in_progress_until_a_comparison_came_after_it() {
    let ended = |finished: &str, is_dry_run: bool| {
        let operation = serde_json::json!({"sync": {"dryRun": is_dry_run}});
        let state = serde_json::json!({"phase": "Succeeded", "startedAt": "2026-08-01T09:00:00Z",
            "finishedAt": finished, "operation": operation});
        with(state, Value::Null).is_in_progress()
    };
    for (finished, is_dry_run, expected) in [
        ("2026-08-01T09:59:59Z", false, false),
        ("2026-08-01T10:00:00Z", false, false),
        ("2026-08-01T10:00:01Z", false, true),
        ("2026-08-01T10:00:01Z", true, false),
        ("at some time", false, true),
        ("at some time", true, true),
    ] {
        assert_eq!(
            ended(finished, is_dry_run),
            expected,
            "{finished} {is_dry_run}"
        );
    }
}

#[test]
fn an_operation_without_any_comparison_is_in_progress() {
    let app = Application::read(
        &serde_json::json!({"status": {"operationState": {"phase": "Succeeded",
        "finishedAt": "2026-08-01T10:00:00Z"}}}),
    );
    assert!(app.is_in_progress());
    assert!(!with(Value::Null, Value::Null).is_in_progress());
}

/// Returns the pointer of every part of a JSON value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(parts) => {
            for (name, part) in parts {
                let name = name.replace('~', "~0").replace('/', "~1");
                pointers(part, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(parts) => {
            for (index, part) in parts.iter().enumerate() {
                pointers(part, &format!("{at}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn any_part_may_be_anything_and_an_operation_does_not_end_by_that() {
    let running: Value = serde_json::from_str(MULTI).expect("JSON");
    let mut parts = Vec::new();
    pointers(&running, "", &mut parts);
    assert!(parts.len() > 50, "{}", parts.len());
    for part in &parts {
        for odd in [
            Value::Bool(true),
            1.5.into(),
            "x".into(),
            serde_json::json!([]),
            serde_json::json!({}),
        ] {
            let mut changed = running.clone();
            *changed.pointer_mut(part).expect("a part") = odd.clone();
            let app = Application::read(&changed);
            app.deployments();
            let holds_the_operation = part.is_empty();
            assert!(
                holds_the_operation || app.is_in_progress(),
                "{part} as {odd}"
            );
        }
    }
}
