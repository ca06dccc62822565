package store

import (
	"errors"
	"fmt"
)

var (
	// ErrInUse is returned by Open when another process has the file. The error is an *InUseError.
	ErrInUse = errors.New("data folder is in use")
	// ErrNewer is returned by Open when a newer Corral wrote the file. The error is a *NewerError.
	ErrNewer = errors.New("data was written by a newer corral")
	// ErrReadOnly is returned by Update while the file, or the disk it is on, may only be read.
	ErrReadOnly = errors.New("the database may only be read")
	// ErrClosed is returned by every call after Close.
	ErrClosed = errors.New("store is closed")
)

// InUseError says which folder is taken and, where it is known, by whom.
type InUseError struct {
	Dir string
	PID int // 0: not known
}

func (e *InUseError) Error() string {
	if e.PID > 0 {
		return fmt.Sprintf("data folder %s is in use by process %d: stop that corral first, or choose another --data-dir", e.Dir, e.PID)
	}
	return fmt.Sprintf("data folder %s is in use by another process: stop that corral first, or choose another --data-dir", e.Dir)
}

func (e *InUseError) Is(target error) bool { return target == ErrInUse }

// NewerError says which schema version was found, and which is the newest known here.
type NewerError struct {
	Path  string
	Found uint32
	Known uint32
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("%s has schema version %d and this corral knows up to %d: install the newer corral again, or restore a backup made before it ran", e.Path, e.Found, e.Known)
}

func (e *NewerError) Is(target error) bool { return target == ErrNewer }
