// Package span is what the finders of the guard tell of a text: where something stands, and what it is.
package span

// Span is a place in a text.
type Span struct {
	From, To int    // bytes
	Kind     string // what stands there, such as email or aws_access_key: one of a bounded list
}
