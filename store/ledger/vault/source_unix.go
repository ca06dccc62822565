//go:build !windows

package vault

import (
	"fmt"
	"os"
	"path/filepath"
)

// onlyOwner refuses a secret that others may read: it may be in their hands already, and going on would hide that.
func onlyOwner(info os.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("others may read this key (mode %o): run chmod 600 on it, and then corral audit rotate-key", mode)
	}
	return nil
}

func replaceFile(fresh, path string, _ *os.File) error {
	if err := os.Rename(fresh, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	return dir.Sync()
}
