package config

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// piece is a value and where it stands in the text, in bytes. The syntax tree is not written back: its printer drops blank
// lines and sets braces anew. Only the bytes of a changed value are exchanged, and apply reads the outcome back.
type piece struct {
	node       ast.Node
	start, end int
	flow       bool // a section or list in brackets, or something within one
	block      bool // a section or list on lines of its own
	fields     []member
	items      []item
}

type member struct {
	name       string
	key, colon int
	value      *piece
}

type item struct {
	dash  int // of a block list
	value *piece
}

// layout finds the pieces of a text.
type layout struct {
	text  []byte
	lines []int // where each begins
	odd   bool  // something stands there that is not known here
}

func (l *layout) offset(p position) int {
	if p.line < 1 || p.line > len(l.lines) {
		l.odd = true
		return 0
	}
	at := l.lines[p.line-1]
	for range p.column - 1 {
		if at >= len(l.text) {
			break
		}
		_, size := utf8.DecodeRune(l.text[at:])
		at += size
	}
	return at
}

// eol is the end of the line that holds at, before its newline.
func (l *layout) eol(at int) int {
	if i := bytes.IndexByte(l.text[at:], '\n'); i >= 0 {
		at += i
	} else {
		at = len(l.text)
	}
	return at
}

// next is the beginning of the line after the one that holds at.
func (l *layout) next(at int) int {
	if i := bytes.IndexByte(l.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(l.text)
}

func (l *layout) bol(at int) int { return bytes.LastIndexByte(l.text[:at], '\n') + 1 }

// root reads the text; nil: it holds no section at the top, which is not odd when it holds nothing.
func (l *layout) root() (top *piece) {
	defer func() {
		if recover() != nil {
			l.odd, top = true, nil
		}
	}()
	l.lines = []int{0}
	for i, b := range l.text {
		if b == '\n' {
			l.lines = append(l.lines, i+1)
		}
	}
	file, err := parser.Parse(lexer.Tokenize(string(l.text)), 0)
	if err != nil {
		l.odd = true
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.DirectiveType || doc.Body.Type() == ast.NullType {
			continue
		}
		return l.piece(doc.Body, false)
	}
	return nil
}

func (l *layout) piece(node ast.Node, flow bool) *piece {
	p := &piece{node: node, flow: flow}
	switch n := node.(type) {
	case *ast.MappingNode:
		p.flow = p.flow || n.IsFlowStyle
		for _, pair := range n.Values {
			p.fields = append(p.fields, l.member(pair, p.flow))
		}
		l.bounds(p, n.IsFlowStyle, n.Start.Position.Line, n.Start.Position.Column, func() position { return positionOf(n.End) })
	case *ast.MappingValueNode:
		p.fields = append(p.fields, l.member(n, flow))
		l.bounds(p, false, 0, 0, nil)
	case *ast.SequenceNode:
		p.flow = p.flow || n.IsFlowStyle
		for i, v := range n.Values {
			x := item{value: l.piece(v, p.flow)}
			if !n.IsFlowStyle {
				if i >= len(n.Entries) {
					l.odd = true
					continue
				}
				x.dash = l.offset(positionOf(n.Entries[i].Start))
			}
			p.items = append(p.items, x)
		}
		l.bounds(p, n.IsFlowStyle, n.Start.Position.Line, n.Start.Position.Column, func() position { return positionOf(n.End) })
	case *ast.NullNode:
		p.start = -1 // member knows where
	default:
		p.start = l.offset(start(node))
		p.end = l.scalarEnd(p.start, node, flow)
	}
	return p
}

func (l *layout) bounds(p *piece, brackets bool, line, column int, end func() position) {
	if brackets {
		p.start = l.offset(position{line, column})
		p.end = l.offset(end()) + 1
		if p.start >= len(l.text) || p.end > len(l.text) || !strings.ContainsRune("[{", rune(l.text[p.start])) || !strings.ContainsRune("]}", rune(l.text[p.end-1])) {
			l.odd = true
		}
		return
	}
	p.block = true
	switch {
	case len(p.fields) > 0:
		p.start, p.end = p.fields[0].key, p.fields[len(p.fields)-1].value.end
	case len(p.items) > 0:
		p.start, p.end = p.items[0].dash, p.items[len(p.items)-1].value.end
	default:
		l.odd = true
	}
}

func (l *layout) member(pair *ast.MappingValueNode, flow bool) member {
	name, ok := keyText(pair.Key)
	if !ok {
		l.odd = true
	}
	m := member{name: name, key: l.offset(start(pair.Key)), colon: l.offset(positionOf(pair.Start))}
	if m.colon >= len(l.text) || l.text[m.colon] != ':' {
		l.odd = true
	}
	m.value = l.piece(pair.Value, flow)
	if m.value.start < 0 { // nothing, or the word for it
		m.value.start, m.value.end = m.colon+1, m.colon+1
		rest := l.text[m.colon+1 : l.eol(m.colon)]
		trimmed := bytes.TrimLeft(rest, " \t")
		for _, word := range []string{"null", "Null", "NULL", "~"} {
			if bytes.HasPrefix(trimmed, []byte(word)) {
				m.value.end = m.colon + 1 + len(rest) - len(trimmed) + len(word)
			}
		}
	}
	return m
}

// scalarEnd is where a text ends that begins at start. One that it does not know shows when apply reads the outcome back.
func (l *layout) scalarEnd(at int, node ast.Node, flow bool) int {
	if at >= len(l.text) {
		return at
	}
	switch l.text[at] {
	case '"':
		for i := at + 1; i < len(l.text); i++ {
			switch l.text[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	case '\'':
		for i := at + 1; i < len(l.text); i++ {
			if l.text[i] == '\'' {
				if i+1 < len(l.text) && l.text[i+1] == '\'' {
					i++
					continue
				}
				return i + 1
			}
		}
	case '|', '>':
		if _, literal := node.(*ast.LiteralNode); literal {
			return l.literalEnd(at)
		}
	}
	end := l.eol(at)
	for i := at; i < end; i++ {
		if l.text[i] == '#' && i > at && (l.text[i-1] == ' ' || l.text[i-1] == '\t') || flow && strings.IndexByte(",]}", l.text[i]) >= 0 {
			end = i
			break
		}
	}
	return at + len(bytes.TrimRight(l.text[at:end], " \t"))
}

// literalEnd is the end of a text on lines of its own: the last line that is further in than the one where it is announced.
func (l *layout) literalEnd(at int) int {
	indent := func(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " ")) }
	first := l.text[l.bol(at):l.eol(at)]
	outer := indent(first)
	end := l.eol(at)
	for i := l.next(at); i < len(l.text); i = l.next(i) {
		line := l.text[i:l.eol(i)]
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if indent(line) <= outer {
			break
		}
		end = l.eol(i)
	}
	return end
}

func (p *piece) field(name string) *member {
	for i := range p.fields {
		if p.fields[i].name == name {
			return &p.fields[i]
		}
	}
	return nil
}

// rewrite makes one edit in the text. It says no when it does not know how.
func rewrite(data []byte, at []step, e Edit, value any, remove bool) ([]byte, bool) {
	text, marked := bytes.CutPrefix(data, []byte("\ufeff"))
	l := &layout{text: text}
	top := l.root()
	if l.odd {
		return nil, false
	}
	x := &splicer{layout: l}
	x.edit(top, at, e, value, remove)
	if x.odd {
		return nil, false
	}
	out := slices.Concat(text[:x.from], []byte(x.put), text[x.to:])
	if marked {
		out = append([]byte("\ufeff"), out...)
	}
	return out, true
}

// splicer finds the one range of bytes to exchange, and what comes in its place.
type splicer struct {
	*layout
	from, to int
	put      string
}

func (x *splicer) exchange(from, to int, put string) { x.from, x.to, x.put = from, to, put }

func (x *splicer) edit(top *piece, at []step, e Edit, value any, remove bool) {
	if top == nil {
		if remove || e.Op == "move" {
			x.odd = true
			return
		}
		x.topField(at[0].field, nested(at[1:], e, value))
		return
	}
	in, key := top, -1 // what holds the rest of the path; the column of the key above it
	for i, s := range at {
		last := i == len(at)-1
		var value_ *piece
		if s.field != "" {
			m := in.field(s.field)
			if m == nil {
				if remove {
					x.odd = true
					return
				}
				x.newField(top, in, key, s.field, nested(at[i+1:], e, value))
				return
			}
			if last && remove {
				x.dropField(in, s.field)
				return
			}
			if last && e.Op == "set" {
				x.setField(in, m, value)
				return
			}
			key, value_ = x.column(m.key), m.value
		} else {
			if s.index >= len(in.items) {
				x.odd = true
				return
			}
			switch {
			case last && remove:
				x.dropItem(in, s.index)
				return
			case last && e.Op == "move":
				x.moveItem(in, s.index, e.To)
				return
			case last && e.Op == "set":
				x.setItem(in, in.items[s.index])
				x.put = x.itemText(in, value, x.column(in.items[s.index].dash)+2)
				return
			}
			value_ = in.items[s.index].value
		}
		if last { // add
			x.addItem(value_, key, value)
			return
		}
		in = value_
		if in.node.Type() == ast.AliasType || in.node.Type() == ast.AnchorType || in.node.Type() == ast.TagType {
			x.odd = true
			return
		}
	}
}

// nested wraps a value in the sections that are still missing above it.
func nested(path []step, e Edit, value any) any {
	if e.Op == "add" {
		value = []any{value}
	}
	for _, s := range slices.Backward(path) {
		value = section{{s.field, value}}
	}
	return value
}

// column is how far in a place is, in bytes; a key in a list counts from the line's beginning, dash and all.
func (l *layout) column(at int) int { return at - l.bol(at) }

const newline = "\n"

func indentation(n int) string { return strings.Repeat(" ", n) }

// topField writes a field at the top where there is none: above a line that has it switched off, or at the end.
func (x *splicer) topField(name string, value any) {
	put := name + ":" + x.after(value, 0) + newline
	for i := 0; i < len(x.text); i = x.next(i) {
		if bytes.HasPrefix(x.text[i:], []byte("#"+name+":")) {
			x.exchange(i, i, put)
			return
		}
	}
	if n := len(x.text); n > 0 && x.text[n-1] != '\n' {
		put = newline + put
	}
	x.exchange(len(x.text), len(x.text), put)
}

// newField writes a field after the last one of a section.
func (x *splicer) newField(top, in *piece, key int, name string, value any) {
	name = scalar(name)
	switch {
	case in == top && !in.flow:
		x.topField(name, value)
	case in.block:
		column := x.column(in.start)
		end := x.eol(in.end)
		if last := in.fields[len(in.fields)-1].value; !last.block {
			end = x.eol(last.end)
		}
		x.exchange(end, end, newline+indentation(column)+name+":"+x.after(value, column))
	case in.node.Type() == ast.NullType:
		x.exchange(in.start, in.end, newline+indentation(key+2)+name+":"+x.after(value, key+2))
	case in.flow:
		x.beforeBracket(in, name+": "+flowText(value), len(in.fields) > 0)
	default:
		x.odd = true
	}
}

// beforeBracket writes one more at the end of what stands in brackets.
func (x *splicer) beforeBracket(in *piece, put string, more bool) {
	close := in.end - 1
	at := close
	for at > in.start+1 && strings.IndexByte(" \t", x.text[at-1]) >= 0 {
		at--
	}
	space := string(x.text[at:close])
	switch {
	case more && x.text[at-1] == ',':
		x.exchange(at, at, " "+put)
	case more:
		x.exchange(at, at, ", "+put)
	case x.text[in.start] == '{':
		x.exchange(in.start+1, close, " "+put+" ")
	default:
		x.exchange(in.start+1, close, put+space)
	}
}

// after is a value as it stands after "name:", in a section that is so far in.
func (x *splicer) after(value any, column int) string {
	switch v := value.(type) {
	case section:
		if len(v) > 0 {
			return newline + indentation(column+2) + x.blockSection(v, column+2)
		}
	case []any:
		if len(v) > 0 && !allScalars(v) {
			var b strings.Builder
			for _, entry := range v {
				b.WriteString(newline + indentation(column+2) + "- " + x.blockItem(entry, column+4))
			}
			return b.String()
		}
	}
	return " " + flowText(value)
}

func allScalars(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool {
		switch v.(type) {
		case section, []any:
			return true
		}
		return false
	})
}

// blockSection is a section on lines of its own; the first is where the writing stands already.
func (x *splicer) blockSection(v section, column int) string {
	var b strings.Builder
	for i, f := range v {
		if i > 0 {
			b.WriteString(newline + indentation(column))
		}
		b.WriteString(scalar(f.name) + ":" + x.after(f.value, column))
	}
	return b.String()
}

// flowWidth is how long an entry in braces may be, in bytes.
const flowWidth = 100

func (x *splicer) blockItem(v any, column int) string {
	fields, ok := v.(section)
	if !ok || len(fields) == 0 {
		return flowText(v)
	}
	values := make([]any, len(fields))
	for i, f := range fields {
		values[i] = f.value
		if list, ok := f.value.([]any); ok && allScalars(list) && f.name != "targets" && f.name != "last_resort" {
			values[i] = ""
		}
	}
	if text := flowText(v); allScalars(values) && len(text) <= flowWidth {
		return text
	}
	return x.blockSection(fields, column)
}

// flowText is a value on one line.
func flowText(value any) string {
	switch v := value.(type) {
	case literal:
		return string(v)
	case string:
		return scalar(v)
	case section:
		if len(v) == 0 {
			return "{}"
		}
		parts := make([]string, len(v))
		for i, f := range v {
			parts[i] = scalar(f.name) + ": " + flowText(f.value)
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = flowText(v[i])
		}
		if slices.ContainsFunc(v, func(x any) bool { _, ok := x.(section); return ok }) {
			return "[ " + strings.Join(parts, ", ") + " ]"
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return "null"
}

func (x *splicer) setField(in *piece, m *member, value any) {
	was := m.value
	switch {
	case in.flow && was.node.Type() == ast.NullType:
		x.exchange(m.colon+1, was.end, " "+flowText(value))
	case in.flow:
		x.exchange(was.start, was.end, flowText(value))
	case was.flow || was.node.Type() == ast.NullType:
		if _, ok := value.([]any); ok && was.flow && !bytes.Contains(x.text[was.start:was.end], []byte("\n")) && len(flowText(value)) <= flowWidth {
			x.exchange(was.start, was.end, flowText(value))
			return
		}
		x.inPlace(m, value)
	case was.block:
		// Its own lines, and what stands between them and the key.
		x.inPlace(m, value)
	default:
		if put := x.after(value, x.column(m.key)); strings.HasPrefix(put, " ") {
			x.exchange(was.start, was.end, put[1:])
			return
		}
		x.inPlace(m, value)
	}
}

// inPlace writes what comes after a key anew, with a comment that stands beside the key left there.
func (x *splicer) inPlace(m *member, value any) {
	column := x.column(m.key)
	put := x.after(value, column)
	from := m.colon + 1
	if m.value.block && !strings.HasPrefix(put, " ") {
		// Section for section: the lines only, so that comments above the first one stay.
		from = x.bol(m.value.start)
		if from > m.colon {
			if inner := x.column(m.value.start); inner != column+2 {
				put = x.after(value, inner-2)
			}
			x.exchange(from, m.value.end, strings.TrimPrefix(put, newline))
			return
		}
		from = m.colon + 1
	}
	x.exchange(from, m.value.end, put)
}

func (x *splicer) dropField(in *piece, name string) {
	i := slices.IndexFunc(in.fields, func(m member) bool { return m.name == name })
	m := in.fields[i]
	switch {
	case !in.block:
		from, to := m.key, m.value.end
		if i+1 < len(in.fields) {
			to = in.fields[i+1].key
		} else if i > 0 {
			from = in.fields[i-1].value.end
		}
		x.exchange(from, to, "")
	case len(bytes.TrimSpace(x.text[x.bol(m.key):m.key])) == 0:
		x.exchange(x.bol(m.key), x.next(m.value.end), "")
	case i+1 < len(in.fields): // it follows a dash, which the next one is to follow
		x.exchange(m.key, in.fields[i+1].key, "")
	default:
		x.odd = true
	}
}

func (x *splicer) dropItem(in *piece, i int) {
	if !in.block {
		from, to := in.items[i].value.start, in.items[i].value.end
		if i+1 < len(in.items) {
			to = in.items[i+1].value.start
		} else if i > 0 {
			from = in.items[i-1].value.end
		}
		x.exchange(from, to, "")
		return
	}
	if len(in.items) == 1 {
		// An empty list is not the same as none.
		from := x.bol(in.items[0].dash)
		above := bytes.TrimRight(x.text[:from], " \t\r\n")
		if len(above) == 0 || above[len(above)-1] != ':' {
			x.odd = true
			return
		}
		x.exchange(len(above), in.end, " []")
		return
	}
	x.exchange(x.bol(in.items[i].dash), x.next(in.items[i].value.end), "")
}

func (x *splicer) setItem(in *piece, it item) {
	x.exchange(it.value.start, it.value.end, "")
	if it.value.start < 0 {
		x.odd = true
	}
}

// itemText is an entry in the way in which the list is written.
func (x *splicer) itemText(in *piece, value any, column int) string {
	if in.flow {
		return flowText(value)
	}
	if fields, ok := value.(section); ok && len(in.items) > 0 {
		if first := in.items[0].value; first.block {
			return x.blockSection(fields, column)
		}
	}
	return x.blockItem(value, column)
}

func (x *splicer) addItem(list *piece, key int, value any) {
	switch {
	case list.block && len(list.items) > 0:
		column := x.column(list.items[0].dash)
		end := x.eol(list.end)
		x.exchange(end, end, newline+indentation(column)+"- "+x.itemText(list, value, column+2))
	case list.node.Type() == ast.NullType:
		x.exchange(list.start, list.end, x.after([]any{value}, max(key, 0)))
	case list.node.Type() == ast.SequenceType && list.flow:
		if len(list.items) > 0 || list.end-list.start > 2 {
			x.beforeBracket(list, flowText(value), len(list.items) > 0)
			return
		}
		if at := x.column(list.start); key >= 0 && !x.inFlow(list, at) { // an empty list becomes one on lines of its own
			from := list.start
			for from > 0 && x.text[from-1] == ' ' {
				from--
			}
			x.exchange(from, list.end, x.after([]any{value}, key))
			return
		}
		x.beforeBracket(list, flowText(value), false)
	default:
		x.odd = true
	}
}

// inFlow says whether a list in brackets stands within others.
func (x *splicer) inFlow(list *piece, _ int) bool {
	line := x.text[x.bol(list.start):list.start]
	return bytes.ContainsAny(line, "{[")
}

// moveItem puts an entry at another place of its list; comments right above an entry go with it.
func (x *splicer) moveItem(in *piece, from, to int) {
	if from == to {
		return
	}
	order := make([]int, len(in.items))
	for i := range order {
		order[i] = i
	}
	order = slices.Insert(slices.Delete(order, from, from+1), to, from)
	var b strings.Builder
	if !in.block {
		for i, n := range order {
			b.Write(x.text[in.items[n].value.start:in.items[n].value.end])
			if i+1 < len(in.items) { // what is between them stays where it is
				b.Write(x.text[in.items[i].value.end:in.items[i+1].value.start])
			}
		}
		x.exchange(in.items[0].value.start, in.items[len(in.items)-1].value.end, b.String())
		return
	}
	begin := make([]int, len(in.items)+1)
	for i, it := range in.items {
		begin[i] = x.bol(it.dash)
		for begin[i] > 0 {
			above := x.bol(begin[i] - 1)
			line := bytes.TrimLeft(x.text[above:begin[i]], " ")
			if i > 0 && above < x.next(in.items[i-1].value.end) || len(line) < 2 || line[0] != '#' || line[1] != ' ' || x.column(it.dash) != begin[i]-above-len(line) {
				break
			}
			begin[i] = above
		}
	}
	begin[len(in.items)] = x.next(in.end)
	for _, n := range order {
		part := string(x.text[begin[n]:begin[n+1]])
		b.WriteString(part)
		if !strings.HasSuffix(part, "\n") {
			b.WriteString(newline)
		}
	}
	x.exchange(begin[0], begin[len(in.items)], b.String())
}
