package injection

import _ "embed"

//go:embed SOURCES.md
var sources string

// Sources says in Markdown what the weights are trained on, with its licences. It goes wherever they go.
func Sources() string { return sources }
