//! The patch that has a route copy requests to a side, or copy none any more.

use serde_json::{Value, json};

use super::changes::guards;
use crate::runbook::{Percent, RouteKind};

/// Why a route cannot mirror as wanted: what was found, and the remedy.
pub(super) type NoMirror = (&'static str, &'static str);

const SEVERAL_PORTS: NoMirror = (
    "the Service has several ports, and none of them is that of the rule's backends",
    "add the mirror by a patch, which names the port",
);

/// Returns what has every rule with backends mirror to a side, or none of them where the share is 0. `service` is the side,
/// where it is a Service.
pub(super) fn patch(
    kind: RouteKind,
    route: &Value,
    service: Option<&Value>,
    to: &str,
    percent: Percent,
) -> Result<Vec<Value>, NoMirror> {
    let operations = match kind {
        RouteKind::HttpRoute => http_route(route, service, to, percent)?,
        RouteKind::VirtualService => virtual_service(route, to, percent)?,
        RouteKind::TraefikService => traefik_service(route, service, to, percent)?,
        RouteKind::Ingress => {
            return Err((
                "an Ingress has no mirror",
                "write an HTTPRoute or a VirtualService",
            ));
        }
    };
    let mut patch = guards(route);
    patch.extend(operations);
    Ok(patch)
}

/// Returns the rules that send requests to backends, with their places.
fn rules<'a>(
    route: &'a Value,
    list: &'static str,
    backends: &'static str,
) -> Result<Vec<(usize, &'a Value)>, NoMirror> {
    let all = route["spec"][list].as_array().into_iter().flatten();
    let serving: Vec<(usize, &Value)> = all
        .enumerate()
        .filter(|(_, rule)| rule[backends].as_array().is_some_and(|all| !all.is_empty()))
        .collect();
    match serving.is_empty() {
        false => Ok(serving),
        true => Err((
            "no rule of it sends requests anywhere",
            "name the route that serves the requests",
        )),
    }
}

fn http_route(
    route: &Value,
    service: Option<&Value>,
    to: &str,
    percent: Percent,
) -> Result<Vec<Value>, NoMirror> {
    let mut operations = Vec::new();
    for (place, rule) in rules(route, "rules", "backendRefs")? {
        let filters = format!("/spec/rules/{place}/filters");
        let known = rule["filters"].as_array();
        let mirrored = known.into_iter().flatten().position(|filter| {
            let side = &filter["requestMirror"]["backendRef"];
            filter["type"] == "RequestMirror" && side["name"] == to && side["namespace"].is_null()
        });
        match (mirrored, percent.0) {
            (None, 0) => {}
            (Some(at), share) => {
                let name = format!("{filters}/{at}/requestMirror/backendRef/name");
                operations.push(json!({"op": "test", "path": name, "value": to}));
                if share == 0 {
                    operations.push(json!({"op": "remove", "path": format!("{filters}/{at}")}));
                    continue;
                }
                let mut mirror = rule["filters"][at]["requestMirror"].clone();
                set_share(&mut mirror, share);
                let path = format!("{filters}/{at}/requestMirror");
                operations.push(json!({"op": "replace", "path": path, "value": mirror}));
            }
            (None, share) => {
                let port = port(service, &rule["backendRefs"][0]["port"])?;
                let mut mirror = json!({"backendRef": {"name": to, "port": port}});
                set_share(&mut mirror, share);
                let filter = json!({"type": "RequestMirror", "requestMirror": mirror});
                operations.push(match known {
                    Some(_) => {
                        json!({"op": "add", "path": format!("{filters}/-"), "value": filter})
                    }
                    None => json!({"op": "add", "path": filters, "value": [filter]}),
                });
            }
        }
    }
    Ok(operations)
}

/// Writes the share of a mirror. All requests are what none says, which a Gateway API before 1.3 knows, too.
fn set_share(mirror: &mut Value, share: u8) {
    if let Some(members) = mirror.as_object_mut() {
        members.remove("fraction");
        members.remove("percent");
    }
    if share < 100 {
        mirror["percent"] = json!(share);
    }
}

/// Returns the port of a side: that of the backends where it has it, else its only one.
fn port(service: Option<&Value>, beside: &Value) -> Result<Value, NoMirror> {
    let ports = service.and_then(|service| service["spec"]["ports"].as_array());
    let ports: Vec<&Value> = ports
        .into_iter()
        .flatten()
        .map(|port| &port["port"])
        .collect();
    match ports.as_slice() {
        ports if ports.contains(&beside) => Ok(beside.clone()),
        [only] => Ok((*only).clone()),
        _ => Err(SEVERAL_PORTS),
    }
}

fn virtual_service(route: &Value, to: &str, percent: Percent) -> Result<Vec<Value>, NoMirror> {
    let mut operations = Vec::new();
    for (place, rule) in rules(route, "http", "route")? {
        let path = |member: &str| format!("/spec/http/{place}/{member}");
        if rule["mirrors"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
        {
            return Err((
                "a rule has mirrors, a list, beside which mirror is not taken",
                "change that list by a patch with a test",
            ));
        }
        let sides = rule["route"].as_array().into_iter().flatten();
        let side = sides
            .map(|side| &side["destination"])
            .find(|side| side["subset"] == to);
        let wanted = match side {
            Some(side) => json!({"host": side["host"], "subset": to}),
            None => json!({"host": to}),
        };
        let old = &rule["mirror"];
        let is_it = old["host"] == wanted["host"] && old["subset"] == wanted["subset"];
        if !old.is_null() && !is_it {
            if percent.0 == 0 {
                continue;
            }
            return Err((
                "a rule mirrors to another side, and has one mirror only",
                "end that mirror first, by a step with percent: 0",
            ));
        }
        let has_share = |member: &&&str| !rule[**member].is_null();
        if !old.is_null() {
            operations.push(json!({"op": "test", "path": path("mirror"), "value": old}));
        }
        // The older names of the share go: the schema takes them, and the proxy looks at one.
        let mut gone = vec!["mirrorPercent", "mirror_percent"];
        match (percent.0, old.is_null()) {
            (0, true) => continue,
            (0, false) => {
                operations.push(json!({"op": "remove", "path": path("mirror")}));
                gone.push("mirrorPercentage");
            }
            (share, _) => {
                let share = json!({"value": share});
                operations.push(json!({"op": "add", "path": path("mirror"), "value": wanted}));
                operations
                    .push(json!({"op": "add", "path": path("mirrorPercentage"), "value": share}));
            }
        }
        let gone = gone.iter().filter(has_share);
        operations.extend(gone.map(|member| json!({"op": "remove", "path": path(member)})));
    }
    Ok(operations)
}

fn traefik_service(
    route: &Value,
    service: Option<&Value>,
    to: &str,
    percent: Percent,
) -> Result<Vec<Value>, NoMirror> {
    let mirroring = &route["spec"]["mirroring"];
    if mirroring.is_null() {
        return Err((
            "it has no mirroring: a TraefikService either weighs or mirrors",
            "name one with spec.mirroring, whose name is the weighted one",
        ));
    }
    let list = "/spec/mirroring/mirrors";
    let known = mirroring["mirrors"].as_array();
    let at = known
        .into_iter()
        .flatten()
        .position(|one| one["name"] == to);
    Ok(match (at, percent.0) {
        (None, 0) => Vec::new(),
        (Some(at), share) => {
            let test = json!({"op": "test", "path": format!("{list}/{at}/name"), "value": to});
            let change = match share {
                0 => json!({"op": "remove", "path": format!("{list}/{at}")}),
                _ => json!({"op": "add", "path": format!("{list}/{at}/percent"), "value": share}),
            };
            vec![test, change]
        }
        (None, share) => {
            let side =
                json!({"name": to, "port": port(service, &mirroring["port"])?, "percent": share});
            vec![match known {
                Some(_) => json!({"op": "add", "path": format!("{list}/-"), "value": side}),
                None => json!({"op": "add", "path": list, "value": [side]}),
            }]
        }
    })
}
