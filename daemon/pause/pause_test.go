package pause_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"corral/daemon/llm"
	"corral/daemon/pause"
)

func TestAPauseKeepsOutWhatAModelWouldAnswer(t *testing.T) {
	var p pause.Pause
	through := 0
	h := p.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { through++; return &llm.Reply{}, nil }))
	began := time.Now()
	if p.Set(time.Time{}) {
		t.Error("what was not paused was resumed")
	}
	if !p.Set(began) || p.Set(began.Add(time.Hour)) {
		t.Error("a pause begins once")
	}
	if since, on := p.Since(); !on || !since.Equal(began) {
		t.Error(since, on)
	}
	for e, refused := range map[*llm.Endpoint]bool{
		{Method: "GET", Task: llm.Read}: false, {Task: llm.Read}: true, {Method: "POST", Task: llm.Generate}: true,
		{Method: "POST", Task: llm.Embed}: true, {Method: "POST", Task: llm.Manage}: true, {Method: "POST", Task: llm.Upload}: true,
	} {
		_, err := h.Serve(t.Context(), &llm.Request{Endpoint: e})
		var no *llm.Error
		if got := errors.As(err, &no); got != refused {
			t.Errorf("%v: %v", e, err)
		} else if refused && (no.Status() != 503 || no.Code() != "paused" || no.RetryAfter != pause.Again) {
			t.Errorf("%v: %d %s %v", e, no.Status(), no.Code(), no.RetryAfter)
		}
	}
	if !p.Set(time.Time{}) || through != 1 {
		t.Error("it was not resumed, or", through, "calls came through")
	}
	if _, err := h.Serve(t.Context(), &llm.Request{Endpoint: &llm.Endpoint{Task: llm.Generate}}); err != nil {
		t.Error(err)
	}
}
