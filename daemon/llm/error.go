package llm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind is what went wrong, in the terms that decide what happens next. One table (Status, Code) turns it into what an
// app sees.
type Kind uint8

const (
	Internal      Kind = iota // a fault of Corral's own
	Invalid                   // the call cannot be understood
	Unauthorized              // no key, or a wrong one
	Forbidden                 // not from this page, host or caller
	NotFound                  // no such route or model
	NotAllowed                // no such method here
	TooLarge                  // the body is over the limit
	Unsupported               // understood, but no target can do it
	TooMany                   // over a limit; RetryAfter says when to come back
	Busy                      // no place free at the moment
	SlowCaller                // the body did not arrive in time
	Gone                      // the caller left
	Unreachable               // the target refused the connection or could not be found
	Timeout                   // the target did not answer in time
	Broken                    // the target broke off in the middle
	BadAnswer                 // the target answered with something that is no answer
	TargetRefused             // the target answered with an error status before any content
	Stopping                  // Corral is shutting down
	Unrecorded                // the ledger cannot be written
	OverBudget                // it could cost more than a budget has left; RetryAfter says when there is more
	NotKept                   // only a kept answer was wanted, and there is none
	Paused                    // the operator lets nothing new in; RetryAfter says when to look again
	Blocked                   // the guard does not let its text pass
)

var kinds = [...]struct {
	status int
	code   string
}{
	Internal:      {http.StatusInternalServerError, "internal_error"},
	Invalid:       {http.StatusBadRequest, "invalid_request"},
	Unauthorized:  {http.StatusUnauthorized, "invalid_api_key"},
	Forbidden:     {http.StatusForbidden, "forbidden"},
	NotFound:      {http.StatusNotFound, "not_found"},
	NotAllowed:    {http.StatusMethodNotAllowed, "method_not_allowed"},
	TooLarge:      {http.StatusRequestEntityTooLarge, "request_too_large"},
	Unsupported:   {http.StatusNotImplemented, "unsupported"},
	TooMany:       {http.StatusTooManyRequests, "rate_limited"},
	Busy:          {http.StatusServiceUnavailable, "busy"},
	SlowCaller:    {http.StatusRequestTimeout, "request_timeout"},
	Gone:          {499, "caller_left"}, // nginx's number for it; never sent, since nobody is there
	Unreachable:   {http.StatusBadGateway, "target_unreachable"},
	Timeout:       {http.StatusGatewayTimeout, "target_timeout"},
	Broken:        {http.StatusBadGateway, "target_broke_off"},
	BadAnswer:     {http.StatusBadGateway, "target_bad_answer"},
	TargetRefused: {http.StatusBadGateway, "target_error"},
	Stopping:      {http.StatusServiceUnavailable, "stopping"},
	Unrecorded:    {http.StatusServiceUnavailable, "ledger_unavailable"},
	OverBudget:    {http.StatusTooManyRequests, "budget_exceeded"},
	NotKept:       {http.StatusGatewayTimeout, "not_cached"}, // RFC 9111, section 5.2.1.7
	Paused:        {http.StatusServiceUnavailable, "paused"},
	Blocked:       {http.StatusBadRequest, "guard_blocked"},
}

// Error is the one error that stages and handlers return. Callers see Message and the code; operators see Err too.
type Error struct {
	Kind       Kind
	Op         string        // what was attempted, for the log: "dial local"
	Message    string        // one sentence for the caller that says what to do; no keys, no addresses of others
	RetryAfter time.Duration // for TooMany, Busy, OverBudget and Paused; zero: not said
	Allow      []string      // for NotAllowed: what would be right
	Err        error         // the cause, for operators only
}

// Errorf makes an Error whose message is for the caller.
func Errorf(k Kind, op string, cause error, format string, args ...any) *Error {
	return &Error{Kind: k, Op: op, Err: cause, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	s := e.Message
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Status is the HTTP status that a caller gets.
func (e *Error) Status() int { return kinds[e.Kind].status }

// Code is the stable word for the kind, for programs.
func (e *Error) Code() string { return kinds[e.Kind].code }

// AsError finds the *Error in err. Anything else is a fault of Corral's own, but for a context that ended, which means
// that the caller left.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return &Error{Kind: Gone, Message: "The caller closed the connection.", Err: err}
	}
	return &Error{Kind: Internal, Message: "Corral failed on this call; its log has the cause under this request id.", Err: err}
}

// ErrStopping is the cause with which a shutdown ends the calls that outlive its deadline.
var ErrStopping = errors.New("corral is shutting down")
