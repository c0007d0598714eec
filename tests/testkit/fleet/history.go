package main

import (
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	// How long the history is before the present: one day more than the usual window.
	days = 31
	// How far it reaches beyond the present.
	future = 2 * time.Hour
	// The latency histogram is there for this long: it is only asked for the last minutes.
	histogramFor = 6 * time.Hour
	// Milliseconds between two samples of a series.
	step = 60_000
	// When all counters began, in unix seconds: 2025-01-01.
	beginning = 1_735_689_600
	// Share of requests that fail in a healthy service: a fifth of a budget of 0.1 %.
	healthyErrors = 0.0002
	// Services in one namespace.
	inNamespace = 50
)

// Upper bounds of the latency buckets, and the share of requests that is not slower.
var buckets = []struct {
	bound string
	share float64
}{
	{"0.1", 0.7}, {"0.25", 0.9}, {"0.5", 0.98}, {"1", 0.998}, {"2.5", 0.9995}, {"5", 1}, {"+Inf", 1},
}

// A stretch of time, without its end.
type span struct{ from, to time.Time }

type fleet struct {
	services, pods int
	burns          map[string]burn
}

type burn struct {
	ratio float64
	since int64
}

// One series. Its value follows from the time alone.
type series struct {
	labels labels.Labels
	// Milliseconds after a full minute at which it is scraped.
	offset int64
	// Its value at a unix time in seconds; whole.
	value func(at float64) float64
}

// Returns when the part begins that is made at each start: the midnight that is at least six hours ago, so that a burn
// and the histogram lie in it as wholes.
func wholeDaysEnd(now time.Time) time.Time {
	return now.Add(-histogramFor).Truncate(24 * time.Hour)
}

// Returns the counters of requests, in the order of their labels.
func (f fleet) counters() []series {
	var all []series
	f.eachPod(func(pod pod) {
		bad := func(at float64) float64 { return pod.bad(at) }
		good := func(at float64) float64 { return pod.total(at) - pod.bad(at) }
		all = append(all,
			pod.series("http_requests_total", good, "status", "200"),
			pod.series("http_requests_total", bad, "status", "500"))
	})
	return sorted(all)
}

// Returns the latency histograms.
func (f fleet) histograms() []series {
	var all []series
	f.eachPod(func(pod pod) {
		for _, bucket := range buckets {
			share := bucket.share
			value := func(at float64) float64 { return math.Floor(pod.total(at) * share) }
			all = append(all, pod.series("http_request_duration_seconds_bucket", value, "le", bucket.bound))
		}
		all = append(all, pod.series("http_request_duration_seconds_count", pod.total))
	})
	return sorted(all)
}

func sorted(all []series) []series {
	sort.Slice(all, func(a, b int) bool { return labels.Compare(all[a].labels, all[b].labels) < 0 })
	return all
}

// One pod of a service.
type pod struct {
	namespace, service, name, instance string
	// Requests per second.
	rate   float64
	offset int64
	burn   burn
}

func (f fleet) eachPod(do func(pod)) {
	for number := range f.services {
		service := fmt.Sprintf("service-%04d", number)
		for replica := range f.pods {
			place := number*f.pods + replica
			do(pod{
				namespace: fmt.Sprintf("team-%02d", number/inNamespace),
				service:   service,
				name:      fmt.Sprintf("%s-5d9f7c6b8-%05d", service, replica),
				instance:  fmt.Sprintf("10.%d.%d.%d:8080", place>>16, place>>8&255, place&255),
				rate:      float64(5+number%20) / float64(f.pods),
				offset:    int64(place*7919) % step,
				burn:      f.burns[service],
			})
		}
	}
}

func (p pod) series(name string, value func(float64) float64, more ...string) series {
	words := append([]string{
		"__name__", name, "namespace", p.namespace, "service", p.service, "pod", p.name, "instance", p.instance,
		"job", "services",
	}, more...)
	return series{labels: labels.FromStrings(words...), offset: p.offset, value: value}
}

// All requests until a time. They come a little unevenly, by less than come between two samples.
func (p pod) total(at float64) float64 {
	uneven := 0.4 * math.Sin(at/37) * p.rate * step / 1000
	return math.Floor((at-beginning)*p.rate + uneven)
}

// Those of them that failed.
func (p pod) bad(at float64) float64 {
	bad := p.total(at) * healthyErrors
	if p.burn.ratio > 0 && at > float64(p.burn.since) {
		bad += (p.total(at) - p.total(float64(p.burn.since))) * p.burn.ratio
	}
	return math.Floor(bad)
}

// Calls a function with every sample of a stretch of time: unix milliseconds and the value.
func (s series) each(within span, do func(at int64, value float64)) {
	from, to := within.from.UnixMilli(), within.to.UnixMilli()
	first := (from-s.offset+step-1)/step*step + s.offset
	for at := first; at < to; at += step {
		do(at, s.value(float64(at)/1000))
	}
}
