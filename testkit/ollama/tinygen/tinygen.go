// Package tinygen writes tiny GGUF models whose weights are computed, not trained, so that a real runtime gives known
// answers. A chat model is a chain of states, one for each token that matters: the embedding of a token is its state's
// one-hot row, and the output matrix holds, for each state, how much every token is wanted next.
//
// Surprising: all tokens of a prompt are ignored but the last one, which the chat template chooses (<|assistant|>,
// <|think|>, <|call|>). That is why an answer does not depend on the question.
package tinygen

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// Chat says which chat model to write. The zero value is not one: begin with DefaultChat.
type Chat struct {
	Layers  int      // transformer blocks; all of them pass the residual through unchanged
	FF      int      // feed-forward width; with Layers, how slow the model is
	Context int      // tokens
	Endless bool     // the story starts over instead of ending
	Seed    uint64   // of the filler weights: another seed gives another digest, and the same answers
	Story   []string // one sentence each: tokens parted by "|", "_" for a space inside one
}

// DefaultChat is models/tiny-chat.gguf.
func DefaultChat() Chat { return Chat{Layers: 1, FF: 128, Context: 4096, Seed: 1, Story: story} }

// Each sentence is a chain of tokens; "_" stands for a space inside one token.
var story = []string{
	"Dawn |came |over |the_corral |and |every |horse |lifted |its_head.",
	"|Rosa |counted |them |twice, |once |for |luck |and_once |for_the_ledger.",
	"|Seven |stood |near |the_water, |three |under |the_cottonwood, |one |alone |by_the_gate.",
	"|She |opened |it |slowly, |so |nobody |would |bolt.",
	"|Then |she |whistled, |waited, |whistled_again, |until |hooves |answered |from |far |up |the_ridge.",
	"|By |noon |all |were |home.",
}

const sp = "\u2581"

func pieces(s string) []string {
	var out []string
	for i, p := range strings.Split(s, "|") {
		p = strings.TrimSpace(p)
		if p == "" {
			continue
		}
		p = strings.ReplaceAll(p, "_", sp)
		if i > 0 {
			p = sp + p
		}
		out = append(out, p)
	}
	return out
}

const (
	tNormal, tUnknown, tControl, tUser, tByte = 1, 2, 3, 4, 6
)

// WriteTo writes the model as GGUF.
func (m Chat) WriteTo(w io.Writer) (int64, error) {
	layers, ff, r := m.Layers, m.FF, rng(m.Seed)
	var toks []string
	var types []int32
	var scores []float32
	state := map[string]int{} // token -> its own row; all others share row 0
	nstates := 1
	add := func(t string, typ int32, own bool) int {
		toks = append(toks, t)
		types = append(types, typ)
		scores = append(scores, -float32(len(toks)))
		if own {
			state[t] = nstates
			nstates++
		}
		return len(toks) - 1
	}
	add("<unk>", tUnknown, false)
	add("<s>", tControl, false)
	add("</s>", tControl, false)
	bt := func(c byte) string { return fmt.Sprintf("<0x%02X>", c) }
	for i := 0; i < 256; i++ {
		add(bt(byte(i)), tByte, strings.ContainsRune("\"{}[]:,42", rune(i)) && i < 128)
	}
	for _, c := range []string{"<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>", "<|think|>", "<|call|>"} {
		add(c, tControl, true)
	}
	chain := [][]string{}
	for _, s := range m.Story {
		p := pieces(s)
		chain = append(chain, p)
		for _, t := range p {
			add(t, tNormal, true)
		}
	}
	think := []string{"<think>", "The", sp + "user", sp + "asked,", sp + "so" + sp + "I" + sp + "recall", sp + "a" + sp + "story.", "</think>"}
	for i, t := range think {
		typ := int32(tNormal)
		if i == 0 || i == len(think)-1 {
			typ = tUser
		}
		add(t, typ, true)
	}
	call := []string{"<tool_call>", `{"name":`, sp + `"get_weather",`, sp + `"arguments":`, sp + `{"location":`, sp + `"Paris"`, "}}", "</tool_call>"}
	for i, t := range call {
		typ := int32(tNormal)
		if i == 0 || i == len(call)-1 {
			typ = tUser
		}
		add(t, typ, true)
	}
	add("corral", tNormal, true)
	id := map[string]int{}
	for i, t := range toks {
		id[t] = i
	}
	if len(id) != len(toks) {
		return 0, fmt.Errorf("tinygen: a token stands twice in the story")
	}

	d := (nstates + 31) / 32 * 32
	heads := d / 32
	V := len(toks)
	logit := make([][]float32, d) // by state, then by next token
	for s := range logit {
		logit[s] = make([]float32, V)
		for t := range logit[s] {
			logit[s][t] = -12 + 0.5*r.next()
		}
		set := func(t string, v float32) { logit[s][id[t]] = v }
		// what any state falls back on where a grammar forbids its first choice
		set(bt('{'), 3)
		set(bt('"'), 5)
		set(bt(':'), 5)
		set(bt('}'), 4.5)
		set(bt(']'), 4.4)
		set(bt(','), 4)
		set(bt('4'), 3.5)
		set(bt('t'), 3)
		set("</s>", 4.6)
		set(chain[0][0], 12)
	}
	from := func(t string, next map[string]float32) {
		for n, v := range next {
			logit[state[t]][id[n]] = v
		}
	}
	for i, c := range chain {
		for j, t := range c {
			if j+1 < len(c) {
				from(t, map[string]float32{chain[0][0]: -12, c[j+1]: 14})
				continue
			}
			from(t, map[string]float32{chain[0][0]: -12})
			for k, o := range chain[1:] { // other sentences may follow, when sampled warm
				from(t, map[string]float32{o[0]: 10.5 - float32(0.01*float32(k))})
			}
			switch {
			case i+1 < len(chain):
				from(t, map[string]float32{chain[i+1][0]: 12})
			case m.Endless:
				from(t, map[string]float32{chain[1][0]: 14, "</s>": -30})
			default:
				from(t, map[string]float32{"</s>": 14})
			}
		}
	}
	line := func(seq []string) {
		for i := 0; i+1 < len(seq); i++ {
			from(seq[i], map[string]float32{chain[0][0]: -12, seq[i+1]: 18})
		}
	}
	line(append([]string{"<|think|>"}, append(think, chain[0][0])...))
	line(append([]string{"<|call|>"}, append(call, "</s>")...))
	// JSON: {"corral":"corral"}, numbers are 42, arrays have one item
	no := map[string]float32{chain[0][0]: -12}
	q := bt('"')
	for _, c := range []byte("\"{}[]:,42") {
		from(bt(c), no)
	}
	from(q, map[string]float32{"corral": 10, bt(':'): 8, bt(']'): 7.5, bt('}'): 7, bt(','): 6, q: 1})
	from("corral", map[string]float32{chain[0][0]: -12, q: 12})
	from(bt('{'), map[string]float32{q: 10, bt('}'): 3})
	from(bt('['), map[string]float32{q: 10, bt('4'): 9, bt('{'): 8, bt(']'): 3})
	from(bt(':'), map[string]float32{q: 10, bt('4'): 9, bt('t'): 8, bt('{'): 7, bt('['): 6.9})
	from(bt(','), map[string]float32{q: 10, bt('4'): 9, bt('{'): 8})
	from(bt('4'), map[string]float32{bt('2'): 10, bt('}'): 9})
	from(bt('2'), map[string]float32{bt('}'): 10, bt(']'): 9.5, bt(','): 9, "</s>": 11})
	from(bt('}'), map[string]float32{"</s>": 10, bt('}'): 9, bt(']'): 8.9, bt(','): 8})
	from(bt(']'), map[string]float32{"</s>": 10, bt('}'): 9, bt(']'): 8.9, bt(','): 8})

	embd := make([]float32, V*d)
	for t, s := range toks {
		embd[t*d+state[s]] = 1
	}
	out := make([]float32, V*d)
	scale := float32(1 / math.Sqrt(float64(d))) // rmsnorm makes the one-hot row sqrt(d) long
	for t := 0; t < V; t++ {
		for s := 0; s < d; s++ {
			out[t*d+s] = logit[s][t] * scale
		}
	}
	ones := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = 1
		}
		return x
	}
	noise := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = 0.1 * r.next()
		}
		return x
	}
	D, F, N := uint64(d), uint64(ff), uint64(V)
	ts := []tensor{
		{"token_embd.weight", []uint64{D, N}, true, embd},
		{"output_norm.weight", []uint64{D}, false, ones(d)},
		{"output.weight", []uint64{D, N}, true, out},
	}
	for i := 0; i < layers; i++ {
		b := fmt.Sprintf("blk.%d.", i)
		ts = append(ts,
			tensor{b + "attn_norm.weight", []uint64{D}, false, ones(d)},
			tensor{b + "attn_q.weight", []uint64{D, D}, true, noise(d * d)},
			tensor{b + "attn_k.weight", []uint64{D, D}, true, noise(d * d)},
			tensor{b + "attn_v.weight", []uint64{D, D}, true, noise(d * d)},
			tensor{b + "attn_output.weight", []uint64{D, D}, true, make([]float32, d*d)},
			tensor{b + "ffn_norm.weight", []uint64{D}, false, ones(d)},
			tensor{b + "ffn_gate.weight", []uint64{D, F}, true, noise(d * ff)},
			tensor{b + "ffn_up.weight", []uint64{D, F}, true, noise(d * ff)},
			tensor{b + "ffn_down.weight", []uint64{F, D}, true, make([]float32, d*ff)},
		)
	}
	var params uint64
	for _, t := range ts {
		params += uint64(len(t.data))
	}
	u := func(n int) uint32 { return uint32(n) }
	kvs := []kv{
		{"general.architecture", "llama"},
		{"general.name", "corral-tiny-chat"},
		{"general.file_type", u(1)},
		{"general.parameter_count", params},
		{"llama.block_count", u(layers)},
		{"llama.context_length", u(m.Context)},
		{"llama.embedding_length", u(d)},
		{"llama.feed_forward_length", u(ff)},
		{"llama.attention.head_count", u(heads)},
		{"llama.attention.head_count_kv", u(heads)},
		{"llama.attention.layer_norm_rms_epsilon", float32(1e-6)},
		{"llama.rope.dimension_count", u(32)},
		{"llama.rope.freq_base", float32(10000)},
		{"llama.vocab_size", u(V)},
		{"tokenizer.ggml.model", "llama"},
		{"tokenizer.ggml.tokens", toks},
		{"tokenizer.ggml.scores", scores},
		{"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.unknown_token_id", u(0)},
		{"tokenizer.ggml.bos_token_id", u(1)},
		{"tokenizer.ggml.eos_token_id", u(2)},
		{"tokenizer.ggml.add_bos_token", true},
		{"tokenizer.ggml.add_eos_token", false},
		{"tokenizer.ggml.add_space_prefix", false},
	}
	return writeGGUF(w, kvs, ts)
}

// Words of one topic share a direction, so that texts on one topic have near vectors.
var topics = []string{
	"sky blue sun cloud clouds rain weather light grass green dawn air color colour atmosphere scattering wavelength",
	"horse horses corral gate herd saddle hooves ride rider ranch cattle dog llama llamas animal animals",
	"computer program code software server model token memory disk network daemon file process thread cache",
	"music song guitar piano drum sing melody concert band violin",
	"bread cheese apple soup cook kitchen dinner eat food recipe coffee tea",
	"king queen war army peace treaty empire history century soldier",
	"number sum count plus minus equation algebra math proof zero one two three four",
	"cat kitten feline sleeping sofa couch",
	"paris london",
	"love programming python coding",
	"machine learning artificial intelligence",
	"quick brown fox jumps leaps lazy fast sleepy",
	"doctor heart blood hospital medicine nurse pain health sleep",
}

const stop = "the a an of to in is are was were and or not for with on at by it this that why what how who be do does i you we they"

// Embed writes models/tiny-embed.gguf, an embedding model of 64 dimensions, as GGUF.
func Embed(w io.Writer, seed uint64) (int64, error) {
	r := rng(seed)
	const d, ctx, ff, heads = 64, 512, 64, 4
	toks := []string{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
	types := []int32{3, 3, 3, 3, 3}
	topic := []int{-1, -1, -1, -1, -1}
	weight := []float32{0, 0.3, 0, 0, 0}
	seen := map[string]bool{}
	add := func(t string, tp int, w float32) {
		if !seen[t] {
			seen[t] = true
			toks = append(toks, t)
			types = append(types, 1)
			topic = append(topic, tp)
			weight = append(weight, w)
		}
	}
	for i, l := range topics {
		for _, w := range strings.Fields(l) {
			add(sp+w, i, 1)
		}
	}
	for _, w := range strings.Fields(stop) {
		add(sp+w, -1, 0.1)
	}
	for c := 33; c < 127; c++ {
		if c >= 'A' && c <= 'Z' {
			continue
		}
		add(sp+string(rune(c)), -1, 0.5)
		add(string(rune(c)), -1, 0.5)
	}
	V := len(toks)
	embd := make([]float32, V*d)
	for t := 0; t < V; t++ {
		for k := 0; k < d; k++ {
			embd[t*d+k] = weight[t] * 0.35 * r.next()
		}
		if topic[t] >= 0 {
			embd[t*d+topic[t]*4] += 1.2
			embd[t*d+(topic[t]*4+33)%d] -= 1.2 // keeps each row's mean near zero
		}
	}
	ones := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = 1
		}
		return x
	}
	z := func(n int) []float32 { return make([]float32, n) }
	noise := func(n int) []float32 {
		x := z(n)
		for i := range x {
			x[i] = 0.05 * r.next()
		}
		return x
	}
	D := uint64(d)
	ts := []tensor{
		{"token_embd.weight", []uint64{D, uint64(V)}, false, embd},
		{"token_types.weight", []uint64{D, 2}, false, z(2 * d)},
		{"position_embd.weight", []uint64{D, ctx}, false, z(ctx * d)},
		{"token_embd_norm.weight", []uint64{D}, false, ones(d)},
		{"token_embd_norm.bias", []uint64{D}, false, z(d)},
	}
	b := "blk.0."
	for _, n := range []string{"attn_q", "attn_k", "attn_v"} {
		ts = append(ts, tensor{b + n + ".weight", []uint64{D, D}, false, noise(d * d)}, tensor{b + n + ".bias", []uint64{D}, false, z(d)})
	}
	ts = append(ts,
		tensor{b + "attn_output.weight", []uint64{D, D}, false, z(d * d)}, tensor{b + "attn_output.bias", []uint64{D}, false, z(d)},
		tensor{b + "attn_output_norm.weight", []uint64{D}, false, ones(d)}, tensor{b + "attn_output_norm.bias", []uint64{D}, false, z(d)},
		tensor{b + "ffn_up.weight", []uint64{D, ff}, false, noise(d * ff)}, tensor{b + "ffn_up.bias", []uint64{ff}, false, z(ff)},
		tensor{b + "ffn_down.weight", []uint64{ff, D}, false, z(d * ff)}, tensor{b + "ffn_down.bias", []uint64{D}, false, z(d)},
		tensor{b + "layer_output_norm.weight", []uint64{D}, false, ones(d)}, tensor{b + "layer_output_norm.bias", []uint64{D}, false, z(d)},
	)
	var params uint64
	for _, t := range ts {
		params += uint64(len(t.data))
	}
	u := func(n int) uint32 { return uint32(n) }
	kvs := []kv{
		{"general.architecture", "bert"},
		{"general.name", "corral-tiny-embed"},
		{"general.file_type", u(0)},
		{"general.parameter_count", params},
		{"bert.block_count", u(1)},
		{"bert.context_length", u(ctx)},
		{"bert.embedding_length", u(d)},
		{"bert.feed_forward_length", u(ff)},
		{"bert.attention.head_count", u(heads)},
		{"bert.attention.head_count_kv", u(heads)},
		{"bert.attention.layer_norm_epsilon", float32(1e-12)},
		{"bert.attention.causal", false},
		{"bert.pooling_type", u(1)},
		{"tokenizer.ggml.model", "bert"},
		{"tokenizer.ggml.token_type_count", u(2)},
		{"tokenizer.ggml.tokens", toks},
		{"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.cls_token_id", u(2)},
		{"tokenizer.ggml.bos_token_id", u(2)},
		{"tokenizer.ggml.separator_token_id", u(3)},
		{"tokenizer.ggml.seperator_token_id", u(3)},
		{"tokenizer.ggml.eos_token_id", u(3)},
		{"tokenizer.ggml.unknown_token_id", u(1)},
		{"tokenizer.ggml.padding_token_id", u(0)},
		{"tokenizer.ggml.mask_token_id", u(4)},
	}
	return writeGGUF(w, kvs, ts)
}
