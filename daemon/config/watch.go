package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// patience is how long a file that keeps changing is waited for; in a folder that never rests it is looked at this often.
const patience = time.Second

// Run watches the file until the context ends, reloads it when its content changed, and reports each attempt: the error,
// or the names of the fields that changed (none when only comments did). It returns nil when the context ended, and an
// error when the file cannot be watched; Reload works all the same then. A file that could not be taken over is tried
// again when it changes.
//
// Folders are watched and not the file: editors put a new file in its place, and Kubernetes swaps a symbolic link two
// steps away. That also shows changes of other files, so the content decides.
func (l *Live) Run(ctx context.Context, onResult func(err error, changed []string)) error {
	if l.source.Path == "" {
		<-ctx.Done()
		return nil
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch config: %w", err)
	}
	defer watcher.Close()
	if err := follow(watcher, l.source.Path); err != nil {
		return fmt.Errorf("watch config: %w", err)
	}
	wake := time.NewTimer(0) // at once: the file may have changed between Open and here
	defer wake.Stop()
	var since time.Time // the first change not looked at; zero: none
	for {
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-watcher.Events:
			if !ok {
				return nil
			}
		case _, ok := <-watcher.Errors: // changes were lost, so there may be one
			if !ok {
				return nil
			}
		case <-wake.C:
			since = time.Time{}
			if err := follow(watcher, l.source.Path); err != nil {
				return fmt.Errorf("watch config: %w", err)
			}
			l.look(ctx, onResult)
			continue
		}
		now := time.Now()
		if since.IsZero() {
			since = now
		}
		wake.Reset(min(l.settle, max(0, patience-now.Sub(since))))
	}
}

// look reloads the file if its content is another than at the last look.
func (l *Live) look(ctx context.Context, onResult func(err error, changed []string)) {
	l.reloading.Lock()
	changed, err := l.reload(ctx, func(data []byte) bool {
		return !bytes.Equal(data, l.seen) || (data == nil) != (l.seen == nil)
	})
	l.reloading.Unlock()
	if errors.Is(err, errSame) || ctx.Err() != nil {
		return
	}
	onResult(err, changed)
}

// follow makes the watcher watch the folders of path, and no others.
func follow(watcher *fsnotify.Watcher, path string) error {
	for range 10 { // a folder may go away, or another appear, between being found and being watched
		wanted := folders(path)
		for _, folder := range watcher.WatchList() {
			if !slices.Contains(wanted, folder) {
				_ = watcher.Remove(folder) // an error means that it is gone already
			}
		}
		var gone bool
		for _, folder := range wanted {
			// Adding again is right for a folder that was removed and made anew.
			if err := watcher.Add(folder); errors.Is(err, fs.ErrNotExist) {
				gone = true
			} else if err != nil {
				return err
			}
		}
		// What was made below a folder before it was watched was told by nobody.
		if !gone && slices.Equal(wanted, folders(path)) {
			return nil
		}
	}
	return fmt.Errorf("the folders of %s keep changing", path)
}

// folders are those in which something happens when the file changes: its own and, along symbolic links, those of every
// link and of the file at the end. For a folder that does not exist it is the nearest one above, where it will appear.
func folders(path string) []string {
	var found []string
	for range 40 { // as many links as Linux follows
		folder := filepath.Dir(path)
		for {
			if real, err := filepath.EvalSymlinks(folder); err == nil {
				folder = real
				break
			}
			if up := filepath.Dir(folder); up != folder {
				folder = up
				continue
			}
			return found
		}
		if !slices.Contains(found, folder) {
			found = append(found, folder)
		}
		target, err := os.Readlink(path)
		if err != nil {
			return found // not a link: the end
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return found
}
