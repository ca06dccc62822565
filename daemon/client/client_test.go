package client

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestARefusalIsSaidOnceAndWithWhatItIsOf: "validation failed" and a bare value said nothing of which flag was meant, and a config's problem
// was said twice.
func TestARefusalIsSaidOnceAndWithWhatItIsOf(t *testing.T) {
	for _, w := range []struct{ body, said string }{
		{`{"detail":"validation failed","errors":[{"message":"expected length >= 1","location":"body.name","value":""}]}`, `name: expected length >= 1, not ""`},
		{`{"detail":"validation failed","errors":[{"message":"expected number >= 0","location":"query.limit","value":-1},{"message":"expected b","location":"query.a","value":{"x":1}}]}`,
			"limit: expected number >= 0, not -1\na: expected b"},
		{`{"detail":"The config is not valid. corral.yaml: this would leave the file empty","errors":[{"message":"this would leave the file empty"}]}`,
			"The config is not valid. corral.yaml: this would leave the file empty"},
		{`{"detail":"there is no flag foo","errors":[{"message":"use one of a, b","location":"query.flag","value":"foo"}]}`, "there is no flag foo\nflag: use one of a, b, not \"foo\""},
		{`{"detail":"there is no flag foo","errors":[{"location":"query.flag","value":["a"]}]}`, "there is no flag foo"},
	} {
		c := daemons(t, func(c net.Conn, r *http.Request) {
			fmt.Fprintf(c, "HTTP/1.1 422 Unprocessable Entity\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n", len(w.body))
			io.WriteString(c, w.body)
		})
		if _, err := c.Status(t.Context()); err == nil || err.Error() != w.said {
			t.Errorf("%s:\n%v", w.body, err)
		}
	}
}
