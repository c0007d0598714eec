//! What the overlays change, and that the default can do no harm.

use std::collections::BTreeMap;

use super::{at, documents, kustomizations, list, object, patches, read, settings_of, text};

/// Returns the settings of an overlay: those of the ConfigMap with what the overlay's patches change.
fn settings(overlay: &str) -> BTreeMap<String, String> {
    let path = at(&format!("k8s/overlays/{overlay}/kustomization.yaml"));
    let kustomization = documents(&read(&path)).remove(0);
    assert_eq!(
        list(&kustomization["resources"]),
        ["../../monitoring"],
        "{overlay} builds on what the CronJob's file says"
    );
    let mut settings = settings_of(&object("ConfigMap"));
    for patch in patches(&kustomization) {
        assert_eq!(
            patch["kind"], "ConfigMap",
            "{overlay} changes settings only"
        );
        settings.extend(settings_of(&patch));
    }
    settings
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

#[test]
fn the_overlays_differ_in_what_may_be_done() {
    let may = |overlay: &str| {
        let settings = settings(overlay);
        ["DRY_RUN", "ROLLBACK_ENABLED", "REQUIRE_APPROVAL"].map(|name| settings[name].clone())
    };
    assert_eq!(may("observe-only"), ["true", "false", "false"]);
    assert_eq!(may("approval"), ["false", "true", "true"]);
    assert_eq!(may("automatic"), ["false", "true", "false"]);
}

#[test]
fn the_default_is_the_dry_run_that_the_file_alone_is() {
    let alone: BTreeMap<String, String> = settings_of(&object("ConfigMap"))
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    assert_eq!(settings("observe-only"), alone);
}

#[test]
fn no_limit_is_wider_than_the_programs_own() {
    let cautious = [
        "COOLDOWN",
        "MAX_ROLLBACKS_PER_HOUR",
        "MAX_ROLLBACKS_PER_DAY",
        "BLACKOUT_WINDOWS",
        "EMERGENCY_OVERRIDES_BLACKOUT",
        "REQUIRE_ACTIVE_BURN",
        "REQUIRE_ATTRIBUTION",
        "ARGOCD_MAY_DISABLE_AUTO_SYNC",
    ];
    for overlay in ["observe-only", "approval", "automatic"] {
        let settings = settings(overlay);
        for name in cautious {
            assert!(!settings.contains_key(name), "{overlay} sets {name}");
        }
    }
}

#[test]
fn every_patch_and_every_resource_is_there() {
    let all = kustomizations();
    assert!(all.len() >= 10, "{}", all.len());
    for (path, kustomization) in all {
        let folder = path.parent().expect("it lies in a folder");
        let generated = list(&kustomization["configMapGenerator"])
            .iter()
            .flat_map(|generator| list(&generator["files"]));
        let named = list(&kustomization["resources"]).iter().chain(generated);
        for name in named {
            let name = folder.join(text(name));
            assert!(name.exists(), "{} is not there", name.display());
        }
        for patch in patches(&kustomization) {
            let name = text(&patch["metadata"]["name"]);
            let known = ["error-budget-monitor", "error-budget-rollback-monitor"];
            assert!(known.contains(&name), "{} changes {name}", path.display());
        }
    }
}
