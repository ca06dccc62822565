// Corral stands in front of the AI models on this machine. See README.md.
package main

import (
	"os"
	_ "time/tzdata" // days are told in the reader's zone, and not every machine knows all of them

	"corral/app"
	"corral/store"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == store.CheckCommand {
		os.Exit(store.CheckMain(os.Args[2:], os.Stderr)) // a child of our own that looks at the database first
	}
	os.Exit(app.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
