package tinygen

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// The models in the repository are what this package writes, on every machine.
func TestModelsAreReproducible(t *testing.T) {
	chat := func(change func(*Chat)) func(io.Writer) (int64, error) {
		c := DefaultChat()
		change(&c)
		return c.WriteTo
	}
	for name, write := range map[string]func(io.Writer) (int64, error){
		"tiny-chat.gguf":    chat(func(*Chat) {}),
		"tiny-chat-v2.gguf": chat(func(c *Chat) { c.Seed = 2 }),
		"tiny-endless.gguf": chat(func(c *Chat) { c.Endless = true }),
		"tiny-embed.gguf":   func(w io.Writer) (int64, error) { return Embed(w, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile("../models/" + name)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			n, err := write(&got)
			if err != nil {
				t.Fatal(err)
			}
			if n != int64(got.Len()) || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("wrote %d bytes (said %d) that differ from the %d in the repository", got.Len(), n, len(want))
			}
		})
	}
}
