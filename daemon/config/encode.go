package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Marshal is the config as YAML, every field written out except texts and lists that are empty. What came from Load is
// read back as the same value. Keys are not in it, for a config does not hold them.
func Marshal(c Config) ([]byte, error) {
	tree, err := encode(reflect.ValueOf(c))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	writeSection(&b, "", tree.(section))
	return b.Bytes(), nil
}

// MarshalJSON is what Marshal writes, for programs: the same names in the same order, numbers and booleans as such.
func (c Config) MarshalJSON() ([]byte, error) {
	tree, err := encode(reflect.ValueOf(c))
	if err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

// section keeps the order of the fields.
type section []struct {
	name  string
	value any // text, a literal, a section or a []any of these
}

// literal is the text of a number or a boolean.
type literal string

// MarshalJSON is the text itself.
func (l literal) MarshalJSON() ([]byte, error) { return []byte(l), nil }

// MarshalJSON is an object whose members keep their order.
func (s section) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, field := range s {
		if i > 0 {
			b = append(b, ',')
		}
		value, err := json.Marshal(field.value)
		if err != nil {
			return nil, err
		}
		b = append(strconv.AppendQuote(b, field.name), ':')
		b = append(b, value...)
	}
	return append(b, '}'), nil
}

// asMap is the section as koanf wants it, and as readYAML makes it.
func (s section) asMap() map[string]any {
	m := make(map[string]any, len(s))
	for _, field := range s {
		m[field.name] = plain(field.value)
	}
	return m
}

func plain(value any) any {
	switch v := value.(type) {
	case literal:
		return string(v)
	case section:
		return v.asMap()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	}
	return value
}

// encode is the reverse of decode.
func encode(v reflect.Value) (any, error) {
	if v.CanInterface() {
		switch known := v.Interface().(type) {
		case encoding.TextMarshaler:
			text, err := known.MarshalText()
			return string(text), err
		case LastResort:
			if known.Similar {
				return "similar", nil
			}
			return section{{"static", known.Static}}, nil
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		fields := section{}
		for i, name := range fieldNames(v.Type()) {
			if f := v.Field(i); (f.Kind() == reflect.String || f.Kind() == reflect.Slice) && f.Len() == 0 {
				continue
			}
			value, err := encode(v.Field(i))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			fields = append(fields, struct {
				name  string
				value any
			}{name, value})
		}
		return fields, nil
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			var err error
			if list[i], err = encode(v.Index(i)); err != nil {
				return nil, err
			}
		}
		return list, nil
	case reflect.String:
		return v.String(), nil
	case reflect.Bool:
		return literal(strconv.FormatBool(v.Bool())), nil
	case reflect.Int:
		return literal(strconv.FormatInt(v.Int(), 10)), nil
	case reflect.Float64:
		return literal(strconv.FormatFloat(v.Float(), 'f', -1, 64)), nil
	}
	return nil, fmt.Errorf("config: %s has no text form", v.Type())
}

func writeSection(b *bytes.Buffer, indent string, fields section) {
	for i, field := range fields {
		if i > 0 || indent == "" {
			b.WriteString(indent) // the first line of an entry follows its dash
		}
		b.WriteString(field.name + ":")
		writeValue(b, indent, field.value)
	}
}

func writeValue(b *bytes.Buffer, indent string, value any) {
	switch v := value.(type) {
	case string:
		b.WriteString(" " + scalar(v) + "\n")
	case literal:
		b.WriteString(" " + string(v) + "\n")
	case section:
		b.WriteString("\n" + indent + "  ")
		writeSection(b, indent+"  ", v)
	case []any:
		b.WriteString("\n")
		for _, item := range v {
			b.WriteString(indent + "  -")
			if fields, ok := item.(section); ok {
				b.WriteString(" ")
				writeSection(b, indent+"    ", fields)
				continue
			}
			writeValue(b, indent+"  ", item)
		}
	}
}

// scalar is a text as it may stand in YAML: bare when nobody could read it as anything else, or else in quotes.
func scalar(text string) string {
	bare := text != "" && !strings.HasSuffix(text, ":")
	for i, r := range text {
		if !(isWord(r) && (i > 0 || r != '-')) && !(i > 0 && strings.ContainsRune(".:/%+", r)) && !(i == 0 && r == '/') {
			bare = false
		}
	}
	switch strings.ToLower(text) {
	case "null", "true", "false", "yes", "no", "on", "y", "n": // off is a word of this file, and read as one
		bare = bare && (text == "true" || text == "false")
	}
	if bare {
		return text
	}
	// Every JSON string is a YAML string.
	var b bytes.Buffer
	quote := json.NewEncoder(&b)
	quote.SetEscapeHTML(false)
	if quote.Encode(text) != nil {
		return strconv.Quote(text) // cannot happen: a string is always JSON
	}
	return strings.TrimSuffix(b.String(), "\n")
}
