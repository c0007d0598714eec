//! What the API server says of a route, and of the sides that it leads to.

use serde_json::{Value, json};

use super::asking::{CHANGING, ClusterLook, WantedVersion};
use super::changes::guards;
use super::endpoints;
use super::mirrors;
use crate::clients::kubernetes::ObjectCollection;
use crate::runbook::{Percent, RouteKind, RouteStep, StepList, TrafficChange};

const ROUTE: &str = "route";

/// Looks at a route, at its sides, and has the API server try its first weights.
pub(super) fn look(looking: &mut ClusterLook<'_>, step: &RouteStep) {
    let namespace = looking.namespace_of(step.namespace.as_ref().map(ToString::to_string));
    let (api_version, kind) = match step.kind {
        RouteKind::HttpRoute => ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        RouteKind::VirtualService => ("networking.istio.io/v1", "VirtualService"),
        RouteKind::TraefikService => ("traefik.io/v1alpha1", "TraefikService"),
        RouteKind::Ingress => ("networking.k8s.io/v1", "Ingress"),
    };
    let version = WantedVersion::Usually(api_version);
    let found = looking.found(version, kind, &step.name, &namespace, (CHANGING, &[]));
    let Some((collection, object)) = found else {
        return;
    };
    let field = match step.kind {
        RouteKind::HttpRoute => "/spec/rules",
        RouteKind::VirtualService => "/spec/http",
        RouteKind::TraefikService => "/spec/weighted",
        RouteKind::Ingress => "/metadata/annotations",
    };
    looking.owned(&object, field);
    match &step.traffic {
        TrafficChange::Weights { to, stable, rungs } => {
            let first = rungs.first().copied().unwrap_or(Percent(0));
            let is_of_services = step.kind != RouteKind::VirtualService;
            // On the way forward an earlier step may start the pods.
            if is_of_services && looking.is_in(StepList::Rollback) {
                let sides = [(to, first.0), (stable, 100 - first.0)];
                for (side, _) in sides.iter().filter(|(_, share)| *share > 0) {
                    answers(looking, side.as_str(), &namespace);
                }
            }
            weights(
                looking,
                step,
                (&collection, &object),
                (to.as_str(), stable.as_str()),
                first,
            );
            not_reached(looking, step, &object, (to.as_str(), stable.as_str()));
        }
        TrafficChange::Mirror { to, percent } => {
            let service = match step.kind {
                RouteKind::VirtualService => None,
                RouteKind::HttpRoute | RouteKind::TraefikService | RouteKind::Ingress => {
                    let version = WantedVersion::Exactly("v1");
                    let verbs = (&["get"][..], &[][..]);
                    match looking.found(version, "Service", to.as_str(), &namespace, verbs) {
                        Some((_, service)) => Some(service),
                        None => return,
                    }
                }
            };
            match mirrors::patch(step.kind, &object, service.as_ref(), to.as_str(), *percent) {
                Ok(patch) => {
                    looking.dry_run(&collection, &step.name, &object, &patch);
                }
                Err((found, remedy)) => {
                    let tried = format!("look how {} {} mirrors to {to}", step.kind, step.name);
                    looking.problem(ROUTE, tried, found, remedy);
                }
            }
        }
    }
}

/// Looks whether anybody answers behind a Service that gets requests.
fn answers(looking: &mut ClusterLook<'_>, name: &str, namespace: &str) {
    let pods = [("list", looking.collection("v1", "pods", namespace))];
    let found = looking.found(
        WantedVersion::Exactly("v1"),
        "Service",
        name,
        namespace,
        (&["get"], &pods),
    );
    if let Some((_, service)) = found {
        let selector = &service["spec"]["selector"];
        endpoints::look(looking, namespace, &service, selector, 1);
    }
}

fn weights(
    looking: &mut ClusterLook<'_>,
    step: &RouteStep,
    (collection, object): (&ObjectCollection, &Value),
    sides: (&str, &str),
    share: Percent,
) {
    let tried = format!(
        "look for {} and {} in {} {}",
        sides.0, sides.1, step.kind, step.name
    );
    let patch = match step.kind {
        RouteKind::HttpRoute => by_list(object, "rules", "backendRefs", sides, share),
        RouteKind::VirtualService => by_list(object, "http", "route", sides, share),
        RouteKind::TraefikService => in_list(object, "/spec/weighted/services", sides, share),
        RouteKind::Ingress => {
            let weight = "/metadata/annotations/nginx.ingress.kubernetes.io~1canary-weight";
            object.pointer(weight).map(|old| {
                let mut patch = guards(object);
                patch.push(json!({"op": "test", "path": weight, "value": old}));
                patch.push(json!({"op": "replace", "path": weight, "value": share.0.to_string()}));
                patch
            })
        }
    };
    match patch {
        Some(patch) => {
            looking.dry_run(collection, &step.name, object, &patch);
        }
        None => looking.problem(
            ROUTE,
            tried,
            "no rule has both",
            "write the names as the route has them: backends of an HTTPRoute, subsets or hosts of a VirtualService, or \
             the annotation canary-weight of an Ingress",
        ),
    }
}

/// Says which requests of the route the weights of both sides do not reach.
fn not_reached(
    looking: &mut ClusterLook<'_>,
    step: &RouteStep,
    object: &Value,
    (to, stable): (&str, &str),
) {
    let each = |rules: &str, list: &str| {
        let rules = object["spec"][rules].as_array().into_iter().flatten();
        let lists = rules.filter_map(|rule| rule[list].as_array());
        lists.cloned().collect::<Vec<_>>()
    };
    let lists = match step.kind {
        RouteKind::HttpRoute => each("rules", "backendRefs"),
        RouteKind::VirtualService => each("http", "route"),
        RouteKind::TraefikService => object["spec"]["weighted"]["services"]
            .as_array()
            .cloned()
            .into_iter()
            .collect(),
        RouteKind::Ingress => {
            let canary = &object["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary"];
            if canary != "true" {
                looking.problem(
                    ROUTE,
                    format!("look whether Ingress {} is a canary", step.name),
                    "it has no annotation canary: \"true\", and without it the weight counts for nothing",
                    "name the canary Ingress, not the one beside it",
                );
            }
            return;
        }
    };
    let tried = format!("look where {} {} sends the rest", step.kind, step.name);
    for list in lists {
        let of_rule = |name: &str| list.iter().any(|backend| is_named(backend, name));
        let others = list.iter().filter(|backend| {
            !is_named(backend, to) && !is_named(backend, stable) && backend["weight"] != 0
        });
        match (of_rule(to), of_rule(stable), others.count()) {
            (true, true, 0) | (false, false, _) => {}
            (true, true, others) => looking.problem(
                ROUTE,
                tried.clone(),
                format!("{others} more in the same rule have a weight, so that the shares are not those of the step"),
                "set their weights to 0 by a patch before it, or take them out of the rule",
            ),
            (has_to, _, _) => looking.warning(
                ROUTE,
                tried.clone(),
                format!(
                    "one rule has only {}: its requests stay there",
                    if has_to { to } else { stable }
                ),
                "add the other side to that rule, or know that it is not moved",
            ),
        }
    }
}

/// Where the name of a side stands.
const NAMES: [&str; 3] = ["/name", "/destination/subset", "/destination/host"];

fn is_named(backend: &Value, name: &str) -> bool {
    let mut names = NAMES.iter().filter_map(|member| backend.pointer(member));
    names.any(|found| found == name)
}

/// Returns the patch for every rule that has both sides.
fn by_list(
    object: &Value,
    rules: &str,
    list: &str,
    sides: (&str, &str),
    share: Percent,
) -> Option<Vec<Value>> {
    let count = object["spec"][rules].as_array()?.len();
    let lists = (0..count).map(|place| format!("/spec/{rules}/{place}/{list}"));
    let patches: Vec<Vec<Value>> = lists
        .filter_map(|list| operations(object, &list, sides, share))
        .collect();
    (!patches.is_empty()).then(|| {
        let mut patch = guards(object);
        patch.extend(patches.into_iter().flatten());
        patch
    })
}

fn in_list(object: &Value, list: &str, sides: (&str, &str), share: Percent) -> Option<Vec<Value>> {
    let operations = operations(object, list, sides, share)?;
    let mut patch = guards(object);
    patch.extend(operations);
    Some(patch)
}

/// Returns what sets the weights of both sides in one list: each is tested by its name first.
fn operations(
    object: &Value,
    list: &str,
    (to, stable): (&str, &str),
    share: Percent,
) -> Option<Vec<Value>> {
    let backends = object.pointer(list)?.as_array()?;
    let place = |name: &str| {
        backends.iter().enumerate().find_map(|(place, backend)| {
            NAMES
                .iter()
                .find(|member| backend.pointer(member).is_some_and(|found| found == name))
                .map(|member| (place, *member, name.to_owned()))
        })
    };
    let sides = [(place(to)?, share.0), (place(stable)?, 100 - share.0)];
    let operations = sides
        .into_iter()
        .flat_map(|((place, member, name), weight)| {
            // A weight that is absent is added by the same operation.
            [
                json!({"op": "test", "path": format!("{list}/{place}{member}"), "value": name}),
                json!({"op": "add", "path": format!("{list}/{place}/weight"), "value": weight}),
            ]
        });
    Some(operations.collect())
}
