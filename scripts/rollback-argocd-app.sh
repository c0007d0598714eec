#!/usr/bin/env bash
# A rollback in Argo CD that a person wants. Arguments go to `error-budget-monitor rollback argocd`. It asks on a
# terminal; --yes, TARGET_COMMIT, TARGET_REVISION or ROLLBACK_REASON say yes.
set -euo pipefail

# shellcheck source=scripts/lib/binary.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/binary.sh"
run_program rollback argocd "$@"
