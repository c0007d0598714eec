#!/usr/bin/env bash
# Shows a bad release being rolled back: a real Prometheus, a real git server, a service that runs what git says, and
# the program started every few seconds. Slack, PagerDuty, GitHub and a webhook are told, and a real Pushgateway gets its numbers.
# Needs Rust; installs the rest with apt-get. Takes about two minutes after the build.
#
# `--auto-sync on` puts an Argo CD in between, which deploys every commit by itself; with `--auto-sync off` a person deploys the
# bad release by hand. The service then runs what Argo CD deployed. `--kill` kills the program in the middle of its rollback, `--race`
# starts it twice at once. `--fleet` has one pass watch fifty services in one repository: several are released, one of them is bad, and
# only that one goes back. `--keep` leaves everything running at the end, with the addresses, until Ctrl-C. The exit code is 0 only
# if everything came out as told.
set -euo pipefail

scripts=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
# shellcheck source=scripts/lib/packages.sh
. "$scripts/lib/packages.sh"
# shellcheck source=scripts/lib/demo-argocd.sh
. "$scripts/lib/demo-argocd.sh"
# shellcheck source=scripts/lib/demo-people.sh
. "$scripts/lib/demo-people.sh"
# shellcheck source=scripts/lib/demo-trouble.sh
. "$scripts/lib/demo-trouble.sh"
# shellcheck source=scripts/lib/demo-fleet.sh
. "$scripts/lib/demo-fleet.sh"

service=checkout
namespace=shop
manifest=apps/$service/deployment.yaml
fail_ratio=0.25       # share of requests that v2 fails
pass_every=3          # seconds between two starts of the program
patience=120          # seconds after which the demo gives up on the rollback
recovers_within=60    # seconds after which it gives up on the recovery
interrupted=130       # exit code after Ctrl-C
misused=64            # exit code for wrong arguments
recovered_below=0.01  # error ratio of the last 15 s at which the service counts as healthy

main() {
    read_arguments "$@"
    ensure_programs prometheus=prometheus promtool=prometheus \
        prometheus-pushgateway=prometheus-pushgateway git=git curl=curl cc=gcc,libc6-dev /etc/ssl/certs/ca-certificates.crt=ca-certificates
    ensure_cargo
    printf 'Building; the first time takes some minutes, and cargo names each part that it begins.\n'
    (cd -- "$scripts/.." && cargo build --locked --workspace --bins)
    built=${CARGO_TARGET_DIR:-$scripts/../target}/debug

    world=$(mktemp -d)
    mkdir "$world/tmp"
    export TMPDIR=$world/tmp
    children=()
    trap finish EXIT
    trap 'exit "$interrupted"' INT TERM
    start=$EPOCHSECONDS
    watched=(SERVICE_NAME="$service" GITOPS_PATH="apps/$service")
    seeded=checkout,payments,search
    counted=$service
    history_minutes=120
    if [[ $fleet ]]; then
        show_fleet
        return
    fi

    say "Starting a git server, the service and Prometheus with two hours of healthy history."
    start_world
    say "Git says $(version_in_git), and the service runs ${auto_sync:+what Argo CD deploys of }it. Prometheus: $prometheus_url"
    wait_for "the service to be scraped" 30 0.5 is_scraped

    say "First pass of the program: nothing is wrong, so nothing is done."
    show_pass
    grep -Eq '^verdict +healthy$' "$world/pass.log" || fail "the first pass does not find the service healthy"
    expect_untouched "$released" "the service is healthy"
    expect_nobody_told

    release_bad_version
    say "The team releases v2, which fails $(percent "$fail_ratio") of its requests. Git says $(version_in_git)."
    if [[ $auto_sync ]]; then
        deploy_bad_version
    fi
    commit payments v7 0
    say "Another team commits on top of it: only the checkout folder may be put back."
    bad_tip=$(tip)

    say "A dry run every few seconds, until the program would act:"
    wait_for "a dry run that would roll back" "$patience" "$pass_every" would_roll_back
    show_pass --dry-run
    expect_untouched "$bad_tip" "a dry run"
    expect_nobody_told

    say "Now for real. Error ratio of the last 15 s: $(percent "$(error_ratio)"). Git says $(version_in_git)."
    case $trouble in
        kill) kill_midway ;;
        race) race ;;
        none) wait_for "the rollback" "$patience" "$pass_every" rolls_back ;;
    esac
    cp "$world/pass.log" "$world/rollback.log"
    show <"$world/rollback.log"
    say "Git says $(version_in_git): one commit, on top of the other team's."
    git_in_world --no-pager log --format='%h %an: %s' -5 main | show
    git_in_world --no-pager diff --stat "$bad_tip" main | show

    say "The next pass finds nothing left to do:"
    rollback_tip=$(tip)
    remember_operations
    show_pass
    expect_untouched "$rollback_tip" "the rollback is done"

    say "Asking Prometheus, not the program, whether the service is healthy again:"
    wait_for "the recovery" "$recovers_within" 1 is_recovered
    [[ $(version_in_git) == v1 && $(git_in_world rev-parse "main:apps/$service") == "$good_tree" ]] ||
        fail "git does not hold the tree of v1"
    [[ $(git_in_world rev-parse main:apps/payments) == "$(git_in_world rev-parse "$bad_tip:apps/payments")" ]] ||
        fail "the other team's folder changed"
    has_one_rollback_commit || fail "git does not hold exactly one commit of the program"
    say "Recovered. Error ratio of the last 15 s: $(percent "$(error_ratio)"). Git says $(version_in_git)."
    if [[ $auto_sync ]]; then
        prove
    fi
    show_what_people_read
    prove_who_was_told
    succeeded=yes
    tell_the_end
    if [[ $keep ]]; then
        keep_running
    fi
}

# Says what happened, and where to go from here.
tell_the_end() {
    say "What happened: v2 of $service failed $(percent "$fail_ratio") of its requests. The program found its commit, put apps/$service"
    say "back to v1 by one commit on top of the other team's, proved from Prometheus that the errors stopped, and told people once."
    say "Where to look: README.md takes the program, which is built now ($(realpath "$built")), to your own Prometheus;"
    say "docs/decisions.md says when it acts and when it refuses.${keep:+ What ran here goes on:}"
    if [[ ! $keep ]]; then
        say "With --keep Prometheus, git and what people were told stay there to look at."
    fi
}

# Leaves everything as it is, until Ctrl-C.
keep_running() {
    show <<EOF
Prometheus        $prometheus_url
what was told     $people_url/slack  $people_url/pagerduty  $people_url/ticket  $people_url/webhook
Pushgateway       $(gateway_url)
the service       http://$(cat "$world/service-address")/metrics
the repository    git --git-dir $repository log main
the program's     $world/state/state.json, $world/program.log
EOF
    printf 'Ctrl-C ends it all and removes the files.\n'
    trap 'exit 0' INT TERM
    wait
}

# Prints the address of the Pushgateway.
gateway_url() {
    local address
    address=$(cat "$world/gateway-address")
    printf 'http://%s' "${address#http://}"
}

read_arguments() {
    auto_sync=
    trouble=none
    fleet=
    keep=
    while (($#)); do
        case $1 in
            --auto-sync)
                auto_sync=${2-}
                [[ $auto_sync == on || $auto_sync == off ]] || misuse "--auto-sync takes on or off"
                shift
                ;;
            --kill | --race)
                [[ $trouble == none ]] || misuse "--kill and --race do not go together"
                trouble=${1#--}
                ;;
            --fleet) fleet=yes ;;
            --keep) keep=yes ;;
            *) misuse "unknown argument $1" ;;
        esac
        shift
    done
    if [[ $fleet && ($auto_sync || $trouble != none) ]]; then
        misuse "--fleet goes with --keep alone"
    fi
}

misuse() {
    printf '%s\nusage: %s [--auto-sync on|off] [--kill|--race] [--keep]\n       %s --fleet [--keep]\n' "$1" "$0" "$0" >&2
    exit "$misused"
}

start_world() {
    mkdir "$world/repos" "$world/state"
    head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$world/token"
    repository=$world/repos/platform/gitops.git
    background git-server demo-git-server --root "$world/repos" --token-file "$world/token" --seed platform/gitops \
        --services "$seeded" --seed-age-minutes 115 --address-file "$world/git-address"
    start_people
    released=$(tip)
    good_tree=$(git_in_world rev-parse "main:apps/$service")
    local obeyed=(--git-dir "$repository" --manifest "$manifest")
    argocd_settings=()
    if [[ $auto_sync ]]; then
        start_argocd
        obeyed=(--deployed-manifest "$world/live/$manifest")
    fi
    remember_operations
    if [[ $fleet ]]; then
        obeyed=(--git-dir "$repository")
    fi
    background service demo-service "${obeyed[@]}" --namespace "$namespace" --service "$counted" \
        --address-file "$world/service-address"
    background prometheus demo-prometheus --target-file "$world/service-address" \
        --gateway-file "$world/gateway-address" --namespace "$namespace" \
        --service "$counted" --history-minutes "$history_minutes" --address-file "$world/prometheus-address"
    prometheus_url=$(cat "$world/prometheus-address")
}

# Starts a program of the demo and waits until it has written its address.
background() {
    local log=$world/$1.log program=$2
    shift 2
    "$built/$program" "$@" >"$log" 2>&1 &
    children+=("$!")
    wait_for "$program" 30 0.1 test -e "${!#}"
}

# Starts the program once and waits for it. It runs in the background so that Ctrl-C and kill are heard meanwhile.
pass() {
    local code=0
    become_program "$@" &
    children+=("$!")
    wait "$!" || code=$?
    unset 'children[-1]'
    return "$code"
}

# Makes this shell the program, with nothing of the caller's environment: the demo touches nobody's repository and tells nobody real.
become_program() {
    exec env -i PATH="$PATH" HOME="$world" TMPDIR="$TMPDIR" NO_COLOR=1 \
        "${watched[@]}" NAMESPACE="$namespace" SLO_WINDOW=1h ERROR_BUDGET=0.001 \
        PROMETHEUS_URL="$prometheus_url" \
        "${people_settings[@]}" \
        ROLLBACK_ENABLED=true VIOLATION_FOR=20s ATTRIBUTION_WINDOW=30m COOLDOWN=10m BLACKOUT_WINDOWS=none \
        STABILIZATION=10s VERIFY_TIMEOUT=60s VERIFY_DEADLINE=5m \
        STATE_FILE="$world/state/state.json" "${argocd_settings[@]}" \
        "$built/error-budget-monitor" run --output "${output:-text}" "$@" 2>>"$world/program.log"
}

show_pass() {
    pass "$@" >"$world/pass.log" || fail "the program ended with an error: $(tail -n 3 "$world/program.log")"
    show <"$world/pass.log"
}

would_roll_back() {
    output=json pass --dry-run >"$world/dry-run.json" || return 1
    grep -Eq '"outcome": *"would_roll_back"' "$world/dry-run.json"
}

rolls_back() {
    pass >"$world/pass.log" || fail "the program ended with code $?: $(cat "$world/pass.log")"
    [[ $(tip) != "$bad_tip" ]]
}

release_bad_version() {
    commit "$service" v2 "$fail_ratio"
}

# Commits another version of a service to main, as its team would, and pushes it.
commit() {
    local team=$1 version=$2 ratio=$3 copy=$world/team-$1
    git clone -q "$repository" "$copy"
    sed -i -e "s|\(image: .*:\).*|\1$version|" -e "s|value: .*|value: \"$ratio\"|" "$copy/apps/$team/deployment.yaml"
    git -C "$copy" -c user.name="Team $team" -c user.email="$team@example.com" commit -qam "$team: release $version"
    git -C "$copy" push -q origin main
}

git_in_world() { git --git-dir "$repository" "$@"; }
tip() { git_in_world rev-parse main; }
version_in_git() { git_in_world show "main:$manifest" | sed -n 's/.*image: .*:\(.*\)/\1/p'; }

# Notes how many operations the program has asked Argo CD for.
remember_operations() {
    if [[ $auto_sync ]]; then
        operations_so_far=$(operations_by "$program_user")
    fi
}

has_one_rollback_commit() {
    [[ $(git_in_world rev-list --count --grep '^Error-Budget-Rollback: ' main) == 1 ]]
}

# Tells whether a record that was printed says that the service recovered.
has_recovered() { grep -Eq '^rollback .*, recovered$' "$1"; }

expect_untouched() {
    [[ $(tip) == "$1" ]] || fail "git changed although $2"
    if [[ $auto_sync ]]; then
        [[ $(operations_by "$program_user") == "$operations_so_far" ]] || fail "Argo CD was asked for something although $2"
    fi
}

# Prints the number an expression has now; nothing when the answer is empty.
ask() {
    curl -fsS --max-time 5 --data-urlencode "query=$1" "$prometheus_url/api/v1/query" |
        sed -n 's/.*"value":\[[^,]*,"\([^"]*\)"\].*/\1/p'
}

is_scraped() {
    [[ $(ask "count_over_time(up{job=\"services\"}[10s]) >= 3") ]]
}

error_ratio() {
    local labels="namespace=\"$namespace\",service=\"$service\""
    ask "sum(rate(http_requests_total{$labels,status=\"500\"}[15s])) / (sum(rate(http_requests_total{$labels}[15s])) > 0)"
}

is_recovered() {
    local ratio
    ratio=$(error_ratio)
    [[ $ratio ]] && awk -v ratio="$ratio" -v limit="$recovered_below" 'BEGIN { exit !(ratio < limit) }'
}

percent() { awk -v ratio="${1:-nan}" 'BEGIN { printf "%.1f %%", ratio * 100 }'; }

# Repeats a command until it succeeds: what is awaited, seconds until the demo gives up, seconds between two tries, command.
wait_for() {
    local what=$1 deadline=$((SECONDS + $2)) interval=$3
    shift 3
    until "$@"; do
        ((SECONDS < deadline)) || fail "no sign of $what"
        sleep "$interval"
    done
}

# Shows whether something holds, and counts what does not: what is checked, command.
check() {
    local what=$1 mark=ok
    shift
    if ! "$@"; then
        mark=FAILED
        failed_checks=$((failed_checks + 1))
    fi
    printf '%-7s %s\n' "$mark" "$what" | show
}

say() { printf '%4d s  %s\n' "$((EPOCHSECONDS - start))" "$*"; }
show() { sed 's/^/        | /'; }

fail() {
    printf '%4d s  FAILED: %s\n' "$((EPOCHSECONDS - start))" "$1" >&2
    exit 1
}

finish() {
    local code=$?
    trap - EXIT INT TERM
    if ((${#children[@]})); then
        kill "${children[@]}" 2>/dev/null || true
        wait "${children[@]}" 2>/dev/null || true
    fi
    if [[ ${succeeded:-} == yes ]] || ((code == interrupted)); then
        remove_world
    else
        rm -rf "$world/token" "$world/tokens" "$world/secrets"
        printf 'The logs are in %s\n' "$world" >&2
        code=$((code == 0 ? 1 : code))
    fi
    exit "$code"
}

# Removes every file of the demo. Prometheus dies a moment after the program that started it, and may still be writing.
remove_world() {
    for _ in 1 2 3 4 5; do
        rm -rf "$world" 2>/dev/null && return
        sleep 0.5
    done
    printf 'Some files are left in %s\n' "$world" >&2
}

main "$@"
