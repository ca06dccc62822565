package route

import (
	"strings"

	"corral/daemon/llm"
)

// choose gives r the one target that the operator chose for it, as provider/model.
func (t *Table) choose(r *llm.Request) *llm.Error {
	provider, model, _ := strings.Cut(r.Chosen, "/")
	var to Target
	known := false
	if t.Choose != nil {
		to, known = t.Choose(provider, model)
	}
	if !known {
		return llm.Errorf(llm.NotFound, "route", nil, "There is no target %q. A target is provider/model, with a provider of corral.yaml.", r.Chosen)
	}
	if !to.Provider.Can(r.Endpoint) {
		return llm.Errorf(llm.Unsupported, "route", nil, "The provider %q cannot answer %s. Ask in another API.", provider, r.Path)
	}
	r.Plan = &llm.Plan{Candidates: []llm.Candidate{{Target: to.Target, Handler: to.Provider, Keyed: to.Keyed}}, LocalOnly: t.LocalOnly}
	r.Target = to.Target
	return nil
}
