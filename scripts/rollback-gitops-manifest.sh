#!/usr/bin/env bash
# A rollback in git that a person wants. Arguments go to `error-budget-monitor rollback gitops`.
set -euo pipefail

# shellcheck source=scripts/lib/binary.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/binary.sh"
binary=$(find_binary)
exec "$binary" rollback gitops "$@"
