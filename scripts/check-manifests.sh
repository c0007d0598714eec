#!/usr/bin/env bash
# Checks the manifests with the tools of Kubernetes, without a cluster: builds every overlay, the example and every component,
# validates each object strictly against the schemas of three minor versions, gives the alert rules to promtool, lets them fire
# for an installation under another namespace and other names, reads the dashboard with Grafana's own library, and
# holds what helm renders of the chart against what kustomize builds.
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
plain_rules=k8s/monitoring/prometheus-rules-plain.yaml
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
    check_chart
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
    if ! diff <(grep -v '^#' "$plain_rules") "$rendered/rules.yaml"; then
        printf '%s differs from the groups of the PrometheusRule; write them into it anew, below its comment.\n' "$plain_rules" >&2
        return 1
    fi
    rm "$rendered/rules.yaml"
}

# An installation under another namespace, prefix and suffix is watched by the same rules.
check_other_names() {
    local folder=$rendered/other-names file=$rendered/other-names.yaml
    mkdir "$folder"
    cat >"$folder/kustomization.yaml" <<EOF
namespace: team-a
namePrefix: blue-
nameSuffix: -v2
resources: [$(realpath --relative-to="$folder" k8s/overlays/automatic)]
EOF
    build "$folder" "$file"
    "$python" scripts/lib/check_manifests.py "${minors[*]}" "$file"
    alerts_fire "$file" team-a/blue-error-budget-rollback-monitor-v2
}

# Tells whether the CronJob of a file has this namespace and name, and whether the rules of the file watch it.
alerts_fire() {
    local file=$1 expected=$2 folder=$rendered/fires namespace name
    read -r namespace name < <("$python" scripts/lib/check_manifests.py --cron-job "$file")
    if [[ $namespace/$name != "$expected" ]]; then
        printf 'The CronJob of %s is called %s/%s\n' "$file" "$namespace" "$name" >&2
        return 1
    fi
    mkdir -p "$folder"
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

# What the chart renders is what kustomize builds, in each mode and for each component.
check_chart() {
    local version values
    scripts/lib/servers.sh helm
    helm=$(echo "${XDG_CACHE_HOME:-$HOME/.cache}"/error-budget-monitor/servers/helm-*/helm)
    "$helm" lint --strict --quiet --kube-version "${minors[0]}" k8s/helm 2>/dev/null
    version=$(sed -n '/^\[workspace.package\]/,/^$/ s/^version = "\(.*\)"$/\1/p' Cargo.toml)
    if [[ $(grep -c "ersion: $version\$" k8s/helm/Chart.yaml) != 2 ]]; then
        printf 'The chart has another version than the program.\n' >&2
        return 1
    fi
    is_rendered_as observe-only
    is_rendered_as approval --set mode=approval
    is_rendered_as automatic --set mode=automatic
    is_rendered_as with-argocd-password --set mode=automatic,argocd.auth=password
    is_rendered_as with-argocd-ca --set mode=automatic,argocd.caConfigMap=argocd-ca
    is_rendered_as with-without-argocd --set mode=automatic,argocd.enabled=false
    is_rendered_as with-slack --set mode=automatic,secrets.slack=slack-credentials
    is_rendered_as with-pagerduty --set mode=automatic,secrets.pagerduty=pagerduty-credentials
    # What kustomize has no counterpart of, under another name: valid, and its alerts fire.
    template blue team-a --set mode=automatic,suspend=true,storage.className=fast,imagePullSecrets[0].name=pull \
        --set 'services.checkout=SERVICE_NAME=checkout' --set secretFiles.PROMETHEUS_TOKEN.secret=prometheus \
        --set secretFiles.PROMETHEUS_TOKEN.key=token >"$rendered/chart.yaml"
    "$python" scripts/lib/check_manifests.py "${minors[*]}" "$rendered/chart.yaml"
    alerts_fire "$rendered/chart.yaml" team-a/blue-error-budget-rollback-monitor
    for values in mode=automatc setings.SERVICE_NAME=x settings.GITOPS_TOKEN=x argocd.password=x; do
        if template error-budget-monitor monitoring --set "$values" >/dev/null; then
            printf 'The chart takes %s.\n' "$values" >&2
            return 1
        fi
    done
}

# Renders the chart: name of the release, namespace, arguments. What helm says is kept back: it names every link.
template() {
    local release=$1 namespace=$2
    shift 2
    "$helm" template "$release" k8s/helm --namespace "$namespace" --kube-version "${minors[0]}" "$@" 2>"$rendered/helm.log"
}

# Tells whether the chart with these arguments renders the same objects as a file that kustomize built.
is_rendered_as() {
    local built=$rendered/$1.yaml
    shift
    template error-budget-monitor monitoring "$@" >"$rendered/chart.yaml" || {
        cat "$rendered/helm.log" >&2
        return 1
    }
    "$python" scripts/lib/check_manifests.py --same "$built" "$rendered/chart.yaml"
}

main "$@"
