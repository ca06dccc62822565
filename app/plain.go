package app

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a person reads goes through sayf, sayln and say, and nothing else in this package writes. Names of models, users and apps are their
// callers' words: a line end in one would be a row that somebody made up, and an escape steers the terminal. So whatever stands in the place
// of a verb is shown with those written out, as \n and \x1b. What is meant to have lines is said to be lines.

// lines is a text that has line ends and tabs of its own: a message, a diff, a model's answer.
type lines string

// sayf is fmt.Fprintf.
func sayf(w io.Writer, format string, args ...any) (int, error) {
	return fmt.Fprintf(w, format, plain(args)...)
}

// sayln is fmt.Fprintln.
func sayln(w io.Writer, args ...any) (int, error) { return fmt.Fprintln(w, plain(args)...) }

// say is fmt.Fprint.
func say(w io.Writer, args ...any) (int, error) { return fmt.Fprint(w, plain(args)...) }

func plain(args []any) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		switch v := reflect.ValueOf(arg); {
		case !v.IsValid(), v.CanInt(), v.CanUint(), v.CanFloat(), v.Kind() == reflect.Bool:
			out[i] = arg // for %d and its like
		case v.Type() == reflect.TypeFor[lines]():
			out[i] = visible(v.String(), "\n\t")
		default:
			out[i] = visible(fmt.Sprint(arg), "")
		}
	}
	return out
}

// visible writes out what steers a terminal or hides how a text goes on, but for the characters of except: control characters, ends of lines,
// what turns the direction of writing, and bytes that are no UTF-8, which some terminals take for controls.
func visible(text, except string) string {
	hidden := func(r rune) bool {
		return (unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) || r == utf8.RuneError) && !strings.ContainsRune(except, r)
	}
	if strings.IndexFunc(text, hidden) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case r == utf8.RuneError || !hidden(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		text = text[n:]
	}
	return b.String()
}
