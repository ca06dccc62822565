package pii

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"corral/daemon/guard/span"
)

func shown(text string, spans []span.Span) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%s %q; ", s.Kind, text[s.From:s.To])
	}
	return b.String()
}

func TestFinds(t *testing.T) {
	for kind, values := range map[string][]string{
		"email": {"anna@example.com", "ANNA.SMITH@SUB.DEPT.EXAMPLE.EDU", "anna+news@firma-beispiel.de", "o'neill@example.com"[2:], "zoé@example.com", "info@bücher.example", "a_b-1@xn--bcher-kva.example"},
		"phone": {"+44 20 7946 0958", "+1 414-799-2193", "+1 (414) 799-2193", "+49 (0)30 50773435", "+442079460958", "001-414-799-2193", "0044 20 7946 0958", "(414) 799-2193", "414-799-2193",
			"414.799.2193", "414-799-2193x123", "0151/45032891", "+33.1.23.45.67.89", "06 38 10 95 35", "03.93.92.16.85", "020 7946 0958", "+41\u00a062\u00a0585\u00a051\u00a090"},
		"credit_card":   {"4111 1111 1111 1111", "4111-1111-1111-1111", "5105105105105100", "378282246310005", "3782 822463 10005", "6011 1111 1111 1117", "2221 0000 0000 0009", "3530111333300000", "30569309025904"},
		"iban":          {"DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", "DE89-3704-0044-0532-0130-00", "DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432", "NO93 8601 1117 947", "FR14 2004 1010 0505 0001 3M02 606", "MT84MALT011000012345MTLCAST001S", "de89370400440532013000"},
		"us_ssn":        {"123-45-6789", "856-45-6789"},
		"uk_nino":       {"AB 12 34 56 C", "AB123456C", "JG-10-37-59-A", "AB 123456 C"},
		"ip_address":    {"203.0.113.7", "192.168.1.20", "10.0.0.5", "2001:db8::8a2e:370:7334", "fe80::1ff:fe23:4567:890a", "2001:0db8:85a3:0000:0000:8a2e:0370:7334"},
		"crypto_wallet": {"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xde709f2102306220921060314715629080e2fb77"},
	} {
		for _, v := range values {
			for _, around := range [][2]string{{"", ""}, {"this one: ", ", please"}, {"(", ")"}, {`{"x":"`, `"}`}, {"Grüße, ", ".\n"}, {"a,b\n1,", ",c"}, {"= '", "';"}} {
				text := around[0] + v + around[1]
				got := Find(text)
				if len(got) != 1 || got[0].Kind != kind || text[got[0].From:got[0].To] != v {
					t.Errorf("%s in %q: got %s", kind, text, shown(text, got))
				}
			}
		}
	}
}

func TestFindsByTheWordsAround(t *testing.T) {
	for _, c := range []struct{ text, value, kind string }{
		{"Can someone call me on 450 0840?", "450 0840", "phone"},
		{"Phone: 7822652", "7822652", "phone"},
		{"tel. 030 1234", "030 1234", "phone"},
		{"322 327 102 office", "322 327 102", "phone"},
		{"2813882583 mobile\n", "2813882583", "phone"},
		{"phone_number = 4147992193", "4147992193", "phone"},
		{"my card 4708815263146456 was declined", "4708815263146456", "credit_card"}, // a typing error: the check digit is wrong
		{"Visa 4222222222222", "4222222222222", "credit_card"},
		{"his social security number is 123 45 6789", "123 45 6789", "us_ssn"},
		{"ssn=123456789;", "123456789", "us_ssn"},
		{"connect to server 1.2.3.4", "1.2.3.4", "ip_address"},
		{"the firmware of host 10.2.3.4", "10.2.3.4", "ip_address"},
	} {
		got := Find(c.text)
		if len(got) != 1 || got[0].Kind != c.kind || c.text[got[0].From:got[0].To] != c.value {
			t.Errorf("%q: got %s, want %s %q", c.text, shown(c.text, got), c.kind, c.value)
		}
	}
}

func TestLeavesAlone(t *testing.T) {
	for _, text := range []string{
		// Wrong check digits.
		"Order 4111 1111 1111 1112 is stuck", "5105105105105101", "The validator should reject card 4111111111111112", "DE89 3704 0044 0532 0130 01", "GB82WEST12345698765433",
		"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdz", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", "0x0000000000000000000000000000000000000000",
		// Numbers that are never given out.
		"SSN 000-12-3456, 666-12-3456, 923-45-6789, 123-00-6789, 123-45-0000, 078-05-1120", "QQ 12 34 56 C", "GB 12 34 56 A", "AB 12 34 56 E", "+999 123 456 789", "+1 123-456-7890",
		"127.0.0.1, 0.0.0.0, 255.255.255.0, ::1, ::", "256.1.1.1", "1.2.3", "01.2.3.4",
		// Versions, packages, times, dates.
		"version 1.2.3.4", "firmware v7.65.576.77-rc6", "Upgrade to 10.43.65.2 now", "requests==2.31.0.4", "pkg@1.2.3.4", "image-1.2.3.4.tar.gz", "1.2.3.4", "1.3.6.1.4.1.311",
		"2026-11-02T10:11:12.123456789Z", "12:34:56", "01-02-2023 10:15", "12.05.2024 11.30", "10.0.0.0/8",
		"npm i @babel/core", "@app.route(\"/users\")", "foo@bar", "icon@2x.png", "git@github.com:a/b.git", "postgres://me:secret@db.example.com/x", "repo@sha256:" + strings.Repeat("ab", 32), "a@b..com",
		// Other numbers.
		"order 414-799-2193", "part 578-288-5651", "part 578-288-565f", "ISBN 978-3-921-73901-6", "epoch 1579911514 and 1769918693674", "took 07547886809 ms", "costs 774,778,992 dollars",
		"I'd like to call a taxi to 14 3684 Court Street", "5 000 000 mobile users", "8910ce7d-16c5-48ed-a7e8-bb7ba87b62b3", "[719, 396, 723, 189, 377, 404]", "719 396 723 189 377 404 214",
		"01 02 03 04 05", "50 4b 03 04 14 00 00 0a", "0069 0307 0300", "013 014 015", "123e4567 12 34 56 78", "x = 3.14159265358979", "18446744073709551615", "std::cab, dead::beef, a::b1",
		"de:ad:be:ef:00:01", "12:34:56:78:9a:bc:de:f0", "order ORD-2141-937698", "ssn 1234567890", "d=\"M2.12 3.51.98.32 4.1\"", "Opera Mobile, F: 1287100800", "51 Franklin St, Boston, MA 02110-1301, USA", "https://example.com/news01e/0104/010417", "Decimal('+35236450.6')", "abc123-45-6789", "+88888888888",
	} {
		if got := Find(text); len(got) > 0 {
			t.Errorf("%q: got %s", text, shown(text, got))
		}
	}
}

// What stands in JSON or in a program's text is escaped there, and the letter of an escape is no part of an address.
func TestAnAddressBehindAnEscape(t *testing.T) {
	for _, text := range []string{`\@ifnextchar`, `foo(\@list)`, `[^\@]+\@`, `\n@x.example`, `\u003c@example.com`, `\@example.com`} {
		if got := Find(text); len(got) != 0 {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{`Hello,\nanna@example.com`, `\u003canna@example.com\u003e`, `\t\tanna@example.com`} {
		got := Find(text)
		if len(got) != 1 || text[got[0].From:got[0].To] != "anna@example.com" {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestFindsSeveralInOrder(t *testing.T) {
	text := "Anna <anna@example.com>, +44 20 7946 0958, IBAN DE89 3704 0044 0532 0130 00; server 203.0.113.7:8080, ssn 123-45-6789 and card 4111 1111 1111 1111."
	var kinds []string
	for _, s := range Find(text) {
		kinds = append(kinds, s.Kind)
	}
	if want := []string{"email", "phone", "iban", "ip_address", "us_ssn", "credit_card"}; !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

// adversaries are texts that make a careless reader read on and on.
func adversaries(n int) map[string]string {
	m := map[string]string{"one run of letters": strings.Repeat("a", n), "nothing but zeros": strings.Repeat("\x00", n), "invalid": strings.Repeat("\xff\xc3", n/2)}
	for _, unit := range []string{"@", "a@", "a@a.", "a.", "é", "é@", "a@é", "://a:b@c.d ", "1", "1 ", "1-", "1.", "12 ", "123 ", "123-", "0151 ", "0151/", "06 38 ", "(1", "(1) ", "+1", "+1 ", "+44 20 ", "1.1.", "255.", "1:", "1::", "abcd:",
		"::", "4111 ", "4111-1111-", "411111111111111", "4111111111111111", "card 4111111111111112 ", "DE", "DE89", "DE89 ", "DE89 3704 ", "AB12 ", "AB 12 ", "0x", "0xabcdef ", "bc1", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3 ",
		"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdz ", "call 1234567 ", "call ", "123-45-6789 ", "123 45 6789 ", "phone ", "+123456789", "(0)", " (", "12 345 678 ", "\u00a0", "1\u00a0", "1x1 ", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD "} {
		m[unit] = strings.Repeat(unit, n/len(unit))
	}
	return m
}

func TestReadsEachByteABoundedNumberOfTimes(t *testing.T) {
	small, large := adversaries(1<<15), adversaries(1<<20)
	for name := range small {
		cost := func(text string) float64 {
			s := scan{text: text}
			s.run()
			return float64(s.work) / float64(len(text))
		}
		a, b := cost(small[name]), cost(large[name])
		if b > 1.1*a+1 {
			t.Errorf("%q: %.1f bytes read a byte of a small text, %.1f of a large one", name, a, b)
		}
		if b > 150 {
			t.Errorf("%q: %.1f bytes read a byte", name, b)
		}
	}
}

func TestReadsALargeText(t *testing.T) {
	text := strings.Repeat(prose, 10<<20/len(prose))
	if got := Find(text); len(got) > 0 {
		t.Error(shown(text, got[:1]))
	}
}

func FuzzFind(f *testing.F) {
	for _, text := range adversaries(200) {
		f.Add(text)
	}
	for _, text := range []string{"anna@example.com, +44 20 7946 0958", "DE89 3704 0044 0532 0130 00", "tel (414) 799-2193x12", "4111 1111 1111 1111", "zoé\xff@b\u00a0", "+49 (0)30 50773435", "2001:db8::8a2e:370:7334"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		end := 0
		for _, s := range Find(text) {
			if s.From < end || s.To <= s.From || s.To > len(text) || !slices.Contains(Kinds(), s.Kind) {
				t.Fatalf("%+v in %q, after one that ends at %d", s, text, end)
			}
			if utf8.ValidString(text) && !utf8.ValidString(text[s.From:s.To]) {
				t.Fatalf("%+v cuts a letter of %q", s, text)
			}
			end = s.To
		}
	})
}

const prose = `When the harvest of 1893 was over we walked down to the river, and my uncle told us how things were before the bridge: a ferry went twice a day,
and whoever missed it waited. "You had time," he said, "and nobody thought it strange." The ferryman had a brass plate with the number 12 on it; there were
3 sons, of whom the second, born on 4.5.1871, was said to row across in 9 minutes. I asked what became of them. He shrugged, and said that one went to the
city to work for the railway, and that the other kept bees on the far bank until the winter of the great flood. Can you rewrite this in the style of a
newspaper, about 200 words long? Keep the names, leave out the weather, and end with a question. It is for a school magazine that appears 4 times a year.
`

const source = `func (s *Server) handle(w http.ResponseWriter, r *http.Request) error {
	token := r.Header.Get("Authorization")
	if token == "" || !strings.HasPrefix(token, "Bearer ") {
		return &Error{Kind: Unauthorized, Message: "no token", Err: errNoToken}
	}
	cfg := &Config{Addr: "127.0.0.1:8080", Timeout: 30 * time.Second, Version: "1.25.3", Retries: 3, Mask: 0xffff, Limit: 1048576}
	for i := 0; i < cfg.Retries; i++ {
		if resp, err = s.client.Do(req.WithContext(ctx)); err == nil && resp.StatusCode != 503 {
			break
		}
		log.Printf("attempt %d: %v, url=%s, status=%d", i, err, req.URL, resp.StatusCode)
	}
	return json.NewEncoder(w).Encode(map[string]any{"id": "8910ce7d-16c5-48ed-a7e8-bb7ba87b62b3", "created_at": 1579911514})
}
`

func BenchmarkFind(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"prose", prose},
		{"code", source},
		{"digits", strings.Repeat("1027, 33.5, 2026-11-02T10:11:12Z, 18446744073709551615, 0x1f, 42; ", 16)},
		{"table", strings.Repeat("12 345 678 90 1234 5 67.89 10-11 ", 32)},
		{"found", strings.Repeat("Anna <anna@example.com>, +44 20 7946 0958, DE89 3704 0044 0532 0130 00, 203.0.113.7; ", 12)},
	} {
		text := strings.Repeat(c.text, 2)[:1024]
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(1024)
			b.ReportAllocs()
			for b.Loop() {
				Find(text)
			}
		})
	}
}
