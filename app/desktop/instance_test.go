package desktop

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestTheSecondShowsTheFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data") // which is not there yet
	shown := make(chan struct{}, 10)
	first, err := claim(dir, func() { shown <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := claim(dir, nil); !errors.Is(err, errShown) {
			t.Fatal(err)
		}
		<-shown
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := claim(dir, func() {})
	if err != nil {
		t.Fatal("the first is gone, and nobody may follow:", err)
	}
	again.Close()
}

func TestASocketThatWasLeftIsNoWindow(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "window.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := claim(dir, func() {})
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
}

func TestOfManyAtOnceOneIsTheWindow(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	got := make(chan *instance, 8)
	for range cap(got) {
		all.Go(func() {
			x, err := claim(dir, func() {})
			if err != nil && !errors.Is(err, errShown) {
				t.Error(err)
			}
			got <- x
		})
	}
	all.Wait()
	n := 0
	for range cap(got) {
		if x := <-got; x != nil {
			n++
			defer x.Close()
		}
	}
	if n != 1 {
		t.Errorf("%d windows", n)
	}
}
