package llm

import (
	"context"
	"errors"
)

// Ended turns the end of ctx into an Error: the caller left, Corral is stopping, or the *Error that whoever ended it gave as
// the cause. Nil while ctx goes on.
func Ended(ctx context.Context) *Error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	var own *Error
	if errors.As(cause, &own) {
		return own
	}
	if errors.Is(cause, ErrStopping) {
		return &Error{Kind: Stopping, Message: "Corral is shutting down; please try again in a moment.", Err: cause}
	}
	return &Error{Kind: Gone, Message: "The caller closed the connection.", Err: cause}
}
