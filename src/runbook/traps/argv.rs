//! Traps of programs and their arguments.

use serde_json::Value;

use super::kinds::Trap;
use crate::runbook::parse::{Null, count};

/// Programs that take a text apart.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "zsh", "ksh", "fish"];

/// What only a shell understands.
const OPERATORS: [&str; 9] = ["|", "&&", ";", "&", ">", ">>", "<", "2>&1", "2>/dev/null"];

/// Programs that give images names.
const TAGGERS: [&str; 6] = ["docker", "podman", "nerdctl", "buildah", "crane", "regctl"];

/// What the name of an image to go back to is called.
const EARLIER: [&str; 6] = ["prev", "rollback", "backup", "last", "stable", "good"];

/// Looks at a program and its arguments.
pub(super) fn look(argv: &[&str]) -> Vec<(Trap, String)> {
    let mut found = Vec::new();
    let mut add = |trap: Trap, what: &str| found.push((trap, short(what)));
    if let Some(text) = shell_text(argv) {
        match text.contains("||") {
            true => add(Trap::UnknownBecomesValue, text),
            false => add(Trap::ShellText, text),
        }
    }
    for word in argv {
        match *word {
            "||" => add(Trap::UnknownBecomesValue, &argv.join(" ")),
            word if OPERATORS.contains(&word) => add(Trap::ShellOperator, word),
            _ => {}
        }
    }
    if is_any(argv, &["kubectl", "oc"]) {
        for trap in kubectl(argv) {
            add(trap, &argv.join(" "));
        }
    }
    if is_any(argv, &TAGGERS) && names_the_bad_image(argv) {
        add(Trap::LatestAsPrevious, &argv.join(" "));
    }
    found
}

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Tells whether one of the programs is run, also by another one such as sudo.
fn is_any(argv: &[&str], programs: &[&str]) -> bool {
    argv.iter().any(|word| programs.contains(&program(word)))
}

/// Returns the text that a shell is given.
fn shell_text<'a>(argv: &[&'a str]) -> Option<&'a str> {
    let at = argv
        .iter()
        .position(|word| SHELLS.contains(&program(word)))?;
    let takes_text =
        |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.contains('c');
    let flag = argv[at..].iter().position(takes_text)?;
    argv.get(at + flag + 1).copied()
}

fn kubectl(argv: &[&str]) -> Vec<Trap> {
    let follows = |first: &str, second: fn(&str) -> bool| {
        let at = argv.iter().position(|word| *word == first);
        at.is_some_and(|at| argv[at..].iter().any(|word| second(word)))
    };
    let mut found = Vec::new();
    if follows("rollout", |word| word == "undo") {
        found.push(Trap::RolloutUndo);
    }
    let is_canary = |word: &str| {
        let kind = word.split('/').next().unwrap_or_default();
        matches!(kind, "canary" | "canaries" | "canaries.flagger.app")
    };
    if follows("delete", is_canary) {
        found.push(Trap::CanaryDeleted);
    }
    if !argv.contains(&"patch") {
        return found;
    }
    let body = option(argv, &["-p", "--patch"]).map(patch_body);
    if body == Some(None) {
        found.push(Trap::PatchUnread);
    }
    let body = body.flatten().unwrap_or_default();
    let kind = option(argv, &["--type"]).unwrap_or("strategic");
    if sets(&body, "skipAnalysis", &|value| value == true) {
        found.push(Trap::SkipAnalysis);
    }
    if kind == "json" {
        return found;
    }
    let is_service = argv
        .iter()
        .any(|word| matches!(word.split('/').next(), Some("service" | "services" | "svc")));
    if is_service && sets(&body, "selector", &|value| value.is_object()) {
        found.push(Trap::PartOfSelector);
    }
    if kind == "merge" && has_list(&body) {
        found.push(Trap::MergeOfList);
    }
    found
}

/// Reads a patch as kubectl does: JSON, or YAML, whose aliases are bounded by the length of the text.
fn patch_body(text: &str) -> Option<Value> {
    let read = serde_json::from_str(text).ok();
    read.or_else(|| {
        let most = u32::try_from(text.len()).unwrap_or(u32::MAX);
        count(text, most, most.into(), Null::IsValue).ok()?;
        serde_norway::from_str(text).ok()
    })
}

/// Returns the value of an option, which follows it or stands behind an equals sign.
fn option<'a>(argv: &[&'a str], names: &[&str]) -> Option<&'a str> {
    argv.iter().enumerate().find_map(|(at, word)| {
        if names.contains(word) {
            return argv.get(at + 1).copied();
        }
        let (name, value) = word.split_once('=')?;
        names.contains(&name).then_some(value)
    })
}

/// Tells whether a member with the name has such a value, anywhere; in a JSON patch the name ends a path.
fn sets(body: &Value, name: &str, is_so: &dyn Fn(&Value) -> bool) -> bool {
    match body {
        Value::Object(map) => {
            let by_path = map
                .get("path")
                .and_then(Value::as_str)
                .is_some_and(|path| path.ends_with(&format!("/{name}")));
            map.iter()
                .any(|(member, value)| (member == name && is_so(value)) || sets(value, name, is_so))
                || (by_path && map.get("value").is_some_and(is_so))
        }
        Value::Array(list) => list.iter().any(|one| sets(one, name, is_so)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn has_list(body: &Value) -> bool {
    match body {
        Value::Array(_) => true,
        Value::Object(map) => map.values().any(has_list),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Tells whether what `latest` is now gets the name that is gone back to.
fn names_the_bad_image(argv: &[&str]) -> bool {
    let Some(at) = argv.iter().position(|word| *word == "tag") else {
        return false;
    };
    let mut images = argv[at + 1..].iter().filter(|word| !word.starts_with('-'));
    let (Some(from), Some(to)) = (images.next(), images.next()) else {
        return false;
    };
    let tag = |image: &str| {
        let name = image.rsplit('/').next().unwrap_or_default();
        let (_, tag) = name.rsplit_once(':')?;
        Some(tag.to_owned())
    };
    let is_latest = tag(from).is_none_or(|tag| tag == "latest");
    let to = tag(to).unwrap_or_else(|| (*to).to_owned());
    is_latest && EARLIER.iter().any(|word| to.contains(word))
}

/// Cuts what is too long for a sentence.
fn short(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(80)
        .collect();
    match text.chars().count() > 80 {
        true => format!("{line}…"),
        false => line,
    }
}
