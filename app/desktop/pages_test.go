package desktop

import (
	"os"
	"regexp"
	"testing"
)

func TestTheMenuHasThePagesOfThePage(t *testing.T) {
	b, err := os.ReadFile("../../frontend/src/app/pages.ts")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`path: '([^']+)',\s*title: '([^']+)'`).FindAllStringSubmatch(string(b), -1)
	if len(found) != len(pages) {
		t.Fatalf("the page has %d pages, the menu %d", len(found), len(pages))
	}
	for i, f := range found {
		if pages[i].path != f[1] || pages[i].title != f[2] {
			t.Errorf("the page has %s at %s, the menu %+v", f[2], f[1], pages[i])
		}
	}
}
