package similar

import (
	"bufio"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// pair is a line of testdata/near.jsonl. The cosine is that of all-MiniLM-L6-v2 at a real Ollama; TestCosines makes it anew.
type pair struct {
	Kind   string  `json:"kind"`
	Half   string  `json:"half"` // tune: looked at when the rules were made; held: kept back; later, second and so on: each written after the rules of its day
	A      string  `json:"a"`
	B      string  `json:"b"`
	Same   bool    `json:"same"`
	Cosine float64 `json:"cosine"`
}

const nearFile = "testdata/near.jsonl"

func near(t testing.TB) []pair {
	t.Helper()
	f, err := os.Open(nearFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []pair
	s := bufio.NewScanner(f)
	for s.Scan() {
		var p pair
		if err := json.Unmarshal(s.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Of near misses at most 1 % is accepted, of paraphrases at least half, in the half kept back too.
func TestNearMissesAreRefusedAndParaphrasesAreNot(t *testing.T) {
	type tally struct{ misses, accepted, bareAccepted, same, hits, bareHits int }
	halves, kinds := map[string]*tally{}, map[string]*tally{}
	for _, p := range near(t) {
		hit, _ := Decide(p.A, p.B, p.Cosine)
		bare := p.Cosine >= Threshold
		for _, e := range []struct {
			m map[string]*tally
			k string
		}{{halves, p.Half}, {halves, "all"}, {kinds, p.Kind}} {
			c := e.m[e.k]
			if c == nil {
				c = &tally{}
				e.m[e.k] = c
			}
			if p.Same {
				c.same++
				c.hits += count(hit)
				c.bareHits += count(bare)
			} else {
				c.misses++
				c.accepted += count(hit)
				c.bareAccepted += count(bare)
			}
		}
		if hit && !p.Same {
			t.Logf("accepted: %s: %q, %q (%.3f)", p.Kind, p.A, p.B, p.Cosine)
		}
	}
	for _, half := range []string{"tune", "held", "later", "second", "third", "fourth", "fifth", "sixth", "seventh", "all"} {
		c := halves[half]
		t.Logf("%s: near misses accepted %d of %d (cosine alone %d), paraphrases %d of %d (cosine alone %d)", half, c.accepted, c.misses, c.bareAccepted, c.hits, c.same, c.bareHits)
		if c.accepted*100 > c.misses {
			t.Errorf("%s: more than 1 %% of the near misses are accepted", half)
		}
		if c.hits*2 < c.same { // later and fourth have none
			t.Errorf("%s: fewer than half of the paraphrases are accepted", half)
		}
	}
	for _, kind := range []string{"numbers", "units", "dates", "names", "negation", "swapped roles", "antonyms", "scope", "modal", "person", "language", "format", "code"} {
		if kinds[kind] == nil || kinds[kind].misses < 25 {
			t.Errorf("fewer than 25 near misses of %s", kind)
		}
	}
	if c := halves["all"]; c.misses < 400 || c.same < 200 {
		t.Errorf("the set has shrunk: %d near misses, %d paraphrases", c.misses, c.same)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestTheVetoSaysWhatDiffers(t *testing.T) {
	for _, tt := range []struct{ a, b, veto string }{
		{"How do I boil 12 eggs?", "How do I boil twenty eggs?", "numbers: 12, not twenty"},
		{"How many km is it?", "How many miles is it?", "units: km, not miles"},
		{"Is it open on Monday?", "Is it open on Sunday?", "dates: Monday, not Sunday"},
		{"Who is the mayor of Bonn?", "Who is the mayor of Köln?", "names: Bonn, not Köln"},
		{"Is it safe?", "Is it not safe?", "negation: only one has not safe"},
		{"Can I eat it?", "Must I eat it?", "modal: can, not must"},
		{"Is this my seat?", "Is this her seat?", "person: my, not her"},
		{"Why does it rain?", "When does it rain?", "question: why, not when"},
		{"Does A beat B?", "Does B beat A?", "roles: A beat B, not B beat A"},
		{"Convert from CSV to JSON", "Convert from JSON to CSV", "roles: from CSV to JSON, not from JSON to CSV"},
		{"What does a == b do?", "What does a === b do?", "code: ==, not ==="},
		{"What does `ls -d` do?", "What does `ls -D` do?", "code: -d, not -D"},
		{"How do I use foo_bar?", "How do I use fooBar?", "code: only one has foo_bar"},
		{"How far is the moon?", "Wie weit ist der Mond?", "language: English, not German"},
		{"Who is the president?", "Who was the president?", "tense: one asks of the past"},
		{`What does "cat" mean?`, `What does "bat" mean?`, "quoted: cat, not bat"},
		{"What is -5 degrees in Fahrenheit?", "What is 5 degrees in Fahrenheit?", "numbers: -5, not 5"},
		{"What is WHO policy?", "Who is it?", "question: what, not who"},
		{"Should I invest?", "Should I not invest, unless I must?", "negation: only one has not invest except"},
		{"Is 1,5 enough?", "Is 15 enough?", "numbers: 1,5, not 15"},
		{"What films are with Spielberg?", "What films are about Spielberg?", "roles: with Spielberg, not about Spielberg"},
		{"Can I see who blocked me?", "Can I see who I blocked?", "person: only one has me"},
		{"How do I save my work?", "How do I save their work?", "person: only one has their"},
		{"Should I do several tasks?", "Should I do one task?", "numbers: several, not one"},
		{"Who paid for the repair?", "Who was paid for the repair?", "roles: who does it, who is it done to"},
		{"Can you swim?", "Can I swim?", "person: you, not i"},
		{"Can I see what you wrote?", "Can you see what I wrote?", "person: i you, not you i"},
		{"Who owns Twitter?", "Who owned Twitter?", "tense: one asks of the past"},
		{"Who leads Germany?", "Who led Germany?", "tense: one asks of the past"},
		{"Who is leading Germany?", "Who led Germany?", "tense: one asks of the past"},
		{"What causes inflation?", "What caused inflation?", "tense: one asks of the past"},
		{"Is Bob a lawyer?", "Does Bob have a lawyer?", "words: have, not be"},
		{"Who is the best lawyer in town?", "Who has the best lawyer in town?", "words: have, not be"},
		{"How can I be a friend?", "How can I have a friend?", "words: have, not be"},
		{"Was ist 12 - 4?", "Was ist 12 : 4?", "code: only one has -"},
		{"What is 12 − 4?", "What is 12, 4?", "code: -, not ,"},
		{"Which pages are 3-7?", "Which pages are 3, 7?", "code: only one has ,"},
		{"What is a recess?", "What is a recession?", "words: recess, not recession"},
	} {
		if got := Compare(tt.a, tt.b).Veto; got != tt.veto {
			t.Errorf("%q, %q: %q, want %q", tt.a, tt.b, got, tt.veto)
		}
	}
}

func TestWhatChangesNoAnswerIsNoVeto(t *testing.T) {
	for _, tt := range []struct{ a, b string }{
		{"How do I boil an egg?", "how to boil an egg"},
		{"Could you please tell me how to boil an egg?", "What's the best way to boil an egg?"},
		{"What is the capital of France?", "capital of France"},
		{"What are the symptoms of the flu?", "What are flu symptoms?"},
		{"Who painted the Mona Lisa?", "By whom was the Mona Lisa painted?"},
		{"What is the difference between cats and dogs?", "How do dogs and cats differ?"},
		{"In Go, how do I sort a slice?", "How do I sort a slice in Go?"},
		{"What happened on 4th July 1776?", "What happened on July 4, 1776?"},
		{"How do I separate eggs?", "How do I seperate eggs?"},
		{"Why is my lamp not working?", "Why isn’t my lamp working?"},
		{"What is 1,000 divided by 3?", "What is 1000 divided by three?"},
		{"How do I sell my art?", "How do you sell your art?"},
		{"How is a crow different from a raven?", "What is the difference between ravens and crows?"},
		{"Which is better, tea or coffee?", "Which is better: coffee or tea?"},
		{"How did World War II end?", "How did the Second World War end?"},
		{"What would happen if the moon fell?", "What happens if the moon falls?"},
		{"Can you explain how a fridge works?", "How does a refrigerator work?"},
		{"WHAT IS THE CAPITAL OF FRANCE", "what is the capital of france?"},
		{"Are raw eggs safe to eat?", "Is it safe to eat raw eggs?"},
		{"Why won't my car start?", "Why doesn't my car start?"},
		{"Can you recommend good books about Rome?", "What are good books about Rome?"},
		{"Should I rent or buy?", "Is it better to rent or buy?"},
		{"Who wrote Dune?", "Who is the author of Dune?"},
		{"Which documents are required?", "Which documents required?"},
		{"What caused the war?", "What are the causes of the war?"},
		{"What effect does tea have on sleep?", "What is the effect of tea on sleep?"},
		{"Does Mars have water?", "Is there water on Mars?"},
		{"Who has won the most titles?", "Who won the most titles?"},
		{"How do I know if an egg has gone bad?", "How do I know if an egg is bad?"},
		{"What is 12-4?", "What is 12 – 4?"},
		{"Was ist 12:4?", "Was ist 12 : 4?"},
		{"Who ruled from 1914 - 1918?", "Who ruled from 1914 to 1918?"},
		{"How long does the inspection of a car take?", "How long does inspecting a car take?"},
		{"Would you marry a non-smoker?", "Would you marry a person who is not a smoker?"},
	} {
		if v := Compare(tt.a, tt.b); v != (Verdict{}) {
			t.Errorf("%q, %q: %+v", tt.a, tt.b, v)
		}
	}
}

func TestDoubtNeedsTheWholeThresholdNearly(t *testing.T) {
	const a, b = "What are the benefits of green tea?", "What are the benefits of drinking green tea?"
	v := Compare(a, b)
	if v.Veto != "" || v.Doubt != "words: only one has drinking" {
		t.Fatalf("%+v", v)
	}
	for _, tt := range []struct {
		cosine float64
		hit    bool
		veto   string
	}{{0.97, true, ""}, {0.83, false, v.Doubt}, {0.6, false, ""}} {
		if hit, veto := Decide(a, b, tt.cosine); hit != tt.hit || veto != tt.veto {
			t.Errorf("%v: %v %q", tt.cosine, hit, veto)
		}
	}
}

func TestHowMuchADoubtWeighs(t *testing.T) {
	for _, tt := range []struct {
		a, b, doubt string
		grave       bool
	}{
		{"How do I become a travel agent?", "How do I become a successful travel agent?", "words: only one has successful", false},
		{"How do I pass the GRE on time?", "How do I pass the GRE exam on time?", "words: only one has exam", false},
		{"What is your weirdest fear ever?", "What is the weirdest fear you have?", "person: your, not you", false},
		{"When does the World Cup start?", "When will the World Cup start?", "modal: only one has will", false},
		{"How do I cook brown rice fast?", "How do I cook rice fast?", "words: only one has brown", true},
		{"What is meditation used for?", "What is meditation used?", "question: only one has for", true},
		{"Where is the nearest hotel?", "Where is the nearest hostel?", "words: hotel, not hostel", true},
		{"What is the temprature on Mars?", "What is the temperature on Mars?", "words: temprature, not temperature", true},
	} {
		if v := Compare(tt.a, tt.b); v != (Verdict{Doubt: tt.doubt, Grave: tt.grave}) {
			t.Errorf("%q, %q: %+v", tt.a, tt.b, v)
		}
	}
}

func TestCompareIsSymmetric(t *testing.T) {
	for _, p := range near(t) {
		x, y := Compare(p.A, p.B), Compare(p.B, p.A)
		if (x.Veto == "") != (y.Veto == "") || (x.Doubt == "") != (y.Doubt == "") {
			t.Errorf("%q, %q: %+v, and the other way round %+v", p.A, p.B, x, y)
		}
		if v := Compare(p.A, strings.Clone(p.A)+" "); v != (Verdict{}) {
			t.Errorf("%q is not like itself: %+v", p.A, v)
		}
	}
}

// A word in two lines of synonyms would join what is not the same.
func TestSynonymsAreOnlyInOneLine(t *testing.T) {
	seen := map[string]string{}
	for line := range strings.Lines(synonyms) {
		for _, w := range strings.Fields(line) {
			s := words.stem(w)
			if other, ok := seen[s]; ok && other != line {
				t.Errorf("%q is in %q and in %q", w, other, line)
			}
			seen[s] = line
		}
	}
}

func TestOppositesAreNotFolded(t *testing.T) {
	for line := range strings.Lines(opposites) {
		f := strings.Fields(line)
		if len(f) == 2 && words.fold(f[0]) == words.fold(f[1]) {
			t.Errorf("%s and %s are taken for the same", f[0], f[1])
		}
	}
}

const opposites = `
increase decrease
buy sell
open close
import export
enable disable
start stop
begin end
gain lose
win lose
borrow lend
accept reject
accept refuse
allow forbid
allow ban
permit prohibit
love hate
like dislike
upload download
encode decode
encrypt decrypt
compress decompress
mount unmount
lock unlock
push pull
read write
send receive
give take
give receive
teach learn
ask answer
arrive leave
enter exit
enter leave
rise fall
raise lower
improve worsen
strengthen weaken
maximum minimum
max min
high low
higher lower
hot cold
warm cool
big small
large tiny
biggest smallest
longest shortest
tallest shortest
best worst
good bad
better worse
early late
earliest latest
old new
old young
oldest youngest
first last
next previous
before after
above below
over under
inside outside
inner outer
left right
north south
east west
northern southern
morning evening
day night
rich poor
cheap expensive
cheapest priciest
legal illegal
safe dangerous
safe unsafe
possible impossible
visible invisible
public private
natural artificial
raw cooked
wet dry
full empty
fast slow
quickly slowly
easy difficult
simple complex
true false
right wrong
correct incorrect
positive negative
odd even
male female
man woman
boy girl
husband wife
son daughter
brother sister
mother father
king queen
uncle aunt
bull cow
internal external
import imported_not
inhale exhale
include exclude
attach detach
connect disconnect
create destroy
build demolish
find lose
hide show
remember forget
wake sleep
live die
freeze melt
freeze thaw
expand shrink
ascend descend
ascending descending
horizontal vertical
parallel serial
major minor
majority minority
more less
more fewer
all none
always never
everyone nobody
most least
many few
add remove
insert delete
append prepend
credit debit
debt credit
asset liability
supply demand
employer employee
doctor patient
landlord tenant
client server
input output
question answer
cause effect
host guest
lender borrower
buyer seller
plaintiff defendant
predator prey
acid base
metre mile
kilometre mile
kilogram pound
gram ounce
celsius fahrenheit
byte bit
megabyte gigabyte
monday sunday
january june
`

func TestLongTexts(t *testing.T) {
	long := strings.Repeat("How do I sort this list of words? ", 300)
	if v := Compare(long, long+"Now?"); v.Veto == "" {
		t.Error("long texts that differ are alike")
	}
	medium := strings.Repeat("How do I sort this list of words? ", 60)
	if v := Compare(medium, medium+"Without 3 of them?"); v.Veto == "" {
		t.Error("texts that differ behind their beginning are alike")
	}
}

func FuzzCompare(f *testing.F) {
	for _, p := range near(f)[:40] {
		f.Add(p.A, p.B)
	}
	f.Add("'", "''\"`“”")
	f.Add("-5", "--5 -- −5")
	f.Add("12 - 4 : 2, 1", "12-4:2 , 1")
	f.Add("why ? and why", "(a[0]) &x $y /z .w")
	f.Add("which way to", "ways of")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := Compare(a, b), Compare(b, a)
		if (x.Veto == "") != (y.Veto == "") {
			t.Errorf("%q, %q: %+v, and the other way round %+v", a, b, x, y)
		}
		if v := Compare(a, strings.Clone(a)); v != (Verdict{}) {
			t.Errorf("%q is not like itself: %+v", a, v)
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	pairs := near(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := &pairs[i%len(pairs)]
		Compare(p.A, p.B)
	}
}

func TestPhrasesAreFoundLongestFirst(t *testing.T) {
	for first, ps := range words.phrases {
		if !slices.IsSortedFunc(ps, func(a, b phrase) int { return len(b.from) - len(a.from) }) {
			t.Errorf("phrases with %q are out of order", first)
		}
	}
}
