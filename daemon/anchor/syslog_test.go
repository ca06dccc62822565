//go:build unix

package anchor_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"corral/daemon/anchor"
	"corral/store/ledger/treehead"
)

// socket is a path short enough for one.
func socket(t *testing.T) string {
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

var message = regexp.MustCompile(`^<29>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d corral\[\d+\]: \{"note":"corral/0123456789abcdef\\n1\\n.*"\}\n?$`)

func TestSyslogIsSentOneLine(t *testing.T) {
	signed, verifier := heads(t, 1)
	for _, network := range []string{"unixgram", "unix"} {
		path := socket(t)
		got := make(chan []byte, 1)
		if network == "unixgram" {
			c, err := net.ListenUnixgram(network, &net.UnixAddr{Name: path, Net: network})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			go func() {
				b := make([]byte, 64<<10)
				n, _ := c.Read(b)
				got <- b[:n]
			}()
		} else {
			l, err := net.Listen(network, path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					got <- nil
					return
				}
				defer c.Close()
				var b bytes.Buffer
				b.ReadFrom(c)
				got <- b.Bytes()
			}()
		}
		s := &anchor.Syslog{Sockets: []string{path + "-not-there", path}}
		if err := s.Publish(context.Background(), signed[0]); err != nil {
			t.Fatal(network, err)
		}
		text := <-got
		if !message.Match(text) || strings.HasSuffix(string(text), "\n") != (network == "unix") {
			t.Errorf("%s: %q", network, text)
		}
		list, err := anchor.Read(bytes.NewReader(text))
		if err != nil || len(list) != 1 {
			t.Fatal(err, len(list))
		}
		if _, err := treehead.Open(list[0], verifier); err != nil {
			t.Error(err)
		}
	}
}

func TestNoSyslog(t *testing.T) {
	signed, _ := heads(t, 1)
	path := socket(t)
	if err := (&anchor.Syslog{Sockets: []string{path}}).Publish(context.Background(), signed[0]); err == nil || !strings.Contains(err.Error(), "there is no syslog here") {
		t.Error(err)
	}
	// One that has died leaves its socket behind.
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := (&anchor.Syslog{Sockets: []string{path}}).Publish(context.Background(), signed[0]); err == nil || !strings.Contains(err.Error(), "reach syslog") {
		t.Error(err)
	}
}

// A syslog that does not read makes senders wait; this one does not wait for long.
func TestASyslogThatHangs(t *testing.T) {
	signed, _ := heads(t, 1)
	path := socket(t)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := &anchor.Syslog{Sockets: []string{path}}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	for range 100_000 {
		if err = s.Publish(ctx, signed[0]); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
