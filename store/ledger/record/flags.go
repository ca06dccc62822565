package record

import "strings"

// Flags say yes-or-no things about a call. They stand open in the row, so that filters need no key.
type Flags uint32

// The flags. Their places are on disk: append only.
const (
	CacheHit     Flags = 1 << iota // answered from the cache
	Refused                        // never reached a model
	Broken                         // the stream ended without its end
	CallerLeft                     // the caller went away before the end
	Streamed                       //
	LeftDevice                     // the text went to another machine
	Redacted                       // something was cut out before that
	Blocked                        // a guard said no
	FoundSecret                    // a guard saw a credential
	FoundPII                       // a guard saw personal data
	FoundInject                    // a guard saw an injection
	Fallback                       // not the first target answered
	Retried                        // more than one attempt
	LastResort                     // a canned answer
	Estimated                      // tokens were counted here, not reported
	OverBudget                     // a budget was used up when it came
	HasContent                     // content was kept (set by the ledger)
	CostUnknown                    // no price is known (set by the ledger)
	OddCounts                      // a token count made no sense and is in no sum (set by the ledger)
	ContentShort                   // content was too long and is cut (set by the ledger)
)

var flagNames = [...]string{
	"cache-hit", "refused", "broken", "caller-left", "streamed", "left-device", "redacted", "blocked", "secret", "pii", "injection",
	"fallback", "retried", "last-resort", "estimated", "over-budget", "content", "cost-unknown", "odd-counts", "content-short",
}

// Names lists the flags that are set.
func (f Flags) Names() []string {
	var names []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

func (f Flags) String() string { return strings.Join(f.Names(), ",") }

// MarshalJSON writes the list of names.
func (f Flags) MarshalJSON() ([]byte, error) {
	var b []byte
	b = append(b, '[')
	for i, name := range f.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), '"')
	}
	return append(b, ']'), nil
}

// FlagNames lists all flags there are.
func FlagNames() []string { return append([]string(nil), flagNames[:]...) }

// ParseFlag finds a flag by its name.
func ParseFlag(name string) (Flags, bool) {
	for i, n := range flagNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}
