package view

// Window is a part of a view that is judged by itself: the words From up to To, without To.
type Window struct {
	From, To int
}

// Sizes of windows, in words. An order hidden in a document fills a small one; the argument of a jailbreak needs a large one.
const (
	largeWindow = 96
	smallWindow = 24
	fewWords    = 3 // fewer tell nothing, unless the text has no more
)

// Windows appends the windows of a view: the whole of a short one, overlapping windows of two sizes of a long one, and each
// stretch between two edges (of paragraphs, comments, quotations, fields).
func (v *View) Windows(to []Window) []Window {
	n := len(v.Words)
	if n == 0 {
		return to
	}
	to = slide(to, n, largeWindow)
	if n > smallWindow*3/2 {
		to = slide(to, n, smallWindow)
	}
	from := 0
	for i := 1; i <= n; i++ {
		if i < n && v.Words[i].Gap != Block {
			continue
		}
		if i-from >= fewWords && i-from < largeWindow && i-from < n {
			to = append(to, Window{from, i})
		}
		from = i
	}
	return to
}

// Large tells whether a window is of the large size, or near it.
func (v *View) Large(w Window) bool { return w.To-w.From >= largeWindow*15/16 }

// slide appends windows of a size that overlap by half.
func slide(to []Window, n, size int) []Window {
	if n <= size*3/2 {
		return append(to, Window{0, n})
	}
	for from := 0; ; from += size / 2 {
		if from+size >= n {
			return append(to, Window{n - size, n})
		}
		to = append(to, Window{from, from + size})
	}
}

// What Facts gives after the kinds of signs.
const (
	Hiding   = Kinds + iota // how many words only an evader writes so
	Smuggled                // the view is of characters that show nothing
	Tiny                    // the window has but a few words
	Small                   // it is of the small size, or less
	Reported                // there is an order that somebody talks about
	Dense    = Kinds + iota // how many facts there are
)

// Facts fills in what is known of a window beside its words: how often each kind of sign stands in it, and what the view hides.
func (v *View) Facts(w Window, to *[Dense]float64) {
	*to = [Dense]float64{}
	for i := range v.Signs {
		if s := &v.Signs[i]; s.From >= w.From && s.To <= w.To {
			if s.Reported {
				to[Reported] = 1
			} else {
				to[s.Kind]++
			}
		}
	}
	for k := range Kinds {
		to[k] = min(to[k], most(Kind(k))) / most(Kind(k))
	}
	to[Hiding] = float64(min(v.Hidden, 3)) / 3
	if v.Origin == Unseen {
		to[Smuggled] = 1
	}
	if w.To-w.From < 8 {
		to[Tiny] = 1
	}
	if w.To-w.From <= smallWindow*3/2 {
		to[Small] = 1
	}
}

// most is how many signs of a kind say all that many of them say.
func most(k Kind) float64 {
	switch k {
	case Unbound:
		return 4
	case Talk:
		return 3
	}
	return 1
}
