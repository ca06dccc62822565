package secrets

import "strings"

// maxValue is the longest value, in bytes, that a name is taken to have: beyond it stands data, not a secret.
const maxValue = 400

// claim is what a name says of its value.
type claim uint8

const (
	nothing   claim = iota
	aToken          // token, secret, api key: made by a machine
	aPassword       // chosen by someone
	anID            // access id: a secret at some providers, where it looks random
	aHeader         // Authorization: a scheme may stand before the value
)

// operator looks at what may stand between a name and a value, and returns where the reading goes on.
func (s *scan) operator(at int) int {
	text := s.text
	to := at + 1
	switch text[at] {
	case '~':
		s.azure(at)
		return to
	case ',': // set("API_TOKEN", "...")
		if at < 2 || text[at-1] != '"' && text[at-1] != '\'' || class[text[at-2]]&alnum == 0 {
			return to
		}
	case ':':
		if strings.HasPrefix(text[to:], "//") {
			s.url(to + 2)
			return to
		}
		if at > 0 && class[text[at-1]]&digit != 0 && to < len(text) && text[to] == 'A' && s.telegram(at) {
			return to
		}
	}
	for to < len(text) && (text[to] == '=' || text[to] == ':' || text[to] == '>' || text[to] == '~') {
		to++
	}
	if text[to-1] == ':' && to-at > 1 { // std::string
		return to
	}
	what, aws := s.name(at)
	if what == nothing {
		return to
	}
	s.value(to, what, aws, text[to-1])
	return to
}

// said looks at "the password is ...".
func (s *scan) said(from, to int) {
	if from < 4 || to >= len(s.text) || class[s.text[to]]&(space|operator) == 0 {
		return
	}
	if what, aws := s.name(from); what == aToken || what == aPassword {
		if s.text[to] == ':' {
			to++
		}
		s.value(to, what, aws, ' ')
	}
}

// value reads the value behind a name, and adds it if it is what the name says. sign is the last character of what stands between them.
func (s *scan) value(at int, what claim, aws bool, sign byte) {
	text := s.text
	for n := 0; at < len(text) && n < 64 && class[text[at]]&space != 0; n++ {
		if text[at] == '\n' && sign != '>' && sign != '(' {
			return
		}
		at++
	}
	if s.known(at) {
		return
	}
	if what == aHeader {
		at = s.scheme(at)
	}
	if at+1 < len(text) && (text[at] == 'b' || text[at] == 'r' || text[at] == 'f' || text[at] == 'u') && (text[at+1] == '"' || text[at+1] == '\'') {
		at++ // a string of Python
	}
	escaped := at+1 < len(text) && text[at] == '\\' && text[at+1] == '"'
	if escaped {
		at++
	}
	if at >= len(text) {
		return
	}
	var to int
	quoted := false
	if q := text[at]; q == '"' || q == '\'' || q == '`' {
		if !escaped && s.closes(at) {
			return
		}
		at++
		window := text[at:min(len(text), at+maxValue+1)]
		n := strings.IndexByte(window, q)
		s.work += 8
		if n >= 0 {
			to, quoted = at+n, true
			if escaped && n > 0 && text[to-1] == '\\' {
				to--
			}
		} else {
			to = s.unquoted(at)
		}
	} else if sign == ',' {
		return
	} else {
		to = s.unquoted(at)
	}
	if s.known(at) || at < s.end || to-at < 6 || to-at > maxValue || text[at+4:min(to, at+6)] == "Q~" && s.azure(at+5) {
		return
	}
	v := text[at:to]
	s.work += len(v)
	if strings.IndexByte(v, '\n') >= 0 {
		return
	}
	if !quoted {
		v = strings.TrimRight(v, ".?:")
		to = at + len(v)
		if len(v) < 6 || code(v) || names(v) || to < len(text) && (text[to] == '(' || text[to] == '[' || text[to] == '{') {
			return // a call or an index: the name of a value and not the value
		}
	}
	switch {
	case what == aPassword:
		if !common(v) && (quoted || !variable(v)) && passwordLike(v, quoted) {
			s.add(at, to, "password")
		}
	case what == anID:
		if len(v) >= 14 && len(v) <= 40 && strings.ContainsAny(v, "0123456789") && mixed(v) && random(v) {
			s.add(at, to, "generic_secret")
		}
	case uuid(v) && !placeholder(v):
		s.add(at, to, "generic_secret")
	case !file(v) && (quoted || len(v) > 20 || !variable(v)) && random(v):
		s.add(at, to, kindOf(v, aws))
	}
}

// kindOf names a value that has no form of its own but a length and a name that tell.
func kindOf(v string, aws bool) string {
	switch {
	case aws && len(v) == 40:
		return "aws_secret_key"
	case len(v) == 88 && strings.HasSuffix(v, "=="), len(v) == 44 && v[43] == '=' && strings.ContainsAny(v, "+/"):
		return "azure_key" // AccountKey and SharedAccessKey of connection strings
	}
	return "generic_secret"
}

// scheme skips the word before the credentials of a header: Bearer, Token, Api-Token.
func (s *scan) scheme(at int) int {
	to := at
	for to < len(s.text) && to-at < 16 && class[s.text[to]]&(letter|dash) != 0 {
		to++
	}
	if to > at && to < len(s.text) && s.text[to] == ' ' {
		return to + 1
	}
	return at
}

// unquoted returns the end of a value without quotes.
func (s *scan) unquoted(at int) int {
	end := min(len(s.text), at+maxValue+1)
	const bare = valueStop // a set of its own in the memory of take, which is asked for what is not in it
	r := s.remembered(at, bare)
	to := max(at, r.to)
	if !r.whole {
		from := to
		for to < end && class[s.text[to]]&valueStop == 0 {
			to++
		}
		s.work += to - from
		r.to = max(r.to, to)
		r.whole = to < end || to == len(s.text)
	}
	return min(to, end)
}

// code reports whether an unquoted value is an expression: config.token, Foo::bar, user.password2.
func code(v string) bool {
	if v[0] == '$' || v[0] == '*' || v[0] == '!' || v[0] == '-' && len(v) < 20 || strings.Contains(v, "::") || strings.Contains(v, "->") {
		return true
	}
	if strings.IndexByte(v, '.') < 0 || class[v[0]]&letter == 0 {
		return false
	}
	for part := range strings.SplitSeq(v, ".") {
		if part == "" || class[part[0]]&(letter|underscore) == 0 || len(part) >= 16 && random(part) {
			return false
		}
		for i := range len(part) {
			if class[part[i]]&(alnum|underscore) == 0 {
				return false
			}
		}
	}
	return true
}

// names reports whether a value is itself a name of such a value: config.PrivateKey = testRSA2048PrivateKey.
func names(v string) bool {
	low := make([]byte, 0, 40)
	for i := max(0, len(v)-40); i < len(v); i++ {
		switch c := class[v[i]]; {
		case c&alnum != 0:
			low = append(low, v[i]|0x20)
		case c&(underscore|dot) == 0:
			return false
		}
	}
	what, _ := claims(low)
	return what != nothing
}

// variable reports whether a value reads as the name of a variable with a number in it, such as base64EncodingPrefix; a password that someone
// chose has its number at an end.
func variable(v string) bool {
	n := strings.IndexAny(v, "0123456789")
	if n <= 0 {
		return false
	}
	rest := strings.TrimLeft(v[n:], "0123456789")
	for i := range len(v) {
		if class[v[i]]&(alnum|underscore) == 0 {
			return false
		}
	}
	return len(rest) >= 3 && wordOrNumber(v[:n]) && wordOrNumber(rest)
}

// closes reports whether the quote at a place ends a string rather than begins one: "PWD=" + dir. It looks at the line before it, as far as it
// is short; an apostrophe is left alone, for those stand in prose.
func (s *scan) closes(at int) bool {
	const far = 200
	q := s.text[at]
	if q == '\'' {
		return false
	}
	line := s.text[max(0, at-far):at]
	if n := strings.LastIndexByte(line, '\n'); n >= 0 {
		line = line[n+1:]
	} else if len(line) == far {
		return false
	}
	s.work += len(line)
	open := false
	for i := range len(line) {
		if line[i] == q && (i == 0 || line[i-1] != '\\') {
			open = !open
		}
	}
	return open
}

// file reports whether a value is the name of a file.
func file(v string) bool {
	n := strings.LastIndexByte(v, '.')
	if n < 0 || len(v)-n > 6 {
		return false
	}
	switch strings.ToLower(v[n+1:]) {
	case "pem", "key", "crt", "cer", "p12", "pfx", "jks", "json", "yaml", "yml", "txt", "env", "xml", "conf", "cfg", "ini", "toml", "go", "py", "js",
		"ts", "html", "php", "sh", "com", "net", "org", "io", "dev":
		return true
	}
	return false
}

// mixed reports whether a value has small letters and capitals.
func mixed(v string) bool { return strings.ToLower(v) != v && strings.ToUpper(v) != v }

// name reads the name that ends before a place, and tells what it says. aws is whether it names a secret key of AWS.
func (s *scan) name(end int) (what claim, aws bool) {
	var buf [40]byte
	n, at := s.words(&buf, end)
	name := buf[n:]
	if types(name) && strings.HasSuffix(strings.TrimSuffix(s.text[max(0, at-2):at], " "), ":") { // token: str = "..."
		n, _ = s.words(&buf, at)
		name = buf[n:]
	} else if string(name) == "value" && at > 1 { // key="API_TOKEN" value="...", and the same in JSON
		for at > 0 && (s.text[at-1] == '"' || s.text[at-1] == ',' || s.text[at-1] == ' ') {
			at--
			s.work++
			if end-at > 40 {
				return nothing, false
			}
		}
		n, _ = s.words(&buf, at)
		name = buf[n:]
	}
	if string(name) == "pass" && end > 0 && s.text[end-1] != 'S' { // in capitals it is how a test ended
		return aPassword, false
	}
	for len(name) > 5 && name[len(name)-1] >= '0' && name[len(name)-1] <= '9' {
		name = name[:len(name)-1]
	}
	for _, t := range [...]string{"string", "str", "text", "value", "char"} {
		if len(name) > len(t)+4 && ends(name, t) {
			name = name[:len(name)-len(t)]
			break
		}
	}
	return claims(name)
}

// words reads backwards to the begin of a name, its letters made small and what joins its words left out: aws_secret_key, aws-secret-key and
// "AWS secret key" are one. It returns where the name begins in the buffer and in the text.
func (s *scan) words(buf *[40]byte, end int) (n, at int) {
	at = end
	for skipped := 0; at > 0 && skipped < 8; skipped++ { // quotes, brackets and the rest of an operator
		c := s.text[at-1]
		if c != ' ' && c != '"' && c != '\'' && c != '`' && c != ']' && c != '\\' && c != '.' && c != '?' && c != '|' && c != '=' && c != ':' && c != '\t' && c != '*' {
			break
		}
		at--
	}
	n = len(buf)
	for at > 0 && n > 0 {
		c := s.text[at-1]
		switch k := class[c]; {
		case k&upper != 0:
			n--
			buf[n] = c | 0x20
		case k&alnum != 0:
			n--
			buf[n] = c
		case k&(dash|underscore|dot) != 0, c == ' ' && at > 1 && class[s.text[at-2]]&alnum != 0:
		default:
			s.work += end - at
			return n, at
		}
		at--
	}
	s.work += end - at
	return n, at
}

// types reports whether a word is the type of a value, and not its name.
func types(name []byte) bool {
	switch string(name) {
	case "string", "str", "text", "any", "final":
		return true
	}
	return false
}

func ends(name []byte, with string) bool {
	return len(name) >= len(with) && string(name[len(name)-len(with):]) == with
}

// claims tells what a name in small letters says of its value, by its end: a token_url, a secret_length and a password_hash are none.
func claims(name []byte) (what claim, aws bool) {
	if len(name) < 3 {
		return nothing, false
	}
	is := func(word string) bool { return ends(name, word) }
	switch name[len(name)-1] {
	case 'n':
		if is("token") {
			for _, w := range [...]string{"csrf", "xsrf", "forgery", "authenticity", "page", "pagination", "continuation", "next", "cursor", "sync",
				"cancellation", "public", "publickey", "verificationrequest", "requestverification", "pad", "eos", "bos", "stop"} {
				if ends(name[:len(name)-len("token")], w) {
					return nothing, false
				}
			}
			return aToken, false
		}
		if is("authorization") {
			return aHeader, false
		}
	case 't':
		switch {
		case is("secret"):
			return aToken, is("awssecret")
		case is("passwort"), is("kennwort"):
			return aPassword, false
		}
	case 'y':
		if is("key") {
			for _, w := range [...]string{"secretaccess", "awssecret", "api", "access", "secret", "private", "auth", "encryption", "signing", "account",
				"storage", "master", "service", "subscription", "client", "consumer", "app", "write", "deploy", "admin", "server", "license", "hmac",
				"integration", "webhook", "application", "functions", "ocpapimsubscription", "session", "jwt", "project", "openai", "anthropic", "mistral", "groq", "cohere"} {
				if ends(name[:len(name)-len("key")], w) {
					return aToken, w == "secretaccess" || w == "awssecret"
				}
			}
		}
	case 'd':
		switch {
		case is("password"), is("passwd"), is("pwd"):
			return aPassword, false
		case is("accessid"), is("accesskeyid"):
			return anID, false
		}
	case 'e':
		if is("passphrase") || is("passcode") || is("motdepasse") {
			return aPassword, false
		}
	case 's':
		switch string(name) {
		case "dbpass", "userpass", "smtppass", "mysqlpass", "rootpass", "adminpass", "mailpass", "ftppass", "pgpass":
			return aPassword, false
		}
		if is("credentials") {
			return aToken, false
		}
	case 'p':
		if string(name) == "mdp" {
			return aPassword, false
		}
	case 'h':
		if string(name) == "auth" || is("xauth") {
			return aHeader, false
		}
	}
	return nothing, false
}

// telegram: the number of a bot, a colon, and 35 characters that begin with A. at is the colon.
func (s *scan) telegram(at int) bool {
	from := at
	for from > 0 && at-from < 17 && class[s.text[from-1]]&digit != 0 {
		from--
	}
	to := s.take(at+1, urlSafe, 36)
	sure := strings.HasPrefix(s.text[at+1:], "AA")
	if n := at - from; n < 5 || n > 16 || to-at-1 != 35 || entropy(s.text[at+1:to]) < 3.5 || from > 0 && class[s.text[from-1]]&wordChar != 0 {
		return false
	}
	if !sure {
		around := strings.ToLower(s.text[max(0, from-40):from])
		sure = strings.Contains(around, "telegram") || strings.Contains(around, "bot")
	}
	if sure {
		s.add(from, to, "service_token")
	}
	return sure
}

// azure: a client secret of Entra ID has three characters, a digit, Q~, and 31 to 34 more; at is the tilde.
func (s *scan) azure(at int) bool {
	from := at - 5
	if from < 0 || s.text[at-1] != 'Q' || class[s.text[at-2]]&digit == 0 || from > 0 && class[s.text[from-1]]&wordChar != 0 {
		return false
	}
	to := at + 1
	for to < len(s.text) && to-at <= 35 && (class[s.text[to]]&(urlSafe|dot) != 0 || s.text[to] == '~') {
		to++
	}
	s.work += to - at
	for to > at && s.text[to-1] == '.' {
		to--
	}
	if n := to - at - 1; n < 31 || n > 34 || entropy(s.text[from:to]) < 3.5 {
		return false
	}
	s.add(from, to, "azure_key")
	return true
}

// awsSecret takes a run of 40 characters of base64 near an access key as its secret half.
func (s *scan) awsSecret(from int) {
	if from > 0 && class[s.text[from-1]]&b64 != 0 {
		return
	}
	to := s.take(from, b64, 41)
	if v := s.text[from:to]; to-from == 40 && !isHex(v) && entropy(v) >= 4 && !placeholder(v) {
		s.add(from, to, "aws_secret_key")
	}
}
