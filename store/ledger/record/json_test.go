package record

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestAnEntryComesBackFromItsJSON(t *testing.T) {
	for k := Call; k <= Operator; k++ {
		e := Entry{Seq: 7, Kind: k, Time: time.Unix(1700000000, 5000).UTC(), Flags: CacheHit | LeftDevice, RequestID: "r", Status: 200,
			Prompt: Text{Content: []byte("why?"), Commitment: Commit([]byte("why?"))}, Answer: Text{Commitment: Commit(nil)},
			Tokens: Tokens{Input: 3, Output: Absent}, Cost: Nano(12), Findings: []Finding{{"email", "redact", 2}}}
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var got Entry
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("got  %+v\nwant %+v", got, e)
		}
	}
	var f Flags
	if err := json.Unmarshal([]byte(`["no-such-flag"]`), &f); err == nil {
		t.Error("an unknown flag was taken")
	}
}
