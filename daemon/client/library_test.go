package client

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/library"
)

// TestALoadIsWaitedForAsLongAsTheDaemonDoes: one that takes all of its time ends with what the daemon says.
func TestALoadIsWaitedForAsLongAsTheDaemonDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := daemons(t, func(c net.Conn, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			time.Sleep(library.LoadTimeout)
			io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: 30\r\n\r\n{\"detail\":\"it takes too long\"}")
		})
		began := time.Now()
		if _, err := c.LoadModel(t.Context(), "local", "large", ""); err == nil || err.Error() != "it takes too long" {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
