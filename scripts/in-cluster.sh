#!/usr/bin/env bash
# Runs one command of the program in the cluster, with the settings, secrets and memory of its CronJob, and prints the result:
#
#   scripts/in-cluster.sh status
#   scripts/in-cluster.sh approve ID --by alice
#   scripts/in-cluster.sh rollback gitops --dry-run
#   scripts/in-cluster.sh rollback gitops --yes
#
# Needs kubectl and the right to create jobs in the namespace (MONITOR_NAMESPACE, monitoring unless told otherwise; MONITOR_CRON_JOB
# where a prefix changes the CronJob's name). Takes the exit code of the command; 75 means that a pass is running just now.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
namespace=${MONITOR_NAMESPACE:-monitoring}
cron_job=${MONITOR_CRON_JOB:-error-budget-rollback-monitor}
longest=1200   # seconds that the command may take; `run --watch 10m` with a rollback at its end takes more than a pass
patience=1260  # seconds: the same, and a minute to start
unknown=70

if (($# == 0)); then
    printf 'usage: %s COMMAND [ARGUMENT]...\n' "$0" >&2
    exit 64
fi

# Quotes words as JSON strings; the program takes no word with other characters that JSON would want escaped.
arguments() {
    local word joined=
    for word in "$@" --output text; do
        if [[ $word == *[[:cntrl:]]* ]]; then
            printf 'an argument holds a line break or another control character\n' >&2
            return 64
        fi
        word=${word//\\/\\\\}
        joined+=",\"${word//\"/\\\"}\""
    done
    printf '[%s]' "${joined#,}"
}

job=error-budget-by-hand-$(date +%s)-$RANDOM
patch="[{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/0/args\",\"value\":$(arguments "$@")},
    {\"op\":\"replace\",\"path\":\"/spec/activeDeadlineSeconds\",\"value\":$longest}]"
kubectl -n "$namespace" create job "$job" --from="cronjob/$cron_job" --dry-run=client -o json |
    kubectl patch --local -f - --type json -p "$patch" -o json |
    kubectl -n "$namespace" create -f - >&2

# Ended either way: a job has one of the two conditions then.
deadline=$((SECONDS + patience))
until ended=$(kubectl -n "$namespace" get job "$job" -o 'jsonpath={.status.conditions[?(@.status=="True")].type}') &&
    [[ $ended == *Complete* || $ended == *Failed* ]]; do
    if ((SECONDS >= deadline)); then
        printf 'The job %s has not ended after %s s; look at it with kubectl -n %s describe job %s\n' \
            "$job" "$patience" "$namespace" "$job" >&2
        exit "$unknown"
    fi
    sleep 2
done
kubectl -n "$namespace" logs "job/$job"
code=$(kubectl -n "$namespace" get pods -l "batch.kubernetes.io/job-name=$job" \
    -o 'jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}')
exit "${code:-$unknown}"
