package dialect

import (
	"strings"
	"testing"
)

func TestFailureIn(t *testing.T) {
	for body, want := range map[string]string{
		`{"error":"out of memory"}`:                                               "out of memory",
		`{"error":{"message":"out of memory","code":500}}`:                        "out of memory",
		`{"type":"error","error":{"type":"api_error","message":"out of memory"}}`: "out of memory",
		`{"error":{}}`: "it did not say why.",
		`{"id":"r","status":"failed","error":{"code":"x","message":"it is gone"}}`: "it is gone",
		`{"id":"r","status":"completed","error":null,"output":[]}`:                 "",
		`{"error":""}`: "",
		`{"choices":[{"message":{"content":"{\"error\":\"quoted\"}"}}]}`: "",
		`{"choices":[{"error":"inside"}]}`:                               "",
		``:                                                               "",
	} {
		said, failed := FailureIn([]byte(body))
		if said != want || failed != (want != "") {
			t.Errorf("%s: %q %v", body, said, failed)
		}
	}
}

func TestIsObject(t *testing.T) {
	large := `{"x":"` + strings.Repeat("x", maxValidated) + `"`
	for body, want := range map[string]bool{
		`{"a":1}`: true, " {\"a\":1}\r\n": true, `{}`: true, large + `}`: true,
		``: false, `[]`: false, `"x"`: false, `<html></html>`: false, `{"a":1`: false, `{"a":1}}`: false, `{a}`: false, "{\"a\":1}\n{\"b\":2}": false, large: false,
	} {
		if IsObject([]byte(body)) != want {
			t.Errorf("%.60s: not %v", body, want)
		}
	}
}
