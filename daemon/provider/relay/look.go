package relay

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"

	"corral/daemon/outbound"
	"corral/daemon/provider"
)

const (
	maxLook   = 4 << 20 // bytes of a list that are read
	maxModels = 500
)

// Look asks for the list at path, with the key. names says where the models' names stand in the answer (gjson); prefix is what to
// leave away of them.
func (p *Relay) Look(ctx context.Context, path, names, prefix string) (provider.Look, error) {
	h := http.Header{}
	if p.o.Authorize != nil {
		if err := p.o.Authorize(h); err != nil {
			return provider.Look{}, err
		}
	}
	status, body, err := p.fetch(ctx, path, h)
	look := provider.Look{Status: status}
	if err != nil || status != http.StatusOK {
		return look, err
	}
	for _, m := range gjson.GetBytes(body, names).Array() {
		if len(look.Models) < maxModels {
			look.Models = append(look.Models, strings.TrimPrefix(m.String(), prefix))
		}
	}
	return look, nil
}

// Text is one field of a small answer; empty: it could not be had.
func (p *Relay) Text(ctx context.Context, path, field string) string {
	_, body, err := p.fetch(ctx, path, http.Header{})
	if err != nil {
		return ""
	}
	return gjson.GetBytes(body, field).String()
}

func (p *Relay) fetch(ctx context.Context, path string, h http.Header) (int, []byte, error) {
	res, err := p.client.Do(ctx, &outbound.Call{Method: http.MethodGet, Path: path, Header: h, Replay: true})
	if err != nil {
		return 0, nil, err
	}
	defer res.Close()
	body, err := io.ReadAll(io.LimitReader(res, maxLook))
	return res.Status, body, err
}
