//! Traps of steps that change an object of Kubernetes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::kinds::Trap;
use super::nginx;
use crate::runbook::format::{PatchOperation, PatchStep, ReplaceStep};
use crate::runbook::object::ObjectKind;
use crate::runbook::route::{Percent, RouteStep, TrafficChange};

/// Looks at a field that is replaced as a whole.
pub(super) fn replace(step: &ReplaceStep) -> Vec<(Trap, String)> {
    let path = step.field.as_str();
    let mut found = value(&step.target.kind, path, &step.value);
    found.extend(part_of_selector(&step.target.kind, path));
    if weight_of(path).is_some() {
        // Only the old weight is tested.
        found.push((Trap::WeightByIndex, path.to_owned()));
    }
    found
}

/// Looks at a JSON patch.
pub(super) fn patch(step: &PatchStep) -> Vec<(Trap, String)> {
    let mut found = Vec::new();
    if !step.operations.iter().any(is_test) {
        found.push((Trap::PatchWithoutTest, step.target.to_string()));
    }
    found.extend(operations(&step.target.kind, &step.operations));
    found
}

fn is_test(operation: &PatchOperation) -> bool {
    !operation.changes()
}

/// Looks at the operations of a JSON patch, whoever sends it.
pub(super) fn operations(kind: &ObjectKind, operations: &[PatchOperation]) -> Vec<(Trap, String)> {
    let mut found = Vec::new();
    // All operations are done or none is, so a test behind them is as good as one before.
    let tests = operations.iter().filter(|one| is_test(one));
    let tested: Vec<&str> = tests.map(PatchOperation::path).collect();
    let mut weights: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for operation in operations {
        let path = operation.path();
        if is_test(operation) {
            continue;
        }
        found.extend(part_of_selector(kind, path));
        if let Some(new) = operation.value() {
            found.extend(value(kind, path, new));
        }
        let Some((list, element)) = weight_of(path) else {
            continue;
        };
        weights.entry(list).or_default().extend(operation.value());
        if !tested.iter().any(|test| names(test, element)) {
            found.push((Trap::WeightByIndex, path.to_owned()));
        }
    }
    for (list, weights) in weights {
        let numbers: Vec<i128> = weights.iter().filter_map(|one| weight(one)).collect();
        let is_whole = numbers.len() == weights.len();
        found.extend(sum(kind, &numbers, is_whole).map(|what| {
            let what = format!("{what} at {list}");
            (Trap::WeightsDoNotAddUp, what)
        }));
    }
    found
}

/// Looks at the rungs of a route.
pub(super) fn route(step: &RouteStep) -> Vec<(Trap, String)> {
    let TrafficChange::Weights { rungs, .. } = &step.traffic else {
        return Vec::new();
    };
    let falls = |pair: &[Percent]| matches!(pair, [lower, upper] if lower >= upper);
    match rungs.windows(2).find(|pair| falls(pair)) {
        Some([lower, upper]) => {
            let what = format!("{} after {}", upper.0, lower.0);
            vec![(Trap::RungsNotRising, what)]
        }
        Some(_) | None => Vec::new(),
    }
}

/// Looks at a value that is written at a path.
fn value(kind: &ObjectKind, path: &str, new: &Value) -> Vec<(Trap, String)> {
    let mut found = Vec::new();
    let skips = match path {
        "/spec/skipAnalysis" => new == &Value::Bool(true),
        "/spec" => new["skipAnalysis"] == true,
        _ => false,
    };
    if *kind == ObjectKind::Canary && skips {
        found.push((Trap::SkipAnalysis, path.to_owned()));
    }
    within(kind, path, new, &mut found);
    found
}

/// Looks at everything within a value: lists with weights, and texts that NGINX reads.
fn within(kind: &ObjectKind, path: &str, new: &Value, found: &mut Vec<(Trap, String)>) {
    match new {
        Value::String(text) => found.extend(nginx::look(text)),
        Value::Array(list) => {
            let weights: Vec<i128> = list
                .iter()
                .filter_map(|one| weight(&one["weight"]))
                .collect();
            if !weights.is_empty() {
                let is_whole = weights.len() == list.len();
                found.extend(sum(kind, &weights, is_whole).map(|what| {
                    let what = format!("{what} at {path}");
                    (Trap::WeightsDoNotAddUp, what)
                }));
            }
            for (place, one) in list.iter().enumerate() {
                within(kind, &format!("{path}/{place}"), one, found);
            }
        }
        Value::Object(map) => {
            for (name, one) in map {
                within(kind, &format!("{path}/{name}"), one, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn weight(value: &Value) -> Option<i128> {
    let below = value.as_i64().map(i128::from);
    below.or_else(|| value.as_u64().map(i128::from))
}

/// Says why weights do not add up; those of Istio are percent, those of others are relative.
fn sum(kind: &ObjectKind, weights: &[i128], is_whole: bool) -> Option<String> {
    let sum: i128 = weights.iter().sum();
    let listed: Vec<String> = weights.iter().map(ToString::to_string).collect();
    let listed = listed.join(" + ");
    let is_percent = *kind == ObjectKind::VirtualService;
    let is_weight = |weight: &i128| (0..=i128::from(i64::MAX)).contains(weight);
    if !weights.iter().all(is_weight) || (is_whole && sum == 0) {
        return Some(format!("{listed} = {sum}"));
    }
    (is_percent && sum != 100).then(|| format!("{listed} = {sum}"))
}

/// Tells whether only a part of a Service's selector is written.
fn part_of_selector(kind: &ObjectKind, path: &str) -> Option<(Trap, String)> {
    let is_part = *kind == ObjectKind::Service && path.starts_with("/spec/selector/");
    is_part.then(|| (Trap::PartOfSelector, path.to_owned()))
}

/// Splits the path of a weight in a list into that of the list and that of the element.
fn weight_of(path: &str) -> Option<(&str, &str)> {
    let element = path.strip_suffix("/weight")?;
    let (list, place) = element.rsplit_once('/')?;
    let is_place = !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit());
    is_place.then_some((list, element))
}

/// Tells whether a test fixes which element of the list it is: its name, or all of it.
fn names(test: &str, element: &str) -> bool {
    let by_name = [
        "/name",
        "/destination",
        "/destination/subset",
        "/destination/host",
    ];
    match test.strip_prefix(element) {
        Some(member) => member.is_empty() || by_name.contains(&member),
        // A test of what the element is in is one of the element.
        None => element
            .strip_prefix(test)
            .is_some_and(|rest| rest.starts_with('/')),
    }
}
