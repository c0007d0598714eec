// Makes the history of a fleet: services that count their requests, 31 days long, a sample each minute.
//
//	fleet prometheus --cache FOLDER --data FOLDER …    fills the data folder of a Prometheus
//	fleet victoria-metrics --url URL --from SECONDS …  sends it to a VictoriaMetrics
//
// Every value follows from its series and its time alone, so that a day is the same whenever it is written: whole days
// stay in the cache, and only what came since is made at each start. The data reach two hours into the future, so that
// they are fresh while somebody works with them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return errors.New("name a command: prometheus or victoria-metrics")
	}
	flags := flag.NewFlagSet(arguments[0], flag.ContinueOnError)
	services := flags.Int("services", 1000, "how many `services`, fifty in each namespace")
	pods := flags.Int("pods", 2, "how many `pods` of each service count")
	now := flags.Int64("now", time.Now().Unix(), "the present, in unix `seconds`")
	burning := flags.String("burning", "", "services that burn, as `NAME=RATIO@SECONDS`, separated by commas: the share "+
		"of requests that fails, and since when, in unix seconds, at most six hours ago")
	cache := flags.String("cache", "", "`folder` of whole days")
	data := flags.String("data", "", "`folder` of the Prometheus")
	url := flags.String("url", "", "`address` of the VictoriaMetrics")
	from := flags.Int64("from", 0, "begin of what is sent, in unix `seconds`")
	to := flags.Int64("to", 0, "its end, in unix `seconds`; without it two hours after the present")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	burns, err := parseBurning(*burning)
	if err != nil {
		return err
	}
	fleet := fleet{services: *services, pods: *pods, burns: burns}
	present := time.Unix(*now, 0).UTC()
	switch arguments[0] {
	case "prometheus":
		return fleet.fill(*cache, *data, present)
	case "victoria-metrics":
		whole := span{time.Unix(*from, 0), time.Unix(*to, 0)}
		if *to == 0 {
			whole.to = present.Add(future)
		}
		return fleet.send(*url, whole, present)
	default:
		return fmt.Errorf("no command %q", arguments[0])
	}
}

func parseBurning(text string) (map[string]burn, error) {
	burns := map[string]burn{}
	if text == "" {
		return burns, nil
	}
	for _, word := range strings.Split(text, ",") {
		name, rest, _ := strings.Cut(word, "=")
		ratio, since, _ := strings.Cut(rest, "@")
		share, err := strconv.ParseFloat(ratio, 64)
		if err != nil {
			return nil, fmt.Errorf("%q has no share: %w", word, err)
		}
		at, err := strconv.ParseInt(since, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q has no time: %w", word, err)
		}
		burns[name] = burn{ratio: share, since: at}
	}
	return burns, nil
}
