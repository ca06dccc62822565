package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"corral/daemon/admin"
)

// socketConnections bounds how many connections the operator's socket has; the feed's readers are some of them.
const socketConnections = 512

var errNoSocket = errors.New("on Windows a file's mode does not say who may use a socket")

// socket is the operator's socket in the data folder. Who may not open it cannot even knock; who takes the port of a Corral
// that is gone gets no token from the command line.
type socket struct {
	net.Listener
	path string
	is   fs.FileInfo
}

// listenSocket takes the place of a socket that a Corral left behind; the database's lock says that it is gone. It is made in a folder of
// its own first: at no time may others than the owner connect.
func listenSocket(dir string) (*socket, error) {
	if runtime.GOOS == "windows" {
		return nil, errNoSocket
	}
	path := filepath.Join(dir, admin.SocketFile)
	if was, err := os.Lstat(path); err == nil && was.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("listen on %s: it is there and no socket; move it away", path)
	}
	closed, err := os.MkdirTemp(dir, ".s") // 0700
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	defer os.RemoveAll(closed)
	l, err := net.Listen("unix", filepath.Join(closed, "s"))
	if err != nil {
		os.Remove(path) // nobody should take an old one for this Corral's
		return nil, fmt.Errorf("listen on %s: %w (a path that is too long for a socket?)", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	made := filepath.Join(closed, "s")
	err = os.Chmod(made, 0o600)
	if err == nil {
		err = os.Rename(made, path)
	}
	is, e := os.Lstat(path)
	if err = errors.Join(err, e); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), l.Close())
	}
	return &socket{Listener: l, path: path, is: is}, nil
}

// remove removes the file, unless it is another one by now.
func (s *socket) remove() {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.is) {
		os.Remove(s.path)
	}
}
