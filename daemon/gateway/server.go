package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headPatience = 10 * time.Second  // for the head of a request
	idlePatience = 120 * time.Second // for the next request on a kept connection
	maxHeaders   = 64 << 10          // bytes
)

// Server is the HTTP server with the listener's bounds.
type Server struct {
	http.Server
	max int
}

// NewServer makes a Server for h. Calls run under ctx; its cause tells them why they end. At most connections are open at
// once (0: no limit); one more is closed at once, so that those who wait behind a flood are refused and not held.
func NewServer(h http.Handler, ctx context.Context, log *slog.Logger, connections int) *Server {
	return &Server{max: connections, Server: http.Server{
		Handler: h, ReadHeaderTimeout: headPatience, IdleTimeout: idlePatience, MaxHeaderBytes: maxHeaders,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug), // half-sent heads and broken connections: the callers' doing
	}}
}

// sends is the write deadline of one answer; net/http takes it off afterwards. Moving it costs a timer, so it is moved only when half of it
// is used up.
type sends struct{ at time.Time }

// within gives the next write at least half of writePatience.
func (s *sends) within(rc *http.ResponseController) {
	if now := time.Now(); s.at.Sub(now) < writePatience/2 {
		s.at = now.Add(writePatience)
		rc.SetWriteDeadline(s.at)
	}
}

// Serve answers what l accepts. After a Shutdown it returns nil.
func (s *Server) Serve(l net.Listener) error {
	err := s.Server.Serve(&bounded{Listener: l, free: make(chan struct{}, max(s.max, 0))})
	if err == http.ErrServerClosed {
		return nil
	}
	return err
}

// bounded closes what is accepted while free is full.
type bounded struct {
	net.Listener
	free chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil || cap(b.free) == 0 {
			return c, err
		}
		select {
		case b.free <- struct{}{}:
			return &boundedConn{Conn: c, free: b.free}, nil
		default:
			c.Close()
		}
	}
}

type boundedConn struct {
	net.Conn
	once sync.Once
	free chan struct{}
}

func (c *boundedConn) Close() error {
	c.once.Do(func() { <-c.free })
	return c.Conn.Close()
}
