# The part of the demo in which one pass watches fifty services. Sourced by demo.sh, whose settings and functions it uses.
# shellcheck shell=bash

# Fifty services of one repository; the first one gets the bad release.
fleet_names=(
    checkout accounts address-book alerts analytics audit auth banners basket billing catalog chat cms compliance content
    coupons currency delivery discounts email exports feeds fraud gateway geo gifts images imports inventory invoices ledger
    loyalty mail media notifications offers orders payments prices profiles ratings refunds reports returns reviews search
    sessions shipping stock wishlist
)
# What other teams release meanwhile: nothing is wrong with any of it.
fleet_releases=(payments search stock)
lines_shown=5   # lines of a pass that are shown, the worst first

# The demo of a fleet, from the first pass to the proof.
show_fleet() {
    local count=${#fleet_names[@]}
    seeded=$(IFS=,; printf '%s' "${fleet_names[*]}")
    counted=$seeded
    # One hour is the SLO window; what is older than that only says how it went before.
    history_minutes=75
    watched=(SERVICES_DIR="$world/services")
    write_fleet

    say "Starting a git server with one repository of $count services, the services, and Prometheus with their healthy history."
    start_world
    say "Prometheus: $prometheus_url. One file for each service is in SERVICES_DIR: its name, and its folder in the repository."
    show <"$world/services/$service.env"
    wait_for "all services to be scraped" 30 0.5 are_scraped

    say "First pass of the program, over all of them: nothing is wrong, so nothing is done. One line each, the worst first:"
    show_fleet_pass
    wait_for "a pass that finds all of them healthy" 30 1 all_are_healthy
    expect_untouched "$released" "every service is healthy"
    expect_nobody_told

    local team
    commit "${fleet_releases[0]}" v2 0
    release_bad_version
    for team in "${fleet_releases[@]:1}"; do
        commit "$team" v2 0
    done
    bad_tip=$(tip)
    say "Four teams release at the same time. $service v2 fails $(percent "$fail_ratio") of its requests, the others are good:"
    git_in_world --no-pager log --format='%h %an: %s' "$released..main" | show

    say "Passes every few seconds, until one rolls back. Nobody tells the program where to look:"
    wait_for "the rollback" "$patience" "$pass_every" rolls_back
    head -n "$lines_shown" "$world/pass.log" | show
    cp "$world/pass.log" "$world/rollback.log"
    say "That pass is over. Git has one commit more, and it touches one folder:"
    git_in_world --no-pager log --format='%h %an: %s' "$bad_tip..main" | show
    git_in_world --no-pager diff --stat "$bad_tip" main | show
    rollback_tip=$(tip)

    say "The next pass finds nothing left to do, and says so of all $count. What v2 spent of the hour's budget stays spent:"
    show_fleet_pass
    expect_untouched "$rollback_tip" "the rollback is done"
    say "Its whole record of $service, as of every service, is one argument away: --service $service"
    pass --dry-run --service "$service" | head -n "$lines_shown" | show

    say "Asking Prometheus, not the program, whether $service is healthy again:"
    wait_for "the recovery" "$recovers_within" 1 is_recovered
    say "Error ratio of the last 15 s: $(percent "$(error_ratio)")."
    prove_fleet
    succeeded=yes
    say "What happened: one release of four was bad. One pass over $count services found its commit, put apps/$service back to v1,"
    say "proved from Prometheus that the errors stopped, and told people once. The other $((count - 1)) services stayed as they were."
    say "Where to look: README.md, \"Several services\"; docs/costs.md says what a pass over a thousand services costs."
    if [[ $keep ]]; then
        keep_running
    fi
}

# Writes one file of variables for each service.
write_fleet() {
    local name
    mkdir "$world/services"
    for name in "${fleet_names[@]}"; do
        printf 'SERVICE_NAME=%s\nGITOPS_PATH=apps/%s\n' "$name" "$name" >"$world/services/$name.env"
    done
}

are_scraped() {
    [[ $(ask "count(count_over_time(up{job=\"services\"}[10s]) >= 3)") == "${#fleet_names[@]}" ]]
}

# Runs a pass and shows its first lines, and how many more there are.
show_fleet_pass() {
    pass >"$world/pass.log" || fail "the program ended with an error: $(tail -n 3 "$world/program.log")"
    head -n "$lines_shown" "$world/pass.log" | show
    printf '… %s\n' "$(tail -n 1 "$world/pass.log")" | show
}

all_are_healthy() {
    pass >"$world/pass.log" && (($(grep -c '^healthy ' "$world/pass.log") == ${#fleet_names[@]}))
}

# Checks that one service went back and every other one stayed.
prove_fleet() {
    failed_checks=0
    say "Checked:"
    check "git holds one commit of the program" has_one_rollback_commit
    check "apps/$service is as it was at v1, file by file" holds_good_tree
    check "the other $((${#fleet_names[@]} - 1)) folders, and all else, are as their teams left them" others_are_untouched
    check "the pass did something for one service alone" acted_for_one
    check "Prometheus: no other service ever failed more than 1 % of its requests" others_never_failed
    check "Slack: one thread, about $service" told_of_one slack
    check "PagerDuty: one incident, about $service" told_of_one pagerduty
    ((failed_checks == 0)) || fail "$failed_checks of these checks failed"
}

holds_good_tree() { [[ $(git_in_world rev-parse "main:apps/$service") == "$good_tree" ]]; }

others_are_untouched() {
    [[ $(git_in_world diff --name-only "$bad_tip" main) == "$manifest" ]]
}

# Every line but one says that nothing was done.
acted_for_one() {
    [[ $(grep -c "/.* none (" "$world/rollback.log") == $((${#fleet_names[@]} - 1)) ]] &&
        grep -Eq "/$service .* rollback " "$world/rollback.log"
}

others_never_failed() {
    local labels="namespace=\"$namespace\",service!=\"$service\"" range=3m
    [[ ! $(ask "sum by (service) (increase(http_requests_total{$labels,status=\"500\"}[$range])) / sum by (service) (increase(http_requests_total{$labels}[$range])) > 0.01") ]]
}

# Tells whether a desk knows of the service, and of no other one.
told_of_one() {
    local said name
    said=$(at_desk "$1")
    [[ $said == *"$service"* ]] || return 1
    for name in "${fleet_names[@]:1}"; do
        [[ $said != *"$namespace/$name"* ]] || return 1
    done
}
