package main

import (
	"slices"
	"strings"
	"testing"

	"corral/daemon/origin"
)

func TestLicencesAreToldApartByTheirSentences(t *testing.T) {
	const bsd = "Redistributions in binary form\nmust reproduce the above copyright notice. "
	for text, want := range map[string][]string{
		"Permission is hereby granted, free of charge,\n to any person obtaining a copy": {"MIT"},
		"   Apache License\n   Version 2.0, January 2004":                                {"Apache-2.0"},
		bsd: {"BSD-2-Clause"},
		bsd + "may be used to endorse or promote products derived from this software":                                     {"BSD-3-Clause"},
		"Permission to use, copy, modify, and/or distribute this software for any purpose":                                {"ISC"},
		"Mozilla Public License, version 2.0 ... the GNU Lesser General Public License":                                   {"MPL-2.0"},
		bsd + "Apache License, Version 2.0. Permission is hereby granted, free of charge, to any person obtaining a copy": {"Apache-2.0", "BSD-2-Clause", "MIT"},
		"All rights reserved.": nil,
	} {
		if got := identify(text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestTheListIsWhatTheModulesSay(t *testing.T) {
	lines, err := modules("../../..", "CGO_ENABLED=0")
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) < 20 {
		t.Fatalf("%d modules only", len(lines))
	}
	known := origin.Licences()
	for _, line := range lines {
		f := strings.SplitN(line, " ", 3)
		if got := known[f[0]+" "+f[1]]; got != f[2] {
			t.Errorf("licences.txt has %q for %s %s, and its files say %q: run go run ./daemon/origin/licences", got, f[0], f[1], f[2])
		}
	}
}
