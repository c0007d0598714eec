//! Where an application's manifests come from.

use serde_json::Value;

use super::json::{list, present, text};

/// The sources of an application, an operation or a history entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Sources {
    /// One source.
    Single(ApplicationSource),
    /// Several sources, in order; their revisions have the same order.
    Multi(Vec<ApplicationSource>),
    /// None is named, or it cannot be read.
    Unknown,
}

/// One source. Two are equal if everything in them is, also what this program does not know.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplicationSource {
    /// The git or Helm repository.
    pub repo_url: String,
    /// The branch, tag, commit or chart version that is followed; nothing stands for the default branch.
    pub target_revision: Option<String>,
    /// The folder in the repository.
    pub path: Option<String>,
    /// The Helm chart.
    pub chart: Option<String>,
    whole: Value,
}

impl Sources {
    /// Reads the fields `sources` and `source` of `value`. The second one may stand there empty beside the first.
    pub(super) fn read(value: &Value) -> Self {
        match list(value, "/sources", ApplicationSource::read) {
            None => Self::Unknown,
            Some(several) if !several.is_empty() => Self::Multi(several),
            Some(_) => present(value, "/source")
                .and_then(ApplicationSource::read)
                .map_or(Self::Unknown, Self::Single),
        }
    }

    /// Returns every source, none where they are unknown.
    pub fn all(&self) -> &[ApplicationSource] {
        match self {
            Self::Single(source) => std::slice::from_ref(source),
            Self::Multi(sources) => sources,
            Self::Unknown => &[],
        }
    }

    /// Tells whether it is known where the manifests come from.
    pub fn is_known(&self) -> bool {
        match self {
            Self::Single(_) | Self::Multi(_) => true,
            Self::Unknown => false,
        }
    }
}

impl ApplicationSource {
    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            repo_url: text(value, "/repoURL")?,
            target_revision: text(value, "/targetRevision"),
            path: text(value, "/path"),
            chart: text(value, "/chart"),
            whole: value.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn several_sources_win_over_the_empty_one_beside_them() {
        let sources = Sources::read(&json!({
            "source": {"repoURL": ""},
            "sources": [{"repoURL": "https://git/a", "path": "k8s"}, {"repoURL": "https://charts/b", "chart": "web"}],
        }));
        let Sources::Multi(several) = &sources else {
            panic!("{sources:?}");
        };
        assert_eq!(several[0].path.as_deref(), Some("k8s"));
        assert_eq!(several[1].chart.as_deref(), Some("web"));
    }

    #[test]
    fn an_empty_or_unreadable_source_is_unknown() {
        for value in [
            json!({}),
            json!({"source": {}}),
            json!({"source": {"repoURL": ""}}),
            json!({"source": "https://git/a"}),
            json!({"sources": {}, "source": {"repoURL": "https://git/a"}}),
            json!({"sources": [{"path": "x"}]}),
        ] {
            assert_eq!(Sources::read(&value), Sources::Unknown, "{value}");
        }
    }

    #[test]
    fn sources_differ_by_anything_in_them() {
        let with = |image: &str| {
            Sources::read(
                &json!({"source": {"repoURL": "https://git/a", "kustomize": {"images": [image]}}}),
            )
        };
        assert_eq!(with("web:1"), with("web:1"));
        assert_ne!(with("web:1"), with("web:2"));
    }
}
