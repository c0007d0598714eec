#!/usr/bin/env bash
# The gate: says by its exit code whether a deployment may go ahead, and changes nothing. Arguments go to `error-budget-monitor check`.
set -euo pipefail

# shellcheck source=scripts/lib/binary.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/binary.sh"
run_program check "$@"
