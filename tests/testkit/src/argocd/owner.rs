//! What puts an application's spec back.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::application::Application;
use super::clock::delta;
use super::spec::Spec;

/// An ApplicationSet or a parent application that resets the spec.
#[derive(Clone, Debug)]
pub struct Owner {
    /// What it wants.
    spec: Spec,
    /// How long it leaves another spec alone.
    after: Duration,
    /// Since when the spec is another one.
    changed_at: Option<DateTime<Utc>>,
}

impl Application {
    /// Makes an ApplicationSet its owner, which puts today's spec back after a while.
    pub fn owned_by_application_set(&mut self, set: &str, after: Duration) {
        self.owner_references.push(json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "ApplicationSet",
            "name": set,
            "uid": format!("uid-{set}"),
            "controller": true,
            "blockOwnerDeletion": true,
        }));
        self.set_owner(after);
    }

    /// Makes another application its parent, which puts today's spec back after a while.
    pub fn owned_by_parent(&mut self, parent: &str, after: Duration) {
        let tracking = format!(
            "{parent}:argoproj.io/Application:{}/{}",
            self.namespace, self.name
        );
        self.annotations
            .insert("argocd.argoproj.io/tracking-id".to_owned(), tracking);
        self.labels
            .insert("app.kubernetes.io/instance".to_owned(), parent.to_owned());
        self.set_owner(after);
    }

    fn set_owner(&mut self, after: Duration) {
        self.owner = Some(Owner {
            spec: self.spec.clone(),
            after,
            changed_at: None,
        });
    }

    /// Lets the owner look at the spec; tells whether it put it back.
    pub(super) fn own(&mut self, now: DateTime<Utc>) -> bool {
        let Some(owner) = &mut self.owner else {
            return false;
        };
        if owner.spec == self.spec {
            owner.changed_at = None;
            return false;
        }
        let since = *owner.changed_at.get_or_insert(now);
        if now < since + delta(owner.after) {
            return false;
        }
        owner.changed_at = None;
        self.spec = owner.spec.clone();
        true
    }
}
