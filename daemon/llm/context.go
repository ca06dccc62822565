package llm

import (
	"context"
	"errors"
)

// Ended turns the end of ctx into an Error: the caller left, or Corral is stopping. Nil while ctx goes on.
func Ended(ctx context.Context) *Error {
	if ctx.Err() == nil {
		return nil
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrStopping) {
		return &Error{Kind: Stopping, Message: "Corral is shutting down; please try again in a moment.", Err: cause}
	}
	return &Error{Kind: Gone, Message: "The caller closed the connection.", Err: context.Cause(ctx)}
}
