package soak

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// Print writes the report for a person.
func (r *Report) Print(to io.Writer) {
	fmt.Fprintf(to, "%d calls in %.0f s\n\nas their callers saw them (status and end):\n", r.Calls, r.Seconds)
	for _, k := range slices.SortedFunc(maps.Keys(r.Callers), func(a, b string) int { return cmp.Or(r.Callers[b]-r.Callers[a], cmp.Compare(a, b)) }) {
		fmt.Fprintf(to, "  %8d  %s\n", r.Callers[k], k)
	}
	fmt.Fprintf(to, "%d of them were turned away at the door: no calls to any book but llm_errors_total.\n\n", r.AtDoor)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "book\tcalls\tby status\ttokens in\ttokens out\tcost, nano-USD")
	for _, b := range r.Books {
		fmt.Fprintf(w, "%s\t%d\t%v\t%d\t%d\t%d\n", b.Name, b.Calls, b.Status, b.In, b.Out, b.Nano)
	}
	w.Flush()
	fmt.Fprintf(to, "\nThe callers of %d answers read their tokens; by these all calls cost %d nano-USD. From the cache came %d answers, and parts of %d; of %d a part was asked for in vain first.\n", r.Told, r.CostNano, r.Free, r.Partly, r.InVain)
	fmt.Fprintf(to, "Traces: %d spans came; those of %d calls were dropped, and counted.\n", r.Spans, r.Dropped)
	fmt.Fprintf(to, "The guard hid something of %d calls and refused %d.\n", r.Hidden, r.Blocked)
	fmt.Fprintf(to, "Meanwhile: %v\n\n", r.Trouble)
	if len(r.Flat) == 0 {
		fmt.Fprintf(to, "too short to judge memory, files and goroutines: %d calls and %d samples, and %d and %d are needed\n", r.Calls, len(r.Samples), minCalls, minSamples)
	} else {
		fmt.Fprintln(w, "median of\tthe middle third\tthe last third\tallowed")
		for _, f := range r.Flat {
			fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\n", f.What, f.Middle, f.Last, f.Allowed)
		}
		w.Flush()
	}
	fmt.Fprintln(to)
	for _, p := range r.Problems {
		fmt.Fprintln(to, "FAIL ", p)
	}
	if len(r.Problems) == 0 {
		fmt.Fprintln(to, "pass  the books agree with each other and with the callers")
	}
}
