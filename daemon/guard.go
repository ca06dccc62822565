package daemon

import (
	"corral/daemon/admin"
	"corral/daemon/config"
	"corral/daemon/guard"
	"corral/daemon/llm"
)

// guardRules are what c says about text that should not pass.
func guardRules(c config.Config) guard.Rules {
	rule := func(word string) guard.Rule {
		acts := map[string]llm.Act{"flag": llm.Flag, "redact-for-cloud": llm.MaskAway, "redact": llm.MaskAlways, "block": llm.Block}
		act, on := acts[word]
		return guard.Rule{On: on, Act: act}
	}
	return guard.Rules{Secrets: rule(c.Guard.Secrets), PII: rule(c.Guard.PII), Injection: rule(c.Guard.Injection)}
}

// texts is what the guard looks for and has found.
func (d *Daemon) texts() admin.Texts {
	c := d.config.Current().Guard
	out := admin.Texts{Secrets: c.Secrets, PII: c.PII, Injection: c.Injection, Found: []admin.TextFound{}}
	for _, f := range d.meter.Found() {
		out.Found = append(out.Found, admin.TextFound(f))
	}
	return out
}

// tryText is what the guard would find in a text.
func (d *Daemon) tryText(text string) admin.TextTried {
	x := d.guard.Try(text)
	out := admin.TextTried{Places: []admin.TextPlace{}, Masked: x.Masked, Injection: x.Injection, Why: x.Why, Score: x.Score}
	for _, p := range x.Places {
		out.Places = append(out.Places, admin.TextPlace{Class: p.Class, Kind: p.Kind, From: p.From, To: p.To})
	}
	return out
}
