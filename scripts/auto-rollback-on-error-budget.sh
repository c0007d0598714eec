#!/usr/bin/env bash
# One pass: looks at the error budget and rolls back a deployment that burns it. Arguments go to `error-budget-monitor run`.
#
#   SERVICE_NAME=checkout NAMESPACE=shop PROMETHEUS_URL=http://localhost:9090 scripts/auto-rollback-on-error-budget.sh --dry-run
#   WATCH=10m scripts/auto-rollback-on-error-budget.sh
#
# Every setting is a variable of the environment (docs/variables.md); what is missing is named, with exit code 78. WATCH repeats the
# pass for so long, as after a deployment; it is the same as --watch. Under timeout without either, it says that it watches nothing.
set -euo pipefail

# shellcheck source=scripts/lib/binary.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/binary.sh"

given=" $* "
if [[ $given == *' --watch'[' =']* || $given == *' --help '* || $given == *' -h '* ]]; then
    :
elif [[ ${WATCH-} ]]; then
    set -- --watch "$WATCH" "$@"
elif [[ $(cat "/proc/$PPID/comm" 2>/dev/null) == timeout ]]; then
    printf 'This is one pass, which ends by itself. To watch for ten minutes set WATCH=10m, or give --watch 10m.\n' >&2
fi
run_program run "$@"
