package store

import "os"

// Status codes of a process that reading a page has killed
// (https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55).
const (
	accessViolation = 0xC0000005
	inPageError     = 0xC0000006
)

// endedByFault reports whether reading a page has killed the process.
func endedByFault(p *os.ProcessState) bool {
	code := uint32(p.ExitCode())
	return code == accessViolation || code == inPageError
}
