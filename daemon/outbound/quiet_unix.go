//go:build unix

package outbound

import (
	"net"
	"syscall"
)

// quietKnown says that quietCheck's answer means something on this system.
const quietKnown = true

// quietCheck makes a look at a connection that does not block: is it open, with nothing to read? An idle one that can be
// read was closed by the server, or holds bytes that nobody asked for, and is of no use either way.
func quietCheck(nc net.Conn) func() bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return func() bool { return true }
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return func() bool { return false }
	}
	var quiet bool
	var one [1]byte
	look := func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	}
	return func() bool { return raw.Read(look) == nil && quiet }
}
