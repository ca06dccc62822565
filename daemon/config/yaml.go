package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a config file may be at most. The file is not hostile, but it may be the wrong one, and a reload must never stop
// the service: the parser takes time that grows with the square of keys and of open brackets.
const (
	maxFile   = 1 << 20 // bytes
	maxTokens = 20_000  // keys, values and signs
	maxDepth  = 32      // sections and lists within each other
	maxValues = 50_000  // after aliases are written out
)

// readYAML is the file as nested map[string]any, []any and scalars as text (nil where nothing stands). The place of each
// value goes to the report, and so does what cannot be read.
func readYAML(data []byte, rep *report) (tree map[string]any) {
	if !readable(data, rep) {
		return nil
	}
	// A panic of the parser is a problem of this file and not the end of the service.
	defer func() {
		if recover() != nil {
			tree = nil
			rep.at(position{1, 1}, "not valid YAML: the parser gave up on it")
		}
	}()
	tokens := lexer.Tokenize(string(bytes.TrimPrefix(data, []byte("\ufeff"))))
	if !modest(tokens, rep) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are told below, all at once
	if err != nil {
		told := position{1, 1}
		message := err.Error()
		var syntax interface {
			error
			GetToken() *token.Token
			GetMessage() string
		}
		if errors.As(err, &syntax) {
			told, message = positionOf(syntax.GetToken()), syntax.GetMessage()
		}
		rep.at(told, "not valid YAML: %s", plainSyntax(message))
		return nil
	}
	return (&reader{rep: rep, anchors: map[string]ast.Node{}}).documents(file)
}

// readable refuses what is not text of a sensible size.
func readable(data []byte, rep *report) bool {
	if len(data) > maxFile {
		rep.at(position{}, "is larger than %s; is it the right file?", Bytes(maxFile))
		return false
	}
	line, column := 1, 1
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if r == utf8.RuneError && size == 1 || r == 0 {
			rep.at(position{line, column}, "is not UTF-8 text; save it as UTF-8")
			return false
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
		rest = rest[size:]
	}
	return true
}

// modest refuses what would take the parser long.
func modest(tokens token.Tokens, rep *report) bool {
	if len(tokens) > maxTokens {
		rep.at(positionOf(tokens[maxTokens]), "has more than %d keys and values; is it the right file?", maxTokens)
		return false
	}
	open := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		}
		if open > maxDepth {
			rep.at(positionOf(t), "is nested more than %d deep", maxDepth)
			return false
		}
	}
	return true
}

// plainSyntax says in plain words what the parser found. The parser's own words are kept only as far as they cannot hold
// a value of the file, for that could be a key.
func plainSyntax(message string) string {
	for _, known := range []struct{ part, plain string }{
		{"character '\t'", "a tab stands where YAML wants spaces"},
		{"mapping value is not allowed", `a ":" stands where none may; check the indentation, or put the text in quotes`},
		{"is a reserved character", "a text starts with @ or `, which YAML reserves; put it in quotes"},
		{"could not find end character", "a quote is not closed"},
		{"']' not found", `a "[" is not closed`},
		{"']' must be specified", `a "," or "]" is missing`},
		{"'}'", `a "{" is not closed, or a "," is missing`},
		{"flow map content", `a "{" is not closed`},
		{"document not started", "a text starts with %, which YAML reserves; put it in quotes"},
		{"value is not allowed in this context", "this does not belong here; check the indentation"},
		{"unexpected key name", `this key has no ":"; check the indentation`},
		{"non-map value is specified", `this has no ":"; check the indentation`},
	} {
		if strings.Contains(message, known.part) {
			return known.plain
		}
	}
	if i := strings.IndexAny(message, ":\"\n"); i >= 0 {
		message = message[:i]
	}
	return message
}

func positionOf(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{t.Position.Line, t.Position.Column}
}

// reader walks the syntax tree.
type reader struct {
	rep     *report
	anchors map[string]ast.Node
	values  int
	stopped bool // too large or too deep, told once
}

func (r *reader) documents(file *ast.File) map[string]any {
	var body ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.DirectiveType {
			continue
		}
		if body != nil {
			r.rep.at(start(doc.Body), "holds a second document; keep one, without \"---\" in between")
			return nil
		}
		body = doc.Body
	}
	switch value := r.value("", body, 0).(type) {
	case nil:
		return nil
	case map[string]any:
		return value
	default:
		r.rep.at(start(body), "must hold fields such as \"listen: 127.0.0.1:11435\", not %s", shape(value))
		return nil
	}
}

// value is what stands at path: a map, a list, a text or nil.
func (r *reader) value(path string, node ast.Node, depth int) any {
	if node == nil || r.stopped {
		return nil
	}
	if r.values++; r.values > maxValues {
		return r.stop(node, "has more than %d values once its aliases are written out", maxValues)
	}
	if depth > maxDepth {
		return r.stop(node, "is nested more than %d deep", maxDepth)
	}
	at := r.rep.places[path]
	at.file, at.value = r.rep.file, start(node)
	if path != "" {
		r.rep.places[path] = at
	}
	switch n := node.(type) {
	case *ast.NullNode:
		return nil
	case *ast.MappingNode:
		return r.mapping(path, n.Values, depth)
	case *ast.MappingValueNode:
		return r.mapping(path, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		list := make([]any, 0, len(n.Values))
		for i, item := range n.Values {
			list = append(list, r.value(entry(path, i), item, depth+1))
		}
		return list
	case *ast.AnchorNode:
		value := r.value(path, n.Value, depth+1)
		// Known only from here on, so an anchor cannot hold itself.
		r.anchors[n.Name.GetToken().Value] = n.Value
		return value
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		target, ok := r.anchors[name]
		if !ok {
			r.rep.at(start(n), "*%s is an alias of nothing; define &%s above it, or put the text in quotes", show(name), show(name))
			return nil
		}
		return r.value(path, target, depth+1)
	case *ast.TagNode:
		if !strings.HasPrefix(n.Start.Value, "!!") {
			r.rep.at(start(n), "has a YAML tag (!); put the text in quotes")
			return nil
		}
		return r.value(path, n.Value, depth+1)
	case *ast.LiteralNode:
		return r.scalar(path, n.Value.Value)
	case *ast.StringNode:
		return r.scalar(path, n.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return r.scalar(path, n.GetToken().Value)
	}
	r.rep.at(start(node), "not valid YAML for a config: fields, lists and texts are all that is used here")
	return nil
}

func (r *reader) scalar(path, text string) any {
	at := r.rep.places[path]
	at.text = text
	r.rep.places[path] = at
	return text
}

func (r *reader) mapping(path string, pairs []*ast.MappingValueNode, depth int) any {
	section := make(map[string]any, len(pairs))
	for _, pair := range pairs {
		key, ok := keyText(pair.Key)
		if !ok {
			r.rep.at(start(pair.Key), "this key is not a plain name; merge keys (<<) and aliases are not used for keys here")
			continue
		}
		field := join(path, key)
		if _, twice := section[key]; twice {
			first := r.rep.places[field].key
			r.rep.add(field, Problem{File: r.rep.file, Line: start(pair.Key).line, Column: start(pair.Key).column},
				"is set twice; it stands in line "+Bytes(first.line).String()+" already")
			continue
		}
		r.rep.places[field] = place{file: r.rep.file, key: start(pair.Key), value: start(pair.Key)}
		section[key] = r.value(field, pair.Value, depth+1)
	}
	return section
}

func (r *reader) stop(node ast.Node, format string, args ...any) any {
	r.stopped = true
	r.rep.at(start(node), format, args...)
	return nil
}

// keyText is the name of a field, if it is as simple as that.
func keyText(key ast.Node) (string, bool) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.MappingKeyNode: // written as "? name"
		return keyText(k.Value)
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return k.GetToken().Value, true
	}
	return "", false
}

// start is where a person would say that a value begins. The parser places a section at its first colon.
func start(node ast.Node) position {
	switch n := node.(type) {
	case nil:
		return position{1, 1}
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return start(n.Key)
	}
	return positionOf(node.GetToken())
}
