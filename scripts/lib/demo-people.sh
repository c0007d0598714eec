# The part of the demo in which people are told. Sourced by demo.sh, whose settings and functions it uses.
# shellcheck shell=bash

ticket_lines=12      # how much of the ticket is shown
scraped_within=30    # seconds after which the demo gives up on Prometheus having seen the numbers

# Starts Slack, PagerDuty, a GitHub in front of the git server, a receiver of the webhook, and a real Pushgateway.
start_people() {
    background people demo-people --git-root "$world/repos" --repository platform/gitops \
        --git-url "$(cat "$world/git-address")" --git-token-file "$world/token" --secrets-folder "$world/secrets" \
        --settings-file "$world/people-settings" --gateway-file "$world/gateway-address" \
        --address-file "$world/people-address"
    people_url=$(cat "$world/people-address")
    mapfile -t people_settings <"$world/people-settings"
    git_url=$(sed -n 's/^GITOPS_REPO=//p' "$world/people-settings")
}

# Prints what somebody was told: slack, pagerduty, ticket, webhook, counts/<rollback>, violations.
at_desk() { curl -fsS --max-time 5 "$people_url/$1"; }

expect_nobody_told() {
    [[ ! $(at_desk slack) && ! $(at_desk pagerduty) && ! $(at_desk ticket) && ! $(at_desk webhook) ]] ||
        fail "somebody was told although nothing was done"
}

show_what_people_read() {
    say "What the channel in Slack shows; what is set in stands in the thread of its message:"
    at_desk slack | show
    say "PagerDuty:"
    at_desk pagerduty | show
    say "The ticket on GitHub, its first lines:"
    at_desk ticket >"$world/ticket"
    head -n "$ticket_lines" "$world/ticket" | show
    say "The events that the webhook got:"
    at_desk webhook | show
}

# Checks that the rollback was told, each thing once and nothing else.
prove_who_was_told() {
    failed_checks=0
    rollback=$(sed -nE 's/^rollback +([^ :]+): .*, recovered$/\1/p' "$world/rollback.log")
    [[ $rollback ]] || fail "the record does not name its rollback"
    at_desk "counts/$rollback" >"$world/counts"
    say "Checked, of rollback $rollback:"
    check "Slack: one message, changed in place once" counted slack-messages=1 slack-changes=1
    check "Slack: one more message, that the budget has crossed a level" counted slack-others=1
    check "PagerDuty: one incident, triggered once and resolved once by the same key" \
        counted alerts=1 alerts-others=0 alerts-open=0 triggers=1 resolves=1
    check "PagerDuty: one change event" counted change-events=1
    check "GitHub: one ticket, opened and closed" counted tickets=1 tickets-others=0 tickets-open=0
    check "webhook: the incident detected, the service rolled back, the incident resolved" \
        counted events-detected=1 events-rolledback=1 events-resolved=1
    check "nothing broke a rule of their APIs" counted violations=0
    check "Pushgateway: one group" counted groups=1
    check "Prometheus scraped it: one rollback recovered, none in progress" numbers_are_scraped
    if ((failed_checks)); then
        show <"$world/counts"
        at_desk violations | show
        fail "$failed_checks of these checks failed"
    fi
}

# Tells whether people counted so many of each.
counted() {
    local count
    for count in "$@"; do
        grep -qx "${count%=*} ${count#*=}" "$world/counts" || return 1
    done
}

# Tells whether Prometheus has the numbers of the last pass, under the labels that the program gave them.
numbers_are_scraped() {
    local labels="job=\"error-budget-monitor\",namespace=\"$namespace\",service=\"$service\""
    local deadline=$((SECONDS + scraped_within))
    until [[ $(ask "error_budget_rollbacks_total{$labels,outcome=\"recovered\"}") == 1 &&
        $(ask "error_budget_rollback_in_progress{$labels}") == 0 &&
        $(ask "count(error_budget_rollbacks_total{outcome=\"recovered\"})") == 1 ]]; do
        ((SECONDS < deadline)) || return 1
        sleep 1
    done
}
