package desktop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// instance is the first window program with a data folder. Others of the same folder find it by a socket there, have it
// show its window, and end. A bus of the desktop is not needed for that, and is not everywhere.
type instance struct {
	l    net.Listener
	stop context.CancelFunc
	done sync.WaitGroup
}

// errShown says that there was a window already, and that it is shown now.
var errShown = errors.New("another window program has this data folder")

// How long the first one has to answer, and how many may ask it at once.
const (
	instancePatience = 5 * time.Second
	instanceWord     = "show"
)

// claim makes this program the one with the folder, or has the one that is there show its window: errShown. show is called
// by one goroutine, for each that comes later.
func claim(dir string, show func()) (*instance, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the window: %w", err)
	}
	path := filepath.Join(dir, "window.sock")
	// Of two that start at the same time one would take the other's socket for a left one.
	unlock, err := lockedfile.MutexAt(filepath.Join(dir, "window.lock")).Lock()
	if err != nil {
		return nil, fmt.Errorf("open the window: %w", err)
	}
	defer unlock()
	if err := knock(path); err == nil {
		return nil, errShown
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open the window: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the window: %w", err)
	}
	os.Chmod(path, 0o600) // the folder is nobody else's already
	ctx, stop := context.WithCancel(context.Background())
	x := &instance{l: l, stop: stop}
	x.done.Go(func() { x.listen(ctx, show) })
	return x, nil
}

// knock asks the one that listens at path to show its window.
func knock(path string) error {
	c, err := net.DialTimeout("unix", path, instancePatience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(instancePatience))
	if _, err := fmt.Fprintln(c, instanceWord); err != nil {
		return err
	}
	_, err = bufio.NewReader(c).ReadString('\n')
	return err
}

func (x *instance) listen(ctx context.Context, show func()) {
	for {
		c, err := x.l.Accept()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			select {
			case <-time.After(time.Second): // no file handle is left, perhaps
			case <-ctx.Done():
				return
			}
			continue
		}
		c.SetDeadline(time.Now().Add(instancePatience))
		word := make([]byte, len(instanceWord)+1)
		if n, _ := c.Read(word); string(word[:n]) == instanceWord+"\n" {
			show()
			fmt.Fprintln(c, "shown")
		}
		c.Close()
	}
}

// Close lets another program be the one.
func (x *instance) Close() error {
	x.stop()
	err := x.l.Close()
	x.done.Wait()
	return err
}
