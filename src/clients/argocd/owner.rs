//! Who writes an application, and so may put back what was changed in it.

use serde_json::Value;

use super::json::{list, present, text};

/// Ties an application to the application that deploys it. Source: Argo CD's documentation, "Resource Tracking".
const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";

/// The older way to tie it. Source: the same.
const INSTANCE: &str = "app.kubernetes.io/instance";

/// Where the image updater is told what to do. Source: Argo CD Image Updater's documentation, "Application
/// configuration".
const IMAGE_UPDATER: &str = "argocd-image-updater.argoproj.io/";

/// Who writes an application. It does not say whether that one puts back what others change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// No sign of anyone.
    Nobody,
    /// An ApplicationSet.
    ApplicationSet {
        /// Its name; nothing where it is not said.
        name: Option<String>,
    },
    /// An application that deploys applications.
    Application {
        /// Its name, with its namespace before it where Argo CD writes it so.
        name: String,
    },
    /// The signs cannot be read.
    Unknown,
}

impl Owner {
    /// Reads the signs in an application's metadata.
    pub(super) fn read(metadata: &Value) -> Self {
        let Some(owners) = list(metadata, "/ownerReferences", |owner| {
            Some((text(owner, "/kind")?, text(owner, "/name")))
        }) else {
            return Self::Unknown;
        };
        if let Some((_, name)) = owners
            .into_iter()
            .find(|(kind, _)| kind == "ApplicationSet")
        {
            return Self::ApplicationSet { name };
        }
        let (Ok(tracked), Ok(instance)) = (
            entry(metadata, "/annotations", TRACKING_ID),
            entry(metadata, "/labels", INSTANCE),
        ) else {
            return Self::Unknown;
        };
        let own_name = text(metadata, "/name");
        let parent = tracked
            .as_deref()
            .and_then(|tracked| parent(tracked, metadata))
            .or_else(|| instance.filter(|instance| Some(instance) != own_name.as_ref()));
        parent.map_or(Self::Nobody, |name| Self::Application { name })
    }
}

/// Returns the names of the image updater's annotations, in order; nothing where the annotations cannot be read.
pub(super) fn image_updater(metadata: &Value) -> Option<Vec<String>> {
    match present(metadata, "/annotations") {
        None => Some(Vec::new()),
        Some(annotations) => {
            let names = annotations.as_object()?.keys();
            let ours = names.filter(|name| name.starts_with(IMAGE_UPDATER));
            Some(ours.cloned().collect())
        }
    }
}

/// Returns the parent that a tracking id names, as `<parent>:argoproj.io/Application:<namespace>/<name>`. One for
/// another object came here by copying and ties nothing.
fn parent(tracking_id: &str, metadata: &Value) -> Option<String> {
    let mut parts = tracking_id.splitn(3, ':');
    let (parent, kind, object) = (parts.next()?, parts.next()?, parts.next()?);
    let (namespace, name) = object.split_once('/')?;
    let is_this = text(metadata, "/name").as_deref() == Some(name)
        && text(metadata, "/namespace").is_none_or(|own| own == namespace);
    (kind == "argoproj.io/Application" && is_this && !parent.is_empty()).then(|| parent.to_owned())
}

/// Returns an annotation or a label.
///
/// # Errors
/// Fails when it is there and no text.
fn entry(metadata: &Value, map: &str, key: &str) -> Result<Option<String>, ()> {
    match present(metadata, map) {
        None => Ok(None),
        Some(entries) => match entries.as_object().ok_or(())?.get(key) {
            None => Ok(None),
            Some(value) => value.as_str().map(|text| Some(text.to_owned())).ok_or(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owner(mut metadata: Value) -> Owner {
        metadata["name"] = "checkout".into();
        metadata["namespace"] = "argocd".into();
        Owner::read(&metadata)
    }

    #[test]
    fn knows_an_application_set_by_its_reference() {
        let found = owner(json!({"ownerReferences": [
            {"kind": "Other", "name": "x"},
            {"kind": "ApplicationSet", "name": "shops", "apiVersion": "argoproj.io/v1alpha1"},
        ]}));
        let name = Some("shops".to_owned());
        assert_eq!(found, Owner::ApplicationSet { name });
    }

    #[test]
    fn knows_a_parent_by_the_tracking_id_or_the_label() {
        let parent = Owner::Application {
            name: "root".to_owned(),
        };
        for metadata in [
            json!({"annotations": {TRACKING_ID: "root:argoproj.io/Application:argocd/checkout"}}),
            json!({"labels": {INSTANCE: "root"}}),
            json!({"annotations": {TRACKING_ID: "root:argoproj.io/Application:argocd/checkout"},
                "labels": {INSTANCE: "checkout"}}),
        ] {
            assert_eq!(owner(metadata.clone()), parent, "{metadata}");
        }
    }

    #[test]
    fn takes_nothing_else_for_an_owner() {
        for metadata in [
            json!({}),
            json!({"ownerReferences": [{"kind": "Deployment", "name": "x"}]}),
            json!({"labels": {INSTANCE: "checkout"}}),
            json!({"annotations": {TRACKING_ID: "root:apps/Deployment:argocd/checkout"}}),
            json!({"annotations": {TRACKING_ID: "root:argoproj.io/Application:argocd/another"}}),
            json!({"annotations": {TRACKING_ID: "root:argoproj.io/Application:team/checkout"}}),
            json!({"annotations": {TRACKING_ID: "nonsense"}}),
        ] {
            assert_eq!(owner(metadata.clone()), Owner::Nobody, "{metadata}");
        }
    }

    #[test]
    fn signs_that_cannot_be_read_are_not_taken_for_nobody() {
        for metadata in [
            json!({"ownerReferences": "x"}),
            json!({"ownerReferences": [{"name": "x"}]}),
            json!({"annotations": []}),
            json!({"labels": {INSTANCE: 1}}),
        ] {
            assert_eq!(owner(metadata.clone()), Owner::Unknown, "{metadata}");
        }
    }

    #[test]
    fn lists_what_the_image_updater_is_told() {
        let listed = image_updater(&json!({"annotations": {
            "argocd-image-updater.argoproj.io/image-list": "web",
            "argocd-image-updater.argoproj.io/write-back-method": "git",
            "other": "x",
        }}));
        assert_eq!(listed.map(|names| names.len()), Some(2));
        assert_eq!(image_updater(&json!({})), Some(vec![]));
        assert_eq!(image_updater(&json!({"annotations": "x"})), None);
    }
}
