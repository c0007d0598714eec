#!/usr/bin/env bash
# KEDA 2.21.0: the annotation autoscaling.keda.sh/paused: "no" pauses a ScaledObject, and so do "off", "False " and "".
#
# Most people would guess that a word that is no boolean is refused, or that "no" means no, as it does in YAML 1.1 and in Helm
# values before they are quoted. Whatever Go's strconv.ParseBool does not know counts as true. A paused-replicas that is no
# number is both at once: the object is to be paused, and the number is an error. Bitten: whoever switches a pause off by writing "no" or "off" and wonders why nothing scales, and
# programs that read the annotation as a boolean of YAML.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat > go.mod <<'G'
module paused
go 1.24
require github.com/kedacore/keda/v2 v2.21.0
G
cat > main.go <<'G'
package main

import (
	"fmt"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
)

func main() {
	for _, word := range []string{"true", "false", "F", "0", "no", "off", "False ", ""} {
		object := keda.ScaledObject{}
		object.SetAnnotations(map[string]string{keda.PausedAnnotation: word})
		fmt.Printf("paused: %q | %v\n", word, object.NeedToBePausedByAnnotation())
	}
	object := keda.ScaledObject{}
	object.SetAnnotations(map[string]string{keda.PausedReplicasAnnotation: "four"})
	_, err := object.GetPausedReplicaCount()
	fmt.Printf("paused-replicas: %q | %v, %v\n", "four", object.NeedToBePausedByAnnotation(), err)
}
G
GOFLAGS=-mod=mod go run . 2> errors > seen || { cat errors >&2; exit 1; }
cat seen
# Seen:
#   paused: "true" | true
#   paused: "false" | false
#   paused: "F" | false
#   paused: "0" | false
#   paused: "no" | true
#   paused: "off" | true
#   paused: "False " | true
#   paused: "" | true
#   paused-replicas: "four" | true, strconv.ParseInt: parsing "four": invalid syntax
[ "$(grep -c '^paused: .* | true$' seen)" = 5 ]
for word in no off 'False ' ''; do
    grep -qFx "paused: \"$word\" | true" seen
done
grep -qFx 'paused-replicas: "four" | true, strconv.ParseInt: parsing "four": invalid syntax' seen
