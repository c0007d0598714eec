//! Several services: a folder of `*.env` files, each with the same variables, which override the environment for one
//! service.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    Config,
    problems::{ConfigError, quoted},
    reader::is_known,
    variables::VARIABLES,
};
use crate::files;

/// Most files in the folder. Bounds what one pass does; more services are for more than one job.
const MOST: usize = 10_000;

/// Largest file (bytes). It keeps a wrong file from filling the memory; all variables together are a tenth of it.
const LARGEST: u64 = 64 * 1024;

/// What one pass has only one of: the memory and its log, and the limit of all services together.
const SHARED: [&str; 13] = [
    "STATE",
    "STATE_FILE",
    "STATE_NAMESPACE",
    "STATE_NAME",
    "STATE_TIMEOUT",
    "STATE_LEASE",
    "KUBECONFIG",
    "KUBERNETES_CONTEXT",
    "SHARDS",
    "SHARD",
    "JOB_COMPLETION_INDEX",
    "LOG_FILE",
    "MAX_ROLLBACKS_PER_HOUR_FLEET",
];

/// The variables of one service, by name.
type Variables = BTreeMap<String, String>;

/// A file of the folder.
struct ServiceFile {
    /// Its name without the folder.
    name: String,
    /// What it sets, or what is wrong with it.
    read: Result<Variables, Vec<String>>,
}

/// Reads the services that the environment describes: one, or those of `SERVICES_DIR` in the order of their files.
///
/// # Errors
/// Every problem of every file at once, each with the file's name; one that all files share is told once.
pub(super) fn read(
    environment: Variables,
    overrides: Vec<(&'static str, String)>,
    problems: Vec<String>,
) -> Result<Vec<Config>, ConfigError> {
    let folder = environment
        .get("SERVICES_DIR")
        .map(|folder| folder.trim())
        .filter(|folder| !folder.is_empty());
    let Some(folder) = folder else {
        let mut variables = environment;
        put(&mut variables, overrides);
        let config = Config::read(variables, problems)?;
        let is_served = config.state.sharding.serves(config.state.shard);
        return Ok(is_served.then_some(config).into_iter().collect());
    };
    let files = files(Path::new(folder)).map_err(|problem| {
        let mut all = problems.clone();
        all.push(problem);
        ConfigError::new(all)
    })?;
    let mut configs = Vec::new();
    let mut found: Vec<(String, String)> = Vec::new();
    let count = files.len();
    for ServiceFile { name, read } in files {
        let read = read.and_then(|own| {
            let mut problems = problems.clone();
            problems.extend(not_shared(&environment, &own));
            let mut variables = environment.clone();
            put(&mut variables, own);
            put(&mut variables, overrides.clone());
            Config::read(variables, problems).map_err(|error| error.problems().to_vec())
        });
        match read {
            Ok(config) => configs.push((name, config)),
            Err(wrong) => found.extend(wrong.into_iter().map(|problem| (name.clone(), problem))),
        }
    }
    found.extend(twice(&configs));
    if found.is_empty() {
        let configs = configs.into_iter().map(|(_, config)| config);
        Ok(configs
            .filter(|config| config.state.sharding.serves(config.state.shard))
            .collect())
    } else {
        Err(ConfigError::new(told(found, count)))
    }
}

/// Sets variables in the place of what was there. A secret takes the place of its file, and the other way round.
fn put<Name: Into<String>>(
    variables: &mut Variables,
    own: impl IntoIterator<Item = (Name, String)>,
) {
    for (name, value) in own {
        let name: String = name.into();
        if is_secret(&name) {
            variables.remove(&format!("{name}_FILE"));
        } else if let Some(plain) = name.strip_suffix("_FILE").filter(|name| is_secret(name)) {
            variables.remove(plain);
        }
        variables.insert(name, value);
    }
}

fn is_secret(name: &str) -> bool {
    let mut all = VARIABLES.iter();
    all.any(|variable| variable.secret && variable.name == name)
}

/// Reads the files of the folder in the order of their names.
fn files(folder: &Path) -> Result<Vec<ServiceFile>, String> {
    let shown = folder.display();
    let unreadable = |error: std::io::Error| {
        format!(
            "SERVICES_DIR names {shown}, which cannot be read ({error}); check the path and the mount"
        )
    };
    let mut paths: Vec<(String, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A mounted ConfigMap keeps its files in hidden folders, too.
        if name.ends_with(".env") && !name.starts_with('.') {
            paths.push((name, entry.path()));
        }
        if paths.len() > MOST {
            return Err(format!(
                "SERVICES_DIR names {shown}, which has more than {MOST} files *.env; spread them over several jobs, each with \
                 its own STATE_FILE"
            ));
        }
    }
    if paths.is_empty() {
        return Err(format!(
            "SERVICES_DIR names {shown}, which has no file *.env; put one there for each service, or unset SERVICES_DIR"
        ));
    }
    paths.sort();
    let read = paths.into_iter().map(|(name, path)| ServiceFile {
        name,
        read: text(&path)
            .map_err(|problem| vec![problem])
            .and_then(|text| parse(&text)),
    });
    Ok(read.collect())
}

fn text(path: &Path) -> Result<String, String> {
    files::read_text(path, LARGEST).map_err(|error| {
        if error.kind() == ErrorKind::FileTooLarge {
            format!("it is larger than {LARGEST} bytes; keep only variables in it")
        } else {
            format!("it cannot be read ({error}); make it a readable file of UTF-8 text")
        }
    })
}

/// Reads `NAME=VALUE` lines. A value may stand in double quotes, within which `\"` and `\\` are a quote and a
/// backslash; nothing else is special. What is wrong is told without the value, which may be a secret.
fn parse(text: &str) -> Result<Variables, Vec<String>> {
    let mut variables = Variables::new();
    let mut problems = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match assignment(line, &variables) {
            Ok((name, value)) => {
                variables.insert(name, value);
            }
            Err(problem) => problems.push(format!("line {number} {problem}")),
        }
    }
    if problems.is_empty() {
        Ok(variables)
    } else {
        Err(problems)
    }
}

fn assignment(line: &str, before: &Variables) -> Result<(String, String), String> {
    let Some((name, value)) = line.split_once('=') else {
        return Err("is not NAME=VALUE; write it so, or begin it with #".to_owned());
    };
    let name = name.trim();
    if !is_known(name) {
        return Err(format!(
            "sets {}, which is no variable of this program; check the spelling",
            quoted(name)
        ));
    }
    if name == "SERVICES_DIR" {
        return Err(
            "sets SERVICES_DIR, which only the environment does; remove the line".to_owned(),
        );
    }
    if before.contains_key(name) {
        return Err(format!("sets {name} a second time; keep one of the lines"));
    }
    let value = unquoted(value.trim()).ok_or_else(|| {
        format!("gives {name} a value with a quote that is not closed at its end; close it, or write \\\" within it")
    })?;
    Ok((name.to_owned(), value))
}

fn unquoted(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else {
        return Some(value.to_owned());
    };
    let mut text = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => return rest.next().is_none().then_some(text),
            '\\' => match rest.next()? {
                c @ ('"' | '\\') => text.push(c),
                other => text.extend(['\\', other]),
            },
            c => text.push(c),
        }
    }
}

/// Finds what a file sets for itself although all services share it.
fn not_shared(environment: &Variables, own: &Variables) -> Vec<String> {
    let effective = |variables: &Variables, name: &str| {
        let value = variables.get(name).map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty()).or_else(|| {
            let mut all = VARIABLES.iter();
            let variable = all.find(|variable| variable.name == name)?;
            variable.default.map(str::to_owned)
        })
    };
    let differs = |name: &&str| {
        own.contains_key(*name) && effective(environment, name) != effective(own, name)
    };
    let names = SHARED.into_iter().filter(differs);
    names
        .map(|name| format!("{name} is shared by all services; set it in the environment only"))
        .collect()
}

/// Finds services that stand in two files.
fn twice(configs: &[(String, Config)]) -> Vec<(String, String)> {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, config) in configs {
        let key = format!("{}/{}", config.service.namespace, config.service.name);
        if let Some(other) = first.get(&key) {
            let problem = format!(
                "is about {key}, as {other} is; give each file a SERVICE_NAME and NAMESPACE of its own"
            );
            problems.push((name.clone(), problem));
        } else {
            first.insert(key, name);
        }
    }
    problems
}

/// Writes the problems with the file's name; one that every file has comes from the environment and is written once.
fn told(found: Vec<(String, String)>, files: usize) -> Vec<String> {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for (_, problem) in &found {
        *count.entry(problem.clone()).or_default() += 1;
    }
    let mut told = Vec::new();
    for (name, problem) in found {
        let is_everywhere = files > 1 && count.get(&problem) == Some(&files);
        let sentence = if is_everywhere {
            problem
        } else {
            format!("{name}: {problem}")
        };
        if !told.contains(&sentence) {
            told.push(sentence);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let read = parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
        read.into_iter().collect()
    }

    #[test]
    fn a_value_is_what_stands_there() {
        for (text, value) in [
            ("SERVICE_NAME=cart", "cart"),
            ("\u{feff}SERVICE_NAME = cart \r\n# NAMESPACE=shop", "cart"),
            ("SERVICE_NAME=\"cart\"", "cart"),
            ("SERVICE_NAME=\" a # b \"", " a # b "),
            (r#"SERVICE_NAME="\"a\" \\ \n""#, r#""a" \ \n"#),
            (r#"SERVICE_NAME=sum(x{a="$HOME"})"#, r#"sum(x{a="$HOME"})"#),
            ("SERVICE_NAME=a=b=", "a=b="),
            ("SERVICE_NAME=", ""),
        ] {
            let expected = vec![("SERVICE_NAME".to_owned(), value.to_owned())];
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read("\n  # nothing\n\n"), []);
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_value() {
        for (text, problem) in [
            ("export SERVICE_NAME=canary", "no variable"),
            ("canary", "NAME=VALUE"),
            ("SERVICE_NAME=\"canary", "not closed"),
            ("SERVICE_NAME=\"canary\" x", "not closed"),
            ("SERVICE_NAME=\"canary\\", "not closed"),
            ("SERVICE_NAME=a\nSERVICE_NAME=canary", "second time"),
            ("service_name=canary", "no variable"),
        ] {
            let problems = parse(text).expect_err(text).join("\n");
            assert!(problems.contains(problem), "{text}: {problems}");
            assert!(
                text == "canary" || !problems.contains("canary"),
                "{problems}"
            );
        }
    }

    #[test]
    fn a_secret_takes_the_place_of_its_file_and_the_other_way_round() {
        for (before, after) in [
            ("GITOPS_TOKEN_FILE", "GITOPS_TOKEN"),
            ("GITOPS_TOKEN", "GITOPS_TOKEN_FILE"),
        ] {
            let mut variables = Variables::from([(before.to_owned(), "a".to_owned())]);
            put(&mut variables, [(after, "b".to_owned())]);
            assert_eq!(
                variables,
                Variables::from([(after.to_owned(), "b".to_owned())])
            );
        }
    }
}
