package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/tsdb/tombstones"
)

// Samples in one chunk, as Prometheus itself writes them.
const inChunk = 120

// Fills the data folder of a Prometheus: the whole days from the cache, where missing ones are made, and what is newer.
func (f fleet) fill(cache, data string, now time.Time) error {
	if cache == "" || data == "" {
		return errors.New("name both --cache and --data")
	}
	end := wholeDaysEnd(now)
	kept := filepath.Join(cache, fmt.Sprintf("prometheus-%dx%d", f.services, f.pods))
	if err := f.keepDays(kept, data, end); err != nil {
		return err
	}
	part := span{end, now.Add(future)}
	recent := part
	recent.from = now.Add(-histogramFor)
	return writeBlock(data, part, []timed{{f.counters(), part}, {f.histograms(), recent}})
}

// Series, and when they have samples.
type timed struct {
	series []series
	within span
}

// Makes the days before `end` that are not kept yet, and puts all of them into the data folder. Two runs make each day
// once.
func (f fleet) keepDays(kept, data string, end time.Time) error {
	if err := os.MkdirAll(kept, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(kept, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	healthy := fleet{services: f.services, pods: f.pods}
	wanted := map[string]bool{".lock": true}
	for day := end.AddDate(0, 0, -days); day.Before(end); day = day.AddDate(0, 0, 1) {
		whole := span{day, day.AddDate(0, 0, 1)}
		name := blockName(whole).String()
		wanted[name] = true
		if _, err := os.Stat(filepath.Join(kept, name)); err != nil {
			if err := writeBlock(kept, whole, []timed{{healthy.counters(), whole}}); err != nil {
				return err
			}
		}
		if err := link(filepath.Join(kept, name), filepath.Join(data, name)); err != nil {
			return err
		}
	}
	// Days that are too old by now, and what a run left that was killed. A Prometheus that still reads them has links of
	// its own.
	entries, err := os.ReadDir(kept)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !wanted[entry.Name()] {
			if err := os.RemoveAll(filepath.Join(kept, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// Gives a folder a second name, file by file. Nothing ever writes to the files of a block.
func link(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if err := os.Link(path, target); err != nil {
			return copyFile(path, target)
		}
		return nil
	})
}

// For another file system.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// Names the block of a stretch of time. One of another length has another name.
func blockName(within span) ulid.ULID {
	var entropy [10]byte
	copy(entropy[:], fmt.Sprintf("%010d", within.to.Unix()-within.from.Unix()))
	var name ulid.ULID
	if err := name.SetTime(ulid.Timestamp(within.from)); err != nil {
		panic(err)
	}
	if err := name.SetEntropy(entropy[:]); err != nil {
		panic(err)
	}
	return name
}

// Writes one block as Prometheus has it on disk. It is whole or not there.
func writeBlock(parent string, within span, parts []timed) (failure error) {
	meta := tsdb.BlockMeta{
		ULID:    blockName(within),
		MinTime: within.from.UnixMilli(),
		MaxTime: within.to.UnixMilli(),
		Version: 1,
	}
	meta.Compaction.Level = 1
	meta.Compaction.Sources = []ulid.ULID{meta.ULID}
	draft, err := os.MkdirTemp(parent, ".block-")
	if err != nil {
		return err
	}
	defer func() {
		if failure != nil {
			os.RemoveAll(draft)
		}
	}()
	// Written down before all series: the index wants them in order.
	var all []timedSeries
	for _, part := range parts {
		for _, series := range part.series {
			all = append(all, timedSeries{series, part.within})
		}
	}
	sort.Slice(all, func(a, b int) bool { return labels.Compare(all[a].labels, all[b].labels) < 0 })
	if err := writeSeries(draft, all, &meta.Stats); err != nil {
		return err
	}
	text, err := json.MarshalIndent(&meta, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(draft, "meta.json"), text, 0o644); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	if _, err := tombstones.WriteFile(quiet, draft, tombstones.NewMemTombstones()); err != nil {
		return err
	}
	if err := os.Chmod(draft, 0o755); err != nil {
		return err
	}
	return os.Rename(draft, filepath.Join(parent, meta.ULID.String()))
}

type timedSeries struct {
	series
	within span
}

// Writes the chunks and the index. Prometheus' own writer takes samples into memory first and looks for the place of each.
func writeSeries(folder string, all []timedSeries, stats *tsdb.BlockStats) (failure error) {
	chunkWriter, err := chunks.NewWriter(filepath.Join(folder, "chunks"))
	if err != nil {
		return err
	}
	defer func() { failure = errors.Join(failure, chunkWriter.Close()) }()
	indexWriter, err := index.NewWriter(context.Background(), filepath.Join(folder, "index"))
	if err != nil {
		return err
	}
	defer func() { failure = errors.Join(failure, indexWriter.Close()) }()
	for _, symbol := range symbols(all) {
		if err := indexWriter.AddSymbol(symbol); err != nil {
			return err
		}
	}
	for number, series := range all {
		metas, samples, err := series.chunks(series.within)
		if err != nil {
			return err
		}
		if err := chunkWriter.WriteChunks(metas...); err != nil {
			return err
		}
		// The number of a series is its place; 0 is none.
		if err := indexWriter.AddSeries(storage.SeriesRef(number+1), series.labels, metas...); err != nil {
			return err
		}
		stats.NumSeries++
		stats.NumChunks += uint64(len(metas))
		stats.NumSamples += samples
		stats.NumFloatSamples += samples
	}
	return nil
}

// Returns every name and value of the labels, in their order.
func symbols(all []timedSeries) []string {
	seen := map[string]bool{}
	for _, series := range all {
		series.labels.Range(func(label labels.Label) {
			seen[label.Name] = true
			seen[label.Value] = true
		})
	}
	words := make([]string, 0, len(seen))
	for word := range seen {
		words = append(words, word)
	}
	sort.Strings(words)
	return words
}

// Returns the samples of a stretch of time as chunks, and how many they are.
func (s series) chunks(within span) (metas []chunks.Meta, samples uint64, failure error) {
	var appender chunkenc.Appender
	s.each(within, func(at int64, value float64) {
		if samples%inChunk == 0 {
			chunk := chunkenc.NewXORChunk()
			next, err := chunk.Appender()
			failure = errors.Join(failure, err)
			appender = next
			metas = append(metas, chunks.Meta{Chunk: chunk, MinTime: at})
		}
		metas[len(metas)-1].MaxTime = at
		appender.Append(0, at, value)
		samples++
	})
	return metas, samples, failure
}
