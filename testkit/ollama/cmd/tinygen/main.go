// Command tinygen writes a tiny model:
//
//	tinygen chat  out.gguf [-layers N] [-ff N] [-endless] [-seed S] [-text FILE]
//	tinygen embed out.gguf
//
// The ones in testkit/ollama/models are `chat`, `chat -seed 2`, `chat -endless` and `embed`. A slow one (about 30 tokens
// a second, 85 MB) is `chat -endless -layers 128 -ff 1024`.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"corral/testkit/ollama/tinygen"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tinygen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: tinygen chat|embed OUT [flags]")
	}
	m := tinygen.DefaultChat()
	fs := flag.NewFlagSet("tinygen", flag.ExitOnError)
	fs.IntVar(&m.Layers, "layers", m.Layers, "transformer blocks")
	fs.IntVar(&m.FF, "ff", m.FF, "feed-forward width")
	fs.BoolVar(&m.Endless, "endless", false, "the story starts over instead of ending")
	fs.Uint64Var(&m.Seed, "seed", m.Seed, "seed of the filler weights: another seed gives another digest")
	fs.IntVar(&m.Context, "ctx", m.Context, "context length in tokens")
	text := fs.String("text", "", "file with another story, one sentence a line, tokens parted by | and _ for a space inside one")
	fs.Parse(args[2:])
	if *text != "" {
		b, err := os.ReadFile(*text)
		if err != nil {
			return err
		}
		m.Story = strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	write := m.WriteTo
	switch args[0] {
	case "chat":
	case "embed":
		write = func(w io.Writer) (int64, error) { return tinygen.Embed(w, m.Seed) }
	default:
		return fmt.Errorf("unknown kind %q: want chat or embed", args[0])
	}
	f, err := os.Create(args[1])
	if err != nil {
		return err
	}
	if _, err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
