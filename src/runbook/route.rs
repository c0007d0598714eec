//! What a step that moves traffic is told.

use serde::Deserialize;
use serde::de::Deserializer;

use super::mapping::{mapping, up_to_hundred};
use super::words::{ObjectName, StepText};

/// Moves traffic by weights, or mirrors it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "Route", transform = super::schema::exactly_one_route))]
#[serde(deny_unknown_fields)]
pub(super) struct RouteMembers {
    /// An HTTPRoute of the Gateway API; `to`, `stable` and `mirror` are Services.
    httproute: Option<ObjectName>,
    /// A VirtualService of Istio; `to`, `stable` and `mirror` are subsets, or hosts.
    virtualservice: Option<ObjectName>,
    /// A weighted TraefikService; `to`, `stable` and `mirror` are Services.
    traefikservice: Option<ObjectName>,
    /// The canary Ingress of ingress-nginx, which has the annotation `canary-weight`; `to` and `stable` are Services.
    ingress: Option<ObjectName>,
    /// Its namespace; that of the service without it.
    namespace: Option<ObjectName>,
    /// The side whose share changes.
    to: Option<ObjectName>,
    /// The side that gets the rest.
    stable: Option<ObjectName>,
    /// The rungs: the share of `to` in percent. One rung in a rollback, rising ones on the way forward.
    #[cfg_attr(test, schemars(length(min = 1)))]
    weights: Option<Vec<Percent>>,
    /// The side that gets a copy of requests, whose answers nobody reads.
    mirror: Option<ObjectName>,
    /// How many of the requests are mirrored, in percent; 0 ends it.
    percent: Option<Percent>,
    /// Query that is above 0 while the side that gets the requests does get some.
    requests: Option<StepText>,
}

/// What carries the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::Display)]
pub enum RouteKind {
    /// An HTTPRoute of the Gateway API.
    #[strum(serialize = "HTTPRoute")]
    HttpRoute,
    /// A VirtualService of Istio.
    VirtualService,
    /// A weighted TraefikService.
    TraefikService,
    /// A canary Ingress of ingress-nginx.
    Ingress,
}

/// Moves traffic by weights, or mirrors it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteStep {
    /// What carries the weights.
    pub kind: RouteKind,
    /// Its name.
    pub name: String,
    /// Its namespace; that of the service without it.
    pub namespace: Option<ObjectName>,
    /// What becomes of the requests.
    pub traffic: TrafficChange,
    /// Query that is above 0 while the side that gets the requests does get some.
    pub requests: Option<StepText>,
}

/// What becomes of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrafficChange {
    /// Shares of `to` in percent, rung by rung; the rest goes to `stable`.
    Weights {
        /// The side whose share changes.
        to: ObjectName,
        /// The side that gets the rest.
        stable: ObjectName,
        /// Its shares.
        rungs: Vec<Percent>,
    },
    /// Copies of requests.
    Mirror {
        /// Who gets them.
        to: ObjectName,
        /// Of how many requests.
        percent: Percent,
    },
}

impl<'de> Deserialize<'de> for RouteStep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        mapping(deserializer, Self::of)
    }
}

impl RouteStep {
    fn of(members: RouteMembers) -> Result<Self, String> {
        let named = [
            (RouteKind::HttpRoute, members.httproute),
            (RouteKind::VirtualService, members.virtualservice),
            (RouteKind::TraefikService, members.traefikservice),
            (RouteKind::Ingress, members.ingress),
        ];
        let mut named = named
            .into_iter()
            .filter_map(|(kind, name)| Some((kind, name?)));
        let (Some((kind, name)), None) = (named.next(), named.next()) else {
            return Err(
                "name one route: httproute, virtualservice, traefikservice or ingress".to_owned(),
            );
        };
        let traffic = match (
            members.to,
            members.stable,
            members.weights,
            members.mirror,
            members.percent,
        ) {
            (Some(to), Some(stable), Some(_), None, None) if to == stable => {
                return Err(format!(
                    "to and stable are both {to}; a share is moved from one side to another"
                ));
            }
            (Some(to), Some(stable), Some(rungs), None, None) if !rungs.is_empty() => {
                TrafficChange::Weights { to, stable, rungs }
            }
            (None, None, None, Some(_), Some(_)) if kind == RouteKind::Ingress => {
                return Err(
                    "a canary Ingress mirrors no share of the requests; write the mirror into the configuration of NGINX \
                     by a file step"
                        .to_owned(),
                );
            }
            (None, None, None, Some(to), Some(percent)) => TrafficChange::Mirror { to, percent },
            _ => {
                return Err("write to, stable and weights, or mirror and percent".to_owned());
            }
        };
        Ok(Self {
            kind,
            name: name.to_string(),
            namespace: members.namespace,
            traffic,
            requests: members.requests,
        })
    }
}

/// A share in percent: a whole number from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(inline))]
#[serde(transparent)]
pub struct Percent(
    #[cfg_attr(test, schemars(range(min = 0, max = 100)))]
    #[serde(deserialize_with = "up_to_hundred")]
    pub u8,
);
