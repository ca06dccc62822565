//go:build !unix

package config

import (
	"io/fs"
	"os"
)

// sameOwner: a new file has the rights of its folder.
func sameOwner(*os.File, fs.FileInfo) error { return nil }

// syncDir: folders cannot be synced here.
func syncDir(string) error { return nil }

// mayWrite tries it: what a folder's attributes say is not the whole of it here.
func mayWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".corral-*.tmp")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}
