#!/usr/bin/env bash
# promtool 2.42 (Debian's prometheus): "this alert must not fire" passes for an alert that no rule defines.
#
# Most people would guess that `promtool test rules` complains about a name that is in none of the rule files. It looks only
# at what fires, so a test that expects nothing passes for every misspelt or renamed alert, and goes on passing when the
# real one begins to fire. A pattern in `rule_files` that matches no file is only a warning, with the same result. Bitten:
# whoever guards against false alarms by such tests and renames an alert, or moves a rule file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! command -v promtool > /dev/null; then
  apt-get download --quiet prometheus > /dev/null
  dpkg-deb --extract prometheus_*.deb package
  PATH=$folder/package/usr/bin:$PATH
fi
promtool --version 2>&1 | head -n 1
cat > rules.yml <<'Y'
groups:
- name: burn
  rules:
  - {alert: BurnsFast, expr: errors > 5}
Y
write_test() {
  cat <<Y
rule_files: [$1]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series: [{series: errors, values: '0 0 9 9 9'}]
  alert_rule_test: [{eval_time: 4m, alertname: $2, exp_alerts: []}]
Y
}
write_test rules.yml BurnsFast > right.yml
write_test rules.yml BurnFast > misspelt.yml
write_test 'no-such-*.yml' BurnsFast > moved.yml
# Seen with 2.42.0+ds: right.yml FAILED (the alert fires), misspelt.yml SUCCESS, moved.yml SUCCESS after a warning.
if promtool test rules right.yml > /dev/null 2>&1; then
  exit 1
fi
promtool test rules misspelt.yml
promtool test rules moved.yml
