#!/usr/bin/env bash
# Says what would stop a rollback today, and changes nothing. Arguments go to `error-budget-monitor doctor`.
set -euo pipefail

# shellcheck source=scripts/lib/binary.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/binary.sh"
run_program doctor "$@"
