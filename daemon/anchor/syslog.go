package anchor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Syslog is this machine's own, which best hands on to another's. Package log/syslog does the same, but knows no deadline:
// a syslog that hangs would hold whoever writes to it for good.
type Syslog struct {
	Sockets []string // the first that answers is taken
}

// Name is what stands in the config.
func (s *Syslog) Name() string { return "syslog" }

// priority of the messages (RFC 5424, section 6.2.1): facility daemon, severity notice.
const priority = 3<<3 | 5

// Publish writes one message: a line of JSON, as a file has it.
func (s *Syslog) Publish(ctx context.Context, signed []byte) error {
	raw, err := json.Marshal(line{Note: string(signed)})
	if err != nil {
		return err
	}
	deadline := time.Now().Add(patience)
	if at, ok := ctx.Deadline(); ok && at.Before(deadline) {
		deadline = at
	}
	c, stream, err := s.dial(ctx, deadline)
	if err != nil {
		return err
	}
	defer c.Close()
	message := fmt.Appendf(nil, "<%d>%s corral[%d]: %s", priority, time.Now().Format(time.Stamp), os.Getpid(), raw)
	if stream {
		message = append(message, '\n')
	}
	if err := c.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("write to syslog: %w", err)
	}
	if _, err := c.Write(message); err != nil {
		return fmt.Errorf("write to syslog: %w", err)
	}
	return nil
}

func (s *Syslog) dial(ctx context.Context, deadline time.Time) (c net.Conn, stream bool, err error) {
	d := net.Dialer{Deadline: deadline}
	var failed []error
	for _, path := range s.Sockets {
		for _, network := range []string{"unixgram", "unix"} {
			c, err := d.DialContext(ctx, network, path)
			if err == nil {
				return c, network == "unix", nil
			}
			if !errors.Is(err, os.ErrNotExist) {
				failed = append(failed, err)
			}
		}
	}
	if len(failed) == 0 {
		return nil, false, fmt.Errorf("there is no syslog here: none of %q is there", s.Sockets)
	}
	return nil, false, fmt.Errorf("reach syslog: %w", errors.Join(failed...))
}
