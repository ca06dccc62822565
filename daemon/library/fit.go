package library

import (
	"fmt"
	"strings"

	"corral/daemon/provider"
)

// Machine is what is known of the memory of the machine; what is not shown is nil.
type Machine struct {
	Memory *Room
	VRAM   *Room  // of all graphics cards
	Keep   uint64 // bytes of memory that should stay free (health.min_free_memory)
}

// Fit is what a model would need against what is free. It is an estimate: a server may keep its attention cache in another form.
type Fit struct {
	Verdict string `json:"verdict" enum:"loaded,fits,tight,no,away,unknown"`
	Text    string `json:"text" doc:"that in words, and why"`
	Needs   uint64 `json:"needs,omitempty" doc:"bytes of memory, in all"`
	Weights uint64 `json:"weights,omitempty" doc:"bytes of these for the model itself"`
	Cache   uint64 `json:"cache,omitempty" doc:"bytes of these for what was said so far"`
	Context int    `json:"context,omitempty" doc:"tokens for which that is"`
	Free    uint64 `json:"free,omitempty" doc:"bytes that are free, in memory and on graphics cards"`
}

// What an estimate takes for given.
const (
	// usualContext is what Ollama sets a model to by itself, on machines with less than 24 GiB on their graphics cards
	// (https://github.com/ollama/ollama/blob/v0.17.4/docs/context-length.mdx).
	usualContext = 4096
	// A runner takes some memory beside weights and cache: itself, and room to compute in.
	extraPart  = 20 // one in so many of the weights
	extraLeast = 40 << 20
)

// fit holds m against what is free; others are bytes that other models of its server have, which it lets go when there is no room.
func fit(m provider.Model, machine Machine, others uint64) Fit {
	if m.Away != "" {
		return Fit{Verdict: "away", Text: fmt.Sprintf("Its server passes the text on to %s; here it needs no memory.", m.Away)}
	}
	if m.Loaded {
		f := Fit{Verdict: "loaded", Needs: m.LoadedBytes, Context: m.LoadedContext, Text: "It is in memory."}
		switch {
		case m.LoadedBytes > 0 && m.LoadedVRAM >= m.LoadedBytes:
			f.Text = fmt.Sprintf("It takes %s, all of it on the graphics card.", Size(m.LoadedBytes))
		case m.LoadedVRAM > 0:
			f.Text = fmt.Sprintf("It takes %s, %s of it on the graphics card; what is in memory makes it slow.", Size(m.LoadedBytes), Size(m.LoadedVRAM))
		case m.LoadedBytes > 0:
			f.Text = fmt.Sprintf("It takes %s of memory.", Size(m.LoadedBytes))
		}
		return f
	}
	if m.Bytes == 0 {
		return Fit{Verdict: "unknown", Text: "Its server does not tell how large it is."}
	}
	if machine.Memory == nil {
		return Fit{Verdict: "unknown", Text: "This machine does not show how much memory is free."}
	}
	f := Fit{Weights: m.Bytes, Context: m.Context}
	if f.Context == 0 {
		f.Context = usualContext
	}
	if m.Trained > 0 {
		f.Context = min(f.Context, m.Trained)
	}
	f.Cache = m.Cache * uint64(f.Context)
	f.Needs = f.Weights + f.Cache + max(m.Bytes/extraPart, extraLeast)
	f.Free = machine.Memory.Free
	cards := uint64(0)
	if machine.VRAM != nil {
		cards = machine.VRAM.Free
		f.Free += cards
	}
	inMemory := f.Needs - min(f.Needs, cards)
	need := fmt.Sprintf("It needs about %s", Size(f.Needs))
	if f.Cache > 0 {
		need += fmt.Sprintf(" with %d tokens of context", f.Context)
	}
	var text strings.Builder
	switch free := machine.Memory.Free; {
	case f.Needs <= cards:
		f.Verdict = "fits"
		fmt.Fprintf(&text, "%s; %s are free on the graphics card.", need, Size(cards))
	case cards > 0 && inMemory+machine.Keep <= free:
		f.Verdict = "tight"
		fmt.Fprintf(&text, "%s; the graphics card has %s free, so that part of it stays in memory, which makes it slow.", need, Size(cards))
	case inMemory+machine.Keep <= free:
		f.Verdict = "fits"
		fmt.Fprintf(&text, "%s; %s of memory are free.", need, Size(free))
	case inMemory <= free:
		f.Verdict = "tight"
		fmt.Fprintf(&text, "%s, and %s of memory are free: less than the %s that should stay so would be left.", need, Size(free), Size(machine.Keep))
	case inMemory <= free+others:
		f.Verdict = "tight"
		fmt.Fprintf(&text, "%s, and %s of memory are free: other models have to be let go first, which their server does by itself.", need, Size(free))
	default:
		f.Verdict = "no"
		fmt.Fprintf(&text, "%s, and %s are free: end another program, let go of other models, or take a smaller model or a smaller context.", need, Size(f.Free))
	}
	f.Text = text.String()
	return f
}

// Size is a number of bytes in words.
func Size(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	x, i := float64(n)/unit, 0
	for x >= unit && i < 4 {
		x, i = x/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", x, "KMGTP"[i])
}
