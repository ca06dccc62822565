// Command soak has a whole Corral answer many calls with faults behind it and all telemetry on, and then compares what the callers
// saw with what the ledger, the metrics, the feed, the traces and the log say: exit 1 when they differ, or when memory, files
// or goroutines grew.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"corral/bench/internal/soak"
)

func main() {
	dir := flag.String("bin", "bin/bench", "folder of the mockllm program")
	corral := flag.String("corral", "bin/corral", "the program to judge")
	calls := flag.Int("calls", 200_000, "calls to make")
	conns := flag.Int("c", 8, "calls at once")
	minutes := flag.Float64("minutes", 0, "spread the calls over so long (0: as fast as they go)")
	strict := flag.Bool("strict", false, "a strict ledger: the end of each answer waits for the disk")
	seed := flag.Uint64("seed", 1, "of what is asked, and of the faults")
	every := flag.Duration("every", 2*time.Second, "time between two looks at memory, files and goroutines")
	asJSON := flag.Bool("json", false, "print one JSON object to standard output, and the report to standard error")
	flag.Parse()
	ok, err := run(soak.Options{Corral: *corral, Mock: filepath.Join(*dir, "mockllm"), Calls: *calls, Conns: *conns,
		For: time.Duration(*minutes * float64(time.Minute)), Every: *every, Strict: *strict, Seed: *seed,
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) }}, *asJSON)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(o soak.Options, asJSON bool) (ok bool, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if o.Dir, err = os.MkdirTemp("", "corral-soak-"); err != nil {
		return false, err
	}
	defer os.RemoveAll(o.Dir)
	rep, err := soak.Run(ctx, o)
	if err != nil {
		return false, err
	}
	if asJSON {
		rep.Print(os.Stderr)
		err = json.NewEncoder(os.Stdout).Encode(rep)
	} else {
		rep.Print(os.Stdout)
	}
	return len(rep.Problems) == 0, err
}
