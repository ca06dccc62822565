package gateway

import (
	"net/http"

	"corral/daemon/llm"
)

// routes is the app-facing API, whole. What stands in no row, under /api/ or /v1/, goes to the first provider as it is:
// a newer Ollama may know more than this table.
//
//	https://github.com/ollama/ollama/blob/v0.17.4/server/routes.go (GenerateRoutes)
//	https://platform.openai.com/docs/api-reference
//	https://docs.anthropic.com/en/api/messages
var routes = []llm.Endpoint{
	{Name: "generate", Method: "POST", Pattern: "/api/generate", Task: llm.Generate, Form: llm.NDJSON, Streams: true},
	{Name: "chat", Method: "POST", Pattern: "/api/chat", Task: llm.Generate, Form: llm.NDJSON, Streams: true},
	{Name: "embed", Method: "POST", Pattern: "/api/embed", Task: llm.Embed},
	{Name: "embeddings", Method: "POST", Pattern: "/api/embeddings", Task: llm.Embed},

	{Name: "tags", Method: "GET", Pattern: "/api/tags", NoBody: true},
	{Name: "ps", Method: "GET", Pattern: "/api/ps", NoBody: true},
	{Name: "version", Method: "GET", Pattern: "/api/version", NoBody: true},
	{Name: "status", Method: "GET", Pattern: "/api/status", NoBody: true},
	{Name: "show", Method: "POST", Pattern: "/api/show"},
	{Name: "me", Method: "POST", Pattern: "/api/me"},
	{Name: "signout", Method: "POST", Pattern: "/api/signout", Task: llm.Manage},

	{Name: "create", Method: "POST", Pattern: "/api/create", Task: llm.Manage, Form: llm.NDJSON, Streams: true},
	{Name: "pull", Method: "POST", Pattern: "/api/pull", Task: llm.Manage, Form: llm.NDJSON, Streams: true},
	{Name: "push", Method: "POST", Pattern: "/api/push", Task: llm.Manage, Form: llm.NDJSON, Streams: true},
	{Name: "copy", Method: "POST", Pattern: "/api/copy", Task: llm.Manage},
	{Name: "delete", Method: "DELETE", Pattern: "/api/delete", Task: llm.Manage},
	{Name: "blob", Method: "HEAD", Pattern: "/api/blobs/{digest}", NoBody: true},
	{Name: "blob_upload", Method: "POST", Pattern: "/api/blobs/{digest}", Task: llm.Upload},

	{Name: "chat_completions", Method: "POST", Pattern: "/v1/chat/completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	{Name: "completions", Method: "POST", Pattern: "/v1/completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	{Name: "responses", Method: "POST", Pattern: "/v1/responses", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	{Name: "v1_embeddings", Method: "POST", Pattern: "/v1/embeddings", Dialect: llm.OpenAI, Task: llm.Embed},
	{Name: "models", Method: "GET", Pattern: "/v1/models", Dialect: llm.OpenAI, NoBody: true},
	{Name: "model", Method: "GET", Pattern: "/v1/models/{model...}", Dialect: llm.OpenAI, NoBody: true},

	{Name: "messages", Method: "POST", Pattern: "/v1/messages", Dialect: llm.Anthropic, Task: llm.Generate, Form: llm.SSE},
	{Name: "count_tokens", Method: "POST", Pattern: "/v1/messages/count_tokens", Dialect: llm.Anthropic},

	{Name: "other", Pattern: "/api/"},
	{Name: "v1_other", Pattern: "/v1/", Dialect: llm.OpenAI},
}

// mux sends each row to serve. A GET row answers HEAD as well, which is what http.ServeMux does.
func mux(serve func(*llm.Endpoint) http.Handler) *http.ServeMux {
	m := http.NewServeMux()
	for i := range routes {
		ep := &routes[i]
		pattern := ep.Pattern
		if ep.Method != "" {
			pattern = ep.Method + " " + pattern
		}
		m.Handle(pattern, serve(ep))
	}
	return m
}

// Endpoint is the row with that name; nil: none has it.
func Endpoint(name string) *llm.Endpoint {
	for i := range routes {
		if routes[i].Name == name {
			return &routes[i]
		}
	}
	return nil
}
