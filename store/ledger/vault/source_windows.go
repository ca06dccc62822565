package vault

import "os"

// onlyOwner: on Windows the folder's access list guards its files.
func onlyOwner(os.FileInfo) error { return nil }

// replaceFile overwrites and closes the old file first, which Windows asks for; the fresh one is on disk already.
func replaceFile(fresh, path string, old *os.File) error {
	if old != nil {
		if err := overwrite(old); err != nil {
			return err
		}
		if err := old.Close(); err != nil {
			return err
		}
	}
	return os.Rename(fresh, path)
}
