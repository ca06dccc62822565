package config

import (
	"testing"
)

func TestProblemsSayWhereWhatAndWhatWouldBeRight(t *testing.T) {
	for _, test := range []struct {
		text string
		want []string
	}{
		// the file as a whole
		{"- a\n", []string{`corral.yaml:1:1: must hold fields such as "listen: 127.0.0.1:11435", not a list`}},
		{"\n  corral\n", []string{`corral.yaml:2:3: must hold fields such as "listen: 127.0.0.1:11435", not a single value`}},
		{"auth: none\n---\nauth: none\n", []string{`corral.yaml:3:1: holds a second document; keep one, without "---" in between`}},
		{"auth: none\nauth: required\n", []string{`corral.yaml:2:1: auth: is set twice; it stands in line 1 already`}},
		{"retry:\n\tbase: 1s\n", []string{`corral.yaml:2:1: not valid YAML: a tab stands where YAML wants spaces`}},
		{"auth: a: b\n", []string{`corral.yaml:1:7: not valid YAML: a ":" stands where none may; check the indentation, or put the text in quotes`}},
		{"hosts: [a\n", []string{`corral.yaml:1:8: not valid YAML: a "[" is not closed`}},
		{"retry: {base: 1s\n", []string{`corral.yaml:1:8: not valid YAML: a "{" is not closed, or a "," is missing`}},
		{"auth: 'none\n", []string{`corral.yaml:1:7: not valid YAML: a quote is not closed`}},
		{"auth: @none\n", []string{"corral.yaml:1:7: not valid YAML: a text starts with @ or `, which YAML reserves; put it in quotes"}},
		{"auth none\nlisten: a\n", []string{`corral.yaml:1:1: not valid YAML: this key has no ":"; check the indentation`}},
		{"auth: \xff\n", []string{`corral.yaml:1:7: is not UTF-8 text; save it as UTF-8`}},
		{"hosts: [*none]\n", []string{
			`corral.yaml:1:9: *"none" is an alias of nothing; define &"none" above it, or put the text in quotes`,
			`corral.yaml:1:9: hosts[0]: is empty; give it a value or remove the entry`,
		}},
		{"auth: !secret none\n", []string{`corral.yaml:1:7: has a YAML tag (!); put the text in quotes`}},
		{"<<: { auth: none }\n", []string{`corral.yaml:1:1: this key is not a plain name; merge keys (<<) and aliases are not used for keys here`}},

		// names of fields
		{"lisen: 127.0.0.1:1\n", []string{`corral.yaml:1:1: lisen: is not a known field; did you mean listen?`}},
		{"Listen: 127.0.0.1:1\n", []string{`corral.yaml:1:1: Listen: is not a known field; did you mean listen?`}},
		{"retry:\n  max-attempts: 1\n", []string{`corral.yaml:2:3: retry.max-attempts: is not a known field; did you mean max_attempts?`}},
		{"providers: [ { name: a, kind: openai, api_key: env:A } ]\n", []string{`corral.yaml:1:39: providers[0].api_key: is not a known field; did you mean key?`}},
		{"port: 80\n", []string{`corral.yaml:1:1: port: is not a known field; did you mean listen?`}},
		{"breaker: { quux: 1 }\n", []string{`corral.yaml:1:12: breaker.quux: is not a known field; here may stand failures, rate, window, min_calls, open_for, probes or slow`}},
		{"\"a.b\": 1\n\"\": 2\n", []string{
			`corral.yaml:1:1: "a.b": is not a known field; here may stand listen, auth, hosts, origins, providers, models, local_only, retry, breaker, timeouts, queue, cache, guard, limits, audit, prices, budgets, health, slo, telemetry or shutdown`,
			`corral.yaml:2:1: "": is not a known field; here may stand listen, auth, hosts, origins, providers, models, local_only, retry, breaker, timeouts, queue, cache, guard, limits, audit, prices, budgets, health, slo, telemetry or shutdown`,
		}},

		// shapes and types
		{"retry: 5\n", []string{`corral.yaml:1:8: retry: must be a section with strategy, max_attempts, base, max or budget, not a single value`}},
		{"hosts: a.lan\n", []string{`corral.yaml:1:8: hosts: must be a list, not a single value`}},
		{"listen: [a]\n", []string{`corral.yaml:1:9: listen: must be a text, not a list`}},
		{"retry: { max_attempts: many, base: 5, max: 1 minute }\n", []string{
			`corral.yaml:1:24: retry.max_attempts: "many" is not a whole number`,
			`corral.yaml:1:36: retry.base: "5" has no unit; write 5s, 5m or 5h`,
			`corral.yaml:1:44: retry.max: "1 minute" is not a duration; write for example 200ms, 60s, 15m or 90d`,
		}},
		{"limits: { concurrent: 1.5, body: 32M }\n", []string{
			`corral.yaml:1:23: limits.concurrent: "1.5" is not a whole number`,
			`corral.yaml:1:34: limits.body: "32M" is not a size; write for example 32MiB, 2GB or a number of bytes`,
		}},
		{"slo: { availability: 99.9, error_rate: 101% }\n", []string{
			`corral.yaml:1:22: slo.availability: "99.9" has no %; write 99.9%`,
			`corral.yaml:1:40: slo.error_rate: "101%" is not a percentage; write for example 99.9%`,
		}},
		{"health: { min_free_memory: 5, max_temperature: .inf }\n", []string{
			`corral.yaml:1:28: health.min_free_memory: "5" is neither a percentage nor a size; write for example 5% or 2GiB`,
			`corral.yaml:1:48: health.max_temperature: ".inf" is not a number`,
		}},
		{"models: [ { name: a, local_only: yes, targets: [ local ] } ]\n", []string{
			`corral.yaml:1:34: models[0].local_only: "yes" is not true or false`,
			`corral.yaml:1:50: models[0].targets[0]: must be a section with provider or model, not a single value`,
		}},
		{"models: [ { name: a, last_resort: [ same, {}, [a] ] } ]\n", []string{
			`corral.yaml:1:37: models[0].last_resort[0]: "same" is not known; use similar or { static: "a sentence" }`,
			`corral.yaml:1:43: models[0].last_resort[1].static: is missing; write the sentence that callers get`,
			`corral.yaml:1:47: models[0].last_resort[2]: must be similar or { static: "a sentence" }, not a list`,
		}},

		// who may reach Corral
		{"listen: 0.0.0.0:11435\n", []string{`corral.yaml:1:9: listen: "0.0.0.0:11435" can be reached from other machines, but auth is none; set auth: required and make a key with "corral keys", or listen on 127.0.0.1:11435`}},
		{"listen: ':80'\n", []string{`corral.yaml:1:9: listen: ":80" can be reached from other machines, but auth is none; set auth: required and make a key with "corral keys", or listen on 127.0.0.1:80`}},
		{"listen: box.lan:80\n", []string{`corral.yaml:1:9: listen: "box.lan:80" can be reached from other machines, but auth is none; set auth: required and make a key with "corral keys", or listen on 127.0.0.1:80`}},
		{"listen: ':80'\nauth: required\n", nil},
		{"listen: localhost:0\n", nil},
		{"listen: '[::1]:80'\n", nil},
		{"listen: 127.0.0.1\n", []string{`corral.yaml:1:9: listen: "127.0.0.1" is not an address; write host:port, such as 127.0.0.1:11435`}},
		{"listen: 127.0.0.1:65536\n", []string{`corral.yaml:1:9: listen: "127.0.0.1:65536" is not an address; write host:port, such as 127.0.0.1:11435`}},
		{"listen: 127.0.0.1:http\n", []string{`corral.yaml:1:9: listen: "127.0.0.1:http" is not an address; write host:port, such as 127.0.0.1:11435`}},
		{"listen: 127.0.0.300:80\n", []string{`corral.yaml:1:9: listen: "127.0.0.300:80" is not an address; write host:port, such as 127.0.0.1:11435`}},
		{"auth: maybe\n", []string{`corral.yaml:1:7: auth: "maybe" is not known; use none or required`}},
		{"hosts: [ box.lan, 10.0.0.1, 'http://a', 'a:80', 'a b', '*.lan' ]\n", []string{
			`corral.yaml:1:29: hosts[2]: "http://a" is not a host name; write it without scheme, port or path, such as box.lan`,
			`corral.yaml:1:41: hosts[3]: "a:80" is not a host name; write it without scheme, port or path, such as box.lan`,
			`corral.yaml:1:49: hosts[4]: "a b" is not a host name; write it without scheme, port or path, such as box.lan`,
			`corral.yaml:1:56: hosts[5]: "*.lan" is not a host name; write it without scheme, port or path, such as box.lan`,
		}},
		{"origins: [ 'https://a.org', 'http://a.org:8080', 'app://obsidian.md', 'http://[::1]:3000', 'http://[::1]' ]\n", nil},
		{"origins: [ '*', 'https://a.org/', 'https://a.org/x', 'a.org', 'https://a.org:443', 'null' ]\n", []string{
			`corral.yaml:1:12: origins[0]: any origin (*) is not offered, for then every web page could call; name the origins, such as https://app.example.org`,
			`corral.yaml:1:17: origins[1]: "https://a.org/" ends in a slash; write it without`,
			`corral.yaml:1:35: origins[2]: "https://a.org/x" is not an origin; write scheme://host or scheme://host:port and nothing else, such as https://app.example.org`,
			`corral.yaml:1:54: origins[3]: "a.org" is not an origin; write scheme://host or scheme://host:port and nothing else, such as https://app.example.org`,
			`corral.yaml:1:63: origins[4]: "https://a.org:443" names its scheme's own port, which browsers leave out; write https://a.org`,
			`corral.yaml:1:84: origins[5]: "null" is not an origin; write scheme://host or scheme://host:port and nothing else, such as https://app.example.org`,
		}},

		// providers
		{"providers: []\n", []string{`corral.yaml:1:12: providers: must have at least one entry, such as { name: local, kind: ollama }`}},
		{"providers:\n  - kind: ollama\n  - name: a b\n    kind: olama\n  - {name: x, kind: openai}\n  - {name: x, kind: openai, dialects: [grpc]}\n", []string{
			`corral.yaml:2:5: providers[0].name: is missing; give each provider a name, such as local`,
			`corral.yaml:3:11: providers[1].name: "a b" is not a name; use up to 64 letters, digits, dots, dashes and underscores`,
			`corral.yaml:4:11: providers[1].kind: "olama" is not known; use ollama, openai, anthropic or gemini`,
			`corral.yaml:6:12: providers[3].name: "x" is the name of providers[2] already; each needs its own`,
			`corral.yaml:6:40: providers[3].dialects[0]: "grpc" is not known; use ollama, openai or anthropic`,
		}},
		{`providers:
  - { name: a, kind: ollama, url: 127.0.0.1:11434 }
  - { name: b, kind: ollama, url: ftp://host }
  - { name: c, kind: ollama, url: "http://:80" }
  - { name: d, kind: ollama, url: http://u:p@host }
  - { name: e, kind: openai, url: "https://host/v1?a=b" }
  - { name: f, kind: openai, url: https://host/v1/chat/completions }
  - { name: g, kind: anthropic, url: https://host/v1 }
  - { name: h, kind: ollama, url: http://host/api/ }
  - { name: i, kind: anthropic, url: https://host/anthropic }
`, []string{
			`corral.yaml:2:35: providers[0].url: "127.0.0.1:11434" is not a URL; write for example http://127.0.0.1:11434`,
			`corral.yaml:3:35: providers[1].url: "ftp://host" must start with http:// or https://`,
			`corral.yaml:4:35: providers[2].url: "http://:80" names no host; write for example http://127.0.0.1:11434`,
			`corral.yaml:5:35: providers[3].url: must not hold a user or a password`,
			`corral.yaml:6:35: providers[4].url: must end before the "?" or "#"`,
			`corral.yaml:7:35: providers[5].url: "https://host/v1/chat/completions" goes too far for kind openai; write https://host/v1`,
			`corral.yaml:8:38: providers[6].url: "https://host/v1" goes too far for kind anthropic; write https://host`,
			`corral.yaml:9:35: providers[7].url: "http://host/api" goes too far for kind ollama; write http://host`,
		}},
		{`providers:
  - { name: a, kind: openai, key: sk-proj-abc }
  - { name: b, kind: openai, key: "keyring:" }
  - { name: c, kind: openai, key: env:MY-KEY }
  - { name: d, kind: openai, key: "keyring:a b" }
  - { name: e, kind: openai, key: file:openai.key }
  - { name: f, kind: openai, key: env:sk_live }
`, []string{
			`corral.yaml:2:35: providers[0].key: must say where the key is kept, not be the key: use keyring:NAME, env:NAME or file:PATH`,
			`corral.yaml:3:35: providers[1].key: names no place; use keyring:NAME, env:NAME or file:PATH`,
			`corral.yaml:4:35: providers[2].key: is not the name of a variable; write for example env:OPENAI_API_KEY`,
			`corral.yaml:5:35: providers[3].key: is not a name for the keyring; use letters, digits, dots, dashes and underscores, such as keyring:openai`,
			`corral.yaml:6:35: providers[4].key: needs the whole path, such as file:/etc/corral/openai.key`,
			`corral.yaml:7:35: providers[5].key: looks like a key itself; write the name it is kept under, such as keyring:openai or env:OPENAI_API_KEY`,
		}},

		// models
		{`models:
  - name: chat
  - { name: chat, targets: [ { provider: loca, model: a } ] }
  - { name: a b, targets: [ { provider: elsewhere, model: a b } ] }
  - targets: [ { } ]
`, []string{
			`corral.yaml:2:5: models[0].targets: is missing; name at least one, such as { provider: local, model: llama3.2 }`,
			`corral.yaml:3:13: models[1].name: "chat" is the name of models[0] already; each needs its own`,
			`corral.yaml:3:42: models[1].targets[0].provider: "loca" is not the name of a provider; did you mean local?`,
			`corral.yaml:4:13: models[2].name: "a b" is not a model's name; use up to 256 plain characters without spaces`,
			`corral.yaml:4:41: models[2].targets[0].provider: "elsewhere" is not the name of a provider; use local`,
			`corral.yaml:4:59: models[2].targets[0].model: "a b" is not a model's name; use up to 256 plain characters without spaces`,
			`corral.yaml:5:5: models[3].name: is missing; write the name that apps ask for, such as chat`,
			`corral.yaml:5:16: models[3].targets[0].model: is missing; write the provider's own name of the model`,
			`corral.yaml:5:16: models[3].targets[0].provider: is missing; use local`,
		}},
		{"models: [ { name: a, last_resort: [ similar ] } ]\n", []string{
			`corral.yaml:1:37: models[0].last_resort[0]: similar needs an embedding model; set cache.similar.model, such as all-minilm`,
		}},
		{`providers: [ { name: local, kind: ollama }, { name: cloud, kind: openai } ]
models:
  - name: a
    local_only: true
    targets:
      - { provider: cloud, model: gpt-4o }
      - { provider: local, model: "gpt-oss:120b-cloud" }
      - { provider: local, model: "gpt-oss:20b" }
`, []string{
			`corral.yaml:6:21: models[0].targets[0].provider: "cloud" is not on this machine, but "a" is local_only; remove the target or local_only`,
			`corral.yaml:7:35: models[0].targets[1].model: "gpt-oss:120b-cloud" runs in the cloud, but "a" is local_only; remove the target or local_only`,
		}},

		// the rest
		{"retry:\n  strategy: expo\n  max_attempts: 0\n  base: 0s\n  max: 1ms\n", []string{
			`corral.yaml:2:13: retry.strategy: "expo" is not known; use exponential, linear or fibonacci`,
			`corral.yaml:3:17: retry.max_attempts: 0 is out of range; use 1 to 10`,
			`corral.yaml:4:9: retry.base: 0s is too short; it must be more than 0s`,
		}},
		{"retry: { base: 10s }\n", []string{`corral.yaml:1:1: retry.max: 5s is shorter than retry.base, which is 10s`}},
		{"breaker: { failures: 0, open_for: 0, probes: 0 }\n", []string{
			`corral.yaml:1:22: breaker.failures: 0 is out of range; use 1 to 1000`,
			`corral.yaml:1:35: breaker.open_for: 0s is too short; it must be more than 0s`,
			`corral.yaml:1:46: breaker.probes: 0 is out of range; use 1 to 100`,
		}},
		{"timeouts: { connect: 0s, first_token: 2h, idle: 0s }\n", []string{
			`corral.yaml:1:22: timeouts.connect: 0s is too short; it must be more than 0s`,
			`corral.yaml:1:39: timeouts.first_token: 2h is longer than timeouts.whole, which is 1h`,
			`corral.yaml:1:49: timeouts.idle: 0s is too short; it must be more than 0s`,
		}},
		{"providers: [ { name: far, kind: openai, url: https://api.example.org/v1 } ]\ncache: { similar: { model: m, provider: far } }\n", []string{
			`corral.yaml:2:41: cache.similar.provider: "far" is not on this machine, and questions do not leave it to be compared`,
		}},
		{"cache: { similar: { model: m, provider: nobody } }\n", []string{`corral.yaml:1:41: cache.similar.provider: there is no provider "nobody"`}},
		{"cache: { exact: { models: [ { model: 'a[', when: never } ] }, similar: { when: sometimes, ttl: 0s }, max_file: 1KiB }\n", []string{
			`corral.yaml:1:38: cache.exact.models[0].model: "a[" is no name and no pattern of names; write a model's name, or such as llama3*`,
			`corral.yaml:1:50: cache.exact.models[0].when: "never" is not known; use off, deterministic or always`,
			`corral.yaml:1:80: cache.similar.when: "sometimes" is not known; use always or last-resort`,
			`corral.yaml:1:96: cache.similar.ttl: 0s is too short; it must be more than 0s`,
			`corral.yaml:1:112: cache.max_file: 1KiB is too small; use 1MiB or more, or 0 to keep answers in memory only`,
		}},
		{"cache: { exact: { ttl: 0s, max_bytes: 0, when: never }, similar: { threshold: 1.1 } }\n", []string{
			`corral.yaml:1:24: cache.exact.ttl: 0s is too short; it must be more than 0s`,
			`corral.yaml:1:39: cache.exact.max_bytes: must be more than 0; to keep no answers write cache.exact.when: off`,
			`corral.yaml:1:48: cache.exact.when: "never" is not known; use off, deterministic or always`,
			`corral.yaml:1:79: cache.similar.threshold: 1.1 is out of range; use a number over 0 and up to 1, such as 0.95`,
		}},
		{"guard: { secrets: on, pii: hide, injection: redact }\n", []string{
			`corral.yaml:1:19: guard.secrets: "on" is not known; use off, flag, redact-for-cloud, redact or block`,
			`corral.yaml:1:28: guard.pii: "hide" is not known; use off, flag, redact-for-cloud, redact or block`,
			`corral.yaml:1:45: guard.injection: "redact" is not known; use off, flag or block`,
		}},
		{"limits: { requests_per_minute: -1, concurrent: -1, body: 1, connections: 0 }\n", []string{
			`corral.yaml:1:32: limits.requests_per_minute: -1 is out of range; use 0 to 1000000`,
			`corral.yaml:1:48: limits.concurrent: -1 is out of range; use 0 to 1000000`,
			`corral.yaml:1:58: limits.body: 1 is out of range; use 1KiB to 1GiB`,
			`corral.yaml:1:74: limits.connections: 0 is out of range; use 1 to 1000000`,
		}},
		{"audit: { anchors: [ anchor.log, slog, \"syslog://host\", ftp://host/x, \"https://me:pw@host/x\", \"https://host/x?key=1\" ] }\n", []string{
			`corral.yaml:1:21: audit.anchors[0]: "anchor.log" is not a whole path; write for example /mnt/other/corral-anchor.log, https://host/path or syslog`,
			`corral.yaml:1:33: audit.anchors[1]: "slog" is not a whole path; write for example /mnt/other/corral-anchor.log, https://host/path or syslog`,
			`corral.yaml:1:39: audit.anchors[2]: "syslog://host" is not known; write syslog for this machine's own`,
			`corral.yaml:1:56: audit.anchors[3]: "ftp://host/x" must start with http:// or https://`,
			`corral.yaml:1:70: audit.anchors[4]: must not hold a user or a password`,
			`corral.yaml:1:94: audit.anchors[5]: must end before the "?" or "#"`,
		}},
		{"audit: { anchors: [ /mnt/a, /mnt/a ] }\n", []string{`corral.yaml:1:29: audit.anchors[1]: stands there twice`}},
		{"audit: { anchors: [ syslog, \"syslog:\" ] }\n", []string{`corral.yaml:1:29: audit.anchors[1]: stands there twice`}},
		{"audit: { anchors: [ /mnt/a, \"https://host/x\", \"syslog:\" ] }\n", nil},
		{"audit: { content: plain, durability: none, retention: 90, on_failure: stop }\n", []string{
			`corral.yaml:1:19: audit.content: "plain" is not known; use hash or encrypted`,
			`corral.yaml:1:38: audit.durability: "none" is not known; use group or strict`,
			`corral.yaml:1:55: audit.retention: "90" has no unit; write 90s, 90m or 90h`,
			`corral.yaml:1:71: audit.on_failure: "stop" is not known; use continue or refuse`,
		}},
		{"budgets: [ { per: day, usd: 2000000000, then: warn, only: alice }, { per: day, usd: 2000000000, then: refuse, only: alice, scope: users } ]\n", []string{
			`corral.yaml:1:29: budgets[0].usd: 2e+09 is out of range; use a billionth of a US dollar up to a billion`,
			`corral.yaml:1:59: budgets[0].only: "alice" can be a key, a user or an app; write scope: key, user or app beside it`,
			`corral.yaml:1:85: budgets[1].usd: 2e+09 is out of range; use a billionth of a US dollar up to a billion`,
			`corral.yaml:1:131: budgets[1].scope: "users" is not known; use all, key, user or app`,
		}},
		{"budgets: [ { per: day, usd: 2, then: warn }, { per: day, usd: 2, then: refuse, scope: all }, { per: day, usd: 3, then: refuse } ]\n", []string{
			`corral.yaml:1:46: budgets[1]: stands there already; give it another amount, window or scope`,
		}},
		{"budgets: [ { per: year, usd: -1, then: stop }, ~ ]\n", []string{
			`corral.yaml:1:19: budgets[0].per: "year" is not known; use hour, day, week or month`,
			`corral.yaml:1:30: budgets[0].usd: must be an amount over 0, in US dollars`,
			`corral.yaml:1:40: budgets[0].then: "stop" is not known; use warn, local-only or refuse`,
			`corral.yaml:1:48: budgets[1]: is empty; give it a value or remove the entry`,
		}},
		{"health: { pressure: [ sweat, off, refuse-load, refuse-load ], probe: 5s }\n", []string{
			`corral.yaml:1:23: health.pressure[0]: "sweat" is not known; use off, refuse-load, shrink-cache, lower-concurrency, unload-idle, prefer-smaller or prefer-cloud`,
			`corral.yaml:1:30: health.pressure[1]: off stands alone`,
			`corral.yaml:1:48: health.pressure[3]: stands there twice`,
			`corral.yaml:1:70: health.probe: 5s is too short; use 0s (never) or 1m and more`,
		}},
		{"health: { pressure: [] }\n", []string{`corral.yaml:1:21: health.pressure: is empty; write [off] for nothing to be done`}},
		{"health: { max_temperature: 500 }\nslo: { availability: 100% }\n", []string{
			`corral.yaml:1:28: health.max_temperature: 500 is out of range; use 0 (not watched) to 150 degrees Celsius`,
			`corral.yaml:2:22: slo.availability: must be less than 100%, such as 99.9%; a promise without any room is always broken`,
		}},
		{"telemetry: { otlp: localhost:4318, log: loud, format: xml }\n", []string{
			`corral.yaml:1:20: telemetry.otlp: "localhost:4318" is not a URL; write for example http://127.0.0.1:11434`,
			`corral.yaml:1:41: telemetry.log: "loud" is not known; use debug, info, warn or error`,
			`corral.yaml:1:55: telemetry.format: "xml" is not known; use auto, json or human`,
		}},
		{"telemetry: { sample: 101%, content: maybe, propagate: cloud, otlp_headers: [ { name: \"X Key\", value: sesame }, { name: X-Key }, { value: env:KEY } ] }\n", []string{
			`corral.yaml:1:22: telemetry.sample: "101%" is not a percentage; write for example 99.9%`,
			`corral.yaml:1:37: telemetry.content: "maybe" is not true or false`,
			`corral.yaml:1:55: telemetry.propagate: "cloud" is not known; use local or all`,
			`corral.yaml:1:86: telemetry.otlp_headers[0].name: "X Key" is not the name of a header; use letters, digits and dashes`,
			`corral.yaml:1:102: telemetry.otlp_headers[0].value: must say where the key is kept, not be the key: use keyring:NAME, env:NAME or file:PATH`,
			`corral.yaml:1:112: telemetry.otlp_headers[1].value: is missing; write where it is kept: keyring:NAME, env:NAME or file:PATH`,
			`corral.yaml:1:129: telemetry.otlp_headers[2].name: is missing; write the header's name, such as Authorization`,
		}},
		{"telemetry: { file: corral.log, file_max_bytes: 1MiB, file_keep: -1 }\n", []string{
			`corral.yaml:1:20: telemetry.file: "corral.log" is not a whole path; write for example /var/log/corral/corral.log`,
			`corral.yaml:1:48: telemetry.file_max_bytes: 1MiB is out of range; use 2MiB to 1TiB`,
			`corral.yaml:1:65: telemetry.file_keep: -1 is out of range; use 0 to 1000`,
		}},
		{"shutdown: -5s\n", []string{`corral.yaml:1:11: shutdown: "-5s" is not a duration; write for example 200ms, 60s, 15m or 90d`}},
	} {
		_, _, err := Parse("corral.yaml", []byte(test.text))
		t.Run("", func(t *testing.T) {
			wantProblems(t, err, test.want...)
			if t.Failed() {
				t.Logf("from\n%s", test.text)
			}
		})
	}
}

// A config that the operator API was given is checked by the same rules, without places.
func TestValidateNeedsNoFile(t *testing.T) {
	c := Default()
	c.Listen, c.Shutdown, c.SLO.LatencyP95 = "0.0.0.0:1", -1, -1
	c.Telemetry.Log = ""
	wantProblems(t, c.Validate(),
		`listen: "0.0.0.0:1" can be reached from other machines, but auth is none; set auth: required and make a key with "corral keys", or listen on 127.0.0.1:1`,
		`shutdown: -1ns is negative`,
		`slo.latency_p95: -1ns is negative`,
		`telemetry.log: is missing; use debug, info, warn or error`,
	)
}

func TestWhatStaysOnThisMachine(t *testing.T) {
	for url, want := range map[string]bool{
		"http://127.0.0.1:11434": true, "http://localhost": true, "http://[::1]:1/v1": true, "http://127.8.9.1": true, "http://[::ffff:127.0.0.1]": true,
		"http://10.0.0.1": false, "https://api.openai.com/v1": false, "http://localhost.example.org": false, "http://ollama": false, "": false,
	} {
		if got := (Provider{URL: url}).OnDevice(); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
	for model, want := range map[string]bool{"llama3.2": true, "gpt-oss:20b": true, "gpt-oss:120b-cloud": false, "kimi:cloud": false, "my-cloud": true} {
		if got := (Target{Model: model}).OnDevice(); got != want {
			t.Errorf("%s: %v", model, got)
		}
	}
}
