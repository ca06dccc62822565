package provider

import "context"

// Look is what a server says of itself when it is asked for its models.
type Look struct {
	Status  int      // of HTTP; 401 and 403: it does not take the key
	Models  []string // its own names, at most 500
	Version string   // empty: it has no word for it
}

// Looker is a provider that can be asked so. An error says that it could not be reached, or that there is no key to show.
type Looker interface {
	Look(ctx context.Context) (Look, error)
}
