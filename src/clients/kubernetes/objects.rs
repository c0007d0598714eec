//! Objects of any kind, as JSON: which kinds there are, reading, listing, and asking what a patch would make of one.
//!
//! Objects are asked for by their addresses, so that no type of each kind is built in.

use std::io::ErrorKind;

use futures_util::AsyncReadExt;
use http::Request;
use serde_json::{Value, json};

use super::calls::{Again, call};
use super::cluster::Cluster;
use super::error::{KubernetesError, KubernetesFault};

/// Who wrote a field, as the API server notes it.
const MANAGER: &str = "error-budget-monitor";

/// How many objects one page of a list has at most. Source: the default of kubectl, `--chunk-size`.
const PAGE: u32 = 500;

/// How many pages of a list are read at most. Protects the memory of a run.
const MOST_PAGES: u32 = 20;

/// Largest answer (bytes). Protects the memory of a run: a page of objects has a tenth of it.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Where objects of a kind are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectCollection {
    /// Their group and version, such as `apps/v1`.
    pub api_version: String,
    /// Their kind in the plural, as addresses have it.
    pub plural: String,
    /// Their namespace.
    pub namespace: String,
}

/// A kind that the API server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedKind {
    /// The kind, as manifests have it.
    pub kind: String,
    /// The kind in the plural, as addresses have it.
    pub plural: String,
}

/// A right to objects that is asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRight {
    /// What is to be done: `get`, `list`, `patch`.
    pub verb: &'static str,
    /// With which objects.
    pub collection: ObjectCollection,
    /// With which of them; all of them without it.
    pub name: Option<String>,
}

impl ObjectCollection {
    /// Returns the group, which is empty for the core.
    pub fn group(&self) -> &str {
        let (group, _) = self.api_version.split_once('/').unwrap_or(("", ""));
        group
    }

    fn address(&self) -> String {
        format!(
            "{}/namespaces/{}/{}",
            root(&self.api_version),
            self.namespace,
            self.plural
        )
    }
}

fn root(api_version: &str) -> String {
    match api_version.contains('/') {
        true => format!("/apis/{api_version}"),
        false => format!("/api/{api_version}"),
    }
}

impl Cluster {
    /// Returns the kinds of a group and version; nothing where the API server does not have it, as where its
    /// CustomResourceDefinitions are not installed.
    ///
    /// # Errors
    /// Fails where that cannot be asked.
    pub fn kinds(&self, api_version: &str) -> Result<Option<Vec<ServedKind>>, KubernetesError> {
        let tried = format!("ask which kinds {api_version} has");
        match self.ask(&tried, "GET", root(api_version), None) {
            Ok(answer) => {
                let all = answer["resources"].as_array().into_iter().flatten();
                let served = all.filter_map(|one| {
                    let plural = one["name"].as_str()?;
                    (!plural.contains('/')).then(|| ServedKind {
                        kind: one["kind"].as_str().unwrap_or_default().to_owned(),
                        plural: plural.to_owned(),
                    })
                });
                Ok(Some(served.collect()))
            }
            Err(error) if matches!(error.fault, KubernetesFault::NotServed) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns a group's versions, such as `apps/v1`, that which the API server prefers first; none where it does not have
    /// the group.
    ///
    /// # Errors
    /// Fails where that cannot be asked.
    pub fn versions(&self, group: &str) -> Result<Vec<String>, KubernetesError> {
        let tried = format!("ask which versions {group} has");
        match self.ask(&tried, "GET", format!("/apis/{group}"), None) {
            Ok(answer) => {
                let all = answer["versions"].as_array().into_iter().flatten();
                let versions = all.filter_map(|one| one["groupVersion"].as_str());
                Ok(versions.map(str::to_owned).collect())
            }
            Err(error) if matches!(error.fault, KubernetesFault::NotServed) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// Fails where it is not there or cannot be read.
    pub fn object(
        &self,
        collection: &ObjectCollection,
        name: &str,
    ) -> Result<Value, KubernetesError> {
        let tried = format!("read {} {}/{name}", collection.plural, collection.namespace);
        let address = format!("{}/{name}", collection.address());
        self.ask(&tried, "GET", address, None)
    }

    /// Reads all objects of a kind that have the labels (`app=a,tier=b`; all where it is empty).
    ///
    /// # Errors
    /// Fails where they cannot be read.
    pub fn objects(
        &self,
        collection: &ObjectCollection,
        labels: &str,
    ) -> Result<Vec<Value>, KubernetesError> {
        let tried = format!("list {} in {}", collection.plural, collection.namespace);
        let mut found = Vec::new();
        let mut next = String::new();
        for _ in 0..MOST_PAGES {
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("limit", &PAGE.to_string())
                .append_pair("labelSelector", labels)
                .append_pair("continue", &next)
                .finish();
            let address = format!("{}?{query}", collection.address());
            let mut answer = self.ask(&tried, "GET", address, None)?;
            if let Value::Array(items) = answer["items"].take() {
                found.extend(items);
            }
            match answer["metadata"]["continue"].as_str() {
                Some(more) if !more.is_empty() => next = more.to_owned(),
                Some(_) | None => return Ok(found),
            }
        }
        Err(KubernetesError {
            tried,
            fault: KubernetesFault::Invalid(format!(
                "there are more than {} of them",
                PAGE * MOST_PAGES
            )),
        })
    }

    /// Asks what a JSON patch would make of an object; nothing is written. Unknown fields are refused.
    ///
    /// # Errors
    /// Fails where the API server refuses the patch, or cannot be asked. It is repeated only where it was not taken
    /// up.
    pub fn dry_run(
        &self,
        collection: &ObjectCollection,
        name: &str,
        patch: &[Value],
    ) -> Result<Value, KubernetesError> {
        let tried = format!(
            "have the API server patch {} {}/{name} as a dry run",
            collection.plural, collection.namespace
        );
        let address = format!(
            "{}/{name}?dryRun=All&fieldManager={MANAGER}&fieldValidation=Strict",
            collection.address()
        );
        let body = ("application/json-patch+json", json!(patch));
        self.ask(&tried, "PATCH", address, Some(body))
    }

    /// Asks whether this program has a right. A name that is misspelt is a no, too.
    ///
    /// # Errors
    /// Fails where that cannot be asked.
    pub fn has_right(&self, right: &ObjectRight) -> Result<bool, KubernetesError> {
        let ObjectRight {
            verb,
            collection,
            name,
        } = right;
        let (plural, namespace) = (&collection.plural, &collection.namespace);
        let tried = format!("ask whether {verb} of {plural} is allowed in {namespace}");
        let mut wanted = json!({
            "verb": verb,
            "group": collection.group(),
            "resource": plural,
            "namespace": namespace,
        });
        if let Some(name) = name {
            wanted["name"] = json!(name);
        }
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        });
        let address = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
        let body = ("application/json", review);
        let answer = self.ask(&tried, "POST", address, Some(body))?;
        Ok(answer["status"]["allowed"] == true)
    }

    /// Sends a request that changes nothing, and waits for its answer.
    fn ask(
        &self,
        tried: &str,
        method: &'static str,
        address: String,
        body: Option<(&'static str, Value)>,
    ) -> Result<Value, KubernetesError> {
        let (timeout, asked) = (self.timeout, tried.to_owned());
        // A dry run goes the way of a write.
        let again = match method {
            "PATCH" => Again::Write,
            _ => Again::Read,
        };
        let body = body.map(|(kind, value)| (kind, value.to_string().into_bytes()));
        self.wait_for(timeout, move |client| async move {
            call(&asked, again, timeout, || async {
                let (kind, bytes) = body.clone().unwrap_or(("application/json", Vec::new()));
                let request = Request::builder()
                    .method(method)
                    .uri(&address)
                    .header(http::header::CONTENT_TYPE, kind)
                    .body(bytes)
                    .map_err(kube::Error::HttpError)?;
                let answer = client.request_stream(request).await?;
                let mut read = Vec::new();
                let mut bounded = Box::pin(answer).take(LARGEST);
                bounded
                    .read_to_end(&mut read)
                    .await
                    .map_err(kube::Error::ReadEvents)?;
                if bounded.limit() == 0 {
                    return Err(kube::Error::ReadEvents(ErrorKind::FileTooLarge.into()));
                }
                serde_json::from_slice::<Value>(&read).map_err(kube::Error::SerdeError)
            })
            .await
        })
        .unwrap_or_else(|| Err(self.silent(tried)))
    }
}
