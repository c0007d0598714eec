//! Every variable in `k8s/` is one of the program's, and secrets come from files.

use std::collections::BTreeMap;

use error_budget_monitor::config::{Config, VARIABLES, Variable};
use serde_json::Value;

use super::{
    JOB, at, container, documents, files_below, kustomizations, list, object, patches, pod, read,
    settings_of, text,
};

/// Returns the variable that a name in the environment belongs to, and whether the name is that of its file.
fn variable(name: &str) -> Option<(&'static Variable, bool)> {
    VARIABLES.iter().find_map(|variable| {
        let rest = name.strip_prefix(variable.name)?;
        match rest {
            "" => Some((variable, false)),
            "_FILE" if variable.secret => Some((variable, true)),
            _ => None,
        }
    })
}

/// Collects the names that an object and all below it put into an environment, with where they come from.
fn names(object: &Value, found: &mut BTreeMap<String, Value>) {
    match object {
        Value::Object(fields) => {
            for entry in list(&object["env"]) {
                found.insert(text(&entry["name"]).to_owned(), entry.clone());
            }
            if object["kind"] == "ConfigMap" {
                for (name, value) in object["data"].as_object().into_iter().flatten() {
                    found.insert(name.clone(), value.clone());
                }
            }
            for field in fields.values() {
                names(field, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns the lines `NAME=value` of the example's files, by file.
fn service_files() -> Vec<(String, BTreeMap<String, String>)> {
    files_below(&at("k8s"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "env"))
        .map(|path| {
            let lines = read(&path);
            let settings = lines
                .lines()
                .filter(|line| !line.starts_with('#') && !line.is_empty())
                .map(|line| {
                    let (name, value) = line.split_once('=').expect("NAME=value");
                    (name.to_owned(), value.to_owned())
                })
                .collect();
            (path.display().to_string(), settings)
        })
        .collect()
}

#[test]
fn every_name_is_known_to_the_program() {
    let mut found = BTreeMap::new();
    for object in documents(&read(&at(JOB))) {
        names(&object, &mut found);
    }
    for (_, kustomization) in kustomizations() {
        for patch in patches(&kustomization) {
            names(&patch, &mut found);
        }
    }
    for (_, settings) in service_files() {
        found.extend(
            settings
                .into_iter()
                .map(|(name, value)| (name, value.into())),
        );
    }
    assert!(found.len() > 20, "{found:#?}");
    let unknown: Vec<&String> = found
        .keys()
        .filter(|name| variable(name).is_none())
        .collect();
    assert_eq!(unknown, [] as [&str; 0]);
}

#[test]
fn secrets_come_from_files_and_stand_nowhere_else() {
    let mut found = BTreeMap::new();
    for object in documents(&read(&at(JOB))) {
        names(&object, &mut found);
    }
    for (_, kustomization) in kustomizations() {
        for patch in patches(&kustomization) {
            names(&patch, &mut found);
        }
    }
    let mut files = 0;
    for (name, entry) in &found {
        let (variable, is_file) = variable(name).expect("it is known, see above");
        assert!(
            !variable.secret || is_file,
            "{name} is a secret in the open"
        );
        if is_file && entry["$patch"].is_null() {
            assert!(
                text(&entry["value"]).starts_with("/run/secrets/"),
                "{entry}"
            );
            files += 1;
        }
    }
    assert!(files >= 4, "{files}");
}

#[test]
fn each_secret_file_lies_in_the_mounted_secret_of_its_name() {
    let pod = pod();
    for (variable, folder, secret) in [
        (
            "GITOPS_TOKEN_FILE",
            "/run/secrets/gitops",
            "gitops-credentials",
        ),
        (
            "ARGOCD_TOKEN_FILE",
            "/run/secrets/argocd",
            "argocd-credentials",
        ),
    ] {
        let container = container(&pod);
        let find = |list: &Value, key: &str, value: &str| {
            super::list(list)
                .iter()
                .find(|entry| entry[key] == value)
                .unwrap_or_else(|| panic!("no {key} {value}"))
                .clone()
        };
        let path = find(&container["env"], "name", variable);
        assert_eq!(text(&path["value"]), format!("{folder}/token"));
        let mount = find(&container["volumeMounts"], "mountPath", folder);
        assert_eq!(mount["readOnly"], true);
        let volume = find(&pod["volumes"], "name", text(&mount["name"]));
        assert_eq!(volume["secret"]["secretName"], secret);
        assert_eq!(volume["secret"]["optional"], true);
    }
}

#[test]
fn the_program_reads_what_the_file_that_works_alone_gives_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = folder.path().join("token");
    // Mounted secrets often end with a line break.
    std::fs::write(&token, "secret-of-the-test\n").expect("our own folder");
    let config = Config::from_vars(environment(token.to_str().expect("text")))
        .expect("the program accepts its own manifest");
    assert!(config.run.dry_run);
    assert!(!config.run.rollback_enabled);
    assert!(config.gitops.is_some() && config.argocd.is_some());
    assert_eq!(
        config.state.log_file.as_deref(),
        Some("/var/log/error-budget-rollback.log".as_ref())
    );
}

#[test]
fn a_secret_that_is_missing_or_empty_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let token = folder.path().join("token");
    let path = token.to_str().expect("text");
    for prepare in [None, Some("\n")] {
        if let Some(content) = prepare {
            std::fs::write(&token, content).expect("our own folder");
        }
        let error = Config::from_vars(environment(path)).expect_err("it has no token");
        let error = error.to_string();
        for variable in ["GITOPS_TOKEN_FILE", "ARGOCD_TOKEN_FILE"] {
            assert!(error.contains(variable), "{error}");
        }
    }
}

/// Returns the environment of the container, with one file in place of all secrets.
fn environment(token: &str) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = settings_of(&object("ConfigMap"))
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let pod = pod();
    assert_eq!(
        container(&pod)["envFrom"],
        serde_json::json!([{"configMapRef": {"name": "error-budget-monitor"}}])
    );
    for entry in list(&container(&pod)["env"]) {
        let name = text(&entry["name"]);
        let value = match name {
            "GITOPS_REPO" => "acme/deploy",
            "ARGOCD_SERVER" => "argocd-server.argocd",
            "ARGOCD_APP_NAME" => "checkout",
            file if file.ends_with("_FILE") => token,
            other => panic!("{other} has no value in this test"),
        };
        environment.push((name.to_owned(), value.to_owned()));
    }
    environment
}

#[test]
fn each_service_of_the_example_is_one_that_the_program_accepts() {
    let services = service_files();
    assert_eq!(services.len(), 4, "two of the example, two of the fleet");
    for (path, service) in services {
        let common = [
            ("PROMETHEUS_URL", "http://prometheus.monitoring:9090"),
            ("GITOPS_REPO", "acme/deploy"),
            ("GITOPS_TOKEN", "secret-of-the-test"),
            ("ARGOCD_SERVER", "argocd-server.argocd"),
            ("ARGOCD_TOKEN", "secret-of-the-test"),
            ("ARGOCD_PROJECT", "default"),
        ];
        let common = common.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = Config::from_vars(common.into_iter().chain(service));
        assert!(config.is_ok(), "{path}: {:?}", config.err());
    }
}
