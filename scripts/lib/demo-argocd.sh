# The part of the demo in which Argo CD deploys what git says. Sourced by demo.sh, whose settings and functions it uses.
# shellcheck shell=bash

program_user=slo-bot  # who the program is to Argo CD
person=alice          # who deploys by hand where auto-sync is off
project=shop

# Starts Argo CD with one application. It prints what it does beside the demo's own lines.
start_argocd() {
    mkdir "$world/argocd"
    "$built/demo-argocd" --git-dir "$repository" --repo-url "$git_url" --path "apps/$service" --manifest "$manifest" \
        --app "$service" --project "$project" --auto-sync "$auto_sync" --live-folder "$world/live" \
        --report-folder "$world/argocd" --token-folder "$world/tokens" --began-at "$start" \
        --address-file "$world/argocd-address" 2>"$world/argocd.log" &
    children+=("$!")
    wait_for demo-argocd 30 0.1 test -e "$world/argocd-address"
    argocd_url=$(cat "$world/argocd-address")
    argocd_settings=(ARGOCD_SERVER="$argocd_url" ARGOCD_APP_NAME="$service" ARGOCD_PROJECT="$project"
        ARGOCD_TOKEN_FILE="$world/tokens/$program_user")
}

# Has v2 deployed: by auto-sync, or by a person.
deploy_bad_version() {
    if [[ $auto_sync == off ]]; then
        wait_for "Argo CD to see v2" 30 0.2 argocd_says "sync OutOfSync"
        say "Auto-sync is off, so nothing is deployed until somebody asks: $person syncs by hand."
        sync_by_hand
    fi
    wait_for "Argo CD to deploy v2" 30 0.2 argocd_says "runs v2" "sync Synced" "health Healthy"
}

sync_by_hand() {
    curl -fsS --max-time 10 -o /dev/null -H 'Content-Type: application/json' \
        -H @<(printf 'Authorization: Bearer %s' "$(cat "$world/tokens/$person")") \
        -d "{\"project\":\"$project\"}" "$argocd_url/api/v1/applications/$service/sync" ||
        fail "Argo CD refuses a sync by hand"
}

# Tells whether all of these lines are in the application's status.
argocd_says() {
    local line
    for line in "$@"; do
        grep -qx "$line" "$world/argocd/status" || return 1
    done
}

# Prints how many operations Argo CD accepted from a user.
operations_by() {
    grep -c ", asked for by $1: " "$world/argocd/operations" || true
}

# Shows what is left at the end and checks it, item by item.
prove() {
    failed_checks=0
    say "The proof. Commits that changed apps/$service:"
    git_in_world --no-pager log --format='%h %an: %s' main -- "apps/$service" | show
    say "What Argo CD remembers to have deployed:"
    show <"$world/argocd/history"
    say "The operations that it accepted since the demo began:"
    show <"$world/argocd/operations"
    say "Checked:"
    check "the record says: recovered" has_recovered "$world/rollback.log"
    check "git holds one commit of the program" has_one_rollback_commit
    check "v1 runs, Synced and Healthy, and auto-sync is $auto_sync as before" \
        argocd_says "runs v1" "sync Synced" "health Healthy" "auto-sync $auto_sync"
    check "Argo CD deployed v1, v2, v1 and nothing twice" deployed_only v1 v2 v1
    if [[ $auto_sync == on ]]; then
        check "the record's steps: gitops_revert, argocd_sync, verify" did gitops_revert argocd_sync verify
        # Auto-sync may be faster than the program; then there is nothing left to ask for.
        check "two operations since the demo began, at most one of them asked for by the program" \
            has_operations 2 0 1
    else
        check "the record's steps: argocd_rollback, gitops_revert, verify" did argocd_rollback gitops_revert verify
        check "two operations since the demo began, one of them asked for by the program" has_operations 2 1 1
        check "that one is a rollback to v1" \
            grep -Eq "^rollback to v1 .*, asked for by $program_user: Succeeded\$" "$world/argocd/operations"
    fi
    check "Argo CD knew every field that it was sent" argocd_says "unknown-fields none"
    ((failed_checks == 0)) || fail "$failed_checks of these checks failed"
}

# Tells whether the history holds these versions in this order, and no others.
deployed_only() {
    [[ $(cut -d ' ' -f 2 "$world/argocd/history" | paste -sd ' ') == "$*" ]]
}

# Tells whether the record of the rollback holds these steps as done, in this order.
did() {
    awk -v wanted="$*" 'BEGIN { count = split(wanted, steps, " "); at = 1 }
        $1 == "done" && $2 == steps[at] { at++ }
        END { exit !(at > count) }' "$world/rollback.log"
}

# Tells whether Argo CD accepted so many operations, and between so many and so many of them from the program.
has_operations() {
    local all own
    all=$(wc -l <"$world/argocd/operations")
    own=$(operations_by "$program_user")
    ((all == $1 && own >= $2 && own <= $3))
}
