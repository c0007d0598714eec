//! What this program may do, as the API server says.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;

use super::calls::{Again, call};
use super::cluster::Cluster;
use super::error::KubernetesError;

/// What may be done with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reading one.
    Get,
    /// Making one. No rule can limit it to a name, and a review that names one says yes where the deed is refused.
    Create,
    /// Writing one that is there.
    Update,
}

/// A right that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceAccess {
    /// What is to be done.
    pub verb: Verb,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The kind in the plural.
    pub resource: &'static str,
    /// With which object; not for [`Verb::Create`].
    pub name: Option<String>,
}

impl Verb {
    /// Returns it as Kubernetes calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Create => "create",
            Self::Update => "update",
        }
    }
}

impl Cluster {
    /// Asks whether this program has a right in the namespace of the objects. A name that is misspelt is a no, too.
    ///
    /// # Errors
    /// Fails where that cannot be asked.
    pub fn may(&self, access: &ResourceAccess) -> Result<bool, KubernetesError> {
        let tried = format!(
            "ask whether {} of {} is allowed in {}",
            access.verb.as_str(),
            access.resource,
            self.namespace
        );
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(access.group.to_owned()),
                    resource: Some(access.resource.to_owned()),
                    verb: Some(access.verb.as_str().to_owned()),
                    namespace: Some(self.namespace.to_string()),
                    name: access.name.clone(),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let (timeout, asked) = (self.timeout, tried.clone());
        self.wait_for(timeout, move |client| async move {
            let api: Api<SelfSubjectAccessReview> = Api::all(client);
            let parameters = PostParams::default();
            // It is posted, and changes nothing.
            let answer = call(&asked, Again::Read, timeout, || {
                api.create(&parameters, &review)
            })
            .await?;
            Ok(answer.status.is_some_and(|status| status.allowed))
        })
        .unwrap_or_else(|| Err(self.silent(&tried)))
    }
}
