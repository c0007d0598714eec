#!/usr/bin/env bash
# Builds the root file system of the image: build-root.sh FOLDER. The program is static, so that nothing else is needed but the
# certificate authorities. Run by the Dockerfile and by `image.sh --local`, so that both build the same.
#
# The same commit, Rust version and C compiler give the same bytes: no path and no time of the machine gets in.
set -euo pipefail

auditable_version=0.7.7
bundle=/etc/ssl/certs/ca-certificates.crt

main() {
    local root target built
    # shellcheck source=scripts/lib/packages.sh
    . "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/packages.sh"
    root=$(realpath -m "$1")
    cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.."
    target=$(uname -m)-unknown-linux-musl
    built=$(realpath -m "${CARGO_TARGET_DIR:-target}")/image

    ensure_programs musl-gcc=musl-tools make=make "$bundle=ca-certificates"
    ensure_cargo
    ensure_target "$target"
    ensure_auditable "$built"
    build "$target" "$built"

    rm -rf "$root"
    install -D -m 755 "$built/$target/release/error-budget-monitor" "$root/error-budget-monitor"
    install -D -m 644 "$bundle" "$root$bundle"
}

build() {
    local target=$1 built=$2 here=$PWD
    local cargo_home=${CARGO_HOME:-$HOME/.cargo}
    local maps="-ffile-prefix-map=$here=/build -ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$built=/target"
    # What has to be filled in when the program starts takes a bit for each address, where it took 24 bytes: 1.5 MB in all. A linker
    # that cannot do that says so.
    local packed='-C link-arg=-Wl,-z,pack-relative-relocs'
    # Only the C parts need musl-gcc. As the linker it would write the name of a loader into the static program.
    # A compiler that asks for the time gets always the same one: with that of the commit, each commit would build all C anew.
    env SOURCE_DATE_EPOCH=1 "CC_${target//-/_}=musl-gcc" "CFLAGS_${target//-/_}=$maps" \
        RUSTFLAGS="--remap-path-prefix=$here=/build --remap-path-prefix=$cargo_home=/cargo $packed" \
        cargo auditable build --release --locked --bin error-budget-monitor --target "$target" --target-dir "$built"
}

# Rust's standard library for a static program.
ensure_target() {
    if [[ -d $(rustc --print sysroot)/lib/rustlib/$1/lib ]]; then
        return
    fi
    if ! command -v rustup >/dev/null || ! rustup target add "$1"; then
        printf 'Missing: the Rust target %s. Install it (rustup target add %s) and run this again.\n' "$1" "$1" >&2
        return 1
    fi
}

# Puts cargo-auditable on PATH. It writes the list of dependencies into the program, where scanners find it.
ensure_auditable() {
    PATH=$1/../tools/bin:$PATH
    if ! command -v cargo-auditable >/dev/null; then
        cargo install cargo-auditable --version "$auditable_version" --locked --root "$1/../tools"
    fi
}

main "$@"
