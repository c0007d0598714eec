//! A GitOps repository that several teams share.

use chrono::{DateTime, Utc};

use super::repo::GitRepo;

/// A repository with one folder of manifests for each team's service: `apps/<service>`.
#[derive(Clone, Debug)]
pub struct MonoRepo {
    repo: GitRepo,
}

impl MonoRepo {
    /// Commits version `v1` of every service to an empty repository.
    pub fn seed(repo: GitRepo, services: &[&str], at: DateTime<Utc>) -> Self {
        let mut commit = repo
            .prepare("Set up the platform repository", at)
            .write("README.md", "# What runs where\n")
            .write(
                "apps/namespace.yaml",
                "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n",
            );
        for service in services {
            commit = commit
                .write(
                    &Self::manifest_path(service),
                    &deployment(service, "v1", 0.0),
                )
                .write(
                    &format!("apps/{service}/service.yaml"),
                    &cluster_service(service),
                );
        }
        commit.create();
        Self { repo }
    }

    /// Commits another version of a service and returns the commit id; `fail_ratio` is obeyed by the demo service.
    pub fn release(
        &self,
        service: &str,
        version: &str,
        fail_ratio: f64,
        at: DateTime<Utc>,
    ) -> String {
        let message = format!("{service}: release {version}");
        let manifest = deployment(service, version, fail_ratio);
        self.repo
            .prepare(&message, at)
            .author(
                &format!("Team {service}"),
                &format!("{service}@example.com"),
            )
            .write(&Self::manifest_path(service), &manifest)
            .create()
    }

    /// Returns the repository.
    pub fn repo(&self) -> &GitRepo {
        &self.repo
    }

    /// Returns the folder of a service's manifests.
    pub fn path(service: &str) -> String {
        format!("apps/{service}")
    }

    /// Returns the path of the manifest that names the version of a service.
    pub fn manifest_path(service: &str) -> String {
        format!("apps/{service}/deployment.yaml")
    }
}

/// Returns the Deployment manifest of a service; the demo service fails the share `fail_ratio` of its requests.
pub fn deployment(service: &str, version: &str, fail_ratio: f64) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {service}
  namespace: shop
spec:
  replicas: 2
  selector:
    matchLabels: {{ app: {service} }}
  template:
    metadata:
      labels: {{ app: {service} }}
    spec:
      containers:
        - name: {service}
          image: registry.example/{service}:{version}
          env:
            - name: FAIL_RATIO
              value: \"{fail_ratio}\"
"
    )
}

/// What a Deployment manifest says about the release.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// Tag of the image.
    pub version: String,
    /// Share of requests that this version fails, from 0 to 1.
    pub fail_ratio: f64,
}

impl Release {
    /// Reads a manifest written by [`deployment`]; nothing if it names no image.
    pub fn read(manifest: &str) -> Option<Self> {
        let value = |key: &str| {
            manifest
                .lines()
                .find_map(|line| line.trim().strip_prefix(key))
                .map(str::trim)
        };
        let (_, version) = value("image:")?.rsplit_once(':')?;
        let fail_ratio = value("value:")
            .and_then(|ratio| ratio.trim_matches('"').parse().ok())
            .unwrap_or(0.0);
        Some(Self {
            version: version.to_owned(),
            fail_ratio,
        })
    }
}

fn cluster_service(service: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata:
  name: {service}
  namespace: shop
spec:
  selector: {{ app: {service} }}
  ports:
    - port: 80
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_release_that_was_written() {
        let release = Release::read(&deployment("checkout", "v2", 0.25));
        assert_eq!(
            release,
            Some(Release {
                version: "v2".to_owned(),
                fail_ratio: 0.25
            })
        );
        assert_eq!(Release::read("kind: Namespace\n"), None);
    }
}
