//go:build !unix

package outbound

import "net"

// aliveCheck cannot look without blocking here; a call on a closed connection is sent again instead (Call.Replay).
func aliveCheck(net.Conn) func() bool { return func() bool { return true } }
