package translate

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// embedding is a request for vectors as all APIs could have made it. Its options are those of a chat that is never held.
type embedding struct {
	chat
	texts      []string
	dimensions json.Number
	base64     bool // how OpenAI's callers may want the numbers
}

// embedSpeaker is an endpoint in which callers ask for vectors.
type embedSpeaker struct {
	decode func(body []byte, e *embedding) error
	encode func(e *embedding, v *vectors) ([]byte, error)
}

var (
	ollamaEmbed      = embedSpeaker{decodeOllamaEmbed, encodeOllamaEmbed}
	ollamaEmbeddings = embedSpeaker{decodeOllamaEmbeddings, encodeOllamaEmbeddings}
	openaiEmbed      = embedSpeaker{decodeOpenAIEmbed, encodeOpenAIEmbed}
)

// vectors are the answer. Their numbers stay as the target wrote them.
type vectors struct {
	model string
	all   [][]json.Number
	usage usage
}

type openaiEmbedRequest struct {
	Model          string          `json:"model"`
	Input          *textOr[string] `json:"input"`
	Dimensions     json.Number     `json:"dimensions,omitempty"`
	EncodingFormat string          `json:"encoding_format,omitempty"`
	User           json.RawMessage `json:"user,omitempty"`
}

type openaiVectors struct {
	Object string         `json:"object"`
	Data   []openaiVector `json:"data"`
	Model  string         `json:"model"`
	Usage  struct {
		Prompt *int64 `json:"prompt_tokens"`
		Total  *int64 `json:"total_tokens"`
	} `json:"usage"`
}

type openaiVector struct {
	Object    string          `json:"object"`
	Index     int             `json:"index"`
	Embedding json.RawMessage `json:"embedding"`
}

type ollamaEmbedRequest struct {
	Model      string                     `json:"model"`
	Input      *textOr[string]            `json:"input"`
	Truncate   json.RawMessage            `json:"truncate,omitempty"`
	Dimensions json.Number                `json:"dimensions,omitempty"`
	KeepAlive  json.RawMessage            `json:"keep_alive,omitempty"`
	Options    map[string]json.RawMessage `json:"options,omitempty"`
}

type ollamaVectors struct {
	Model           string          `json:"model"`
	Embeddings      [][]json.Number `json:"embeddings"`
	TotalDuration   int64           `json:"total_duration,omitempty"`
	LoadDuration    int64           `json:"load_duration,omitempty"`
	PromptEvalCount *int64          `json:"prompt_eval_count,omitempty"`
}

func (e *embedding) input(t *textOr[string], field string) error {
	switch {
	case t == nil:
		return invalid(field, "%s is missing.", field)
	case t.isText:
		e.texts = []string{t.text}
	default:
		e.texts = t.list
	}
	return nil
}

func decodeOpenAIEmbed(body []byte, e *embedding) error {
	var r openaiEmbedRequest
	if err := decodeRequest(body, &r, &e.chat); err != nil {
		if first := gjson.GetBytes(body, "input.0"); first.Type == gjson.Number || first.IsArray() {
			return unsupported("input", "input holds tokens, which mean something else to another model. Send texts.")
		}
		return err
	}
	if r.EncodingFormat != "" && r.EncodingFormat != "float" && r.EncodingFormat != "base64" {
		return invalid("encoding_format", "encoding_format can be float or base64.")
	}
	e.model, e.dimensions, e.base64 = r.Model, r.Dimensions, r.EncodingFormat == "base64"
	e.option("user", "user", r.User)
	return e.input(r.Input, "input")
}

func decodeOllamaEmbed(body []byte, e *embedding) error {
	var r ollamaEmbedRequest
	if err := decodeRequest(body, &r, &e.chat); err != nil {
		return err
	}
	e.model, e.dimensions = r.Model, r.Dimensions
	if !isTrue(r.Truncate) {
		e.option("truncate", "truncate", r.Truncate)
	}
	e.option("keep_alive", "keep_alive", r.KeepAlive)
	for key, v := range r.Options {
		e.option(key, "options."+key, v)
	}
	return e.input(r.Input, "input")
}

// decodeOllamaEmbeddings is for the older /api/embeddings, which has one prompt.
func decodeOllamaEmbeddings(body []byte, e *embedding) error {
	var r struct {
		Model     string                     `json:"model"`
		Prompt    string                     `json:"prompt"`
		KeepAlive json.RawMessage            `json:"keep_alive"`
		Options   map[string]json.RawMessage `json:"options"`
	}
	if err := decodeRequest(body, &r, &e.chat); err != nil {
		return err
	}
	e.model, e.texts = r.Model, []string{r.Prompt}
	e.option("keep_alive", "keep_alive", r.KeepAlive)
	for key, v := range r.Options {
		e.option(key, "options."+key, v)
	}
	return nil
}

func (c *Call) requestEmbed(body []byte, to Target) error {
	e := &embedding{}
	if err := c.from.embed.decode(body, e); err != nil {
		return err
	}
	if to.Model != "" {
		e.model = to.Model
	}
	for _, t := range e.texts {
		if t == "" && to.API != Ollama {
			return invalid("input", "input holds an empty text, of which %s makes no vector.", to.API)
		}
	}
	switch to.API {
	case OpenAI:
		c.Path = "/v1/embeddings"
		c.Body = marshal(openaiEmbedRequest{e.model, listOf(e.texts), e.dimensions, "float", e.take("user")})
	case Ollama:
		c.Path = "/api/embed"
		r := ollamaEmbedRequest{Model: e.model, Input: listOf(e.texts), Truncate: e.take("truncate"), Dimensions: e.dimensions, KeepAlive: e.take("keep_alive"), Options: map[string]json.RawMessage{}}
		for len(e.options) > 0 && !notOllama[e.options[0].key] {
			key := e.options[0].key
			r.Options[key] = e.take(key)
		}
		c.Body = marshal(r)
	case Gemini:
		c.Path = geminiPath(e.model, "batchEmbedContents")
		c.Body = e.toGemini()
	}
	for _, o := range e.options {
		e.warn(o.field)
	}
	c.embed, c.asked, c.Warnings = e, &e.chat, e.warnings
	return nil
}

// toGemini is a body of batchEmbedContents (https://ai.google.dev/api/embeddings).
func (e *embedding) toGemini() []byte {
	type one struct {
		Model      string        `json:"model"`
		Content    geminiContent `json:"content"`
		Dimensions json.Number   `json:"outputDimensionality,omitempty"`
	}
	var r struct {
		Requests []one `json:"requests"`
	}
	for _, t := range e.texts {
		r.Requests = append(r.Requests, one{"models/" + trimModels(e.model), geminiContent{Parts: []geminiPart{{Text: &t}}}, e.dimensions})
	}
	return marshal(r)
}

func (c *Call) answerEmbed(body []byte) ([]byte, llm.Usage, error) {
	v := &vectors{usage: noUsage}
	var err error
	switch c.to {
	case OpenAI:
		err = v.hearOpenAI(body, len(c.embed.texts))
	case Ollama:
		var o ollamaVectors
		err = decodeAnswer(body, &o)
		v.model, v.all, v.usage.input = o.Model, o.Embeddings, told(o.PromptEvalCount)
	default:
		var o struct {
			Embeddings []struct {
				Values []json.Number `json:"values"`
			} `json:"embeddings"`
		}
		err = decodeAnswer(body, &o)
		for _, e := range o.Embeddings {
			v.all = append(v.all, e.Values)
		}
	}
	if err != nil {
		return nil, llm.NoUsage, err
	}
	if len(v.all) != len(c.embed.texts) {
		return nil, llm.NoUsage, badAnswer(nil, "it holds %d vectors for %d texts", len(v.all), len(c.embed.texts))
	}
	v.model = cmp.Or(v.model, c.embed.model)
	b, err := c.from.embed.encode(c.embed, v)
	if err != nil {
		return nil, llm.NoUsage, err
	}
	return b, v.usage.llm(), nil
}

func (v *vectors) hearOpenAI(body []byte, want int) error {
	var o openaiVectors
	if err := decodeAnswer(body, &o); err != nil {
		return err
	}
	v.model, v.usage.input = o.Model, told(o.Usage.Prompt)
	v.all = make([][]json.Number, want)
	for _, d := range o.Data {
		if d.Index < 0 || d.Index >= want || v.all[d.Index] != nil {
			return badAnswer(nil, "it holds a vector for no text")
		}
		if err := decodeAnswer(d.Embedding, &v.all[d.Index]); err != nil {
			return err
		}
	}
	for _, x := range v.all {
		if x == nil {
			return badAnswer(nil, "it holds %d vectors for %d texts", len(o.Data), want)
		}
	}
	return nil
}

func encodeOpenAIEmbed(e *embedding, v *vectors) ([]byte, error) {
	o := openaiVectors{Object: "list", Data: []openaiVector{}, Model: v.model}
	for i, x := range v.all {
		d := openaiVector{"embedding", i, marshal(x)}
		if e.base64 {
			b, err := packed(x)
			if err != nil {
				return nil, err
			}
			d.Embedding = quoted(b)
		}
		o.Data = append(o.Data, d)
	}
	n := count(v.usage.input)
	o.Usage.Prompt, o.Usage.Total = &n, &n
	return marshal(o), nil
}

// packed is a vector as OpenAI packs it: 32-bit floats, little end first, in base64.
func packed(x []json.Number) (string, error) {
	b := make([]byte, 0, 4*len(x))
	for _, n := range x {
		f, err := strconv.ParseFloat(n.String(), 32)
		if err != nil {
			return "", badAnswer(err, "a number of its vectors is none")
		}
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(f)))
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

func encodeOllamaEmbed(_ *embedding, v *vectors) ([]byte, error) {
	o := ollamaVectors{Model: v.model, Embeddings: v.all}
	if v.usage.input >= 0 {
		o.PromptEvalCount = &v.usage.input
	}
	return marshal(o), nil
}

func encodeOllamaEmbeddings(_ *embedding, v *vectors) ([]byte, error) {
	return marshal(struct {
		Embedding []json.Number `json:"embedding"`
	}{v.all[0]}), nil
}
