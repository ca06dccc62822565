package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// The background is pieces of programs and of documents, which the labelled texts have none of: without them a model that has seen
// questions only takes every third source file for an attack. No piece is in the repository. They are cut, each time, out of
// modules that the go command fetches; version and sum are pinned, and which pieces are cut depends on names alone, so that
// they are the same on every machine.

// module is where pieces come from. To add one, run go mod download -json PATH@VERSION, take Sum from what it says, and name the module and
// its licence in SOURCES.md.
type module struct {
	path, version, sum string
	wants              []want
}

// want is how many pieces are cut out of the files of a module whose paths end in one of the endings and begin with under.
type want struct {
	pieces int
	kind   string // what the figures call them
	ends   string // separated by spaces
	under  string
}

var modules = []module{
	// Those this project is built with.
	{"golang.org/x/tools", "v0.51.0", "h1:k4Xc/1Om9jwkBJBo4NVLMSARBoWtK10mx+W5BnXCeAI=", []want{
		{50, "go", ".go", ""}, {8, "page", ".js .css .html", ""}, {10, "document", ".md", ""}}},
	{"golang.org/x/net", "v0.60.0", "h1:79p50tfZlm0J9YfoDsSi639qSXNGVwEzOPLCxM2FsYU=", []want{
		{30, "go", ".go", ""}}},
	{"github.com/wailsapp/wails/v2", "v2.13.0", "h1:S7OgXWpj72V91unF8iDWJKbcS9ZpwCT3R0QVru4v2Mg=", []want{
		{25, "go", ".go", ""}, {40, "page", ".js .ts .css .html .tsx .svelte .vue", ""}, {10, "document", ".md", ""}}},
	{"go.etcd.io/bbolt", "v1.5.0", "h1:S7GAl7Fxv12yohbwFfIbQCGDWbQbtDGPET4P/bD4lxU=", []want{
		{20, "go", ".go", ""}, {10, "data", ".yaml .yml .sh", ""}, {6, "document", ".md", ""}}},
	{"go.opentelemetry.io/otel", "v1.47.0", "h1:j7ALJ/zgkS7Z6aeJW09p8VC9804bC+PpeTfCD4XPnOM=", []want{
		{15, "go", ".go", ""}, {10, "document", ".md", ""}}},
	{"github.com/spf13/cobra", "v1.10.2", "h1:DMTTonx5m65Ic0GOoRY2c16WCbHxOOw6xxezuLaBpcU=", []want{
		{15, "go", ".go", ""}, {12, "document", ".md", ""}}},
	{"github.com/danielgtaylor/huma/v2", "v2.37.2", "h1:Nf9vjy2sxBJFaupPlthXL/Hy2+LurfVbaKHmCMEI7xE=", []want{
		{20, "go", ".go", ""}, {30, "document", ".md", ""}}},
	{"github.com/maypok86/otter/v2", "v2.4.0", "h1:1XpRRWaq9DRIqZV7UtglS4VLzYKSsnFOQmzV+KZxLb0=", []want{
		{15, "document", ".md", ""}}},
	{"github.com/goccy/go-yaml", "v1.19.2", "h1:PmFC1S6h8ljIz6gMRBopkjP1TVT7xuwrButHID66PoM=", []want{
		{8, "data", ".yaml .yml .json", ""}}},
	{"github.com/rogpeppe/go-internal", "v1.16.0", "h1:O9DK+vNMDVGLr2BeZqmpLeMjiMNkuXfcqntWbZV6S5g=", []want{
		{10, "data", ".txt .txtar", ""}}},
	{"google.golang.org/protobuf", "v1.36.12", "h1:pJOKDDOyeXErUroCihFAd5LQuwXBSpVnKGrj5o/fwxc=", []want{
		{12, "data", ".proto", ""}}},

	{"github.com/ollama/ollama", "v0.24.0", "h1:CBZ0ffE+cxMWRWau5yD5vXHkiZHAeuxLk+3j55u0XxQ=", []want{
		{50, "go", ".go", ""}, {30, "document", ".md .mdx", ""}, {15, "page", ".ts .tsx", ""}}},
	{"github.com/openai/openai-go/v3", "v3.96.0", "h1:90zNgNiJvCEG+HODmgEksXjT0+gtxsZFTsfTNpgHeSw=", []want{
		{25, "go", ".go", ""}, {5, "document", ".md", ""}}},

	// Those that bring other languages and documents.
	{"github.com/gohugoio/hugo", "v0.155.3", "h1:gZiMNSbijSFlfJpg+luiIfj7kp74XE4+hxMEgYKQ6Ls=", []want{
		{40, "go", ".go", ""}, {12, "page", ".html .js .css", ""}, {8, "data", ".txt .sh .json", ""}}},
	{"github.com/tmc/langchaingo", "v0.1.14", "h1:o1qWBPigAIuFvrG6cjTFo0cZPFEZ47ZqpOYMjM15yZc=", []want{
		{25, "go", ".go", ""}, {20, "document", ".md", ""}}},
	{"github.com/kserve/kserve", "v0.15.2", "h1:uph7Umk331fvBMrHHpTJNDt6+lf3IAuyiskaQw8wIAk=", []want{
		{110, "python", ".py", ""}, {30, "document", ".md", ""}, {20, "data", ".yaml .yml .sh Dockerfile", ""}}},
	{"github.com/go-python/gpython", "v0.2.0", "h1:MW7m7pFnbpzHL88vhAdIhT1pgG1QUZ0Q5jcF94z5MBI=", []want{
		{40, "python", ".py", ""}}},
	{"github.com/apache/thrift", "v0.25.0", "h1:6LLlvoPjy8Cc/0b5TYRcTR3RZa2W0at3WQRcOkDwVGs=", []want{
		{30, "python", ".py", ""}, {50, "code", ".c .h .cc .cpp .cs .d .dart .erl .java .lua .ml .pas .php .ps1 .rb .rs .ts", ""},
		{15, "code", ".pl .pm .t", ""}, {15, "document", ".md", ""}}},
	{"github.com/alecthomas/chroma/v2", "v2.27.0", "h1:FodwmyOBgJULFYmDqibcp9pvfDLWdtPRh9v/r5BXYZs=", []want{
		{50, "code", ".actual", "lexers/testdata/"}}},
	{"github.com/sqlc-dev/sqlc", "v1.31.1", "h1:+V+BjBJfFNPX/RFfL8eiZD9jk9lVJUEGGllWvnYNqbc=", []want{
		{20, "data", ".sql", ""}, {25, "document", ".md .rst", ""}}},
	{"github.com/google/licenseclassifier/v2", "v2.0.0", "h1:1Y57HHILNf4m0ABuMVb6xk4vAJYEUO0gDxNpog0pyeA=", []want{
		{40, "licence", ".txt", "assets/"}}},
	{"github.com/andybalholm/brotli", "v1.3.0", "h1:IdkhjSe/+34U+fP7FSR2Q6Poj1hnHUa2GoWmzXJd6qY=", []want{
		{15, "prose", ".txt", "testdata/"}}},
}

// loadBackground fetches the modules, unless the module cache has them, and cuts the pieces. They are benign.
func loadBackground() ([]*row, error) {
	var rows []*row
	for _, m := range modules {
		of, err := m.load()
		if err != nil {
			return nil, fmt.Errorf("background: %s@%s: %w", m.path, m.version, err)
		}
		rows = append(rows, of...)
	}
	return rows, nil
}

func (m module) load() ([]*row, error) {
	name, err := m.fetch()
	if err != nil {
		return nil, err
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return m.pieces(&z.Reader)
}

// fetch gives the name of the module's zip file.
func (m module) fetch() (string, error) {
	get := exec.Command("go", "mod", "download", "-json", m.path+"@"+m.version)
	get.Dir = os.TempDir() // outside of a module, whose go.sum and vendor folder have no say
	get.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	said, err := get.Output()
	var got struct{ Zip, Sum, Error string }
	if json.Unmarshal(said, &got) == nil && got.Error != "" {
		err = errors.New(got.Error)
	}
	if err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	if got.Sum != m.sum {
		return "", fmt.Errorf("its sum is %s, want %s", got.Sum, m.sum)
	}
	return got.Zip, nil
}

const (
	// Files outside of these sizes, in bytes, are stubs or tables.
	smallest, largest = 700, 1 << 20
	// A piece that has fewer bytes says too little.
	shortest = 300
	// The files are gone through so often at most: where they are few, each gives several pieces.
	turns = 20
)

// pieces cuts what is wanted out of a module's zip file.
func (m module) pieces(z *zip.Reader) ([]*row, error) {
	texts := map[string]string{}
	for _, f := range z.File {
		name := strings.TrimPrefix(f.Name, m.path+"@"+m.version+"/")
		if f.UncompressedSize64 < smallest || f.UncompressedSize64 > largest || !m.wanted(name) {
			continue
		}
		text, err := fs.ReadFile(z, f.Name)
		if err != nil {
			return nil, err
		}
		if utf8.Valid(text) && !bytes.ContainsRune(text, 0) && !generated(text) {
			texts[name] = string(text)
		}
	}
	var rows []*row
	for _, w := range m.wants {
		var names []string
		for name := range texts {
			if w.wanted(name) {
				names = append(names, name)
			}
		}
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Or(cmp.Compare(m.draw(a), m.draw(b)), cmp.Compare(a, b))
		})
		got := 0
		for turn := 0; turn < turns && got < w.pieces; turn++ {
			for _, name := range names {
				text, ok := cut(texts[name], m.draw(fmt.Sprintf("%s %s %d", name, w.kind, turn)))
				if !ok {
					continue
				}
				file := m.path + "/" + name
				rows = append(rows, &row{ID: fmt.Sprintf("%s#%s%d", file, w.kind, turn), Text: text, Label: "benign", Source: "own",
					Subset: "background_" + w.kind, File: file})
				if got++; got == w.pieces {
					break
				}
			}
		}
		if got < w.pieces {
			return nil, fmt.Errorf("%d pieces of %s, want %d", got, w.kind, w.pieces)
		}
	}
	return rows, nil
}

func (m module) wanted(name string) bool {
	return slices.ContainsFunc(m.wants, func(w want) bool { return w.wanted(name) })
}

func (w want) wanted(name string) bool {
	return strings.HasPrefix(name, w.under) && !strings.Contains("/"+name, "/vendor/") &&
		slices.ContainsFunc(strings.Fields(w.ends), func(end string) bool {
			return path.Ext(name) == end || path.Base(name) == end
		})
}

// draw gives a number that only the names decide.
func (m module) draw(what string) uint64 {
	sum := sha256.Sum256([]byte(m.path + "/" + what))
	return binary.BigEndian.Uint64(sum[:])
}

// generated tells whether a program wrote a file, or a tool made it smaller: it repeats what others of its kind say.
func generated(text []byte) bool {
	head := bytes.ToLower(text[:min(len(text), 2000)])
	return bytes.Contains(head, []byte("generated by")) || bytes.Contains(head, []byte("automatically generated")) ||
		len(text)/(1+bytes.Count(text, []byte("\n"))) > 500
}

// cut gives a piece that begins with a line, and whether it is long enough. Half of them are as long as a paragraph.
func cut(text string, draw uint64) (string, bool) {
	size := []int{500, 500, 900, 1400}[draw%4]
	draw /= 4
	lines := strings.SplitAfter(text, "\n")
	from := 0
	for _, line := range lines[:draw%uint64(len(lines))] {
		from += len(line)
	}
	piece := strings.ToValidUTF8(text[from:min(len(text), from+size)], "")
	return piece, len(piece) >= shortest && strings.TrimSpace(piece) != ""
}
