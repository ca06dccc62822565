package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"corral/daemon/admin"
	"corral/daemon/config"
	"corral/daemon/provider"
)

// testPatience bounds a try of a model server.
const testPatience = 10 * time.Second

// testProvider asks a model server, of the config or not saved yet, for its models. What it is given as a key is shown to that
// server only.
func (d *Daemon) testProvider(ctx context.Context, in admin.ProviderTest) (admin.ProviderTested, error) {
	c := d.config.Current()
	var p config.Provider
	if in.Kind == "" {
		found := false
		for _, x := range c.Providers {
			if x.Name == in.Name {
				p, found = x, true
			}
		}
		if !found {
			return admin.ProviderTested{}, fmt.Errorf("there is no provider %q; `corral status` shows them", in.Name)
		}
	} else {
		candidate := config.Default()
		candidate.Providers = []config.Provider{{Name: cmp.Or(in.Name, "candidate"), Kind: config.Kind(in.Kind), URL: in.URL, Key: config.Secret(in.Key)}}
		text, err := config.Marshal(candidate)
		if err != nil {
			return admin.ProviderTested{}, err
		}
		checked, _, err := config.Parse("", text)
		var bad *config.Errors
		if errors.As(err, &bad) {
			said := make([]string, len(bad.Problems))
			for i, problem := range bad.Problems {
				said[i] = strings.TrimPrefix(problem.Field, "providers[0].") + ": " + problem.Message
			}
			return admin.ProviderTested{}, errors.New(strings.Join(said, "; "))
		} else if err != nil {
			return admin.ProviderTested{}, err
		}
		p = checked.Providers[0]
	}
	if err := noMetadata(p.URL); err != nil {
		return admin.ProviderTested{}, err
	}
	if to := config.Origin(p.URL); in.Text == "" && p.Key != "" && !config.HasSent(c, p.Key, to) && !admin.MaySend(ctx, p.Key, d.o.Secrets.Get) {
		return admin.ProviderTested{Auth: "unknown", Models: []string{}, OnDevice: p.OnDevice(),
			Problem: fmt.Sprintf("%s is kept, and not sent to %s so far", p.Key, to), Do: "type the key to try it there, or make the change with the corral command"}, nil
	}
	key := func() (string, error) { return p.Key.Resolve(d.o.Secret) }
	hasKey := p.Key != ""
	if in.Text != "" {
		text := strings.TrimSpace(in.Text)
		if strings.ContainsAny(text, "\r\n\x00") {
			return admin.ProviderTested{}, errors.New("a key is one line")
		}
		key, hasKey = func() (string, error) { return text, nil }, true
	}
	if !hasKey {
		key = nil
	}
	made, err := d.providerWith(c, p, key)
	if err != nil {
		return admin.ProviderTested{}, err
	}
	defer made.Close()
	out := admin.ProviderTested{Auth: "unknown", Models: []string{}, OnDevice: p.OnDevice()}
	looker, ok := made.(provider.Looker)
	if !ok {
		return out, fmt.Errorf("a provider of kind %s cannot be tried", p.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, testPatience)
	defer cancel()
	began := time.Now()
	look, err := looker.Look(ctx)
	out.MS = ms(time.Since(began))
	if key != nil && err != nil && ctx.Err() == nil {
		if _, bad := key(); bad != nil {
			out.Auth, out.Problem, out.Do = "missing", "its key cannot be read: "+bad.Error(), "keep a key under this name, here or with `corral secrets set`"
			if !strings.HasPrefix(string(p.Key), "keyring:") {
				out.Do = p.Key.Mend(p.Name)
			}
			return out, nil
		}
	}
	if err != nil {
		out.Problem = err.Error()
		if ctx.Err() != nil {
			out.Problem = fmt.Sprintf("it did not answer within %s", testPatience)
		}
		out.Do = "see that the server runs, and that its address is right"
		if p.Kind == config.KindOllama {
			out.Do = "start it with `ollama serve`, or correct its address"
		}
		return out, nil
	}
	out.Reachable, out.Status, out.Version = true, look.Status, look.Version
	out.Models = append(out.Models, look.Models...)
	switch {
	case look.Status == http.StatusOK:
		if hasKey { // without one nothing was taken
			out.Auth = "ok"
		}
	case look.Status == http.StatusUnauthorized || look.Status == http.StatusForbidden:
		out.Auth, out.Problem, out.Do = "refused", fmt.Sprintf("it answers, and refuses the key (status %d)", look.Status), "enter the right key"
		if !hasKey {
			out.Auth, out.Problem, out.Do = "missing", fmt.Sprintf("it answers, and wants a key (status %d)", look.Status), "enter a key"
		}
	default:
		out.Problem, out.Do = fmt.Sprintf("it answered with status %d when it was asked for its models", look.Status), "see that the address goes as far as it should: for kind openai up to and including /v1"
	}
	return out, nil
}

// noMetadata refuses addresses at which clouds hand out the machine's own credentials (RFC 3927 and 4291, link-local): nobody's model
// server is there, and who may try addresses must not be able to read them.
func noMetadata(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (addr.Unmap().IsLinkLocalUnicast() || addr.IsUnspecified() || addr.IsMulticast()) {
		return fmt.Errorf("%s is no address of a model server", u.Hostname())
	}
	return nil
}
