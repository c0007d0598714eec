#!/usr/bin/env bash
# One pass: looks at the error budget and rolls back a deployment that burns it. Arguments go to `error-budget-monitor run`.
set -euo pipefail

# shellcheck source=scripts/lib/binary.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/binary.sh"
binary=$(find_binary)
exec "$binary" run "$@"
