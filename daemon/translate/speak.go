package translate

import "corral/daemon/llm"

// speaker is an endpoint in which callers ask.
type speaker struct {
	form    llm.Form
	decode  func(body []byte) (*chat, error)
	whole   func(c *Call, a *answer) ([]byte, error)
	stream  func(c *Call, o *out) encoder
	failure func(status int, f failure) []byte
	embed   *embedSpeaker // instead of decode, whole and stream
}

// speakers are the endpoints in which callers ask, by the names of llm.Endpoint.
var speakers = map[string]*speaker{
	"chat":             {llm.NDJSON, decodeOllamaChat, wholeOllamaChat, streamOllamaChat, ollamaFailure, nil},
	"generate":         {llm.NDJSON, decodeOllamaGenerate, wholeOllamaGenerate, streamOllamaGenerate, ollamaFailure, nil},
	"chat_completions": {llm.SSE, decodeOpenAI, wholeOpenAI, streamOpenAI, openaiFailure, nil},
	"responses":        {llm.SSE, decodeResponses, wholeResponses, streamResponses, openaiFailure, nil},
	"completions":      {llm.SSE, decodeCompletion, wholeCompletion, streamCompletion, openaiFailure, nil},
	"messages":         {llm.SSE, decodeAnthropic, wholeAnthropic, streamAnthropic, anthropicFailure, nil},
	"embed":            {failure: ollamaFailure, embed: &ollamaEmbed},
	"embeddings":       {failure: ollamaFailure, embed: &ollamaEmbeddings},
	"v1_embeddings":    {failure: openaiFailure, embed: &openaiEmbed},
}

// hearer is an API of targets.
type hearer struct {
	form   llm.Form // of its stream
	encode func(c *chat, to Target) ([]byte, error)
	whole  func(body []byte, a *answer) error
	stream func() decoder
}

// hearers are the APIs of targets.
var hearers = [...]hearer{
	OpenAI:    {llm.SSE, encodeOpenAI, heardOpenAI, hearOpenAI},
	Anthropic: {llm.SSE, encodeAnthropic, heardAnthropic, hearAnthropic},
	Ollama:    {llm.NDJSON, encodeOllama, heardOllama, hearOllama},
	Gemini:    {llm.SSE, encodeGemini, heardGemini, hearGemini},
}
