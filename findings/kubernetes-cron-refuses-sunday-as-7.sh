#!/usr/bin/env bash
# robfig/cron 3.0.1, which parses the schedules of Kubernetes CronJobs: day of week 7 is an error.
#
# Most people would guess that 7 is Sunday, as crontab(5) says and as croniter 6.0.0 (Airflow and many schedulers in Python)
# reads it. The parser behind `spec.schedule` knows 0 to 6 only. `@every` takes Go's durations, so `@every 1d` is an error
# as well. Bitten: whoever moves a weekly job from a crontab to a CronJob, or checks schedules with another library first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet croniter==6.0.0
mkdir parse
cat > parse/go.mod <<'G'
module parse
go 1.19
require github.com/robfig/cron/v3 v3.0.1
G
cat > parse/main.go <<'G'
package main

import (
	"fmt"

	"github.com/robfig/cron/v3"
)

func main() {
	for _, schedule := range []string{"0 0 * * 0", "0 0 * * 7", "@every 24h", "@every 1d"} {
		_, err := cron.ParseStandard(schedule)
		fmt.Println(schedule, "|", err)
	}
}
G
(cd parse && GOFLAGS=-mod=mod GOMODCACHE=$folder/modules go run . 2> go-errors || cat go-errors >&2) > by-go
chmod -R u+w modules
venv/bin/python -c 'from croniter import croniter; print(croniter.is_valid("0 0 * * 7"))' > by-python
cat by-go by-python
# Seen:
#   0 0 * * 0 | <nil>
#   0 0 * * 7 | end of range (7) above maximum (6): 7
#   @every 24h | <nil>
#   @every 1d | failed to parse duration @every 1d: time: unknown unit "d" in duration "1d"
#   True
[ "$(sed -n 1p by-go)" = '0 0 * * 0 | <nil>' ]
[ "$(sed -n 2p by-go)" = '0 0 * * 7 | end of range (7) above maximum (6): 7' ]
[ "$(sed -n 3p by-go)" = '@every 24h | <nil>' ]
[[ $(sed -n 4p by-go) == '@every 1d | failed to parse duration @every 1d:'* ]]
[ "$(cat by-python)" = True ]
