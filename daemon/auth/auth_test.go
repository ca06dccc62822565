package auth_test

import (
	"context"
	"net/http"
	"testing"

	"corral/daemon/auth"
	"corral/daemon/llm"
	"corral/store/keys"
)

type known map[string]keys.Key

func (k known) Lookup(secret string) (keys.Key, bool) { key, ok := k[secret]; return key, ok }

func TestWhoMayCall(t *testing.T) {
	a := auth.New(known{"corral_good": {ID: "key_1", Name: "notes"}})
	for _, c := range []struct {
		name     string
		required bool
		header   http.Header
		passes   bool
		left     http.Header // what the target may see
	}{
		{"nothing is asked", false, http.Header{"Authorization": {"Bearer theirs"}, "X-Api-Key": {"x"}}, true, http.Header{"Authorization": {"Bearer theirs"}, "X-Api-Key": {"x"}}},
		{"no key", true, http.Header{}, false, nil},
		{"bearer", true, http.Header{"Authorization": {"Bearer corral_good"}, "X-Other": {"y"}}, true, http.Header{"X-Other": {"y"}}},
		{"bearer in other letters", true, http.Header{"Authorization": {"bearer  corral_good "}}, true, http.Header{}},
		{"x-api-key", true, http.Header{"X-Api-Key": {"corral_good"}}, true, http.Header{}},
		{"both: neither goes on", true, http.Header{"Authorization": {"Bearer corral_good"}, "X-Api-Key": {"another's"}}, true, http.Header{}},
		{"a wrong one", true, http.Header{"Authorization": {"Bearer corral_bad"}}, false, nil},
		{"a wrong one first", true, http.Header{"Authorization": {"Bearer corral_bad"}, "X-Api-Key": {"corral_good"}}, false, nil},
		{"basic", true, http.Header{"Authorization": {"Basic corral_good"}}, false, nil},
		{"bare", true, http.Header{"Authorization": {"corral_good"}}, false, nil},
		{"empty", true, http.Header{"Authorization": {"Bearer "}, "X-Api-Key": {""}}, false, nil},
		{"cookie", true, http.Header{"Cookie": {"x-api-key=corral_good"}}, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			a.Required.Store(c.required)
			r := &llm.Request{Header: c.header}
			reached := false
			_, err := a.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) {
				reached = true
				return nil, nil
			})).Serve(t.Context(), r)
			if reached != c.passes || (err == nil) != c.passes {
				t.Fatalf("reached %v, %v", reached, err)
			}
			if err != nil {
				if e := llm.AsError(err); e.Kind != llm.Unauthorized || r.Caller.Key != "" {
					t.Errorf("%v, caller %+v", err, r.Caller)
				}
				return
			}
			if c.required && (r.Caller.Key != "key_1" || r.Caller.KeyName != "notes") {
				t.Errorf("caller %+v", r.Caller)
			}
			if len(r.Header) != len(c.left) {
				t.Errorf("%v goes on, want %v", r.Header, c.left)
			}
			for k := range c.left {
				if r.Header.Get(k) != c.left.Get(k) {
					t.Errorf("%s: %q", k, r.Header[k])
				}
			}
		})
	}
}
