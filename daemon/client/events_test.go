package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/event"
)

// daemons answers one connection of a client after another, as each of them says.
func daemons(t *testing.T, each ...func(c net.Conn, r *http.Request)) *Client {
	conns := make(chan net.Conn)
	go func() {
		for _, answer := range each {
			c := <-conns
			r, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				t.Error(err)
			} else {
				answer(c, r)
			}
			c.Close()
		}
	}()
	return &Client{base: "http://corral", token: "secret", http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case conns <- there:
				return here, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}}}
}

const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 1000\nid: 0000000000000001-4\n\n"

func told(n int) string {
	id := event.ID{Boot: 1, Seq: uint64(n)}
	return fmt.Sprintf("event: ledger\nid: %s\ndata: {\"id\":\"%s\",\"type\":\"ledger\",\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"failing\":true}}\n\n", id, id)
}

// TestTheFeedIsReadOverBrokenConnections: one breaks off in the middle of an event, one falls silent, one is refused for a
// while, and each time the next begins after the last event.
func TestTheFeedIsReadOverBrokenConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begins := func(r *http.Request, after string) {
			if q := r.URL.Query(); q.Get("after") != after || q.Get("types") != "ledger,call" || r.Header.Get("Authorization") != "Bearer secret" {
				t.Errorf("%s %v", r.URL, r.Header)
			}
		}
		c := daemons(t,
			func(c net.Conn, r *http.Request) {
				begins(r, "")
				io.WriteString(c, head) // nothing has happened yet; its id holds all the same
			},
			func(c net.Conn, r *http.Request) {
				begins(r, "0000000000000001-4")
				io.WriteString(c, head+told(5)+told(6)+"event: ledger\nid: 0000000000000001-7\ndata: {\"id\"")
			},
			func(c net.Conn, r *http.Request) {
				begins(r, "0000000000000001-6") // half an event has not been read
				io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
			},
			func(c net.Conn, r *http.Request) {
				io.WriteString(c, head+told(8)+": nothing happened\n\n")
				c.Read(make([]byte, 1)) // silent until the client has had enough
			},
			func(c net.Conn, r *http.Request) {
				begins(r, "0000000000000001-8")
				io.WriteString(c, head+told(9))
			},
		)
		began := time.Now()
		var broken, got []string
		for x, err := range c.Events(t.Context(), EventOptions{Types: []string{"ledger", "call"}, Broken: func(err error) { broken = append(broken, err.Error()) }}) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, x.ID.String()[17:]); len(got) == 4 {
				break
			}
		}
		if fmt.Sprint(got) != "[5 6 8 9]" || len(broken) != 3 {
			t.Errorf("%v\n%q", got, broken)
		}
		if took := time.Since(began); took != eventsSilence+4*eventsPause {
			t.Errorf("it took %v", took)
		}
	})
}

func TestTheFeedSaysWhatIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := daemons(t, func(c net.Conn, r *http.Request) {
			const says = `{"detail":"there is no such type"}`
			fmt.Fprintf(c, "HTTP/1.1 422 Unprocessable Entity\r\nContent-Length: %d\r\n\r\n%s", len(says), says)
		})
		n := 0
		for _, err := range c.Events(t.Context(), EventOptions{}) {
			var refused *Error
			if n++; !errors.As(err, &refused) || refused.Status != 422 {
				t.Error(err)
			}
		}
		if n != 1 {
			t.Errorf("%d times", n)
		}
	})
}
