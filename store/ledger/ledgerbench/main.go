// Ledgerbench measures the ledger beside a bare group commit of bbolt.
//
//	go run ./store/ledger/ledgerbench            entries a second and commit latency at 1, 16 and 256 callers, turn about
//	go run ./store/ledger/ledgerbench -verify 1000000
//	go run ./store/ledger/ledgerbench -year 10000000
//
// The bare store writes the same bytes: one goroutine collects what waits, puts it under sequential keys in one transaction, and
// answers. It neither seals nor hashes nor adds up. Every caller waits until its entry is on disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"encoding/binary"

	"go.etcd.io/bbolt"

	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

func main() {
	turn := flag.Duration("turn", 500*time.Millisecond, "length of one turn")
	turns := flag.Int("turns", 9, "turns of each")
	dir := flag.String("dir", "", "folder on the disk to be measured; empty: the system's temporary folder")
	verify := flag.Int("verify", 0, "instead: write so many entries and verify them")
	year := flag.Int("year", 0, "instead: sum up so many calls over a year and make its report")
	flag.Parse()
	if err := run(*dir, *turn, *turns, *verify, *year); err != nil {
		fmt.Fprintln(os.Stderr, "ledgerbench:", err)
		os.Exit(1)
	}
}

func run(under string, turn time.Duration, turns, verify, year int) error {
	dir, err := os.MkdirTemp(under, "ledgerbench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	switch {
	case verify > 0:
		return verifyMany(dir, verify)
	case year > 0:
		return reportYear(dir, year)
	}
	fmt.Printf("%-8s %14s %14s %7s   %-28s %-28s\n", "callers", "ledger/s", "bare bbolt/s", "ratio", "ledger p50 / p99", "bare p50 / p99")
	for _, callers := range []int{1, 16, 256} {
		if err := compare(filepath.Join(dir, fmt.Sprint(callers)), callers, turn, turns); err != nil {
			return err
		}
	}
	return nil
}

// target is what is measured: one entry, on disk.
type target func(ctx context.Context) error

func compare(dir string, callers int, turn time.Duration, turns int) error {
	l, size, closeLedger, err := openLedger(filepath.Join(dir, "ledger"))
	if err != nil {
		return err
	}
	bare, err := openBare(filepath.Join(dir, "bare"), size)
	if err != nil {
		return errors.Join(err, closeLedger())
	}
	e := sample(0)
	targets := []target{func(ctx context.Context) error { return l.AppendStrict(ctx, e) }, bare.put}
	var rates [2][]float64
	var times [2][]time.Duration
	for range turns {
		for i, t := range targets {
			rate, took, err := measure(t, callers, turn)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
			times[i] = append(times[i], took...)
		}
	}
	var ratios []float64
	for i := range rates[0] {
		ratios = append(ratios, rates[0][i]/rates[1][i])
	}
	fmt.Printf("%-8d %14.0f %14.0f %7.2f   %-28s %-28s\n", callers, median(rates[0]), median(rates[1]), median(ratios), spread(times[0]), spread(times[1]))
	return errors.Join(closeLedger(), bare.close())
}

func measure(t target, callers int, turn time.Duration) (rate float64, took []time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), turn)
	defer cancel()
	all := make([][]time.Duration, callers)
	errs := make([]error, callers)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				from := time.Now()
				// A caller whose turn ends while it waits still counts: its entry is written in this turn.
				if errs[i] = t(context.Background()); errs[i] != nil {
					return
				}
				all[i] = append(all[i], time.Since(from))
			}
		})
	}
	wg.Wait()
	took = slices.Concat(all...)
	return float64(len(took)) / time.Since(start).Seconds(), took, errors.Join(errs...)
}

func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	return s[len(s)/2]
}

func spread(list []time.Duration) string {
	slices.Sort(list)
	return fmt.Sprintf("%s / %s", list[len(list)/2].Round(time.Microsecond), list[len(list)*99/100].Round(time.Microsecond))
}

func openLedger(dir string) (l *ledger.Ledger, size int, closeAll func() error, err error) {
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		return nil, 0, nil, err
	}
	l, err = ledger.Open(db, ledger.Options{
		TopKey:     vault.FromFile(filepath.Join(dir, "top.key")),
		SigningKey: vault.FromFile(filepath.Join(dir, "signing.key")),
		Anchors:    []treehead.Anchor{treehead.File{Path: filepath.Join(dir, "anchor.jsonl")}},
	})
	if err != nil {
		return nil, 0, nil, errors.Join(err, db.Close())
	}
	closeAll = func() error { return errors.Join(l.Close(context.Background()), db.Close()) }
	before, err := l.Status()
	if err == nil {
		err = l.AppendStrict(context.Background(), sample(0))
	}
	after, err2 := l.Status()
	if err := errors.Join(err, err2); err != nil {
		return nil, 0, nil, errors.Join(err, closeAll())
	}
	const treeHashes = 2 * 32 // on average, an entry adds two
	return l, int(after.EntryBytes-before.EntryBytes) + treeHashes, closeAll, nil
}

// sample is an entry as the daemon gives it: the commitments were made while the texts went by.
func sample(n int) record.Entry {
	return record.Entry{
		Time: time.Now(), RequestID: "01JN3Z6Q8W5T7V9X1Y2A4B6C8D", TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
		Caller: "key_1f2e3d4c5b6a", User: fmt.Sprintf("user%d", n%20), App: "editor", Dialect: "openai", Operation: "chat",
		ModelAsked: "chat", ModelAnswered: "llama3.2", ModelDigest: "sha256:a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
		Provider: "local", Route: "first target", Status: 200,
		Prompt: record.Text{Commitment: record.Commitment{Sum: [32]byte{1}}}, Answer: record.Text{Commitment: record.Commitment{Sum: [32]byte{2}}},
		Duration: 1500 * time.Millisecond, FirstToken: 120 * time.Millisecond,
		Tokens: record.Tokens{Input: 250, Output: 220}, Cost: record.Nano(81_000), Baseline: record.Nano(169_500), Policy: "default",
	}
}

// bareStore is the yardstick.
type bareStore struct {
	db    *bbolt.DB
	value []byte
	queue chan chan error
	done  chan struct{}
	next  uint64
}

func openBare(dir string, size int) (*bareStore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(filepath.Join(dir, "bare.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	b := &bareStore{db: db, value: make([]byte, size), queue: make(chan chan error, 1024), done: make(chan struct{})}
	if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("bare")); return err }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go b.run()
	return b, nil
}

func (b *bareStore) put(context.Context) error {
	done := make(chan error, 1)
	b.queue <- done
	return <-done
}

func (b *bareStore) run() {
	defer close(b.done)
	var batch []chan error
	for first := range b.queue {
		batch = append(batch[:0], first)
	more:
		for len(batch) < 1024 {
			select {
			case p, ok := <-b.queue:
				if !ok {
					break more
				}
				batch = append(batch, p)
			default:
				break more
			}
		}
		err := b.db.Update(func(tx *bbolt.Tx) error {
			bucket := tx.Bucket([]byte("bare"))
			bucket.FillPercent = 0.95
			for range batch {
				if err := bucket.Put(binary.BigEndian.AppendUint64(nil, b.next), b.value); err != nil {
					return err
				}
				b.next++
			}
			return nil
		})
		for _, p := range batch {
			p <- err
		}
	}
}

func (b *bareStore) close() error {
	close(b.queue)
	<-b.done
	return b.db.Close()
}

func verifyMany(dir string, entries int) error {
	l, _, closeAll, err := openLedger(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	start := time.Now()
	for n := range entries {
		if n%4000 == 0 {
			if err := l.Flush(ctx); err != nil {
				return err
			}
		}
		if err := l.Append(sample(n)); err != nil {
			return err
		}
	}
	if err := l.Flush(ctx); err != nil {
		return err
	}
	wrote := time.Since(start)
	status, err := l.Status()
	if err != nil {
		return err
	}
	fmt.Printf("wrote %d entries in %s: %.0f/s, %d bytes each in the file\n", entries, wrote.Round(time.Millisecond), float64(entries)/wrote.Seconds(), status.FileBytes/int64(entries))
	start = time.Now()
	v, err := l.Verify(ctx, ledger.VerifyOptions{})
	if err != nil {
		return err
	}
	fmt.Printf("verified in %s: %d problems, %d heads, anchored up to %d of %d\n", time.Since(start).Round(time.Millisecond), len(v.Problems), v.Heads, v.Anchored, v.Size)
	return closeAll()
}

// reportYear writes the sums of a year of calls, as the ledger does, without their entries.
func reportYear(dir string, calls int) error {
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	if err := db.Update(usage.Ensure); err != nil {
		return err
	}
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	step := 365 * 24 * time.Hour / time.Duration(calls)
	adder := usage.NewAdder()
	start := time.Now()
	for n := 0; n < calls; {
		err := db.Update(func(tx *store.Tx) error {
			for range min(50_000, calls-n) {
				adder.Add(&record.Row{
					Time: begin.Add(time.Duration(n) * step), Status: [...]int{200, 200, 200, 200, 429, 503}[n%6], User: uint32(2 + n%200),
					App: uint32(2 + n%12), Caller: uint32(2 + n%50), Model: uint32(2 + n%15), Provider: uint32(2 + n%4),
					Tokens: record.Tokens{Input: 200, Output: 100}, Cost: record.Nano(int64(n % 100_000)), Duration: time.Second,
				})
				n++
			}
			return adder.Write(tx)
		})
		if err != nil {
			return err
		}
		adder.Done()
	}
	fmt.Printf("summed up %d calls of 200 users, 15 models, 50 keys in %s\n", calls, time.Since(start).Round(time.Millisecond))
	for _, by := range usage.Dimensions() {
		dim, _ := usage.ParseDimension(by)
		start := time.Now()
		var r *usage.Report
		err := db.View(func(tx *store.Tx) (err error) {
			r, err = usage.Read(tx, usage.Query{From: begin, To: begin.AddDate(1, 0, 0), By: dim}, func(_ usage.Dimension, n uint32) string { return fmt.Sprint(n) })
			return err
		})
		if err != nil {
			return err
		}
		fmt.Printf("a year by %-8s %8s  %5d rows, %d calls\n", by, time.Since(start).Round(time.Microsecond), len(r.Rows), r.Total.Calls)
	}
	return db.Close()
}
