//! Each trap: a file that has it, and its harmless neighbour.

use strum::IntoEnumIterator;

use super::super::{Trap, traps};
use super::accepted;

/// A step with the trap, and one without any.
const TABLE: &[(Trap, &str, &str)] = &[
    (
        Trap::SkipAnalysis,
        "replace: {canary: a, field: /spec/skipAnalysis, value: true}",
        "replace: {canary: a, field: /spec/skipAnalysis, value: false}",
    ),
    (
        Trap::SkipAnalysis,
        "command: {argv: [kubectl, patch, canary, a, --type=merge, -p, '{\"spec\":{\"skipAnalysis\":true}}']}",
        "command: {argv: [kubectl, patch, canary, a, --type=merge, -p, '{\"spec\":{\"skipAnalysis\":false}}']}",
    ),
    (
        Trap::CanaryDeleted,
        "command: {argv: [kubectl, -n, shop, delete, canary/a]}",
        "command: {argv: [kubectl, -n, shop, get, canary/a]}",
    ),
    (
        Trap::PartOfSelector,
        "replace: {service: a, field: /spec/selector/app, value: b}",
        "replace: {service: a, field: /spec/selector, value: {app: b}}",
    ),
    (
        Trap::PartOfSelector,
        "command: {argv: [kubectl, patch, service, a, -p, '{\"spec\":{\"selector\":{\"app\":\"b\"}}}']}",
        "command: {argv: [kubectl, patch, service, a, --type, json, -p, '[{\"op\":\"replace\",\"path\":\"/spec/selector\",\"value\":{\"app\":\"b\"}}]']}",
    ),
    (
        Trap::PatchWithoutTest,
        "patch: {deployment: a, operations: [{op: replace, path: /spec/paused, value: false}]}",
        "patch: {deployment: a, operations: [{op: test, path: /spec/paused, value: true}, {op: replace, path: /spec/paused, value: false}]}",
    ),
    (
        Trap::WeightByIndex,
        "patch: {httproute: a, operations: [{op: test, path: /spec/rules/0/backendRefs/0/weight, value: 1}, {op: replace, path: /spec/rules/0/backendRefs/0/weight, value: 9}]}",
        "patch: {httproute: a, operations: [{op: test, path: /spec/rules/0/backendRefs/0/name, value: b}, {op: replace, path: /spec/rules/0/backendRefs/0/weight, value: 9}]}",
    ),
    (
        Trap::WeightByIndex,
        "replace: {httproute: a, field: /spec/rules/0/backendRefs/0/weight, value: 9}",
        "replace: {httproute: a, field: /spec/rules/0/backendRefs, value: [{name: b, weight: 9}]}",
    ),
    (
        Trap::WeightsDoNotAddUp,
        "replace: {virtualservice: a, field: /spec/http/0/route, value: [{destination: {host: b}, weight: 90}, {destination: {host: c}, weight: 20}]}",
        "replace: {virtualservice: a, field: /spec/http/0/route, value: [{destination: {host: b}, weight: 90}, {destination: {host: c}, weight: 10}]}",
    ),
    (
        Trap::WeightsDoNotAddUp,
        "replace: {httproute: a, field: /spec/rules/0/backendRefs, value: [{name: b, weight: 0}]}",
        "replace: {httproute: a, field: /spec/rules/0/backendRefs, value: [{name: b, weight: 1}, {name: c, weight: 1}]}",
    ),
    (
        Trap::WeightsDoNotAddUp,
        "patch: {virtualservice: a, operations: [{op: test, path: /spec/http/0/route/0/destination/subset, value: b}, {op: replace, path: /spec/http/0/route/0/weight, value: 90}]}",
        "patch: {virtualservice: a, operations: [{op: test, path: /spec/http/0/route/0/destination/subset, value: b}, {op: replace, path: /spec/http/0/route/0/weight, value: 90}, {op: test, path: /spec/http/0/route/1/destination/subset, value: c}, {op: replace, path: /spec/http/0/route/1/weight, value: 10}]}",
    ),
    (
        Trap::WeightByIndex,
        "patch: {httproute: a, operations: [{op: replace, path: /spec/rules/0/backendRefs/0/weight, value: 9}, {op: test, path: /spec/rules/0/backendRefs/1/name, value: b}]}",
        "patch: {httproute: a, operations: [{op: replace, path: /spec/rules/0/backendRefs/0/weight, value: 9}, {op: test, path: /spec/rules/0/backendRefs/0/name, value: b}]}",
    ),
    (
        Trap::WeightsDoNotAddUp,
        "replace: {virtualservice: a, field: /spec/http/0/route, value: [{weight: 9223372036854775807}, {weight: 9223372036854775807}]}",
        "replace: {httproute: a, field: /spec/rules/0/backendRefs, value: [{weight: 9223372036854775807}, {weight: 9223372036854775807}]}",
    ),
    (
        Trap::WeightsDoNotAddUp,
        "replace: {httproute: a, field: /spec/rules/0/backendRefs, value: [{name: b, weight: 18446744073709551615}]}",
        "replace: {httproute: a, field: /spec/rules/0/backendRefs, value: [{name: b, weight: 100}]}",
    ),
    (
        Trap::RungsNotRising,
        "route: {httproute: a, to: b, stable: c, weights: [1, 10, 5]}\n  hold: 1m",
        "route: {httproute: a, to: b, stable: c, weights: [1, 5, 10]}\n  hold: 1m",
    ),
    (
        Trap::ScaledBeforeTraffic,
        "scale: {workloads: [deployment/a], replicas: 0}\n- name: b\n  route: {httproute: a, to: b, stable: c, weights: [0]}",
        "route: {httproute: a, to: b, stable: c, weights: [0]}\n- name: b\n  scale: {workloads: [deployment/a], replicas: 0}",
    ),
    (
        Trap::ScaledBeforeTraffic,
        "scale: {workloads: [deployment/a], replicas: 0}\n- name: b\n  replace: {service: a, field: /spec/selector, value: {app: b}}",
        "replace: {service: a, field: /spec/selector, value: {app: b}}\n- name: b\n  scale: {workloads: [deployment/a], replicas: 0}\n- name: c\n  replace: {service: c, field: /spec/selector, value: {app: d}}\n- name: d\n  scale: {workloads: [deployment/c], replicas: 0}",
    ),
    (
        Trap::ScaledBeforeTraffic,
        "scale: {workloads: [deployment/a, deployment/b], replicas: 0}\n- name: b\n  scale: {workloads: [deployment/a], replicas: previous}\n- name: c\n  route: {httproute: a, to: b, stable: c, weights: [0]}",
        "scale: {workloads: [deployment/a], replicas: 0}\n- name: b\n  scale: {workloads: [deployment/a], replicas: previous}\n- name: c\n  route: {httproute: a, to: b, stable: c, weights: [0]}",
    ),
    (
        Trap::ScaledBeforeTraffic,
        "scale: {workloads: [deployment/a], replicas: 0}\n- name: b\n  replace: {ingress: a, field: /spec/rules, value: []}",
        "scale: {workloads: [deployment/a], replicas: 0}\n- name: b\n  replace: {ingress: a, field: /metadata/labels/a, value: b}",
    ),
    (
        Trap::PartOfSelector,
        "replace: {object: {apiVersion: v1, kind: Service, name: a}, field: /spec/selector/app, value: b}",
        "replace: {object: {apiVersion: serving.knative.dev/v1, kind: Service, name: a}, field: /spec/selector/app, value: b}",
    ),
    (
        Trap::WeightsDoNotAddUp,
        "replace: {object: {apiVersion: networking.istio.io/v1alpha3, kind: VirtualService, name: a}, field: /spec/http/0/route, value: [{weight: 90}]}",
        "replace: {object: {apiVersion: networking.istio.io/v1alpha3, kind: VirtualService, name: a}, field: /spec/http/0/route, value: [{weight: 100}]}",
    ),
    (
        Trap::MirrorToItself,
        "file: {path: /a, content: 'location /push { mirror /push; proxy_pass http://a; }'}",
        "file: {path: /a, content: 'location /push { mirror /_mirror; } location = /_mirror { internal; proxy_read_timeout 1s; proxy_pass http://b; }'}",
    ),
    (
        Trap::MirrorToItself,
        "replace: {configmap: a, field: /data/nginx.conf, value: 'location / { mirror /shadow; }'}",
        "replace: {configmap: a, field: /data/nginx.conf, value: 'location / { mirror /shadow; } location /shadow { internal; } # mirror /;'}",
    ),
    (
        Trap::MirrorToItself,
        "file: {path: /a, content: 'location = /push { mirror /push; } location / { proxy_pass http://a; }'}",
        "file: {path: /a, content: 'location = /push { mirror /push/copy; } location / { proxy_read_timeout 1s; proxy_pass http://a; }'}",
    ),
    (
        Trap::MirrorTimeout,
        "file: {path: /a, content: 'location /a { mirror /b; mirror_timeout 5s; } location /b { internal; }'}",
        "file: {path: /a, content: 'location /a { mirror /b; } location /b { internal; proxy_read_timeout 5s; }'}",
    ),
    (
        Trap::MirrorWaits,
        "file: {path: /a, content: 'location /a { mirror /b; proxy_read_timeout 1s; } location /b { internal; proxy_pass http://b; }'}",
        "file: {path: /a, content: 'location /a { mirror /b; } location /b { internal; proxy_read_timeout 1s; proxy_pass http://b; }'}",
    ),
    (
        Trap::MirrorWaits,
        "file: {path: /a, content: 'server { location /a { mirror /b; } location /b { proxy_connect_timeout 1s; proxy_pass http://b; } }'}",
        "file: {path: /a, content: 'proxy_read_timeout 1s; server { location /a { mirror /b; } location /b { proxy_pass http://b; } }'}",
    ),
    (
        Trap::SplitClients,
        "file: {path: /a, content: 'split_clients \"$remote_addr$request_uri\" $to { 1% b; * a; }'}",
        "file: {path: /a, content: 'split_clients \"$request_id\" $to { 1% b; * a; }'}",
    ),
    (
        Trap::UnknownBecomesValue,
        "command: {argv: [sh, -c, 'cat /state || echo blue']}",
        "command: {argv: [cat, /state]}",
    ),
    (
        Trap::UnknownBecomesValue,
        "command: {argv: [cat, /state, '||', echo, blue]}",
        "command: {argv: [grep, 'a||b', /state]}",
    ),
    (
        Trap::ShellText,
        "command: {argv: [/bin/bash, -euc, 'systemctl restart a']}",
        "command: {argv: [/bin/bash, /usr/local/bin/restart]}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: ['true'], probe: [docker, ps, '|', grep, a]}",
        "command: {argv: ['true'], probe: [docker, ps, --filter, name=a]}",
    ),
    (
        Trap::LatestAsPrevious,
        "command: {argv: [docker, tag, 'shop/a:latest', 'shop/a:previous']}",
        "command: {argv: [docker, tag, 'shop/a:1.2.3', 'shop/a:previous']}",
    ),
    (
        Trap::LatestAsPrevious,
        "command: {argv: [crane, tag, 'registry:5000/a', rollback]}",
        "command: {argv: [crane, tag, 'registry:5000/a@sha256:12', '1.2.4']}",
    ),
    (
        Trap::RolloutUndo,
        "command: {argv: [kubectl, -n, shop, rollout, undo, deployment/a]}",
        "command: {argv: [kubectl, -n, shop, rollout, status, deployment/a]}",
    ),
    (
        Trap::MergeOfList,
        "command: {argv: [kubectl, patch, httproute, a, --type, merge, --patch, '{\"spec\":{\"rules\":[]}}']}",
        "command: {argv: [kubectl, patch, deployment, a, --type, merge, --patch, '{\"spec\":{\"paused\":false}}']}",
    ),
    (
        Trap::PatchUnread,
        "command: {argv: [kubectl, patch, deployment, a, -p, '{\"spec\": [']}",
        "command: {argv: [kubectl, patch, deployment, a, -p, 'spec: {paused: false}']}",
    ),
    (
        Trap::PatchUnread,
        "command: {argv: [kubectl, patch, deployment, a, -p, 'a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9], b: &b [*a, *a, *a, *a, *a, *a, *a, *a]']}",
        "command: {argv: [kubectl, patch, deployment, a, -p, 'spec: &a {paused: false}']}",
    ),
];

/// The same for the many ways to write a program, its arguments, and a configuration.
const WRITTEN_OTHERWISE: &[(Trap, &str, &str)] = &[
    (
        Trap::WeightByIndex,
        "command: {argv: [kubectl, patch, httproute, a, --type=json, -p, '[{\"op\":\"replace\",\"path\":\"/spec/rules/0/backendRefs/0/weight\",\"value\":9}]']}",
        "command: {argv: [kubectl, patch, httproute, a, --type=json, -p, '[{\"op\":\"test\",\"path\":\"/spec/rules/0/backendRefs/0/name\",\"value\":\"b\"}, {\"op\":\"replace\",\"path\":\"/spec/rules/0/backendRefs/0/weight\",\"value\":9}]']}",
    ),
    (
        Trap::PartOfSelector,
        "command: {argv: [kubectl, patch, svc/a, --type, json, '-p[{\"op\":\"add\",\"path\":\"/spec/selector/app\",\"value\":\"b\"}]']}",
        "command: {argv: [kubectl, patch, deploy/a, --type, json, '-p[{\"op\":\"add\",\"path\":\"/spec/selector/app\",\"value\":\"b\"}]']}",
    ),
    (
        Trap::PartOfSelector,
        "command: {argv: [kubectl, patch, Service.v1., a, '-p{\"spec\":{\"selector\":{\"app\":\"b\"}}}']}",
        "command: {argv: [kubectl, patch, Service.serving.knative.dev, a, '-p{\"spec\":{\"selector\":{\"app\":\"b\"}}}']}",
    ),
    (
        Trap::SkipAnalysis,
        "command: {argv: [kubectl, patch, canaries.flagger.app/a, --type=json, '--patch=[{\"op\":\"replace\",\"path\":\"/spec/skipAnalysis\",\"value\":true}]']}",
        "command: {argv: [kubectl, patch, canaries.flagger.app/a, --type=json, '--patch=[{\"op\":\"replace\",\"path\":\"/spec/skipAnalysis\",\"value\":false}]']}",
    ),
    (
        Trap::CanaryDeleted,
        "command: {argv: [kubectl, delete, canary.flagger.app/x]}",
        "command: {argv: [kubectl, delete, pod, canary]}",
    ),
    (
        Trap::CanaryDeleted,
        "command: {argv: [kubectl, delete, 'Canaries.v1beta1.flagger.app', x]}",
        "command: {argv: [kubectl, delete, pod, x, -n, canary]}",
    ),
    (
        Trap::CanaryDeleted,
        "command: {argv: [kubectl, delete, 'pods,canary', x]}",
        "command: {argv: [kubectl, delete, pod/canary]}",
    ),
    (
        Trap::RolloutUndo,
        "command: {argv: [sudo, kubectl, --context, prod, rollout, undo, deployment/a]}",
        "command: {argv: [kubectl, delete, pod, rollout, undo]}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [cat, $STATE]}",
        "command: {argv: [envsubst, $STATE]}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [curl, --data=$STATE, 'http://a']}",
        "command: {argv: [grep, 'a=$', /state]}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [echo, '$(date)']}",
        "command: {argv: [awk, '{print $(NF)}', /state]}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [echo, '`date`']}",
        "command: {argv: [echo, 'date`']}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [cat, /state, '>/dev/null']}",
        "command: {argv: [pip, install, 'a', '>=1.2']}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [cat, /state, '2>/dev/null']}",
        "command: {argv: [cat, '2']}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [cat, /state, '&>', /log]}",
        "command: {argv: [cat, /state, '&c']}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [cat, /state, '2>&1']}",
        "command: {argv: [awk, '$1>2', /state]}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: ['nginx -t && nginx -s reload']}",
        "command: {argv: [jq, '.a && .b']}",
    ),
    (
        Trap::ShellOperator,
        "command: {argv: [touch, a, ';', rm, a]}",
        "command: {argv: [find, /tmp, -name, a, -exec, rm, '{}', ;]}",
    ),
    (
        Trap::UnknownBecomesValue,
        "command: {argv: ['cat /state || echo blue']}",
        "command: {argv: [awk, '$1 || $2', /state]}",
    ),
    (
        Trap::UnknownBecomesValue,
        "command: {argv: [ssh, host, 'cat /state || echo blue']}",
        "command: {argv: [ssh, host, cat, /state]}",
    ),
    (
        Trap::ShellText,
        "command: {argv: [ssh, -p, '22', host, 'nginx -t && nginx -s reload']}",
        "command: {argv: [ssh, -p, '22', host, nginx -s reload]}",
    ),
    (
        Trap::ShellText,
        "command: {argv: [su, -, app, -c, 'restart a']}",
        "command: {argv: [su, -, app]}",
    ),
    (
        Trap::ShellText,
        "command: {argv: [eval, 'restart a']}",
        "command: {argv: [evaluate, 'restart a']}",
    ),
    (
        Trap::ShellText,
        "command: {argv: [bash, -euo, pipefail, -c, 'restart a']}",
        "command: {argv: [sh, /opt/deploy.sh, -c, blue]}",
    ),
    (
        Trap::LatestAsPrevious,
        "command: {argv: [docker, tag, 'app:latest', 'app:good-1']}",
        "command: {argv: [docker, tag, 'app:latest', 'app:goodwill-1']}",
    ),
    (
        Trap::SplitClients,
        "file: {path: /a, content: 'split_clients \"$http_x_tenant\" $to { 1% b; * a; }'}",
        "file: {path: /a, content: 'split_clients \"$http_x_tenant${request_id}\" $to { 1% b; * a; }'}",
    ),
    (
        Trap::MirrorToItself,
        "file: {path: /a, content: 'server { mirror /push; location / { proxy_pass http://a; } }'}",
        "file: {path: /a, content: 'server { mirror /_mirror; location / { proxy_pass http://a; } location = /_mirror { internal; proxy_read_timeout 1s; proxy_pass http://b; } }'}",
    ),
    (
        Trap::MirrorToItself,
        "file: {path: /a, content: 'server { location / { mirror /_mirror; } } server { location = /_mirror { internal; } }'}",
        "file: {path: /a, content: 'server { location / { mirror /_mirror; } location = /_mirror { internal; } } server { location / { proxy_pass http://a; } }'}",
    ),
    (
        Trap::MirrorToItself,
        "file: {path: /a, content: 'location /push { mirror /push; } location = /push/a { internal; }'}",
        "file: {path: /a, content: 'location /push { mirror /push; } location = /push { internal; }'}",
    ),
];

#[test]
fn aliases_of_a_patch_cost_no_more_than_its_text() {
    let mut patch = format!("a0: &a0 {}\n", "x".repeat(1_000));
    for n in 1..9 {
        let nine = vec![format!("*a{}", n - 1); 9].join(", ");
        patch += &format!("a{n}: &a{n} [{nine}]\n");
    }
    let patch = serde_json::to_string(&patch).expect("a text");
    let step = format!("command: {{argv: [kubectl, patch, deployment, a, -p, {patch}]}}");
    assert_eq!(found(&step), [Trap::PatchUnread]);
}

fn found(step: &str) -> Vec<Trap> {
    let text = format!("name: x\nrollback:\n- name: a\n  {step}\n");
    let found = traps(&accepted(&text));
    found.into_iter().map(|found| found.trap).collect()
}

#[test]
fn each_trap_is_found_and_its_neighbour_is_not() {
    for (trap, trapped, harmless) in TABLE.iter().chain(WRITTEN_OTHERWISE) {
        assert_eq!(found(trapped), [*trap], "{trapped}");
        assert_eq!(found(harmless), [], "{harmless}");
    }
    for trap in Trap::iter() {
        assert!(
            TABLE.iter().any(|(of_table, _, _)| *of_table == trap),
            "{trap:?} has no test"
        );
        for words in [trap.happens(), trap.instead()] {
            assert!(!words.ends_with('.') && !words.contains('\n'), "{words}");
        }
    }
}

#[test]
fn the_documentation_has_each_trap_with_its_sentence() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbooks.md");
    let text = std::fs::read_to_string(path).expect("it is there");
    for trap in Trap::iter() {
        let row = format!("| {} | {} |", trap.happens(), trap.instead());
        let row = row.replace("||", "\\|\\|");
        assert!(text.contains(&row), "{row}");
    }
}
