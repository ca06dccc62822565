// Command guardtrain trains the weights that daemon/guard/injection ships, and says how good they are.
//
//	go run ./bench/guardtrain -data ../shared/guarddata            # cross-validates, trains, writes weights.bin
//	go run ./bench/guardtrain -data ../shared/guarddata -check     # trains, and fails if weights.bin is not what comes out
//	go run ./bench/guardtrain -data ../shared/guarddata -errors direct   # cross-validates, shows what is misjudged
//
// The labelled texts are not in the repository; SOURCES.md beside the weights names where they come from, and own.txt here holds
// those of our own. The background of programs and documents is cut out of pinned modules, which the go command fetches unless the
// module cache has them (see background.go). The figures are of cross-validation: each text is judged by a model trained without it and
// without texts that share a passage with it (see group). The threshold is the score that the budget of false alarms allows there. What
// ships is trained on everything.
//
// The same data gives the same file, byte for byte, on every machine: see fit.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"sync"

	"corral/daemon/guard/injection"
	"corral/daemon/guard/injection/view"
)

const (
	folds = 5
	// falseAlarms is the share of benign texts that may be flagged in cross-validation; it sets the threshold.
	falseAlarms = 0.018
)

func main() {
	data := flag.String("data", "../shared/guarddata", "folder of the labelled texts")
	out := flag.String("out", "daemon/guard/injection/weights.bin", "the weights file")
	check := flag.Bool("check", false, "write nothing; fail if the weights file is not what training gives")
	misjudged := flag.String("errors", "", "train nothing; show the misjudged texts of subsets whose names begin so")
	flag.Parse()
	if err := run(*data, *out, *check, *misjudged); err != nil {
		fmt.Fprintln(os.Stderr, "guardtrain:", err)
		os.Exit(1)
	}
}

func run(data, out string, check bool, misjudged string) error {
	rows, err := load(data)
	if err != nil {
		return fmt.Errorf("read the labelled texts: %w", err)
	}
	group(rows, folds)
	lessons := readAll(rows)

	scores := crossValidate(lessons)
	threshold := thresholdOf(rows, scores)
	fmt.Printf("%d texts; %.1f%% false alarms allowed: threshold at log odds %.3f\n\n", len(rows), 100*falseAlarms, threshold)
	report(os.Stdout, rows, scores, threshold)
	if misjudged != "" {
		showErrors(os.Stdout, rows, scores, threshold, misjudged)
		return nil
	}

	weights := quantise(train(lessons), threshold).Encode()
	if check {
		have, err := os.ReadFile(out)
		if err != nil {
			return fmt.Errorf("check the weights: %w", err)
		}
		if !bytes.Equal(have, weights) {
			return errors.New(out + " is not what training gives: run without -check, and commit what it writes")
		}
		fmt.Println(out, "is what training gives")
		return nil
	}
	if err := os.WriteFile(out, weights, 0o644); err != nil {
		return fmt.Errorf("write the weights: %w", err)
	}
	fmt.Println("wrote", out)
	return nil
}

// crossValidate gives each row the score, in log odds, of a model that was trained on the other folds. It is the whole judge that
// is measured, as it ships: quantised weights, windows, rules.
func crossValidate(lessons []*lesson) []float64 {
	scores := make([]float64, len(lessons))
	var done sync.WaitGroup
	two := make(chan struct{}, 2) // folds at a time: each needs some hundred megabytes
	for fold := range folds {
		done.Go(func() {
			two <- struct{}{}
			defer func() { <-two }()
			var others []*lesson
			for _, l := range lessons {
				if l.fold != fold {
					others = append(others, l.copy())
				}
			}
			m := injection.NewFrom(quantise(train(others), 0))
			for i, l := range lessons {
				if l.fold == fold {
					p := m.Judge(l.Text).Score
					scores[i] = math.Log(p / (1 - p))
				}
			}
		})
	}
	done.Wait()
	return scores
}

// thresholdOf gives the score that the allowed share of benign rows reaches. Rows of our own do not count: their shares are made up.
func thresholdOf(rows []*row, scores []float64) float64 {
	var benign []float64
	for i, r := range rows {
		if !r.attack() && !r.own() {
			benign = append(benign, scores[i])
		}
	}
	slices.Sort(benign)
	return benign[int(float64(len(benign))*(1-falseAlarms))]
}

// quantise rounds a model to the steps of the weights file, and moves its bias so that the threshold is a half.
func quantise(m *linear, threshold float64) *injection.Weights {
	w := &injection.Weights{Bias: float32(m.bias - threshold), Table: make([]int8, 1<<view.Bits)}
	most := 0.0
	for _, x := range m.table {
		most = max(most, math.Abs(x))
	}
	w.Scale = float32(most / 127)
	for i, x := range m.table {
		w.Table[i] = int8(math.Round(x / float64(w.Scale)))
	}
	for i, x := range m.facts {
		w.Facts[i] = float32(x)
	}
	return w
}
