package secrets

import "strings"

// format is a secret that is known by its own form: a prefix, then so many characters of an alphabet, and no such character after them.
type format struct {
	prefix   string
	kind     string
	chars    set
	min, max int     // of the characters behind the prefix
	form     form    // decides instead of the above where there is more to it
	entropy  float64 // bits a byte that the characters must have; 0 means plain (2.5)
}

// form names a function that reads what has more to it than a prefix and a length. The table holds names, not functions, as these look into the
// table themselves.
type form uint8

const (
	plain form = iota
	anthropicForm
	openAIForm
	sourcegraphForm
	slackForm
	slackHookForm
	discordHookForm
	sentryForm
	ageKeyForm
	pemForm
	jwtForm
	wrappedJWTForm
	bearerForm
	basicForm
	curlUserForm
)

func (f form) match(s *scan, at int) (from, to int, ok bool) {
	switch f {
	case anthropicForm:
		return anthropic(s, at)
	case openAIForm:
		return openAI(s, at)
	case sourcegraphForm:
		return sourcegraph(s, at)
	case slackForm:
		return slack(s, at)
	case slackHookForm:
		return slackHook(s, at)
	case discordHookForm:
		return discordHook(s, at)
	case sentryForm:
		return sentry(s, at)
	case ageKeyForm:
		return ageKey(s, at)
	case pemForm:
		return pem(s, at)
	case jwtForm:
		return jwt(s, at)
	case wrappedJWTForm:
		return wrappedJWT(s, at)
	case bearerForm:
		return bearer(s, at)
	case basicForm:
		return basic(s, at)
	case curlUserForm:
		return curlUser(s, at)
	}
	return 0, 0, false
}

// judged is how many bytes of a value are judged: enough to know a placeholder, and no more work for a long one.
const judged = 128

// match tells where a secret of that format is, if it stands at a place.
func (f *format) match(s *scan, at int) (from, to int, ok bool) {
	if !strings.HasPrefix(s.text[at:], f.prefix) {
		return 0, 0, false
	}
	if f.form != plain {
		return f.form.match(s, at)
	}
	body := at + len(f.prefix)
	to = s.take(body, f.chars, f.max+1)
	if n := to - body; n < f.min || n > f.max || to < len(s.text) && class[s.text[to]]&wordChar != 0 {
		return 0, 0, false
	}
	least := f.entropy
	if least == 0 {
		least = 2.5
	}
	s.work += min(to-body, judged)
	if v := s.text[body:min(to, body+judged)]; entropy(v) < least || placeholder(v) {
		return 0, 0, false
	}
	return at, to, true
}

// formats are tried in this order among those that begin with the same two bytes, so the longer prefix stands first.
//
// Where the facts come from: the pages of each provider on its keys, where it has one (GitHub "About authentication", "Token prefixes" of
// GitLab, Slack "Token types", Stripe "API keys", AWS IAM "Unique identifiers", npm and PyPI on their token formats, HashiCorp Vault "Tokens",
// DigitalOcean, Shopify, Linear, Grafana, Sentry, Fly.io); for the others, keys as they are made today. Lengths are loose where a provider
// promises none.
var formats = []format{
	// Model providers.
	{prefix: "sk-ant-", kind: "anthropic_key", form: anthropicForm},
	{prefix: "sk-or-v1-", kind: "openrouter_key", chars: anyHex, min: 64, max: 64},
	{prefix: "sk-proj-", kind: "openai_key", chars: urlSafe, min: 40, max: 220, entropy: 3.5},
	{prefix: "sk-svcacct-", kind: "openai_key", chars: urlSafe, min: 40, max: 220, entropy: 3.5},
	{prefix: "sk-admin-", kind: "openai_key", chars: urlSafe, min: 40, max: 220, entropy: 3.5},
	{prefix: "sk-lf-", kind: "llm_key", chars: hex | dash, min: 36, max: 36},
	{prefix: "sk-", kind: "openai_key", form: openAIForm},
	{prefix: "sk-", kind: "llm_key", chars: alnum, min: 32, max: 80, entropy: 3}, // DeepSeek, Moonshot, Qwen, LiteLLM and others
	{prefix: "sk_", kind: "llm_key", chars: hex, min: 48, max: 48},               // ElevenLabs
	{prefix: "AIza", kind: "google_api_key", chars: urlSafe, min: 35, max: 35, entropy: 3},
	{prefix: "gsk_", kind: "groq_key", chars: alnum, min: 40, max: 64, entropy: 3.3},
	{prefix: "hf_", kind: "huggingface_token", chars: alnum, min: 30, max: 40, entropy: 3.2},
	{prefix: "api_org_", kind: "huggingface_token", chars: alnum, min: 30, max: 40, entropy: 3.2},
	{prefix: "xai-", kind: "xai_key", chars: alnum, min: 60, max: 100, entropy: 3.3},
	{prefix: "pplx-", kind: "perplexity_key", chars: alnum, min: 40, max: 64, entropy: 3.3},
	{prefix: "r8_", kind: "replicate_token", chars: alnum, min: 32, max: 42, entropy: 3.2},
	{prefix: "nvapi-", kind: "nvidia_key", chars: urlSafe, min: 50, max: 90, entropy: 3.3},
	{prefix: "corral_sk_", kind: "corral_key", chars: urlSafe, min: 40, max: 64, entropy: 3.3},
	{prefix: "csk-", kind: "llm_key", chars: lowAlnum, min: 40, max: 64, entropy: 3.3},         // Cerebras
	{prefix: "fw_", kind: "llm_key", chars: alnum, min: 20, max: 32, entropy: 3.2},             // Fireworks
	{prefix: "tgp_v1_", kind: "llm_key", chars: urlSafe, min: 40, max: 50, entropy: 3.3},       // Together
	{prefix: "jina_", kind: "llm_key", chars: urlSafe, min: 50, max: 70, entropy: 3.3},         // Jina
	{prefix: "tvly-", kind: "llm_key", chars: urlSafe, min: 28, max: 60, entropy: 3.2},         // Tavily
	{prefix: "lsv2_", kind: "llm_key", chars: alnum | underscore, min: 40, max: 60},            // LangSmith
	{prefix: "pa-", kind: "llm_key", chars: urlSafe, min: 43, max: 43, entropy: 4},             // Voyage
	{prefix: "e2b_", kind: "llm_key", chars: hex, min: 40, max: 40},                            // E2B
	{prefix: "bedrock-api-key-", kind: "llm_key", chars: b64 | equals, min: 28, max: 2000},     // short-lived, of Amazon Bedrock
	{prefix: "ABSK", kind: "llm_key", chars: b64 | equals, min: 109, max: 280, entropy: 4},     // long-lived, of the same
	{prefix: "dapi", kind: "service_token", chars: hex | dash, min: 32, max: 34, entropy: 2.8}, // Databricks

	// Clouds.
	{prefix: "AKIA", kind: "aws_access_key", chars: base32, min: 16, max: 16},
	{prefix: "ASIA", kind: "aws_access_key", chars: base32, min: 16, max: 16},
	{prefix: "ABIA", kind: "aws_access_key", chars: base32, min: 16, max: 16},
	{prefix: "ACCA", kind: "aws_access_key", chars: base32, min: 16, max: 16},
	{prefix: "GOCSPX-", kind: "google_oauth", chars: urlSafe, min: 28, max: 28, entropy: 3},
	{prefix: "ya29.", kind: "google_oauth", chars: urlSafe | dot, min: 40, max: 2000, entropy: 3.5},
	{prefix: "1//0", kind: "google_oauth", chars: urlSafe, min: 40, max: 120, entropy: 3.5},
	{prefix: "LTAI", kind: "service_token", chars: alnum, min: 16, max: 26, entropy: 3}, // Alibaba Cloud
	{prefix: "AQVN", kind: "service_token", chars: urlSafe, min: 35, max: 38, entropy: 3},
	{prefix: "dop_v1_", kind: "service_token", chars: hex, min: 64, max: 64},
	{prefix: "doo_v1_", kind: "service_token", chars: hex, min: 64, max: 64},
	{prefix: "dor_v1_", kind: "service_token", chars: hex, min: 64, max: 64},

	// Code hosts and registries.
	{prefix: "ghp_", kind: "github_token", chars: alnum, min: 36, max: 36, entropy: 3},
	{prefix: "gho_", kind: "github_token", chars: alnum, min: 36, max: 36, entropy: 3},
	{prefix: "ghu_", kind: "github_token", chars: alnum, min: 36, max: 36, entropy: 3},
	{prefix: "ghs_", kind: "github_token", chars: alnum, min: 36, max: 36, entropy: 3},
	{prefix: "ghr_", kind: "github_token", chars: alnum, min: 36, max: 76, entropy: 3},
	{prefix: "github_pat_", kind: "github_token", chars: alnum | underscore, min: 82, max: 82, entropy: 3},
	{prefix: "glpat-", kind: "gitlab_token", chars: urlSafe | dot, min: 20, max: 64, entropy: 3},
	{prefix: "gloas-", kind: "gitlab_token", chars: urlSafe, min: 20, max: 70, entropy: 3},
	{prefix: "gldt-", kind: "gitlab_token", chars: urlSafe, min: 20, max: 64, entropy: 3},
	{prefix: "glrt-", kind: "gitlab_token", chars: urlSafe | dot, min: 20, max: 64, entropy: 3},
	{prefix: "glptt-", kind: "gitlab_token", chars: hex, min: 40, max: 40},
	{prefix: "glft-", kind: "gitlab_token", chars: urlSafe, min: 20, max: 64, entropy: 3},
	{prefix: "glsoat-", kind: "gitlab_token", chars: urlSafe, min: 20, max: 64, entropy: 3},
	{prefix: "glimt-", kind: "gitlab_token", chars: urlSafe, min: 20, max: 64, entropy: 3},
	{prefix: "glagent-", kind: "gitlab_token", chars: urlSafe, min: 20, max: 64, entropy: 3},
	{prefix: "glcbt-", kind: "gitlab_token", chars: urlSafe, min: 20, max: 64, entropy: 3},
	{prefix: "GR1348941", kind: "gitlab_token", chars: urlSafe, min: 20, max: 20, entropy: 3},
	{prefix: "npm_", kind: "npm_token", chars: alnum, min: 36, max: 36, entropy: 3},
	{prefix: "pypi-AgEI", kind: "pypi_token", chars: urlSafe, min: 50, max: 1000, entropy: 3},
	{prefix: "rubygems_", kind: "service_token", chars: hex, min: 48, max: 48},
	{prefix: "dckr_pat_", kind: "service_token", chars: urlSafe, min: 24, max: 36, entropy: 3},
	{prefix: "CLOJARS_", kind: "service_token", chars: alnum, min: 60, max: 60},
	{prefix: "oy2", kind: "service_token", chars: lowAlnum, min: 43, max: 43, entropy: 3.5}, // NuGet
	{prefix: "sgp_", kind: "service_token", form: sourcegraphForm},
	{prefix: "ATATT3", kind: "service_token", chars: urlSafe | equals, min: 100, max: 260, entropy: 3.5}, // Atlassian
	{prefix: "ATBB", kind: "service_token", chars: alnum, min: 28, max: 32, entropy: 3},                  // Bitbucket
	{prefix: "bkua_", kind: "service_token", chars: hex, min: 40, max: 40},                               // Buildkite
	{prefix: "pnu_", kind: "service_token", chars: lowAlnum, min: 36, max: 36},                           // Prefect
	{prefix: "PMAK-", kind: "service_token", chars: hex | dash, min: 59, max: 59},                        // Postman

	// Chat and mail.
	{prefix: "xox", kind: "slack_token", form: slackForm},
	{prefix: "xapp-", kind: "slack_token", form: slackForm},
	{prefix: "hooks.slack.com/", kind: "webhook_url", form: slackHookForm},
	{prefix: "discord.com/api/webhooks/", kind: "webhook_url", form: discordHookForm},
	{prefix: "discordapp.com/api/webhooks/", kind: "webhook_url", form: discordHookForm},
	{prefix: "SG.", kind: "service_token", chars: urlSafe | dot | equals, min: 60, max: 70, entropy: 3.3},
	{prefix: "key-", kind: "service_token", chars: hex, min: 32, max: 32, entropy: 2.8}, // Mailgun
	{prefix: "xkeysib-", kind: "service_token", chars: lowAlnum | dash, min: 81, max: 81},
	{prefix: "SK", kind: "service_token", chars: hex, min: 32, max: 32, entropy: 2.8}, // Twilio

	// Payment.
	{prefix: "sk_live_", kind: "stripe_key", chars: alnum, min: 10, max: 110},
	{prefix: "sk_test_", kind: "stripe_key", chars: alnum, min: 10, max: 110},
	{prefix: "sk_prod_", kind: "stripe_key", chars: alnum, min: 10, max: 110},
	{prefix: "rk_live_", kind: "stripe_key", chars: alnum, min: 10, max: 110},
	{prefix: "rk_test_", kind: "stripe_key", chars: alnum, min: 10, max: 110},
	{prefix: "rk_prod_", kind: "stripe_key", chars: alnum, min: 10, max: 110},
	{prefix: "whsec_", kind: "stripe_key", chars: b64 | equals, min: 32, max: 64, entropy: 3},
	{prefix: "sq0atp-", kind: "service_token", chars: urlSafe, min: 22, max: 22, entropy: 3}, // Square
	{prefix: "sq0csp-", kind: "service_token", chars: urlSafe, min: 43, max: 43, entropy: 3},
	{prefix: "shpat_", kind: "service_token", chars: anyHex, min: 32, max: 32}, // Shopify
	{prefix: "shpca_", kind: "service_token", chars: anyHex, min: 32, max: 32},
	{prefix: "shppa_", kind: "service_token", chars: anyHex, min: 32, max: 32},
	{prefix: "shpss_", kind: "service_token", chars: anyHex, min: 32, max: 32},
	{prefix: "shippo_live_", kind: "service_token", chars: hex, min: 40, max: 40},
	{prefix: "shippo_test_", kind: "service_token", chars: hex, min: 40, max: 40},
	{prefix: "duffel_live_", kind: "service_token", chars: urlSafe | equals, min: 43, max: 43},
	{prefix: "duffel_test_", kind: "service_token", chars: urlSafe | equals, min: 43, max: 43},
	{prefix: "EZAK", kind: "service_token", chars: alnum, min: 54, max: 54, entropy: 3.5}, // EasyPost
	{prefix: "EZTK", kind: "service_token", chars: alnum, min: 54, max: 54, entropy: 3.5},
	{prefix: "FLWSECK", kind: "service_token", chars: urlSafe, min: 32, max: 48}, // Flutterwave
	{prefix: "access-sandbox-", kind: "service_token", chars: hex | dash, min: 36, max: 36},
	{prefix: "access-development-", kind: "service_token", chars: hex | dash, min: 36, max: 36},
	{prefix: "access-production-", kind: "service_token", chars: hex | dash, min: 36, max: 36}, // Plaid

	// Operations.
	{prefix: "hvs.", kind: "service_token", chars: urlSafe, min: 24, max: 140, entropy: 3.3}, // Vault
	{prefix: "hvb.", kind: "service_token", chars: urlSafe, min: 100, max: 300, entropy: 3.3},
	{prefix: "hvr.", kind: "service_token", chars: urlSafe, min: 24, max: 140, entropy: 3.3},
	{prefix: "pscale_tkn_", kind: "service_token", chars: urlSafe | dot | equals, min: 32, max: 64, entropy: 3},
	{prefix: "pscale_oauth_", kind: "service_token", chars: urlSafe | dot | equals, min: 32, max: 64, entropy: 3},
	{prefix: "pscale_pw_", kind: "service_token", chars: urlSafe | dot | equals, min: 32, max: 64, entropy: 3},
	{prefix: "NRAK-", kind: "service_token", chars: alnum, min: 27, max: 27}, // New Relic
	{prefix: "NRII-", kind: "service_token", chars: alnum | dash, min: 32, max: 32},
	{prefix: "glc_", kind: "service_token", chars: b64 | equals, min: 32, max: 400, entropy: 3},
	{prefix: "glsa_", kind: "service_token", chars: alnum | underscore, min: 41, max: 41, entropy: 3}, // Grafana
	{prefix: "sntrys_", kind: "service_token", form: sentryForm},
	{prefix: "sntryu_", kind: "service_token", chars: hex, min: 64, max: 64},
	{prefix: "dt0c01.", kind: "service_token", chars: alnum | dot, min: 89, max: 89, entropy: 3.3}, // Dynatrace
	{prefix: "HRKU-AA", kind: "service_token", chars: urlSafe, min: 50, max: 70, entropy: 3.3},     // Heroku
	{prefix: "fm1r_", kind: "service_token", chars: b64 | equals, min: 60, max: 1000, entropy: 3.5},
	{prefix: "fm1a_", kind: "service_token", chars: b64 | equals, min: 60, max: 1000, entropy: 3.5},
	{prefix: "fm2_", kind: "service_token", chars: b64 | equals, min: 60, max: 1000, entropy: 3.5}, // Fly.io
	{prefix: "fo1_", kind: "service_token", chars: urlSafe, min: 43, max: 43, entropy: 3},
	{prefix: "tk-us-", kind: "service_token", chars: urlSafe, min: 48, max: 48, entropy: 3}, // Scalingo
	{prefix: "dp.pt.", kind: "service_token", chars: alnum, min: 40, max: 44, entropy: 3},   // Doppler
	{prefix: "dp.st.", kind: "service_token", chars: alnum | dot, min: 40, max: 70, entropy: 3},
	{prefix: "tskey-", kind: "service_token", chars: urlSafe, min: 24, max: 80, entropy: 3}, // Tailscale
	{prefix: "sbp_", kind: "service_token", chars: hex, min: 40, max: 40},                   // Supabase
	{prefix: "nfp_", kind: "service_token", chars: alnum, min: 36, max: 40, entropy: 3},     // Netlify
	{prefix: "ops_eyJ", kind: "service_token", chars: b64 | urlSafe | equals, min: 200, max: 2000},
	{prefix: "ico-", kind: "service_token", chars: alnum, min: 32, max: 32, entropy: 3}, // Infracost
	{prefix: "v1.0-", kind: "service_token", chars: hex | dash, min: 171, max: 171},     // Cloudflare origin CA
	{prefix: "sha256~", kind: "service_token", chars: urlSafe, min: 43, max: 43, entropy: 3.3},

	// Offices and others.
	{prefix: "lin_api_", kind: "service_token", chars: alnum, min: 40, max: 40, entropy: 3},
	{prefix: "ntn_", kind: "service_token", chars: alnum, min: 46, max: 46, entropy: 3}, // Notion
	{prefix: "secret_", kind: "service_token", chars: alnum, min: 43, max: 43, entropy: 3.5},
	{prefix: "figd_", kind: "service_token", chars: urlSafe, min: 40, max: 40, entropy: 3},
	{prefix: "tfp_", kind: "service_token", chars: urlSafe | dot | equals, min: 50, max: 64, entropy: 3}, // Typeform
	{prefix: "rdme_", kind: "service_token", chars: lowAlnum, min: 70, max: 70, entropy: 3},
	{prefix: "CFPAT-", kind: "service_token", chars: urlSafe, min: 43, max: 43, entropy: 3}, // Contentful
	{prefix: "fio-u-", kind: "service_token", chars: urlSafe | equals, min: 64, max: 64, entropy: 3},
	{prefix: "sm_pat_", kind: "service_token", chars: alnum, min: 16, max: 16}, // SettleMint
	{prefix: "sm_aat_", kind: "service_token", chars: alnum, min: 16, max: 16},
	{prefix: "sm_sat_", kind: "service_token", chars: alnum, min: 16, max: 16},
	{prefix: "p8e-", kind: "service_token", chars: hex, min: 32, max: 32}, // Adobe
	{prefix: "AGE-SECRET-KEY-1", kind: "private_key", form: ageKeyForm},

	// Forms of their own.
	{prefix: "-----BEGIN", kind: "private_key", form: pemForm},
	{prefix: "eyJ", kind: "jwt", form: jwtForm},
	{prefix: "ZXlK", kind: "jwt", form: wrappedJWTForm},
	{prefix: "Bearer ", kind: "generic_secret", form: bearerForm},
	{prefix: "bearer ", kind: "generic_secret", form: bearerForm},
	{prefix: "Basic ", kind: "basic_auth", form: basicForm},
	{prefix: "-u ", kind: "basic_auth", form: curlUserForm},
	{prefix: "--user ", kind: "basic_auth", form: curlUserForm},
}

func pair(a, b byte) int { return int(a)<<8 | int(b) }

// starts gives the group of formats that begin with two bytes, 0 for none; groups holds them. Neither is written after it is made.
var starts, groups = func() (*[1 << 16]uint8, [][]*format) {
	starts := new([1 << 16]uint8)
	groups := make([][]*format, 1)
	for i := range formats {
		f := &formats[i]
		p := pair(f.prefix[0], f.prefix[1])
		if starts[p] == 0 {
			starts[p] = uint8(len(groups))
			groups = append(groups, nil)
		}
		groups[starts[p]] = append(groups[starts[p]], f)
	}
	return starts, groups
}()
