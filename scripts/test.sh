#!/usr/bin/env bash
# Runs every check on the code. Installs what is missing (with apt-get, as root or with sudo); otherwise needs no rights.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

# Runs a command, and notes for the end how long it took.
times=()
timed() {
    local started=$SECONDS
    "$@"
    times+=("$((SECONDS - started)) s | $*")
}

ensure_programs prometheus=prometheus promtool=prometheus etcd=etcd-server prometheus-pushgateway=prometheus-pushgateway /usr/sbin/nginx=nginx git=git cc=gcc,libc6-dev
# Where it cannot be had, the tests over SSH say that they are left out, and fail under CI=true.
ensure_programs ssh=openssh-client /usr/sbin/sshd=openssh-server || true
ensure_cargo
for component in rustfmt clippy; do
    if ! cargo "${component#rust}" --version >/dev/null 2>&1 && command -v rustup >/dev/null; then
        rustup component add "$component"
    fi
done

ensure_programs shellcheck=shellcheck
shellcheck --external-sources --check-sourced scripts/*.sh scripts/lib/build-root.sh scripts/lib/servers.sh .ci/*
# What Debian does not have; built once for this user, while what follows compiles: each has phases in which one core is idle.
scripts/lib/servers.sh &
servers=$!
trap 'kill "$servers" 2>/dev/null || true' EXIT
# What the failure suites reach, one line each.
rm -rf "${CARGO_TARGET_DIR:-target}"/{faults,back-ends}
timed cargo fmt --all --check
# Program and tests are built once, with the points at which a run can be made to die; as it is shipped it has none, and
# scripts/check-image.sh looks.
timed cargo clippy --workspace --all-targets --features fail-points --locked -- -D warnings
timed cargo clippy --locked -- -D warnings
timed cargo test --workspace --features fail-points --locked --no-run
# Fails under CI=true where one of the servers cannot be had.
timed wait "$servers"
trap - EXIT
timed cargo test --workspace --features fail-points --locked
RUSTDOCFLAGS="-D warnings" timed cargo doc --no-deps --workspace --locked

# What is shipped beside the code. Each installs its tools and fails where one cannot be had.
timed scripts/check-manifests.sh
timed scripts/man.sh
target=$(uname -m)-unknown-linux-musl
if [[ -d $(rustc --print sysroot)/lib/rustlib/$target/lib ]] || rustup target add "$target"; then
    timed scripts/check-image.sh
else
    printf 'NOT CHECKED: the image; the Rust target %s cannot be had here.\n' "$target" >&2
fi
if command -v cargo-deny >/dev/null || [[ -x ${CARGO_TARGET_DIR:-target}/tools/bin/cargo-deny ]]; then
    timed scripts/check-supply-chain.sh
else
    printf 'NOT CHECKED: advisories, licences, bans and sources; scripts/check-supply-chain.sh builds its tool and does.\n' >&2
fi

printf '\nsuite | wanted | reached\n'
cat "${CARGO_TARGET_DIR:-target}"/faults/*.txt
printf '\nback end | history | difference to the truth in percent\n'
cat "${CARGO_TARGET_DIR:-target}"/back-ends/*.txt
printf '\ntime | check\n'
printf '%s\n' "${times[@]}"
