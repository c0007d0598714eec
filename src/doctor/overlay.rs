//! What the manifests in `GITOPS_PATH` are built from that lies elsewhere: a bad change there deploys without a
//! commit that this program would see.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::finding::Finding;
use crate::clients::git::{GitError, Snapshot, WHOLE_REPOSITORY};

const OUTSIDE: &str = "git outside";

/// Names under which kustomize looks for its file. Source: kustomize's documentation, "Kustomization file".
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Helm's file of a chart. Source: Helm's documentation, "The Chart.yaml file".
const CHART: &str = "Chart.yaml";

/// Most folders that are looked into. Protects the run from an overlay of overlays without end.
const MAX_FOLDERS: usize = 64;

/// How many places are named.
const SHOWN: usize = 8;

/// The part of a kustomization that names other places; whatever else is in it is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Kustomization {
    resources: Vec<String>,
    components: Vec<String>,
    bases: Vec<String>,
    helm_charts: Vec<HelmChart>,
    helm_globals: Option<HelmGlobals>,
    patches: Vec<Patch>,
    patches_strategic_merge: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HelmChart {
    name: String,
    repo: Option<String>,
    version: Option<String>,
    values_file: Option<String>,
    additional_values_files: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HelmGlobals {
    chart_home: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Patch {
    path: Option<String>,
}

/// The part of a chart that names other charts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Chart {
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Dependency {
    repository: String,
}

/// Something that manifests are built from.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// A file or folder of the same repository, from its root.
    Here(String),
    /// Somewhere else, under a name that may mean something else tomorrow.
    Moving(String),
}

/// What was found in all that was read.
#[derive(Debug, Default)]
struct OverlayContents {
    read: usize,
    outside: BTreeSet<Part>,
    unreadable: BTreeSet<String>,
}

/// Names what lies outside `GITOPS_PATH`. Says nothing where neither kustomize nor Helm is used.
pub(super) fn look(snapshot: &Snapshot) -> Option<Finding> {
    let paths = snapshot.git().paths();
    let shown = snapshot.git().shown_paths();
    let tried = format!("read what {shown} is built from");
    match walk(paths, |files| snapshot.texts(files)) {
        Ok(found) => found.finding(tried),
        Err(error) => Some(Finding::warning(
            OUTSIDE,
            tried,
            error.fault.to_string(),
            "look again; whether something lies outside GITOPS_PATH is not known",
        )),
    }
}

fn walk(
    paths: &[String],
    read: impl Fn(&[String]) -> Result<Vec<Option<String>>, GitError>,
) -> Result<OverlayContents, GitError> {
    let mut found = OverlayContents::default();
    let mut known: BTreeSet<String> = paths.iter().cloned().collect();
    let mut open: Vec<String> = paths.to_vec();
    while let (Some(folder), true) = (open.pop(), known.len() <= MAX_FOLDERS) {
        let names = KUSTOMIZATIONS.iter().chain([&CHART]);
        let files: Vec<String> = names.map(|name| within(&folder, name)).collect();
        let texts = read(&files)?;
        for (file, text) in files.iter().zip(texts) {
            let Some(text) = text else {
                continue;
            };
            found.read += 1;
            let parts = match file.ends_with(CHART) {
                true => chart(&folder, &text),
                false => kustomization(&folder, &text),
            };
            let Some(parts) = parts else {
                found.unreadable.insert(file.clone());
                continue;
            };
            for part in parts {
                match part {
                    // What is a file has no kustomization below it, and is passed over.
                    Part::Here(path) if paths.iter().any(|watched| lies_in(&path, watched)) => {
                        if known.insert(path.clone()) {
                            open.push(path);
                        }
                    }
                    Part::Here(_) | Part::Moving(_) => {
                        found.outside.insert(part);
                    }
                }
            }
        }
    }
    Ok(found)
}

impl OverlayContents {
    fn finding(&self, tried: String) -> Option<Finding> {
        if self.read == 0 {
            return None;
        }
        if let Some(file) = self.unreadable.first() {
            return Some(Finding::warning(
                OUTSIDE,
                tried,
                format!("{file} cannot be read"),
                "fix it: what it names may lie outside GITOPS_PATH",
            ));
        }
        if self.outside.is_empty() {
            return Some(Finding::ok(
                OUTSIDE,
                tried,
                "nothing lies outside GITOPS_PATH",
            ));
        }
        let named = self.outside.iter().take(SHOWN).map(|part| match part {
            Part::Here(path) => path.clone(),
            Part::Moving(what) => format!("{what} (not fixed to a version)"),
        });
        let more = self.outside.len().saturating_sub(SHOWN);
        let more = match more {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some(Finding::warning(
            OUTSIDE,
            tried,
            format!(
                "outside GITOPS_PATH lie {}{more}",
                named.collect::<Vec<_>>().join(", ")
            ),
            "a bad change there is not seen as a deployment and is not undone: add to GITOPS_PATH what this service alone is built \
             from, and fix what is elsewhere to a version",
        ))
    }
}

fn kustomization(folder: &str, text: &str) -> Option<Vec<Part>> {
    let read: Kustomization = parse(text)?;
    let mut parts = Vec::new();
    let named = [
        read.resources,
        read.components,
        read.bases,
        read.patches_strategic_merge,
    ]
    .concat();
    let patches = read.patches.into_iter().filter_map(|patch| patch.path);
    for name in named.into_iter().chain(patches) {
        // A patch may stand in the list itself.
        if !name.contains('\n') {
            parts.extend(part(folder, &name));
        }
    }
    let home = read.helm_globals.and_then(|globals| globals.chart_home);
    let home = home.unwrap_or_else(|| "charts".to_owned());
    for chart in read.helm_charts {
        match chart.repo {
            None => parts.extend(part(folder, &format!("{home}/{}", chart.name))),
            Some(_) if chart.version.is_some() => {}
            Some(repo) => parts.push(Part::Moving(format!("chart {} of {repo}", chart.name))),
        }
        let values = chart
            .values_file
            .into_iter()
            .chain(chart.additional_values_files);
        parts.extend(values.filter_map(|file| part(folder, &file)));
    }
    Some(parts)
}

fn chart(folder: &str, text: &str) -> Option<Vec<Part>> {
    let read: Chart = parse(text)?;
    let files = read.dependencies.iter();
    // Others are fixed by their version.
    let files = files.filter_map(|dependency| dependency.repository.strip_prefix("file://"));
    Some(files.filter_map(|path| part(folder, path)).collect())
}

/// An empty file is one that says nothing.
fn parse<T: Default + for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    let is_empty = serde_norway::from_str::<Option<IgnoredAny>>(text)
        .ok()?
        .is_none();
    if is_empty {
        return Some(T::default());
    }
    serde_norway::from_str(text).ok()
}

/// Tells where a name leads that stands in a file of `folder`. Something elsewhere that is fixed to a version is none
/// of our business: another version is a commit in `GITOPS_PATH`.
fn part(folder: &str, name: &str) -> Option<Part> {
    let is_elsewhere = name.contains("://")
        || name.starts_with("git@")
        || name.contains("//")
        || name.starts_with("github.com/");
    if is_elsewhere {
        let is_fixed = name.contains("ref=") || name.contains("version=");
        return (!is_fixed).then(|| Part::Moving(name.to_owned()));
    }
    let steps = folder.split('/');
    let mut parts: Vec<&str> = steps.filter(|step| !matches!(*step, "" | ".")).collect();
    for step in name.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            step => parts.push(step),
        }
    }
    Some(Part::Here(parts.join("/")))
}

/// Returns the path of what lies in a folder.
fn within(folder: &str, name: &str) -> String {
    match folder {
        WHOLE_REPOSITORY | "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

fn lies_in(path: &str, folder: &str) -> bool {
    if folder == WHOLE_REPOSITORY {
        return true;
    }
    let below = path.strip_prefix(folder);
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn outside(paths: &[&str], files: &[(&str, &str)]) -> Vec<String> {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let found = walk(&paths, |wanted| {
            let texts = wanted.iter().map(|file| files.get(file.as_str()));
            Ok(texts
                .map(|text| text.map(|text| (*text).to_owned()))
                .collect())
        });
        let found = found.expect("files that are there");
        assert_eq!(found.unreadable, BTreeSet::new());
        let named = found.outside.into_iter().map(|part| match part {
            Part::Here(path) => path,
            Part::Moving(what) => format!("? {what}"),
        });
        named.collect()
    }

    #[test]
    fn follows_what_lies_inside_and_names_what_lies_outside() {
        let overlay = "resources: [../../base, deployment.yaml, inner]\ncomponents: [../../components/tls]\n\
                       patches:\n- path: ../shared/patch.yaml\n- patch: |-\n    a: b\n";
        let inner = "bases:\n- ../../../base\n- ../../../other\n";
        let found = outside(
            &["apps/checkout/prod"],
            &[
                ("apps/checkout/prod/kustomization.yaml", overlay),
                ("apps/checkout/prod/inner/Kustomization", inner),
            ],
        );
        assert_eq!(
            found,
            [
                "apps/base",
                "apps/checkout/shared/patch.yaml",
                "apps/components/tls",
                "apps/other"
            ]
        );
    }

    #[test]
    fn nothing_of_a_repository_that_is_watched_as_a_whole_lies_outside() {
        let found = outside(
            &["."],
            &[
                ("kustomization.yaml", "resources: [overlay, ./deploy.yaml]"),
                (
                    "overlay/kustomization.yaml",
                    "resources: [../base, https://git.example.com/base]",
                ),
            ],
        );
        assert_eq!(found, ["? https://git.example.com/base"]);
    }

    #[test]
    fn a_base_that_is_watched_too_is_followed() {
        let found = outside(
            &["apps/overlay", "apps/base"],
            &[
                ("apps/overlay/kustomization.yml", "resources: [../base]"),
                ("apps/base/kustomization.yaml", "resources: [../../shared]"),
            ],
        );
        assert_eq!(found, ["shared"]);
    }

    #[test]
    fn charts_count_where_they_lie_in_the_repository_or_may_move() {
        let kustomization = "helmGlobals: {chartHome: ../charts}\nhelmCharts:\n- name: web\n  valuesFile: ../values.yaml\n\
                             - name: fixed\n  repo: https://charts.example.com\n  version: 1.2.3\n\
                             - name: loose\n  repo: https://charts.example.com\n";
        let chart = "dependencies:\n- name: lib\n  repository: file://../../lib\n\
                     - name: far\n  repository: https://charts.example.com\n";
        let found = outside(
            &["apps/checkout"],
            &[
                ("apps/checkout/kustomization.yaml", kustomization),
                ("apps/checkout/Chart.yaml", chart),
            ],
        );
        assert_eq!(
            found,
            [
                "apps/charts/web",
                "apps/values.yaml",
                "lib",
                "? chart loose of https://charts.example.com"
            ]
        );
    }

    #[test]
    fn something_elsewhere_counts_unless_it_is_fixed_to_a_version() {
        let overlay = "resources:\n- https://github.com/a/b//base?ref=v1\n- github.com/a/b//base\n";
        let found = outside(&["x"], &[("x/kustomization.yaml", overlay)]);
        assert_eq!(found, ["? github.com/a/b//base"]);
        assert_eq!(
            outside(&["x"], &[("x/kustomization.yaml", "# nothing\n")]),
            [""; 0]
        );
    }
}
