package view

import "bytes"

// Kind is what a sign means.
type Kind uint8

// The kinds of signs.
const (
	Override  Kind = iota // an order to ignore the instructions that came before
	Dismissal             // the same in weaker words: forget everything above
	Reveal                // an order to show the prompt
	Unbound               // a persona without rules: no restrictions, do anything now
	Persona               // you are now, from now on
	Template              // a token that only a chat template writes
	FakeTurn              // a line that pretends to be the system's or the assistant's turn
	Authority             // I am your developer
	NewOrders             // new instructions, here is your new task
	Talk                  // a word of those who talk about attacks, and do not make one
	Kinds     int  = iota
)

// Sign is a place with a meaning: the words from From up to To, without To.
type Sign struct {
	Kind     Kind
	From, To int
	Reported bool // it is an order in quotation marks, near words of those who talk about attacks
}

// reach is how many words an order and its object may stand apart.
const reach = 9

// read finds the signs in the words.
func (v *View) read() {
	// Where the last word of each sort stood; far enough before the first word to be out of reach.
	const never = -100
	var (
		lastIgnore  = never
		lastDrop    = never
		lastEarlier = never
		lastOrders  = never
		lastEvery   = never
		lastWhole   = never
		lastTold    = never
		lastAbove   = never
		lastTell    = never
		lastGiven   = never
		lastAsk     = never
		lastFree    = never
		lastYou     = never
		lastYour    = never
		lastSelf    = never
		lastNow     = never
		lastNews    = never
	)
	words := v.Words
	add := func(kind Kind, from, to int) {
		if n := len(v.Signs); n > 0 && v.Signs[n-1].Kind == kind && v.Signs[n-1].To > from && kind != Unbound && kind != Talk {
			return // the same order, said once
		}
		v.sign(Sign{Kind: kind, From: from, To: to})
	}
	for i := range words {
		w := &words[i]
		c := w.class
		if w.cjk && i > 0 && words[i-1].cjk {
			// Words of Chinese and Japanese are pairs of runes, and each rune is a word here.
			c |= v.pair(i)
		}
		if c == 0 {
			continue
		}
		if w.Gap == Block {
			lastTell = never // what is to be told stands in the same sentence
		}
		refused := i > 0 && words[i-1].class&negation != 0
		if c&ignoring != 0 && !refused {
			lastIgnore = i
			if c&anyOrder != 0 && i-lastOrders <= reach && i-lastEarlier <= reach {
				add(Override, min(lastOrders, lastEarlier), i+1)
			}
		}
		if c&dropping != 0 && !refused {
			lastDrop = i
		}
		if c&orders != 0 || c&prompts != 0 {
			switch {
			case i-lastIgnore <= reach && lastEarlier > lastIgnore:
				add(Override, lastIgnore, i+1)
			case i-lastDrop <= 5 && lastEarlier > lastDrop:
				add(Dismissal, lastDrop, i+1)
			case i-lastNews <= 2 && lastNews != never:
				add(NewOrders, lastNews, i+1)
			}
			whose := i-lastGiven <= 3 && lastGiven > lastTell || c&prompts != 0 && i-lastAbove <= 2 && lastAbove > lastTell
			if c&(weak|bounds) == 0 && i-lastTell <= reach && whose {
				add(Reveal, lastTell, i+1)
			}
			if i-lastAsk <= 6 && lastYour > lastAsk && i > 0 && words[i-1].class&given != 0 && words[i-1].class&your == 0 {
				add(Reveal, lastAsk, i+1) // what are your initial instructions
			}
			lastOrders = i
		}
		if c&asking != 0 {
			lastAsk = i
		}
		if c&earlier != 0 {
			// "instructions above", "the instructions you were given before"
			if i-lastIgnore <= reach && lastOrders > lastIgnore && i-lastOrders <= 5 && c&above != 0 {
				add(Override, lastIgnore, i+1)
			}
			lastEarlier = i
		}
		if c&(told|above) != 0 && i > lastIgnore && i-lastIgnore <= reach {
			// "ignore the above and say", "forget all you were told"; not "ignore my previous mail"
			complete := i+1 == len(words) || words[i+1].Gap != Space || words[i+1].class&(link|telling) != 0
			next := i+1 < len(words) && words[i+1].class&above != 0
			switch {
			case c&told != 0 && lastEvery > lastIgnore, // all you were told
				c&told != 0 && lastAsk > lastIgnore && (next || lastAbove > lastIgnore),       // what I said before
				c&above != 0 && complete && (lastEvery > lastIgnore || lastTold > lastIgnore), // everything above
				c&above != 0 && complete && i-lastIgnore <= 2:                                 // the above
				add(Dismissal, lastIgnore, i+1)
			}
		}
		if c&told != 0 {
			lastTold = i
		}
		if c&above != 0 && i > lastTell && i-lastTell <= 6 && lastWhole > lastTell {
			add(Reveal, lastTell, i+1) // repeat everything above
		}
		if c&above != 0 {
			lastAbove = i
		}
		if c&everything != 0 {
			if c&whole != 0 {
				if i-lastIgnore <= 2 && i > lastIgnore {
					add(Dismissal, lastIgnore, i+1)
				}
				lastWhole = i
			}
			lastEvery = i
		}
		if c&telling != 0 && !refused {
			lastTell = i
		}
		if c&given != 0 {
			lastGiven = i
		}
		if c&unbound != 0 {
			add(Unbound, i, i+1)
		}
		if c&bounds != 0 && i-lastFree <= 5 {
			add(Unbound, lastFree, i+1)
		}
		if c&free != 0 {
			lastFree = i
		}
		if c&now != 0 {
			if i >= 2 && words[i-1].class&done != 0 && words[i-2].class&done != 0 {
				add(Unbound, i-2, i+1) // do anything now
			}
			if i-lastYou <= 2 && i > lastYou {
				add(Persona, lastYou, i+1) // you are now
			}
			lastNow = i
		}
		if c&you != 0 {
			if i-lastNow <= 2 {
				add(Persona, lastNow, i+1) // now you are, from now on you
			}
			lastYou = i
		}
		if c&news != 0 {
			lastNews = i
		}
		if c&master != 0 && (i-lastYour <= 2 || i-lastSelf <= 4 && i-lastSelf > 1) && i-lastSelf <= 4 {
			add(Authority, lastSelf, i+1) // I am your developer
		}
		if c&self != 0 {
			lastSelf = i
		}
		if c&your != 0 {
			lastYour = i
		}
		if c&talk != 0 {
			add(Talk, i, i+1)
		}
		if c&roles != 0 && (w.Gap >= Sentence || w.lead == '#') && i+1 < len(words) && words[i+1].lead == ':' {
			add(FakeTurn, i, i+2)
		}
	}
}

// Signs of one view, at most. The kinds that benign texts are full of have the lesser share, so that they cannot crowd out an order.
const maxSigns, maxCommon = 1024, 256

// sign adds a sign, while there is room.
func (v *View) sign(s Sign) {
	room := maxSigns
	if s.Kind == Talk || s.Kind == Unbound {
		room = maxCommon
	}
	if len(v.Signs) < room {
		v.Signs = append(v.Signs, s)
	}
}

// nearby is how many words before and after a quotation those stand who talk about it.
const nearby = 14

// report finds the orders that are only talked about.
func (v *View) report() {
	for i := range v.Signs {
		s := &v.Signs[i]
		if s.Kind != Override && s.Kind != Dismissal && s.Kind != Reveal || s.From < 0 || !quoted(v.Words[s.From:]) {
			continue
		}
		for _, w := range v.Words[max(s.From-nearby, 0):min(s.To+nearby, len(v.Words))] {
			if w.class&talk != 0 {
				s.Reported = true
				break
			}
		}
	}
}

// quoted tells whether a quotation begins with the first or the second of some words.
func quoted(words []Word) bool {
	for i := range min(2, len(words)) {
		if l := words[i].lead; l == '"' || l == '`' || l == '\'' {
			return true
		}
	}
	return false
}

// pair gives the class of two runes that stand side by side.
func (v *View) pair(i int) class {
	h := uint32(2166136261)
	h = (h ^ uint32(v.runes[v.Words[i-1].from])) * 16777619
	h = (h ^ uint32(v.runes[v.Words[i].from])) * 16777619
	return v.classes[h]
}

// template notes a token that chat templates write, at a < or [ in the text.
func (v *View) template(text []byte, at int) {
	rest := text[at:]
	if len(rest) > 24 {
		rest = rest[:24]
	}
	for _, token := range v.tokens {
		if len(rest) >= len(token) && rest[1] == token[1] && bytes.EqualFold(rest[:len(token)], token) {
			v.sign(Sign{Kind: Template, From: len(v.Words), To: len(v.Words) + 1})
			return
		}
	}
}

// tokens are what the chat templates of Llama, Mistral, Qwen, Gemma, Phi, DeepSeek and others write between turns.
func tokens() [][]byte {
	return [][]byte{
		[]byte("<|im_start|>"), []byte("<|im_end|>"), []byte("<|im_sep|>"), []byte("<|system|>"), []byte("<|user|>"), []byte("<|assistant|>"),
		[]byte("<|start_header_id|>"), []byte("<|end_header_id|>"), []byte("<|eot_id|>"), []byte("<|begin_of_text|>"), []byte("<|endoftext|>"),
		[]byte("<|end|>"), []byte("<|start|>"), []byte("<|channel|>"), []byte("<<SYS>>"), []byte("<</SYS>>"), []byte("[INST]"), []byte("[/INST]"),
		[]byte("<start_of_turn>"), []byte("<end_of_turn>"), []byte("[SYSTEM_PROMPT]"), []byte("<｜User｜>"), []byte("<｜Assistant｜>"),
	}
}
