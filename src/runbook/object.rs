//! An object of Kubernetes that a step changes.

use std::fmt;

use super::words::ObjectName;

/// The kinds that a step names by one word, and all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A Service.
    Service,
    /// A Deployment.
    Deployment,
    /// A StatefulSet.
    StatefulSet,
    /// A DaemonSet.
    DaemonSet,
    /// A ConfigMap.
    ConfigMap,
    /// An Ingress.
    Ingress,
    /// An HTTPRoute of the Gateway API.
    HttpRoute,
    /// A VirtualService of Istio.
    VirtualService,
    /// A Canary of Flagger.
    Canary,
    /// A kind that the file names as a manifest does.
    Other {
        /// Its group and version.
        api_version: String,
        /// Its kind.
        kind: String,
    },
}

impl ObjectKind {
    /// Returns the kind that a manifest names, whatever its version.
    pub(super) fn of_manifest(api_version: &str, kind: &str) -> Self {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        match (group, kind) {
            ("", "Service") => Self::Service,
            ("", "ConfigMap") => Self::ConfigMap,
            ("apps", "Deployment") => Self::Deployment,
            ("apps", "StatefulSet") => Self::StatefulSet,
            ("apps", "DaemonSet") => Self::DaemonSet,
            ("networking.k8s.io" | "extensions", "Ingress") => Self::Ingress,
            ("gateway.networking.k8s.io", "HTTPRoute") => Self::HttpRoute,
            ("networking.istio.io", "VirtualService") => Self::VirtualService,
            ("flagger.app", "Canary") => Self::Canary,
            _ => Self::Other {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
            },
        }
    }

    /// Returns its group and the version that is asked for where the file writes none.
    fn api_version(&self) -> &str {
        match self {
            Self::Service | Self::ConfigMap => "v1",
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => "apps/v1",
            Self::Ingress => "networking.k8s.io/v1",
            Self::HttpRoute => "gateway.networking.k8s.io/v1",
            Self::VirtualService => "networking.istio.io/v1",
            Self::Canary => "flagger.app/v1beta1",
            Self::Other { api_version, .. } => api_version,
        }
    }

    /// Returns its kind, as its manifests have it.
    pub fn name(&self) -> &str {
        match self {
            Self::Service => "Service",
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ConfigMap => "ConfigMap",
            Self::Ingress => "Ingress",
            Self::HttpRoute => "HTTPRoute",
            Self::VirtualService => "VirtualService",
            Self::Canary => "Canary",
            Self::Other { kind, .. } => kind,
        }
    }
}

/// An object that a step changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectTarget {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its group and version, as the file writes them, or those that its kind usually has.
    pub api_version: String,
    /// Its name.
    pub name: String,
    /// Its namespace; that of the service without it.
    pub namespace: Option<String>,
}

impl ObjectTarget {
    /// Tells whether it has the version that its kind usually has, as where the file writes none.
    pub fn is_of_usual_version(&self) -> bool {
        !matches!(self.kind, ObjectKind::Other { .. })
            && self.api_version == self.kind.api_version()
    }

    pub(super) fn new(kind: ObjectKind, name: &ObjectName, namespace: Option<&ObjectName>) -> Self {
        Self {
            api_version: kind.api_version().to_owned(),
            kind,
            name: name.to_string(),
            namespace: namespace.map(ToString::to_string),
        }
    }
}

impl fmt::Display for ObjectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.name())?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}
