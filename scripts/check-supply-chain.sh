#!/usr/bin/env bash
# Holds the dependencies against deny.toml: advisories, licences, bans, sources. Installs cargo-deny into target/tools (some
# minutes). The advisories are fetched from GitHub; where that cannot be reached the rest is checked, and the exit code is 0
# unless ADVISORIES=required.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

deny_version=0.20.2

ensure_programs git=git cc=gcc,libc6-dev
ensure_cargo
tools=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tools
PATH=$tools/bin:$PATH
if ! command -v cargo-deny >/dev/null; then
    cargo install cargo-deny --version "$deny_version" --locked --root "$tools"
fi

cargo deny --locked check --hide-inclusion-graph bans licenses sources
if timeout 60 cargo deny --locked fetch db; then
    cargo deny --locked check --hide-inclusion-graph --disable-fetch advisories
else
    printf 'NOT CHECKED: the advisories cannot be fetched.\n' >&2
    if [[ ${ADVISORIES:-} == required ]]; then
        exit 1
    fi
fi
