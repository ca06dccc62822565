package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// decodeRequest decodes body into v, a pointer to a struct, and warns of the members that v has no place for.
func decodeRequest(body []byte, v any, c *chat) error {
	if err := json.Unmarshal(body, v); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return invalid(wrong.Field, "%s cannot be a %s here. See the API's reference.", wrong.Field, wrong.Value)
		}
		return llm.Errorf(llm.Invalid, "translate", err, "The body cannot be understood: %v.", err)
	}
	unknown(gjson.ParseBytes(body), reflect.TypeOf(v), "", 0, c.warn)
	return nil
}

// given reports whether a value is there and holds something: null and what is empty is as good as not said.
func given(v json.RawMessage) bool {
	switch string(bytes.TrimSpace(v)) {
	case "", "null", "[]", "{}", `""`:
		return false
	}
	return true
}

// unknown walks v and the type into which it was decoded side by side, and reports the members for which the type has no
// place. encoding/json can only refuse them, not name them all.
func unknown(v gjson.Result, t reflect.Type, path string, depth int, report func(string)) {
	if depth > 12 {
		return // a result within a result within ...: nothing that any API means
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if u, ok := reflect.Zero(t).Interface().(interface{ listed() reflect.Type }); ok {
		t = u.listed()
	}
	switch {
	case t.Kind() == reflect.Slice && v.IsArray():
		if k := t.Elem().Kind(); k == reflect.Struct || k == reflect.Pointer {
			v.ForEach(func(_, e gjson.Result) bool {
				unknown(e, t.Elem(), path, depth+1, report)
				return true
			})
		}
	case t.Kind() == reflect.Struct && v.IsObject():
		v.ForEach(func(k, e gjson.Result) bool {
			name := path + k.Str
			if f, ok := member(t, k.Str); ok {
				unknown(e, f, name+".", depth+1, report)
			} else if given(json.RawMessage(e.Raw)) {
				report(name)
			}
			return true
		})
	}
}

// member finds the field of t that encoding/json would decode name into.
func member(t reflect.Type, name string) (reflect.Type, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			if ft, ok := member(f.Type, name); ok {
				return ft, true
			}
			continue
		}
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag != "" && tag != "-" && strings.EqualFold(tag, name) {
			return f.Type, true
		}
	}
	return nil, false
}

// textOr is a value that is a text or a list, which most of these APIs allow somewhere.
type textOr[T any] struct {
	text   string
	isText bool
	list   []T
}

func textOf[T any](s string) *textOr[T] { return &textOr[T]{text: s, isText: true} }

func listOf[T any](l []T) *textOr[T] { return &textOr[T]{list: l} }

func (x textOr[T]) listed() reflect.Type { return reflect.TypeFor[[]T]() }

func (x *textOr[T]) UnmarshalJSON(b []byte) error {
	*x = textOr[T]{}
	switch {
	case len(b) > 0 && b[0] == '"':
		x.isText = true
		return json.Unmarshal(b, &x.text)
	case len(b) > 0 && b[0] == '[':
		return json.Unmarshal(b, &x.list)
	case string(b) == "null":
		return nil
	}
	return fmt.Errorf("a text or a list was expected, not %.20s", b)
}

func (x textOr[T]) MarshalJSON() ([]byte, error) {
	if x.isText {
		return marshal(x.text), nil
	}
	if x.list == nil {
		return []byte("null"), nil
	}
	return marshal(x.list), nil
}

// marshal is v as JSON, without escaping what only HTML minds. v is one of this package's own types, and what raw JSON it
// holds came out of a decoder, so it cannot fail.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// quoted is s as a JSON string.
func quoted(s string) json.RawMessage { return marshal(s) }

// compact is raw JSON without its white space, for a place where it is a text.
func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(bytes.TrimSpace(raw)) // its encoder will say so, with the field's name
	}
	return b.String()
}

// isTrue reports whether a value is the word true.
func isTrue(v json.RawMessage) bool { return string(bytes.TrimSpace(v)) == "true" }

// isFalse reports whether a value is the word false.
func isFalse(v json.RawMessage) bool { return string(bytes.TrimSpace(v)) == "false" }

// parseDataURL takes "data:image/png;base64,..." apart (RFC 2397). It does not check the base64, which the target will.
func parseDataURL(s string) (image, bool) {
	rest, ok := strings.CutPrefix(s, "data:")
	if !ok {
		return image{}, false
	}
	head, data, ok := strings.Cut(rest, ",")
	if !ok {
		return image{}, false
	}
	media, ok := strings.CutSuffix(head, ";base64")
	if !ok || data == "" {
		return image{}, false
	}
	if media, _, _ = strings.Cut(media, ";"); media == "" {
		media = sniffImage(data)
	}
	return image{mediaType: media, data: data}, true
}

// dataURL is the opposite.
func (i image) dataURL() string {
	if i.url != "" {
		return i.url
	}
	return "data:" + i.mediaType + ";base64," + i.data
}

// sniffImage tells the type of a picture by how its base64 begins: Ollama's callers do not say it.
func sniffImage(b64 string) string {
	switch {
	case strings.HasPrefix(b64, "/9j/"):
		return "image/jpeg"
	case strings.HasPrefix(b64, "R0lGOD"):
		return "image/gif"
	case strings.HasPrefix(b64, "UklGR"):
		return "image/webp"
	}
	return "image/png"
}
