#!/usr/bin/env bash
# Prints what the structure of the code is held against: lines of the product, names that are defined more than once, failures without
# a type, long comment lines, dependencies. What points up or round is found by `cargo test --test it -- purity`.
set -euo pipefail

# shellcheck source=scripts/lib/packages.sh
. "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/lib/packages.sh"
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

# The files of the product: what stands in a folder or file of tests, or is declared for tests only, is none of it.
product() {
    local file
    while IFS= read -r file; do
        case $file in
            */tests/* | */tests.rs | */fixture.rs | */rollback/model/*) ;;
            *) printf '%s\n' "$file" ;;
        esac
    done < <(git ls-files 'src/*.rs')
}

# The code of files without blank lines, comments and modules of tests, which stand last in a file.
code() {
    local file
    for file in "$@"; do
        awk '/^#\[cfg\(test\)\]/ { held = 1; next } held && /^(pub\([a-z]+\) )?mod [a-z_]+ \{/ { exit } { held = 0 } !/^ *(\/\/.*)?$/' "$file"
    done
}

mapfile -t files < <(product)
printf '%-48s %s\n' 'lines of the product' "$(code "${files[@]}" | wc -l)"
printf '%-48s %s\n' 'files of the product' "${#files[@]}"
printf '%-48s %s\n' 'largest file (lines of code)' "$(for file in "${files[@]}"; do
    printf '%s %s\n' "$(code "$file" | wc -l)" "$file"
done | sort -rn | head -n 1)"
twice=$(code "${files[@]}" | grep -oE '^ *(pub(\([a-z:]+\))? )?(struct|enum|trait) [A-Z][A-Za-z]+' | awk '{ print $NF }' | sort | uniq -d)
printf '%-48s %s (%s)\n' 'type names that are defined more than once' "$(wc -w <<<"$twice")" "$(tr '\n' ' ' <<<"$twice")"
mapfile -t engine < <(printf '%s\n' "${files[@]}" | grep -E '^src/(rollback|commands)/')
printf '%-48s %s\n' 'Result<_, String> in rollback and commands' "$(code "${engine[@]}" | grep -cE 'Result<.*, String>' || true)"
printf '%-48s %s\n' 'comment lines of more than 120 columns' "$(grep -hE '^ *//' "${files[@]}" | LC_ALL=C.UTF-8 grep -cE '^.{121}' || true)"
printf '%-48s %s\n' 'crates in the lock file' "$(grep -c '^\[\[package\]\]' Cargo.lock)"
