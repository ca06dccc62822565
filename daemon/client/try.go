package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"corral/daemon/admin"
	"corral/daemon/journey"
)

// Answer is an answer of a model as it comes.
type Answer struct {
	Header http.Header // Corral's, and the target's
	body   io.ReadCloser
	dec    *json.Decoder
}

// Piece is a part of an answer, in Ollama's words (https://github.com/ollama/ollama/blob/main/docs/api.md).
type Piece struct {
	Message struct {
		Content  string `json:"content"`
		Thinking string `json:"thinking"`
	} `json:"message"`
	Done   bool   `json:"done"`
	Input  int64  `json:"prompt_eval_count"`
	Output int64  `json:"eval_count"`
	Error  string `json:"error"`
}

// Ask asks model one question. target, as provider/model, is to answer and no other; empty: as the config says. Close must be
// called.
func (c *Client) Ask(ctx context.Context, model, target, question string) (*Answer, error) {
	body, err := json.Marshal(map[string]any{"model": model, "messages": []map[string]string{{"role": "user", "content": question}}})
	if err != nil {
		return nil, err
	}
	path := "/try/api/chat"
	if target != "" {
		path += "?target=" + url.QueryEscape(target)
	}
	res, err := c.send(ctx, http.MethodPost, path, strings.NewReader(string(body)), "application/json")
	if err != nil {
		return nil, err
	}
	return &Answer{Header: res.Header, body: res.Body, dec: json.NewDecoder(res.Body)}, nil
}

// Next gives the next piece; io.EOF: that was all. A stream that broke off ends with another error.
func (a *Answer) Next() (p Piece, err error) {
	if err = a.dec.Decode(&p); err == nil && p.Error != "" {
		err = &Error{Detail: p.Error}
	}
	return p, err
}

// Close ends the call if it is not over.
func (a *Answer) Close() error { return a.body.Close() }

// Choices are the models that can be asked.
func (c *Client) Choices(ctx context.Context) (x admin.Choices, err error) {
	err = c.do(ctx, http.MethodGet, "/try", nil, &x)
	return x, err
}

// Journey is how the call with a request id went.
func (c *Client) Journey(ctx context.Context, id string) (j journey.Journey, err error) {
	err = c.do(ctx, http.MethodGet, "/calls/"+url.PathEscape(id), nil, &j)
	return j, err
}
