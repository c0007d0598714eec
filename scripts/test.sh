#!/usr/bin/env bash
# Runs every check on the code. Installs what is missing (with apt-get, as root or with sudo); otherwise needs no rights.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

ensure_programs prometheus=prometheus promtool=prometheus git=git cc=gcc,libc6-dev \
    ssh=openssh-client /usr/sbin/sshd=openssh-server
ensure_cargo
for component in rustfmt clippy; do
    if ! cargo "${component#rust}" --version >/dev/null 2>&1 && command -v rustup >/dev/null; then
        rustup component add "$component"
    fi
done

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
cargo test --workspace --locked
# What is built only with a feature.
cargo clippy --all-targets --features ssh --locked -- -D warnings
cargo test --features ssh --locked --lib --test it -- ssh
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked
