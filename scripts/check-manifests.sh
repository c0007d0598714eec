#!/usr/bin/env bash
# Checks the manifests with the tools of Kubernetes, without a cluster: builds every overlay, the example and every component,
# validates each object strictly against the schemas of three minor versions, gives the alert rules to promtool, lets them fire
# for an installation under another namespace and other names, and reads the dashboard with Grafana's own library.
# Installs what is missing (apt-get, PyPI, Go's module proxy) into target/tools. A tool that cannot be had is an error.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
# shellcheck source=scripts/lib/go.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/go.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools=$target/tools
rendered=$target/manifests
validate_version=1.37.0
job=k8s/monitoring/error-budget-rollback-job.yaml
minors=(1.31 1.34 1.37)
# The newest one that the Go of Debian 12 can build.
kustomize_version=v5.0.3

main() {
    local builder python overlay component
    find_kustomize
    find_validator
    rm -rf "$rendered"
    mkdir -p "$rendered"
    for overlay in k8s/monitoring k8s/overlays/* k8s/examples/*; do
        build "$overlay" "$rendered/$(basename "$overlay").yaml"
    done
    for component in k8s/components/*; do
        build_with_component "$component"
    done
    "$python" scripts/lib/check_manifests.py "${minors[*]}" "$job" "$rendered"/*.yaml
    expect_refusal
    check_rules
    check_other_names
    check_links
    check_dashboard
    printf 'The manifests are valid for Kubernetes %s.\n' "${minors[*]}"
}

build() {
    "${builder[@]}" "$1" >"$2" || {
        printf 'kustomize does not build %s\n' "$1" >&2
        return 1
    }
}

# Puts a component on top of the overlay that acts most.
build_with_component() {
    local name folder
    name=$(basename "$1")
    folder=$rendered/$name
    mkdir "$folder"
    cat >"$folder/kustomization.yaml" <<EOF
resources: [$(realpath --relative-to="$folder" k8s/overlays/automatic)]
components: [$(realpath --relative-to="$folder" "$1")]
EOF
    build "$folder" "$rendered/with-$name.yaml"
    if cmp -s "$rendered/with-$name.yaml" "$rendered/automatic.yaml"; then
        printf 'The component %s changes nothing.\n' "$name" >&2
        return 1
    fi
}

# Shows that the check would have found a field that Kubernetes does not know.
expect_refusal() {
    local minor
    sed 's/podReplacementPolicy:/podReplacmentPolicy:/' "$job" >"$rendered/misspelt.yaml"
    for minor in "${minors[@]}"; do
        if "$python" scripts/lib/check_manifests.py "$minor" "$rendered/misspelt.yaml" >/dev/null 2>&1; then
            printf 'A misspelt field passes as Kubernetes %s.\n' "$minor" >&2
            return 1
        fi
    done
    rm "$rendered/misspelt.yaml"
}

# Sets builder: kubectl or kustomize of version 5, else one that is built here.
find_kustomize() {
    if [[ $(kubectl version --client 2>/dev/null || true) == *'Kustomize Version: v5'* ]]; then
        builder=(kubectl kustomize)
        return
    fi
    if [[ $(kustomize version 2>/dev/null || true) == *v5.* ]]; then
        builder=(kustomize build)
        return
    fi
    if [[ ! -x $tools/bin/kustomize ]]; then
        ensure_programs go=golang-go
        GOBIN=$tools/bin go install "sigs.k8s.io/kustomize/kustomize/v5@$kustomize_version"
    fi
    builder=("$tools/bin/kustomize" build)
}

# Sets python: one with kubernetes-validate, which brings the schemas with it.
find_validator() {
    local environment=$tools/kubernetes-validate-$validate_version
    python=$environment/bin/python
    if "$python" -c 'import kubernetes_validate' 2>/dev/null; then
        return
    fi
    ensure_programs python3=python3
    python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv >&2
    rm -rf "$environment"
    python3 -m venv "$environment"
    "$environment/bin/pip" --quiet --disable-pip-version-check install "kubernetes-validate==$validate_version"
}

# Prometheus reads the groups of the rules without the object around them.
check_rules() {
    ensure_programs promtool=prometheus
    "$python" scripts/lib/check_manifests.py --rules k8s/monitoring/prometheus-rules.yaml >"$rendered/rules.yaml"
    promtool check rules "$rendered/rules.yaml"
    rm "$rendered/rules.yaml"
}

# An installation under another namespace, prefix and suffix is watched by the same rules.
check_other_names() {
    local folder=$rendered/other-names file=$rendered/other-names.yaml namespace name
    mkdir "$folder"
    cat >"$folder/kustomization.yaml" <<EOF
namespace: team-a
namePrefix: blue-
nameSuffix: -v2
resources: [$(realpath --relative-to="$folder" k8s/overlays/automatic)]
EOF
    build "$folder" "$file"
    "$python" scripts/lib/check_manifests.py "${minors[*]}" "$file"
    read -r namespace name < <("$python" scripts/lib/check_manifests.py --cron-job "$file")
    if [[ $namespace/$name != team-a/blue-*-v2 ]]; then
        printf 'kustomize calls the CronJob %s/%s\n' "$namespace" "$name" >&2
        return 1
    fi
    "$python" scripts/lib/check_manifests.py --rules "$file" >"$folder/rules.yaml"
    fires "$namespace" "$name" >"$folder/tests.yaml"
    (cd -- "$folder" && promtool test rules tests.yaml)
}

# Prints a test of the rules: the CronJob runs, runs no more, was never run, and is suspended.
fires() {
    local job="namespace=\"$1\",cronjob=\"$2\""
    cat <<EOF
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - name: it runs
    interval: 1m
    input_series:
      - {series: 'kube_cronjob_status_last_successful_time{$job}', values: 0+60x60}
    promql_expr_test:
      - {expr: 'ALERTS{alertstate="firing"}', eval_time: 40m, exp_samples: []}
  - name: it runs no more
    interval: 1m
    input_series:
      - {series: 'kube_cronjob_status_last_successful_time{$job}', values: 0x60}
    promql_expr_test:
      - expr: count by (alertname, namespace, cronjob) (ALERTS{alertstate="firing"})
        eval_time: 20m
        exp_samples: [{labels: '{alertname="ErrorBudgetMonitorNotRunning",$job}', value: 1}]
  - name: another one runs, and this one never did
    interval: 1m
    input_series:
      - {series: 'kube_cronjob_created{$job}', values: 0x60}
      - series: 'kube_cronjob_status_last_successful_time{namespace="monitoring",cronjob="error-budget-rollback-monitor"}'
        values: 0+60x60
    promql_expr_test:
      - expr: count by (alertname, namespace, cronjob) (ALERTS{alertstate="firing"})
        eval_time: 20m
        exp_samples: [{labels: '{alertname="ErrorBudgetMonitorNotRunning",$job}', value: 1}]
  - name: it is suspended
    interval: 1m
    input_series:
      - {series: 'kube_cronjob_status_last_successful_time{$job}', values: 0+60x60}
      - {series: 'kube_cronjob_spec_suspend{$job}', values: 1x60}
    promql_expr_test:
      - expr: count by (alertname, namespace, cronjob) (ALERTS{alertstate="firing"})
        eval_time: 40m
        exp_samples: [{labels: '{alertname="ErrorBudgetMonitorSuspended",$job}', value: 1}]
EOF
}

# Each alert links to a page, and the example's replacement changes all of them.
check_links() {
    local links
    links=$("$python" scripts/lib/check_manifests.py --runbooks "$rendered/automatic.yaml")
    if grep -v '^https://[^#]*/docs/runbook\.md#[a-z]*$' <<<"$links"; then
        printf 'These alerts link to no page.\n' >&2
        return 1
    fi
    links=$("$python" scripts/lib/check_manifests.py --runbooks "$rendered/one-service.yaml")
    if grep -v '^https://wiki\.example\.com/error-budget-monitor/runbook#[a-z]*$' <<<"$links"; then
        printf 'The replacement of k8s/examples/one-service does not change these.\n' >&2
        return 1
    fi
}

# Grafana's own library knows every field of a dashboard and of its panels. It finds a misspelt one, too.
check_dashboard() {
    local go checker=$tools/bin/check-dashboard dashboard=k8s/monitoring/grafana-dashboard.json
    go=$(compiler)
    (cd scripts/lib/dashboard && "$go" build -mod=readonly -trimpath -buildvcs=false -o "$checker" .)
    "$checker" "$dashboard"
    sed 's/"legendFormat"/"legendFromat"/' "$dashboard" >"$rendered/misspelt.json"
    if "$checker" "$rendered/misspelt.json" 2>/dev/null; then
        printf 'A misspelt field of the dashboard passes.\n' >&2
        return 1
    fi
    rm "$rendered/misspelt.json"
}

main "$@"
