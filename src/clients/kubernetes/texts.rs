//! Texts in ConfigMaps, each written only over what was read.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use super::calls::{Again, call};
use super::cluster::Cluster;
use super::error::{KubernetesError, KubernetesFault};

/// How many calls are under way at once. Protects the API server: its fair share for one client is small.
const AT_ONCE: usize = 8;

/// A ConfigMap as it was read or written.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredText(ConfigMap);

/// A ConfigMap to be written.
#[derive(Debug, Clone)]
pub struct TextToWrite {
    /// Its name.
    pub name: String,
    /// What is to be replaced; nothing where there was none.
    pub over: Option<StoredText>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its texts by key. All others go.
    pub texts: BTreeMap<String, String>,
}

impl StoredText {
    /// Returns the text of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        let data = self.0.data.as_ref()?;
        data.get(key).map(String::as_str)
    }

    /// Returns all texts.
    pub fn texts(&self) -> BTreeMap<String, String> {
        self.0.data.clone().unwrap_or_default()
    }

    /// Returns its version, which changes with every write.
    pub fn version(&self) -> &str {
        let version = self.0.metadata.resource_version.as_deref();
        version.unwrap_or_default()
    }

    /// Tells whether it may never be changed.
    pub fn is_immutable(&self) -> bool {
        self.0.immutable == Some(true)
    }

    /// Tells when it was made, for an order among several; empty where that is not known.
    pub fn made_at(&self) -> String {
        let made = self.0.metadata.creation_timestamp.as_ref();
        made.map_or_else(String::new, |at| at.0.to_string())
    }
}

impl Cluster {
    /// Reads ConfigMaps; nothing in the place of one that is not there. The answers are in the order of the names.
    pub fn read_texts(
        &self,
        names: Vec<String>,
    ) -> Vec<Result<Option<StoredText>, KubernetesError>> {
        let bound = self.timeout;
        let count = names.len();
        let namespace = self.namespace.to_string();
        // Each call has its own bound; so many follow one another.
        let all = bound * u32::try_from(count.div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
        let lost = names.clone();
        let read = self.wait_for(all, move |client| {
            let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
            async move {
                let reads = names.into_iter().map(|name| {
                    let api = api.clone();
                    async move {
                        let tried = format!(
                            "read ConfigMap {namespace_of}/{name}",
                            namespace_of = api_namespace(&api)
                        );
                        call(&tried, Again::Read, bound, || api.get_opt(&name))
                            .await
                            .map(|found| found.map(StoredText))
                    }
                });
                stream::iter(reads)
                    .buffered(AT_ONCE)
                    .collect::<Vec<_>>()
                    .await
            }
        });
        read.unwrap_or_else(|| {
            let silent = |name: String| {
                Err(self.silent(&format!("read ConfigMap {}/{name}", self.namespace)))
            };
            lost.into_iter().map(silent).collect()
        })
    }

    /// Writes ConfigMaps, each only where it is still what was read, or is not there where it was not. The answers
    /// are in the order of the texts.
    pub fn write_texts(&self, texts: Vec<TextToWrite>) -> Vec<Result<StoredText, KubernetesError>> {
        let bound = self.timeout;
        let namespace = self.namespace.to_string();
        let all = bound * u32::try_from(texts.len().div_ceil(AT_ONCE)).unwrap_or(u32::MAX);
        let lost: Vec<String> = texts.iter().map(|text| text.name.clone()).collect();
        let written = self.wait_for(all, move |client| {
            let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
            async move {
                let writes = texts.into_iter().map(|text| {
                    let api = api.clone();
                    async move { write(&api, text, bound).await }
                });
                stream::iter(writes)
                    .buffered(AT_ONCE)
                    .collect::<Vec<_>>()
                    .await
            }
        });
        written.unwrap_or_else(|| {
            let silent = |name: String| {
                Err(self.silent(&format!("write ConfigMap {}/{name}", self.namespace)))
            };
            lost.into_iter().map(silent).collect()
        })
    }

    pub(super) fn silent(&self, tried: &str) -> KubernetesError {
        KubernetesError {
            tried: tried.to_owned(),
            fault: KubernetesFault::NoAnswer(format!(
                "no answer within {} s",
                self.timeout.as_secs_f32()
            )),
        }
    }
}

async fn write(
    api: &Api<ConfigMap>,
    text: TextToWrite,
    bound: std::time::Duration,
) -> Result<StoredText, KubernetesError> {
    let TextToWrite {
        name,
        over,
        labels,
        texts,
    } = text;
    let tried = format!("write ConfigMap {}/{name}", api_namespace(api));
    let parameters = PostParams::default();
    let is_new = over.is_none();
    let mut metadata = match over {
        Some(StoredText(ConfigMap { metadata, .. })) => metadata,
        None => ObjectMeta {
            name: Some(name.clone()),
            ..ObjectMeta::default()
        },
    };
    // What others know about the fields is for the API server to say.
    metadata.managed_fields = None;
    metadata.labels.get_or_insert_default().extend(labels);
    let map = ConfigMap {
        metadata,
        data: Some(texts),
        ..ConfigMap::default()
    };
    let written = call(&tried, Again::Write, bound, async || {
        if is_new {
            api.create(&parameters, &map).await
        } else {
            api.replace(&name, &parameters, &map).await
        }
    })
    .await?;
    Ok(StoredText(written))
}

fn api_namespace(api: &Api<ConfigMap>) -> String {
    api.namespace().unwrap_or_default().to_owned()
}
