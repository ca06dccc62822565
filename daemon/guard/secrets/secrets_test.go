package secrets

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"corral/daemon/guard/span"
)

const (
	lowerSet  = "abcdefghijklmnopqrstuvwxyz"
	upperSet  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digitSet  = "0123456789"
	hexSet    = "0123456789abcdef"
	alnumSet  = lowerSet + upperSet + digitSet
	urlSet    = alnumSet + "-_"
	base64Set = alnumSet + "+/"
	base32Set = upperSet + "234567"
)

// made returns n characters of a set, the same in every run: whole secrets do not stand in this file, for scanners would trip over it. The first
// is no sign, and the last neither.
func made(set string, n int) string {
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(set))))
	b := make([]byte, n)
	for i := range b {
		b[i] = set[r.IntN(len(set))]
	}
	b[0], b[n-1] = set[r.IntN(10)], set[r.IntN(10)]
	return string(b)
}

// b64 of {"alg":"HS256"} and {"sub":"1"}.
func madeJWT() string {
	return "eyJ" + "hbGciOiJIUzI1NiJ9" + "." + "eyJ" + "zdWIiOiIxIn0" + "." + made(urlSet, 43)
}

func madeKey(name string) string {
	var lines strings.Builder
	for range 4 {
		lines.WriteString(made(base64Set, 64) + "\n")
	}
	return "-----BEGIN " + name + "PRIVATE KEY-----\n" + lines.String() + "-----END " + name + "PRIVATE KEY-----"
}

func TestFindsKeysByTheirForm(t *testing.T) {
	for kind, keys := range map[string][]string{
		"openai_key": {"sk-" + made(alnumSet, 20) + "T3Blbk" + "FJ" + made(alnumSet, 20), "sk-proj-" + made(urlSet, 74) + "T3Blbk" + "FJ" + made(urlSet, 74),
			"sk-svcacct-" + made(urlSet, 120), "sk-admin-" + made(urlSet, 120)},
		"anthropic_key":     {"sk-ant-" + "api03-" + made(urlSet, 93) + "AA", "sk-ant-" + "admin01-" + made(urlSet, 93) + "AA", "sk-ant-" + "oat01-" + made(urlSet, 93) + "AA"},
		"google_api_key":    {"AIza" + made(urlSet, 35)},
		"groq_key":          {"gsk_" + made(alnumSet, 52)},
		"huggingface_token": {"hf_" + made(alnumSet, 34)},
		"xai_key":           {"xai-" + made(alnumSet, 80)},
		"openrouter_key":    {"sk-or-v1-" + made(hexSet, 64)},
		"perplexity_key":    {"pplx-" + made(alnumSet, 48)},
		"replicate_token":   {"r8_" + made(alnumSet, 37)},
		"nvidia_key":        {"nvapi-" + made(urlSet, 64)},
		"corral_key":        {"corral_sk_" + made(urlSet, 43)},
		"llm_key":           {"sk-" + made(hexSet, 32), "csk-" + made(lowerSet+digitSet, 48), "fw_" + made(alnumSet, 24)},
		"aws_access_key":    {"AKIA" + made(base32Set, 16), "ASIA" + made(base32Set, 16)},
		"azure_key":         {made(alnumSet, 3) + "8Q~" + made(urlSet, 34)},
		"google_oauth":      {"GOCSPX-" + made(urlSet, 28), "ya29." + made(urlSet, 120)},
		"github_token":      {"ghp_" + made(alnumSet, 36), "ghs_" + made(alnumSet, 36), "github_pat_" + made(alnumSet, 22) + "_" + made(alnumSet, 59)},
		"gitlab_token":      {"glpat-" + made(urlSet, 20), "glrt-" + made(urlSet, 20)},
		"slack_token":       {"xoxb-" + made(digitSet, 12) + "-" + made(digitSet, 12) + "-" + made(alnumSet, 24), "xapp-1-A0" + made(upperSet, 9) + "-" + made(digitSet, 13) + "-" + made(hexSet, 64)},
		"webhook_url":       {"https://hooks.slack.com/" + "services/T" + made(upperSet, 8) + "/B" + made(upperSet, 8) + "/" + made(alnumSet, 24), "https://discord.com/api/" + "webhooks/" + made(digitSet, 18) + "/" + made(urlSet, 68)},
		"stripe_key":        {"sk_live_" + made(alnumSet, 24), "rk_live_" + made(alnumSet, 99), "whsec_" + made(alnumSet, 32)},
		"npm_token":         {"npm_" + made(alnumSet, 36)},
		"pypi_token":        {"pypi-AgEI" + "cHlwaS5vcmc" + made(urlSet, 120)},
		"service_token": {"SG." + made(urlSet, 22) + "." + made(urlSet, 43), "shpat_" + made(hexSet, 32), "dop_v1_" + made(hexSet, 64), "hvs." + made(urlSet, 90),
			"lin_api_" + made(alnumSet, 40), "NRAK-" + made(upperSet+digitSet, 27), "PMAK-" + made(hexSet, 24) + "-" + made(hexSet, 34), "dapi" + made(hexSet, 32)},
		"private_key": {madeKey(""), madeKey("RSA "), madeKey("OPENSSH "), strings.ReplaceAll(madeKey("EC "), "\n", `\n`)},
		"jwt":         {madeJWT()},
	} {
		for _, key := range keys {
			for _, around := range [][2]string{{"", ""}, {"my key is ", " and it stopped working"}, {"Authorization: Bearer ", "\n"}, {`{"apiKey": "`, `", "model": "m"}`},
				{"https://api.example.com/v1/x?key=", "&alt=sse"}, {"export KEY=", "\nexport B=1"}, {"see (", ")."}, {"größe ", "…"}, {`curl -H 'x-api-key: `, `' http://127.0.0.1`}} {
				text := around[0] + key + around[1]
				got := Find(text)
				if len(got) != 1 || text[got[0].From:got[0].To] != key || got[0].Kind != kind {
					t.Errorf("%s in %q: got %s", kind, text, shown(text, got))
				}
			}
		}
	}
}

func shown(text string, spans []span.Span) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%s %q; ", s.Kind, text[s.From:s.To])
	}
	return b.String()
}

func TestFindsValuesByTheirNames(t *testing.T) {
	token, hex, secret, azure := made(alnumSet, 24), made(hexSet, 40), made(base64Set, 40), made(base64Set, 86)+"=="
	id := "8c2bec9a-f06e-4391-96ce-" + "b16778e6c03e"
	for _, c := range []struct{ text, value, kind string }{
		{`api_key = "` + token + `"`, token, "generic_secret"},
		{`apiToken: ` + token, token, "generic_secret"},
		{`"acme-token" => "` + token + `",`, token, "generic_secret"},
		{"var acmeToken string = `" + token + "`", token, "generic_secret"},
		{"<acmeToken>\n    " + token + "\n</acmeToken>", token, "generic_secret"},
		{`System.setProperty("ACME_TOKEN", "` + token + `")`, token, "generic_secret"},
		{`os.environ["ACME_SECRET"] = '` + token + `'`, token, "generic_secret"},
		{`<add key="AcmeApiKey" value="` + token + `" />`, token, "generic_secret"},
		{`{"name": "ACME_TOKEN", "value": "` + token + `"}`, token, "generic_secret"},
		{`{"config": "ACME_TOKEN=` + token + `\nBACKUP=true"}`, token, "generic_secret"},
		{`"{\"client_secret\": \"` + token + `\"}"`, token, "generic_secret"},
		{"token: str = '" + token + "'", token, "generic_secret"},
		{"the access token is " + token + ".", token, "generic_secret"},
		{"acme_token: " + id, id, "generic_secret"},
		{"X-Acme-ApiKey: " + id, id, "generic_secret"},
		{`secret: "` + hex + `"`, hex, "generic_secret"},
		{"Authorization: Acme-Token " + hex, hex, "generic_secret"},
		{"aws_secret_access_key = " + secret, secret, "aws_secret_key"},
		{"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + azure + ";EndpointSuffix=core", azure, "azure_key"},
		{`password = "tr0ub4dor&3"`, "tr0ub4dor&3", "password"},
		{"Server=db;User Id=sa;Password=Gr33n!Tree9;Encrypt=true", "Gr33n!Tree9", "password"},
		{"Password: s0mm3rn8cht", "s0mm3rn8cht", "password"},
		{"the password is Kx72pq!9a.", "Kx72pq!9a", "password"},
		{"DB_PASSWORD=Winter2026!", "Winter2026!", "password"},
		{"Mein Passwort ist Winter2026", "Winter2026", "password"},
		{"Das Passwort lautet: Sommer2024", "Sommer2024", "password"},
		{"Mot de passe : Azerty!2024x", "Azerty!2024x", "password"},
		{"mdp: Azerty!2024x", "Azerty!2024x", "password"},
		{"OPENAI_KEY=Fq8Zm2Lk9Pw3" + "Rt7Yx1Vb5NcAq3", "Fq8Zm2Lk9Pw3" + "Rt7Yx1Vb5NcAq3", "generic_secret"},
		{"DATABASE_URL=postgres://svc:dI0jPvIVX0@db.example:5432/app", "dI0jPvIVX0", "password_in_url"},
		{"redis://:n0tAPlainWord@cache:6379", "n0tAPlainWord", "password_in_url"},
		{"git clone https://" + token + "@github.com/a/b", token, "generic_secret"},
		{"Authorization: Basic YWxhZGRpbjpv" + "cGVuc2VzYW1l", "YWxhZGRpbjpv" + "cGVuc2VzYW1l", "basic_auth"},
		{"curl -u bob:tr0ub4dor3 https://example.com", "bob:tr0ub4dor3", "basic_auth"},
		{"telegram: 123456789:AA" + made(urlSet, 33), "123456789:AA" + made(urlSet, 33), "service_token"},
	} {
		got := Find(c.text)
		if len(got) != 1 || c.text[got[0].From:got[0].To] != c.value || got[0].Kind != c.kind {
			t.Errorf("%q: got %s, want %s %q", c.text, shown(c.text, got), c.kind, c.value)
		}
	}
}

func TestFindsTheSecretKeyBesideTheAccessKey(t *testing.T) {
	access, secret := "AKIA"+made(base32Set, 16), made(base64Set, 40)
	text := "key " + access + ", and " + secret + " in eu-west-1"
	if got := Find(text); len(got) != 2 || got[1].Kind != "aws_secret_key" || text[got[1].From:got[1].To] != secret {
		t.Error(shown(text, got))
	}
}

func TestLeavesAloneWhatIsNoSecret(t *testing.T) {
	for _, text := range []string{
		"The password is required, and the token is expired. My secret: a good night's sleep.",
		`password: ********`, `password: "required"`, `Password: at least 8 characters`, `"password": "string"`,
		"Authorization: Bearer ${TOKEN}", "Authorization: Bearer <your-token>", `api_key=os.environ["ACME_API_KEY"]`, `apiKey = getSecret("prod/acme")`,
		`token = request.headers.token2`, `config.PrivateKey = testRSA2048PrivateKey`, `password = user.password1`, "secret := " + "base64EncodingPrefix",
		`export ACME_API_KEY="YOUR_API_KEY_HERE"`, "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx is a placeholder", "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		"AKIAIOSFODNN7EXAMPLE", "sk-ant-api03-...", "hf_xxxxx", "Bearer tokens and Basic authentication",
		"commit " + made(hexSet, 40), "sha256:" + made(hexSet, 64), "request-id: 8910ce7d-16c5-48ed-a7e8-bb7ba87b62b3", `etag: W/"` + made(hexSet, 32) + `"`,
		`"integrity": "sha512-` + made(base64Set, 86) + `=="`, "data:image/png;base64," + made(base64Set, 400), "traceparent: 00-" + made(hexSet, 32) + "-" + made(hexSet, 16) + "-01",
		"-----BEGIN CERTIFICATE-----\n" + made(base64Set, 64) + "\n-----END CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----\n" + made(base64Set, 64) + "\n-----END PUBLIC KEY-----",
		"-----BEGIN PRIVATE KEY-----\nanything\n-----END PRIVATE KEY-----", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5" + made(base64Set, 48) + " me@host",
		`class="css-cVwhCu" key="o5ja7TnC55C"`, `"id":"chatcmpl-` + made(alnumSet, 29) + `"`, "pk_test_" + made(alnumSet, 24) + " is publishable",
		`<input name="csrf_token" value="` + made(urlSet, 40) + `">`, `"next_page_token": "` + made(urlSet, 40) + `"`, `token_url = "https://example.com/oauth/token2"`,
		`publicKeyToken="6595b64144ccf1df"`, "max_tokens=4096, secret_length = 32, key_name: prod5-cmk", `"PWD="+cmd.Dir, "x"`, "--- PASS: TestSub/1 (0.00s)",
		"postgres://user:password@localhost:5432/app", "https://user:${PASSWORD}@example.com", "see https://example.com/a:b@c", "std::string secret::value2",
		"arn:aws:iam::123456789012:role/svc", "eyJhbGciOiJIUzI1NiJ9 is a header", "ssl_key = env/cert.p12", "TokenFile=RTL_INST_CODE1.cer", "password == confirm", "token: v1.25.3-rc1",
		"curl -u username:token", `"OLDPWD": "/home/me/project2"`, `private_key: ed25519.Ed25519PrivateKey,`, `'user[:passwd]', 'host[:port1]'`, `'pass': 'The "pass" statement 1'`, "my password is hunter2",
	} {
		if got := Find(text); len(got) > 0 {
			t.Errorf("%q: got %s", text, shown(text, got))
		}
	}
}

func TestKindsAreOnlyThoseOfTheList(t *testing.T) {
	kinds := Kinds()
	for _, f := range formats {
		if !slices.Contains(kinds, f.kind) {
			t.Errorf("%s finds %s, which is not in Kinds", f.prefix, f.kind)
		}
	}
}

// adversaries are texts that make a careless reader read on and on.
func adversaries(n int) map[string]string {
	m := map[string]string{"one run of letters": strings.Repeat("a", n), "nothing but zeros": strings.Repeat("\x00", n), "invalid": strings.Repeat("\xff\xc3", n/2)}
	for _, unit := range []string{"token=", `token="`, "token=aaaaaaaaa1&", "password: '", "://", "://a:b@", "://a:", "eyJ", "eyJhbGciOi.", "ZXlK/", "ZXlK", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ",
		"fm2_/", "fm2_", "ya29.", "xoxe.", "xoxb-1-", "SG.", "sk-", "sk-ant-api03-", "hooks.slack.com/services/", "Bearer ", "Basic ", "Basic AAAA", "-u a:b ", "-u a1:bcdefg1! ", "is ", "the password is ", "1:A",
		"1234567:AA", "8Q~", "=", ":", ">", `"`, `",`, "value=", `"value":`, " ", "AKIA" + made(base32Set, 16) + " ", "a.", "ops_eyJ/", "fm2_/ya29.", "bedrock-api-key-", "secret ", "---", "\\n", "a=", "token:x "} {
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

func check(t *testing.T, text string) {
	t.Helper()
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
}

func FuzzFind(f *testing.F) {
	for _, text := range adversaries(200) {
		f.Add(text)
	}
	for _, format := range formats {
		f.Add(format.prefix + made(alnumSet, 40))
	}
	f.Add(madeKey("RSA ") + madeJWT())
	f.Add("token:...... 0")
	f.Add(`password: "Grün3!x` + "\xff")
	f.Fuzz(check)
}

const prose = `When the harvest was over we walked down to the river, and my uncle told us how things were before the bridge: a ferry went twice a day,
and whoever missed it waited. "You had time," he said, "and nobody thought it strange." The token of the ferryman was a brass plate with a number on it;
the secret was to know which of his sons was rowing. I asked what became of them. He shrugged, and said that one went to the city to work for the railway,
and that the other kept bees on the far bank until the winter of the great flood. Can you rewrite this in the style of a newspaper, about 200 words long?
Keep the names, leave out the weather, and end with a question. Thanks a lot for your help, it is for a school magazine that appears four times a year.
`

const source = `func (s *Server) handle(w http.ResponseWriter, r *http.Request) error {
	token := r.Header.Get("Authorization")
	if token == "" || !strings.HasPrefix(token, "Bearer ") {
		return &Error{Kind: Unauthorized, Message: "no token", Err: errNoToken}
	}
	key, err := s.keys.Find(ctx, strings.TrimPrefix(token, "Bearer "))
	if err != nil {
		return fmt.Errorf("find key: %w", err)
	}
	cfg := &Config{Addr: ":8080", Timeout: 30 * time.Second, Password: os.Getenv("DB_PASSWORD"), APIKey: key.Value, Retries: 3}
	for i := 0; i < cfg.Retries; i++ {
		if resp, err = s.client.Do(req.WithContext(ctx)); err == nil {
			break
		}
		log.Printf("attempt %d: %v, url=%s, status=%d", i, err, req.URL, resp.StatusCode)
	}
	return json.NewEncoder(w).Encode(map[string]any{"id": key.ID, "secret": nil, "created_at": time.Now()})
}
`

func BenchmarkFind(b *testing.B) {
	digits := strings.Repeat("1027, 33.5, 2026-11-02T10:11:12Z, 18446744073709551615, 0x1f, 42; ", 16)
	for _, c := range []struct{ name, text string }{{"prose", prose}, {"code", source}, {"digits", digits}, {"secrets", strings.Repeat("my key is ghp_"+made(alnumSet, 36)+" ", 20)}} {
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
