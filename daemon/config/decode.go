package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decode reads a tree of texts into a value that holds the defaults already: what the tree does not name, or names
// without a value, stays. Each wrong leaf is told and left as it was, so that all problems come out in one go.
func decode(path string, in any, out reflect.Value, rep *report) {
	if in == nil {
		return
	}
	if reader, ok := out.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := asText(path, in, out.Type(), rep); ok {
			if err := reader.UnmarshalText([]byte(text)); err != nil {
				rep.field(path, "%s", err)
			}
		}
		return
	}
	if last, ok := out.Addr().Interface().(*LastResort); ok {
		decodeLastResort(path, in, last, rep)
		return
	}
	switch out.Kind() {
	case reflect.Struct:
		section, ok := in.(map[string]any)
		if !ok {
			rep.field(path, "must be %s, not %s", wanted(out.Type()), shape(in))
			return
		}
		decodeSection(path, section, out, rep)
	case reflect.Slice:
		list, ok := in.([]any)
		if !ok {
			rep.field(path, "must be %s, not %s", wanted(out.Type()), shape(in))
			return
		}
		out.Set(reflect.Zero(out.Type())) // an empty list is no list, so that configs can be compared
		for i, item := range list {
			value := reflect.New(out.Type().Elem()).Elem()
			if item == nil {
				rep.field(entry(path, i), "is empty; give it a value or remove the entry")
			}
			decode(entry(path, i), item, value, rep)
			out.Set(reflect.Append(out, value))
		}
	default:
		if text, ok := asText(path, in, out.Type(), rep); ok {
			decodeText(path, text, out, rep)
		}
	}
}

func decodeSection(path string, section map[string]any, out reflect.Value, rep *report) {
	names := fieldNames(out.Type())
	for _, name := range slices.Sorted(maps.Keys(section)) {
		i := slices.Index(names, name)
		if i < 0 {
			unknownField(path, name, names, rep)
			continue
		}
		decode(join(path, name), section[name], out.Field(i), rep)
	}
}

func unknownField(path, name string, names []string, rep *report) {
	meant := nearest(name, names)
	if other := otherName(name); meant == "" && slices.Contains(names, other) {
		meant = other
	}
	if meant != "" {
		rep.key(join(path, name), "is not a known field; did you mean %s?", meant)
		return
	}
	rep.key(join(path, name), "is not a known field; here may stand %s", anyOf(names))
}

// otherName is what a field is called here that other programs call something else.
func otherName(name string) string {
	switch strings.ToLower(strings.ReplaceAll(name, "-", "_")) {
	case "api_key", "apikey", "token", "secret":
		return "key"
	case "base_url", "endpoint", "address", "api_base":
		return "url"
	case "port", "addr", "bind", "host", "server":
		return "listen"
	case "type":
		return "kind"
	case "rpm", "rate", "rate_limit":
		return "requests_per_minute"
	case "attempts", "retries", "max_retries":
		return "max_attempts"
	case "cors", "allowed_origins":
		return "origins"
	case "logging", "logs", "log_level":
		return "telemetry"
	}
	return ""
}

func decodeText(path, text string, out reflect.Value, rep *report) {
	switch out.Kind() {
	case reflect.String:
		out.SetString(text)
	case reflect.Bool:
		switch text {
		case "true":
			out.SetBool(true)
		case "false":
			out.SetBool(false)
		default:
			rep.field(path, "%s is not true or false", show(text))
		}
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			rep.field(path, "%s is not a whole number", show(text))
			return
		}
		out.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || !isNumber(strings.TrimPrefix(text, "-")) {
			rep.field(path, "%s is not a number", show(text))
			return
		}
		out.SetFloat(f)
	default:
		panic(fmt.Sprintf("config: %s has a type without a text form", path)) // a programming error, found by the first test
	}
}

func decodeLastResort(path string, in any, out *LastResort, rep *report) {
	switch value := in.(type) {
	case string:
		if value == "similar" {
			out.Similar = true
			return
		}
		rep.field(path, "%s is not known; use similar or { static: \"a sentence\" }", show(value))
	case map[string]any:
		var only struct {
			Static string `koanf:"static"`
		}
		decode(path, value, reflect.ValueOf(&only).Elem(), rep)
		if out.Static = only.Static; strings.TrimSpace(out.Static) == "" && !rep.knows(join(path, "static")) {
			rep.field(join(path, "static"), "is missing; write the sentence that callers get")
		}
	default:
		rep.field(path, "must be similar or { static: \"a sentence\" }, not %s", shape(in))
	}
}

// asText is the scalar that stands at path; lists and sections in its place are told.
func asText(path string, in any, want reflect.Type, rep *report) (string, bool) {
	text, ok := in.(string)
	if !ok {
		rep.field(path, "must be %s, not %s", wanted(want), shape(in))
	}
	return text, ok
}

// wanted says what a type looks like in the file.
func wanted(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Duration]():
		return "a duration such as 60s"
	case reflect.TypeFor[Bytes]():
		return "a size such as 32MiB"
	case reflect.TypeFor[Percent]():
		return "a percentage such as 99.9%"
	case reflect.TypeFor[Share]():
		return "a percentage or a size, such as 5% or 2GiB"
	case reflect.TypeFor[Secret]():
		return "keyring:NAME, env:NAME or file:PATH"
	}
	switch t.Kind() {
	case reflect.Struct:
		return "a section with " + anyOf(fieldNames(t))
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "a text"
}

// shape says what stands in the file, without saying the value.
func shape(in any) string {
	switch in.(type) {
	case map[string]any:
		return "a section"
	case []any:
		return "a list"
	}
	return "a single value"
}

// fieldNames are the names of a section's fields, in their order.
func fieldNames(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("koanf")
	}
	return names
}
