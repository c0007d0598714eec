#!/usr/bin/env bash
# Writes the list of everything that is built into the program, as CycloneDX JSON: scripts/sbom.sh [FILE], else
# target/sbom/error-budget-monitor.cdx.json. The same commit gives the same file.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
file=$(realpath -m "${1:-$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../target/sbom/error-budget-monitor.cdx.json}")
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

cyclonedx_version=0.5.9
platform=${SBOM_TARGET:-x86_64-unknown-linux-musl}
name=error-budget-monitor-sbom

ensure_cargo
tools=$(realpath -m "${CARGO_TARGET_DIR:-target}")/tools
PATH=$tools/bin:$PATH
if ! command -v cargo-cyclonedx >/dev/null; then
    cargo install cargo-cyclonedx --version "$cyclonedx_version" --locked --root "$tools"
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

# It writes beside each Cargo.toml of the workspace.
trap 'rm -f "$name.json" "tests/testkit/$name.json"' EXIT
cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --target "$platform" \
    --override-filename "$name"
mkdir -p "$(dirname "$file")"
mv "$name.json" "$file"
if grep -qF "$PWD" "$file"; then
    sed -i "s#$PWD#.#g" "$file"
fi
printf '%s: %s components\n' "$file" "$(grep -c '"purl": "pkg:cargo/' "$file")"
