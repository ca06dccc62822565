package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"corral/store/storetest"
)

// TestTheDoctorTellsAFullDiskFromAForeignFolder: whoever has no space left is not helped by another user.
func TestTheDoctorTellsAFullDiskFromAForeignFolder(t *testing.T) {
	dir := storetest.SmallDisk(t, 1<<20)
	os.WriteFile(filepath.Join(dir, "fills it"), make([]byte, 2<<20), 0o600) // as far as it goes
	err := mayWrite(dir)
	if err == nil || !strings.Contains(mendFolder(err), "free some space") {
		t.Errorf("%v: %s", err, mendFolder(err))
	}
	if list, err := filepath.Glob(filepath.Join(dir, ".doctor-*")); err != nil || len(list) > 0 {
		t.Errorf("%v is left there, %v", list, err)
	}
	if err := os.ErrPermission; !strings.Contains(mendFolder(err), "chown") {
		t.Error(mendFolder(err))
	}
}
