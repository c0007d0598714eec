#!/usr/bin/env bash
# dulwich 0.25.2: `git cherry-pick -x` makes every trailer of the picked commit invisible.
#
# Most people would guess that a picked commit keeps its trailers. `-x` adds the line `(cherry picked from commit …)` to the
# paragraph of the trailers; git knows the line as one of its own and goes on reading the others. dulwich's
# `parse_trailers` takes it for prose and finds none at all. Bitten: tools on dulwich that look for an id, a sign-off or a
# change number on release branches, which are filled by cherry-picks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
python3 -m venv venv
venv/bin/pip install --quiet dulwich==0.25.2
git init --quiet repository
cd repository
git commit --quiet --allow-empty --message=root
git checkout --quiet -b work
git commit --quiet --allow-empty --message=$'Restore v1\n\nRestores: x'
picked=$(git rev-parse HEAD)
read_trailers='import sys; from dulwich.trailers import parse_trailers
print([(t.key, t.value) for t in parse_trailers(sys.stdin.buffer.read())[1]])'
before=$(git log -1 --format=%B | ../venv/bin/python -c "$read_trailers")
git checkout --quiet -b release HEAD~
git cherry-pick -x --allow-empty "$picked" > /dev/null
after=$(git log -1 --format=%B | ../venv/bin/python -c "$read_trailers")
by_git=$(git log -1 --format=%B | git interpret-trailers --parse)
printf '%s\n' "before: $before" "after: $after" "git: $by_git"
# Seen with git 2.39.5:
#   before: [('Restores', 'x')]
#   after: []
#   git: Restores: x
[ "$before" = "[('Restores', 'x')]" ]
[ "$after" = '[]' ]
[ "$by_git" = 'Restores: x' ]
