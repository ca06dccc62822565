package tokens

import (
	"strings"
	"testing"
)

func TestWhatIsCounted(t *testing.T) {
	body := `{"model":"gpt","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"temperature":0}`
	if got := Prompt([]byte(body)); got != "Be brief.\nWhat is it?\n" {
		t.Errorf("%q", got)
	}
	events := "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n" +
		"data: {\"choices\":[{\"delta\":{\"reasoning\":\"Hm. \"}}]}\n\n" +
		"data: {\"choices\":[{\"delta\":{\"content\":\"A horse\"}}]}\n\ndata: {\"choices\":[{\"text\":\" indeed\"}]}\n\n" +
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\ndata: [DONE]\n\n" +
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"!\"}\n\n"
	if got := Answer([]byte(events)); got != "Hm. A horse indeedf{}!" {
		t.Errorf("%q", got)
	}
	var c Counter
	u, err := c.Usage([]byte(body), []byte(events))
	if err != nil || u.Input < 6 || u.Input > 9 || u.Output < 6 || u.Output > 10 || u.Cached != -1 {
		t.Errorf("%+v %v", u, err)
	}
}

func TestALongTextIsReckonedFromItsBeginning(t *testing.T) {
	var c Counter
	words := strings.Repeat("the quick brown fox jumps over the lazy dog ", 1000)
	short, err := c.Text(words)
	if err != nil {
		t.Fatal(err)
	}
	long, err := c.Text(strings.Repeat(words, 20))
	if ratio := float64(long) / float64(short); err != nil || ratio < 19.5 || ratio > 20.5 {
		t.Errorf("%d and %d tokens, %v", short, long, err)
	}
}
