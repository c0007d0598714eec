#!/usr/bin/env bash
# libgit2 1.9 (pygit2 1.18.2): a trailer without a value takes the next trailer as its value.
#
# Most people would guess that `Rolls-Back:` with nothing behind it is an empty trailer, or none, and that the line after it
# is a trailer of its own: git itself says so. libgit2 reads one trailer whose value is the whole next line, and the second
# key is gone. Bitten: whoever reads trailers with libgit2 (pygit2, git2 for Rust, LibGit2Sharp) and looks up a key that
# stands behind an empty one, for example one that a template left blank.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
python3 -m venv venv
venv/bin/pip install --quiet pygit2==1.18.2
printf 'Restore v1\n\nRolls-Back:\nRestores: x\n' > message
git init --quiet repository
git -C repository commit --quiet --allow-empty --cleanup=verbatim --file=../message
git interpret-trailers --parse < message > by-git
venv/bin/python - > by-libgit2 <<'P'
import pygit2
print(dict(pygit2.Repository("repository").head.peel().message_trailers))
P
cat by-git by-libgit2
# Seen with git 2.39.5 and libgit2 1.9.1:
#   Rolls-Back:
#   Restores: x
#   {'Rolls-Back': '\nRestores: x'}
[ "$(cat by-git)" = $'Rolls-Back: \nRestores: x' ]
[ "$(cat by-libgit2)" = "{'Rolls-Back': '\\nRestores: x'}" ]
