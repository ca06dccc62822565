package secrets

import (
	"encoding/base64"
	"strings"
)

// anthropic: sk-ant-, what it is for, two digits and a dash; keys end in 95 characters, the last two of them AA. Sessions and other tokens of
// theirs have other lengths.
func anthropic(s *scan, at int) (from, to int, ok bool) {
	body := at + len("sk-ant-")
	to = s.take(body, urlSafe, 240)
	kind, rest, _ := strings.Cut(s.text[body:to], "-")
	switch strings.TrimRight(kind, "0123456789") {
	case "api", "admin":
		ok = len(rest) == 95 && strings.HasSuffix(rest, "AA")
	default:
		ok = len(rest) >= 60 && len(rest) <= 200
	}
	return at, to, ok && entropy(rest) >= 3.3 && !placeholder(rest)
}

// openAI is the older form of their keys: T3BlbkFJ, base64 for OpenAI, stands in the middle.
func openAI(s *scan, at int) (from, to int, ok bool) {
	body := at + len("sk-")
	to = s.take(body, urlSafe, 240)
	v := s.text[body:to]
	return at, to, len(v) >= 40 && len(v) < 240 && strings.Contains(v, "T3BlbkFJ") && entropy(v) >= 3.3
}

// sourcegraph: sgp_, perhaps the instance, then 40 hex digits.
func sourcegraph(s *scan, at int) (from, to int, ok bool) {
	to = s.take(at, urlSafe, 80)
	v := strings.TrimPrefix(s.text[at:to], "sgp_")
	if instance, rest, two := strings.Cut(v, "_"); two && (instance == "local" || len(instance) == 16) {
		v = rest
	}
	for i := range len(v) {
		if class[v[i]]&anyHex == 0 {
			return 0, 0, false
		}
	}
	return at, to, len(v) == 40 && entropy(v) >= 3
}

// slack: xoxb-, xoxp- and the like, numbers that are not secret, and a tail that is; configuration tokens stand behind "xoxe.".
func slack(s *scan, at int) (from, to int, ok bool) {
	to = s.take(at, urlSafe|dot, 600)
	v := strings.TrimPrefix(s.text[at:to], "xoxe.")
	v = strings.TrimRight(v, ".-_") // the end of a sentence
	to = at + strings.Index(s.text[at:to], v) + len(v)
	kind, rest, _ := strings.Cut(v, "-")
	if !(kind == "xapp" || len(kind) == 4 && strings.HasPrefix(kind, "xox")) || strings.IndexByte(rest, '.') >= 0 {
		return 0, 0, false
	}
	number, _, _ := strings.Cut(rest, "-")
	tail := rest[strings.LastIndexByte(rest, '-')+1:]
	if number == "" || len(number) == len(rest) || len(tail) < 10 || placeholder(tail[:min(len(tail), judged)]) {
		return 0, 0, false
	}
	for i := range len(number) {
		if class[number[i]]&digit == 0 {
			return 0, 0, false
		}
	}
	return at, to, strings.ContainsAny(tail, "0123456789") && entropy(tail) >= 2.5
}

// webhook takes a whole address: whoever has it may post.
func webhook(s *scan, at, least int) (from, to int, ok bool) {
	to = s.take(at, urlSafe|slashPlus|dot, 300)
	for to > at && s.text[to-1] == '.' {
		to--
	}
	path := s.text[at:to]
	for _, scheme := range []string{"https://", "http://"} {
		if strings.HasSuffix(s.text[max(0, at-len(scheme)):at], scheme) {
			at -= len(scheme)
			break
		}
	}
	return at, to, len(path) >= least && !placeholder(path)
}

func slackHook(s *scan, at int) (from, to int, ok bool) {
	rest := s.text[at+len("hooks.slack.com/"):]
	for _, sort := range []string{"services/", "workflows/", "triggers/"} {
		if strings.HasPrefix(rest, sort) {
			return webhook(s, at, len("hooks.slack.com/")+len(sort)+40)
		}
	}
	return 0, 0, false
}

func discordHook(s *scan, at int) (from, to int, ok bool) {
	return webhook(s, at, len("discord.com/api/webhooks/")+17+1+60)
}

// sentry: sntrys_, a JSON text in base64, an underscore, and 43 characters of base64.
func sentry(s *scan, at int) (from, to int, ok bool) {
	body := at + len("sntrys_")
	to = s.take(body, urlSafe|b64|equals, 600)
	v := s.text[body:to]
	n := strings.LastIndexByte(v, '_')
	if n < 0 || !strings.HasPrefix(v, "eyJ") {
		return 0, 0, false
	}
	return at, to, len(v)-n-1 == 43 && entropy(v) >= 3.5
}

// ageKey: bech32, in capitals, of an X25519 key (age's specification, "X25519 recipient").
func ageKey(s *scan, at int) (from, to int, ok bool) {
	to = s.take(at, urlSafe, 80)
	return at, to, to-at == len("AGE-SECRET-KEY-1")+58
}

// pem is a private key block from its first dash to its last. RFC 7468 gives the lines; OpenSSH, PGP and encrypted keys are written so too. A
// key in JSON has its line ends as \n.
func pem(s *scan, at int) (from, to int, ok bool) {
	const line, most = 64, 16 << 10
	head := s.text[at+len("-----BEGIN") : min(len(s.text), at+len("-----BEGIN")+line)]
	n := strings.Index(head, "-----")
	if n < 0 || !strings.Contains(head[:n], "PRIVATE KEY") {
		return 0, 0, false
	}
	body := at + len("-----BEGIN") + n + len("-----")
	rest := s.text[body:min(len(s.text), body+most)]
	end := strings.Index(rest, "-----")
	s.work += max(end, 0)
	if end < 0 { // cut off: what looks like a key is one
		end = s.take(body, b64|equals|space, most) - body
		s.work += len(rest)
		to = body + end
	} else {
		to = body + end + len("-----")
		tail := s.text[to:min(len(s.text), to+line)]
		if strings.HasPrefix(rest[end:], "-----END") {
			if n := strings.Index(tail, "-----"); n >= 0 {
				to += n + len("-----")
			}
		}
	}
	inner := s.text[body : body+end]
	if key := strings.Count(inner[:min(len(inner), 400)], " "); key > 40 {
		return 0, 0, false // prose between the lines
	}
	solid, run := 0, 0
	for i := range len(inner) {
		if class[inner[i]]&b64 == 0 {
			run = 0
			continue
		}
		if run++; run >= 16 {
			solid = max(solid, run)
		}
	}
	return at, to, solid >= 32 && !placeholder(inner[:min(len(inner), judged)])
}

// jwt: header, content and signature in base64 without padding (RFC 7519). The header must name its algorithm, so that JSON in base64 is none.
func jwt(s *scan, at int) (from, to int, ok bool) {
	const part = 8 << 10
	head := s.take(at, urlSafe, part)
	if head-at < 12 || head+1 >= len(s.text) || s.text[head] != '.' {
		return 0, 0, false
	}
	content := s.take(head+1, urlSafe, part)
	if content-head < 8 || content >= len(s.text) || s.text[content] != '.' {
		return 0, 0, false
	}
	to = s.take(content+1, urlSafe|equals, part)
	decoded, _ := base64.RawURLEncoding.DecodeString(s.text[at:min(head, at+512)])
	s.work += min(head-at, 512)
	return at, to, to-content > 16 && strings.Contains(string(decoded), `"alg"`)
}

// wrappedJWT is a JWT within base64, as Kubernetes keeps them: ZXlK is base64 for eyJ.
func wrappedJWT(s *scan, at int) (from, to int, ok bool) {
	to = s.take(at, b64|urlSafe|equals, 8<<10)
	if at < s.refused { // begun in the same run before
		return 0, 0, false
	}
	s.refused = to
	v := strings.TrimRight(s.text[at:to], "=")
	if len(v) < 80 {
		return 0, 0, false
	}
	v = v[:min(len(v), 512)&^3]
	decoded, _ := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(v))
	s.work += len(v)
	head, rest, dotted := strings.Cut(string(decoded), ".")
	return at, to, dotted && len(head) >= 12 && len(rest) >= 4 && strings.HasPrefix(head, "eyJ")
}

// bearer is what a header or a note says after that word.
func bearer(s *scan, at int) (from, to int, ok bool) {
	from = at + len("bearer ")
	if s.formed(from, true) || len(s.text) > from+6 && s.text[from+4:from+6] == "Q~" && s.azure(from+5) {
		return 0, 0, false
	}
	to = s.take(from, urlSafe|b64|dot|equals, maxValue)
	for to > from && s.text[to-1] == '.' {
		to--
	}
	return from, to, to-from >= 16 && random(s.text[from:to])
}

// basic is name and password in base64 (RFC 7617): what decodes to text with a colon is sure.
func basic(s *scan, at int) (from, to int, ok bool) {
	from = at + len("Basic ")
	to = s.take(from, b64|equals, maxValue)
	v := strings.TrimRight(s.text[from:to], "=")
	if len(v) < 10 {
		return 0, 0, false
	}
	decoded, err := base64.RawStdEncoding.DecodeString(v)
	name, password, two := strings.Cut(string(decoded), ":")
	for i := range len(name) {
		if name[i] < ' ' {
			return 0, 0, false
		}
	}
	return from, to, err == nil && two && len(password) >= 4 && !common(password) && !placeholder(password)
}

// curlUser is the name and password that curl is given.
func curlUser(s *scan, at int) (from, to int, ok bool) {
	from = at + strings.IndexByte(s.text[at:], ' ') + 1
	if from < len(s.text) && (s.text[from] == '"' || s.text[from] == '\'') {
		from++
	}
	to = s.unquoted(from)
	name, password, two := strings.Cut(s.text[from:to], ":")
	if !two || name == "" || common(password) || !passwordLike(password, true) && !random(password) {
		return 0, 0, false
	}
	before := s.text[max(0, at-200):at]
	s.work += len(before)
	return from, to, strings.Contains(before, "curl")
}

// common reports whether a password is one that documentation is full of.
func common(password string) bool {
	switch strings.ToLower(password) {
	case "password", "passwd", "pass", "pwd", "secret", "token", "user", "username", "postgres", "mysql", "root", "admin", "test", "guest", "example",
		"redis", "mongo", "rabbitmq", "x-oauth-basic", "apikey", "api_key", "yourpassword", "mypassword", "p@ssword", "pw", "hunter2":
		return true
	}
	return false
}

// url finds the password of an address, and a token in place of a name: scheme://name:password@host. at is behind the two slashes.
func (s *scan) url(at int) bool {
	to := at
	for to < len(s.text) && to < at+maxValue {
		c := s.text[to]
		if c == '/' || c == '?' || c == '#' || c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`' || c == '\\' {
			break
		}
		to++
	}
	s.work += to - at
	n := strings.LastIndexByte(s.text[at:to], '@')
	if n <= 0 {
		return false
	}
	name, password, two := strings.Cut(s.text[at:at+n], ":")
	if !two {
		if s.known(at) {
			return true
		}
		if len(name) < 20 || !random(name) {
			return false
		}
		s.add(at, at+n, "generic_secret")
		return true
	}
	if len(password) < 4 || strings.ContainsAny(password, "${}<>*%()[]") && !strings.Contains(password, "%4") || strings.Contains(password, "&lt;") || common(password) || placeholder(password) {
		return false
	}
	from := at + len(name) + 1
	if s.known(from) {
		return true
	}
	if len(name) >= 8 && isHex(name) { // a pair handed out by a machine, as to customers of a package server: the name is half of the secret
		from = at
	}
	s.add(from, at+n, "password_in_url")
	return true
}

func isHex(v string) bool {
	for i := range len(v) {
		if class[v[i]]&anyHex == 0 {
			return false
		}
	}
	return true
}
