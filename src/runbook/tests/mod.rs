//! What a runbook may say, and what is answered when it says something else.

mod refused;
mod schemas;
mod trapped;

use super::step::Runbook;
use super::{ObjectKind, parse, shown, text, traps};

/// The example that the documentation of the format begins with.
const MIMIR: &str = include_str!("mimir.yaml");

/// Reads what must be accepted.
fn accepted(text: &str) -> Runbook {
    parse(text, "checkout", "shop").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Returns why it is refused.
fn refusal(text: &str) -> String {
    match parse(text, "checkout", "shop") {
        Ok(runbook) => panic!("it is accepted: {runbook:#?}\n{text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_example_of_an_edge_is_shown_in_plain_words() {
    let runbook = accepted(MIMIR);
    assert_eq!(traps(&runbook), []);
    let shown = shown(&runbook, "mimir.yaml", "checkout", "shop");
    assert_eq!(text(&shown), include_str!("mimir.txt"));
}

#[test]
fn every_kind_of_step_is_shown() {
    let runbook = accepted(include_str!("every.yaml"));
    let shown = shown(&runbook, "every.yaml", "checkout", "shop");
    assert_eq!(text(&shown), include_str!("every.txt"));
}

#[test]
fn placeholders_are_filled_in_and_those_of_others_stay() {
    let runbook = accepted(
        "name: x\n# ${NOBODY} reads a comment\nrollback:\n- name: a ${SERVICE}\n  file: {path: /etc/${NAMESPACE}.conf, \
         content: 'map ${remote_addr} $${TAG} ${NAMESPACE}'}\n",
    );
    let step = &runbook.rollback[0];
    assert_eq!(step.name.as_str(), "a checkout");
    let super::StepAction::File(file) = &step.action else {
        panic!("{step:?}");
    };
    assert_eq!(file.path.as_str(), "/etc/shop.conf");
    assert_eq!(file.content, "map ${remote_addr} ${TAG} shop");
}

#[test]
fn an_object_of_a_known_kind_is_one_whatever_its_version() {
    let table = [
        (
            "object: {apiVersion: v1, kind: Service, name: x}",
            ObjectKind::Service,
            "v1",
        ),
        ("service: x", ObjectKind::Service, "v1"),
        (
            "object: {apiVersion: networking.istio.io/v1beta1, kind: VirtualService, name: x}",
            ObjectKind::VirtualService,
            "networking.istio.io/v1beta1",
        ),
        (
            "object: {apiVersion: serving.knative.dev/v1, kind: Service, name: x}",
            ObjectKind::Other {
                api_version: "serving.knative.dev/v1".to_owned(),
                kind: "Service".to_owned(),
            },
            "serving.knative.dev/v1",
        ),
    ];
    for (object, kind, api_version) in table {
        let runbook = accepted(&format!(
            "name: x\nrollback:\n- name: a\n  replace: {{{object}, field: /spec/a, value: 1}}\n"
        ));
        let super::StepAction::Replace(step) = &runbook.rollback[0].action else {
            panic!("{object}");
        };
        assert_eq!(
            (&step.target.kind, step.target.api_version.as_str()),
            (&kind, api_version)
        );
    }
}

#[test]
fn whatever_a_file_is_cut_down_to_is_refused_in_words() {
    let whole = include_str!("mimir.yaml").replace("mimir-distributor", "${SERVICE}");
    for (at, _) in whole.char_indices() {
        if let Err(error) = parse(&whole[..at], "checkout", "shop") {
            assert!(!error.to_string().is_empty(), "cut at {at}");
        }
    }
}

#[test]
fn every_example_is_a_runbook_without_a_trap() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/runbooks");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("its entries can be read").path();
        let example = std::fs::read_to_string(&path).expect("a text");
        let runbook = accepted(&example);
        assert_eq!(traps(&runbook), [], "{}", path.display());
        assert_eq!(schemas::complaints(&example), Vec::<String>::new());
        names.push(path);
    }
    assert!(names.len() >= 10, "{names:?}");
}
