//! Files that are refused, with the place where they are wrong.

use super::{accepted, refusal};

/// Files that are wrong where a schema can say it, and what is answered.
pub(super) const BROKEN: &[(&str, &str)] = &[
    (
        "name: x\nrollback:\n- name: a\n  wait: 1s\n  holt: 1m\n",
        "unknown field `holt`",
    ),
    ("name: x\nrolback: []\n", "unknown field `rolback`"),
    (
        "name: x\nrollback:\n- name: a\n  http: {url: 'http://a', stat: 1}\n",
        "unknown field `stat`",
    ),
    (
        "name: x\nrollback:\n- name: a\n  http: {status: 200}\n",
        "missing field `url` at line 4 column 9",
    ),
    ("rollback:\n- name: a\n  wait: 1s\n", "missing field `name`"),
    (
        "name: x\nrollback:\n- wait: 1s\n",
        "missing field `name` at line 3 column 3",
    ),
    ("name: x\n", "it has no step"),
    (
        "name: x\nrollback:\n- name: a\n",
        "step \"a\" does nothing; give it one of undo",
    ),
    (
        "name: x\nrollback:\n- name: a\n  wait: 1s\n  http: {url: 'http://a'}\n",
        "does two things, http and wait",
    ),
    (
        "name: x\nrollback:\n- name: a\n  wait: soon\n",
        "at line 4 column 9",
    ),
    (
        "name: x\nrollback:\n- name: a\n  wait: 0s\n",
        "write a whole number and a unit",
    ),
    (
        "name: x\nrollback:\n- name: a\n  wait: 1s\n  on_failure: maybe\n",
        "unknown variant `maybe`",
    ),
    (
        "name: x\nrollback:\n- name: a\n  scale: {workloads: [pod/a], replicas: 0}\n",
        "write a workload as",
    ),
    (
        "name: x\nrollback:\n- name: a\n  scale: {workloads: [], replicas: 0}\n",
        "the list is empty",
    ),
    (
        "name: x\nrollback:\n- name: a\n  scale: {workloads: [deployment/a], replicas: many}\n",
        "a whole number up to 10000 or previous",
    ),
    (
        "name: x\nrollback:\n- name: a\n  scale: {workloads: [deployment/a], replicas: -1}\n",
        "a whole number up to 10000 or previous",
    ),
    (
        "name: x\nrollback:\n- name: a\n  undo: {workloads: [deployment/a], to: 0}\n",
        "revisions begin at 1",
    ),
    (
        "name: x\nrollback:\n- name: a\n  replace: {field: /a, value: 1}\n",
        "it names no object",
    ),
    (
        "name: x\nrollback:\n- name: a\n  replace: {service: a, canary: b, field: /a, value: 1}\n",
        "it names several objects",
    ),
    (
        "name: x\nrollback:\n- name: a\n  replace: {service: a, field: spec, value: 1}\n",
        "write a path into the object",
    ),
    (
        "name: x\nrollback:\n- name: a\n  replace: {object: {apiVersion: v1, kind: Secret, name: a}, field: /data, value: {}}\n",
        "a Secret is not changed by a runbook",
    ),
    (
        "name: x\nrollback:\n- name: a\n  patch: {service: a, merge: {spec: {selector: {a: b}}}}\n",
        "a merge patch replaces whole lists",
    ),
    (
        "name: x\nrollback:\n- name: a\n  patch: {service: a, operations: [{op: move, path: /a}]}\n",
        "unknown variant `move`",
    ),
    (
        "name: x\nrollback:\n- name: a\n  route: {httproute: a, to: b, stable: c, weights: [101]}\n",
        "expected a whole number from 0 to 100",
    ),
    (
        "name: x\nrollback:\n- name: a\n  route: {httproute: a, to: b, stable: c, weights: [-5]}\n",
        "expected a whole number from 0 to 100",
    ),
    (
        "name: x\nrollback:\n- name: a\n  route: {httproute: a, to: b, weights: [1]}\n",
        "write to, stable and weights, or mirror and percent",
    ),
    (
        "name: x\nrollback:\n- name: a\n  route: {to: b, stable: c, weights: [1]}\n",
        "name one route",
    ),
    (
        "name: x\nrollback:\n- name: a\n  route: {httproute: a, mirror: b, percent: 1, to: c}\n",
        "write to, stable and weights, or mirror and percent",
    ),
    (
        "name: x\nrollback:\n- name: a\n  file: {path: etc/x, content: ''}\n",
        "write the absolute path of a file",
    ),
    (
        "name: x\nrollback:\n- name: a\n  command: {argv: 'ls -l'}\n",
        "expected a sequence",
    ),
    (
        "name: x\nrollback:\n- name: a\n  command: {argv: [ls], environment: ['A=b']}\n",
        "write the name of an environment variable",
    ),
    (
        "name: x\nrollback:\n- name: a\n  http: {url: 'http://me:secret@a/'}\n",
        "without a user and a password",
    ),
    (
        "name: x\nrollback:\n- name: a\n  http: {url: 'http://a', status: 42}\n",
        "expected a whole number from 100 to 599",
    ),
    (
        "name: x\nrollback:\n- name: a\n  prometheus: {query: up}\n",
        "write above, below or both",
    ),
    (
        "name: x\nrollback:\n- name: a\n  wait: 1s\n  hold: 1s\n  gate: {bad: a}\n",
        "bad and total go together",
    ),
    ("- a\n", "invalid type: sequence"),
    (
        "name: x\nrollback:\n- name: a\n  wait: 1s\n  hold: 1s\n  gate:\n",
        "rollback[0].gate: it has no value; write one, or leave the name out at line 6 column",
    ),
    (
        "name: x\nrollback:\n- name: a\n  flagger: {canary: a}\n  within:\n",
        "rollback[0].within: it has no value",
    ),
    (
        "name: x\nrollback:\n- name: a\n  wait: 1s\n  hold: ~\n",
        "rollback[0].hold: it has no value",
    ),
    (
        "name: x\nrollback:\n- name: a\n  replace: {service: a, field: /a, value: 1}\n  expect: null\n",
        "rollback[0].expect: it has no value",
    ),
    (
        "name: x\nrollback:\n- name: a\n  wait: 1s\n  undo:\n",
        "rollback[0].undo: it has no value",
    ),
    (
        "name: x\nrollback:\n- name: a\n  flagger: {canary: a, namespace: }\n",
        "rollback[0].flagger.namespace: it has no value",
    ),
    (
        "name: x\nrollback:\n- name: a\n  command: {argv: [ls], probe: }\n",
        "rollback[0].command.probe: it has no value",
    ),
    (
        "name: x\nrollback:\n- name: a\n  route: {ingress: a, mirror: b, percent: 1}\n",
        "a canary Ingress mirrors no share of the requests",
    ),
    (
        "name: x\nrollback:\n- name: a\n  route: {httproute: a, to: b, stable: c, weights: [1, 5]}\n",
        "a rung that is not held judges nothing; write hold, too",
    ),
];

#[test]
fn their_neighbours_are_read() {
    for steps in [
        "- name: a\n  route: {httproute: a, mirror: b, percent: 1}\n",
        "- name: a\n  route: {httproute: a, to: b, stable: c, weights: [1]}\n",
        "- name: a\n  route: {ingress: a, to: b, stable: c, weights: [1, 5]}\n  hold: 1m\n",
        "- name: a\n  scale: {workloads: [deployment/a], replicas: 0}\n- name: b\n  scale: {workloads: [deployment/a], \
         namespace: shop, replicas: previous}\n",
        "- name: a\n  scale: {workloads: [deployment/a], replicas: 0}\nreturn:\n- name: a\n  scale: {workloads: \
         [deployment/a], replicas: previous}\n",
    ] {
        accepted(&format!("name: x\nrollback:\n{steps}"));
    }
}

#[test]
fn a_value_that_is_written_may_be_null() {
    accepted("name: x\nrollback:\n- name: a\n  replace: {service: a, field: /a, value: }\n");
}

#[test]
fn a_byte_order_mark_at_the_beginning_is_no_part_of_the_file() {
    let text = "name: x\nrollback:\n- name: a\n  wait: 1s\n";
    assert_eq!(accepted(&format!("\u{feff}{text}")), accepted(text));
}

#[test]
fn a_long_sentence_is_cut_and_keeps_its_place() {
    let long = "x".repeat(100_000);
    for text in [
        format!("name: x\nrollback:\n- name: a\n  wait: 1s\n  on_failure: {long}\n"),
        format!("name: x\nrollback:\n- name: a\n  wait: 1s\n  ? {long}\n  : 1\n"),
        format!(
            "name: x\nrollback:\n- name: a\n  wait:\n    ? {long}\n    : 1\n    ? {long}\n    : 2\n"
        ),
    ] {
        let refusal = refusal(&text);
        assert_eq!(refusal.chars().count(), 300, "{refusal}");
        assert!(refusal.contains(" at line "), "{refusal}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, expected) in BROKEN {
        let refusal = refusal(text);
        assert!(refusal.contains(expected), "{text}{refusal}");
    }
    insta::assert_snapshot!(
        refusal("name: x\nrollback:\n- name: a\n  wait: 1s\n- name: b\n  http:\n    url: http://a\n    stat: 200\n"),
        @"rollback[1].http: unknown field `stat`, expected one of `url`, `status`, `within` at line 8 column 5"
    );
}

#[test]
fn what_no_schema_can_say_is_refused_too() {
    let long: String = (0..101)
        .map(|n| format!("- {{name: a{n}, wait: 1s}}\n"))
        .collect();
    let table = [
        (
            "name: x\nrollback:\n- {name: a, wait: 1s}\n- {name: a, wait: 1s}\n".to_owned(),
            "rollback has two steps with the name \"a\"",
        ),
        (format!("name: x\nrollback:\n{long}"), "rollback has 101 steps"),
        (
            "name: x\nname: y\nrollback:\n- {name: a, wait: 1s}\n".to_owned(),
            "\"name\" stands here twice at line 2 column 1",
        ),
        (
            "name: x\nrollback:\n- name: a\n  replace: {service: a, field: /a, value: {b: 1, b: 2}}\n".to_owned(),
            "\"b\" stands here twice",
        ),
        (
            "name: x\nrollback:\n- name: a\n  wait: 1s\n---\nname: y\n".to_owned(),
            "more than one document",
        ),
        (
            "name: x\nrollback:\n- name: a\n  http: {url: 'http://a.${REGION}'}\n".to_owned(),
            "unknown placeholder ${REGION} at line 4 column 25",
        ),
        (
            "name: x\nrollback:\n- name: a ${SERVICE\n  wait: 1s\n".to_owned(),
            "unclosed placeholder ${SERVICE} at line 3 column 11",
        ),
        (
            "name: x\nrollback:\n- name: a\n  prometheus: {query: 'rate(a[${WINDOW}])', above: 0}\n".to_owned(),
            "${WINDOW} stands only in the queries of a gate",
        ),
        (
            "name: x\nrollback:\n- {name: a, wait: 1s, within: 2s}\n".to_owned(),
            "a pause has no within",
        ),
        (
            "name: x\nrollback:\n- name: a\n  wait: 1s\n  expect: {endpoints: 1}\n".to_owned(),
            "only a step that changes a Service can expect endpoints",
        ),
        (
            "name: x\nrollback:\n- name: a\n  wait: 1s\n  gate: {min_events: 1}\n".to_owned(),
            "write hold, too",
        ),
        (
            "name: x\nrollback:\n- name: a\n  scale: {workloads: [daemonset/a], replicas: 0}\n".to_owned(),
            "daemonset/a has no scale",
        ),
        (
            "name: x\nrollback:\n- name: a\n  prometheus: {query: up, above: 2, below: 1}\n".to_owned(),
            "no value is above the one and below the other",
        ),
        (
            "name: x\nrollback:\n- name: a\n  replace: {service: a, field: /a, value: {b: &b {c: 1}, d: {<<: *b, e: 2}}}\n"
                .to_owned(),
            "<< joins no mapping here; write the members of both out at line 4 column",
        ),
        (
            "name: x\nrollback:\n- name: a\n  route: {httproute: a, to: b, stable: b, weights: [1]}\n".to_owned(),
            "rollback[0].route: to and stable are both b; a share is moved from one side to another at line 4",
        ),
        (
            "name: x\nreturn:\n- name: a\n  scale: {workloads: [deployment/a], replicas: previous}\n".to_owned(),
            "return, step \"a\": no step before it scales deployment/a",
        ),
        (
            "name: x\nrollback:\n- name: a\n  scale: {workloads: [deployment/a], replicas: previous}\n- name: b\n  scale: \
             {workloads: [deployment/a], replicas: 1}\n"
                .to_owned(),
            "rollback, step \"a\": no step before it scales deployment/a",
        ),
        (
            "name: x\nrollback:\n- name: a\n  scale: {workloads: [deployment/a], namespace: other, replicas: 0}\nreturn:\n\
             - name: b\n  scale: {workloads: [deployment/a], replicas: previous}\n"
                .to_owned(),
            "return, step \"b\": no step before it scales deployment/a",
        ),
    ];
    for (text, expected) in table {
        let refusal = refusal(&text);
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn what_aliases_make_of_a_file_is_bounded() {
    let small = "name: &name x\nrollback:\n- name: *name\n  wait: 1s\n";
    assert_eq!(accepted(small).rollback[0].name.as_str(), "x");
    let mut laughs = "name: x\nrollback:\n- name: a\n  replace:\n    service: a\n    field: /a\n    value:\n      a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9]\n".to_owned();
    for n in 1..9 {
        let nine = vec![format!("*a{}", n - 1); 9].join(", ");
        laughs += &format!("      a{n}: &a{n} [{nine}]\n");
    }
    let refusal = refusal(&laughs);
    assert!(
        refusal.contains("more than 50000 values") || refusal.contains("repetition limit"),
        "{refusal}"
    );
    let text = "x".repeat(120_000);
    let many = vec!["*s"; 40_000].join(",");
    for copies in [
        format!("[&s {text}, {many}]"),
        format!("{{a: &s {text}, b: [{many}]}}"),
    ] {
        let copied = format!(
            "name: x\nrollback:\n- name: a\n  replace: {{service: a, field: /a, value: {copies}}}\n"
        );
        let refusal = super::refusal(&copied);
        let expected = "it has more than 1048576 bytes in its names and texts, those of aliases included; write less";
        assert!(refusal.contains(expected), "{refusal}");
    }
    let few = format!(
        "name: x\nrollback:\n- name: a\n  replace: {{service: a, field: /a, value: [&s {text}, *s]}}\n"
    );
    accepted(&few);
    let deep = format!("name: {}x{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(super::refusal(&deep).contains("recursion limit"));
}
