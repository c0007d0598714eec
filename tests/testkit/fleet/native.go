package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

const (
	// Samples in one block, the most that VictoriaMetrics takes.
	inBlock = 8192
	// How the numbers of a block are written: the differences of their differences, without compression.
	nearestDelta2 = 5
	// The same for a number that stands alone.
	constant = 3
	// All bits of a value count.
	precision = 64
	// Ends a name or a value in the name of a series.
	separator = 1
)

// Sends the samples of a stretch of time to a VictoriaMetrics.
func (f fleet) send(address string, within span, now time.Time) error {
	body, writing := io.Pipe()
	go func() {
		out := bufio.NewWriterSize(writing, 1<<20)
		err := f.native(out, within, now)
		writing.CloseWithError(errors.Join(err, out.Flush()))
	}()
	answer, err := http.Post(address+"/api/v1/import/native", "application/octet-stream", body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		return fmt.Errorf("%s answers %s: %s", address, answer.Status, said)
	}
	return nil
}

// Writes the samples in VictoriaMetrics' native format: text would be fifty times as long. Source:
// lib/protoparser/native and lib/storage of VictoriaMetrics.
func (f fleet) native(out io.Writer, within span, now time.Time) error {
	var head []byte
	for _, at := range []time.Time{within.from, within.to} {
		// Never negative, so that the sign bit at the end is zero.
		head = binary.BigEndian.AppendUint64(head, uint64(at.UnixMilli()<<1))
	}
	if _, err := out.Write(head); err != nil {
		return err
	}
	for _, series := range f.counters() {
		if err := series.native(out, within); err != nil {
			return err
		}
	}
	recent := within
	if begin := now.Add(-histogramFor); begin.After(recent.from) {
		recent.from = begin
	}
	for _, series := range f.histograms() {
		if err := series.native(out, recent); err != nil {
			return err
		}
	}
	return nil
}

func (s series) native(out io.Writer, within span) (failure error) {
	name := s.nativeName()
	var times, values []int64
	flush := func() {
		if len(times) > 0 && failure == nil {
			failure = writeSized(out, name, nativeBlock(times, values))
		}
		times, values = times[:0], values[:0]
	}
	s.each(within, func(at int64, value float64) {
		times = append(times, at)
		values = append(values, int64(value))
		if len(times) == inBlock {
			flush()
		}
	})
	flush()
	return failure
}

// Returns the metric's name, then each label's name and value.
func (s series) nativeName() []byte {
	name := append([]byte(s.labels.Get(labels.MetricName)), separator)
	s.labels.Range(func(label labels.Label) {
		if label.Name != labels.MetricName {
			name = append(append(name, label.Name...), separator)
			name = append(append(name, label.Value...), separator)
		}
	})
	return name
}

func nativeBlock(times, values []int64) []byte {
	var block []byte
	for _, number := range []int64{times[0], times[len(times)-1], values[0]} {
		block = binary.AppendVarint(block, number)
	}
	block = binary.AppendUvarint(block, uint64(len(times)))
	// The values are whole: their decimal exponent is zero.
	block = binary.AppendVarint(block, 0)
	kind := byte(nearestDelta2)
	if len(times) == 1 {
		kind = constant
	}
	block = append(block, kind, kind, precision)
	for _, numbers := range [][]int64{times, values} {
		differences := secondDifferences(numbers)
		block = binary.AppendUvarint(block, uint64(len(differences)))
		block = append(block, differences...)
	}
	return block
}

// The first difference, and then by how much each one differs from the one before it.
func secondDifferences(numbers []int64) []byte {
	var written []byte
	before, difference := numbers[0], int64(0)
	for _, number := range numbers[1:] {
		written = binary.AppendVarint(written, number-before-difference)
		before, difference = number, number-before
	}
	return written
}

func writeSized(out io.Writer, parts ...[]byte) error {
	for _, part := range parts {
		if err := binary.Write(out, binary.BigEndian, uint32(len(part))); err != nil {
			return err
		}
		if _, err := out.Write(part); err != nil {
			return err
		}
	}
	return nil
}
