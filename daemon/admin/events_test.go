package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"corral/daemon/admin"
	"corral/daemon/event"
	"corral/testkit"
)

const token = "corral_op_0123456789012345678901234567890123456789"

// feeding is an operator API with a feed, on a server of its own. Goroutines are counted.
type feeding struct {
	t    *testing.T
	bus  *event.Bus
	addr string
	s    *httptest.Server
	// tight makes the server's buffers for connections to come small, so that who does not read is noticed soon.
	tight atomic.Bool
}

func serve(t *testing.T, patience time.Duration) *feeding {
	t.Helper()
	check := testkit.Goroutines(t)
	f := &feeding{t: t, bus: event.New(time.Now())}
	f.s = httptest.NewUnstartedServer(admin.New(admin.Options{Token: token, Version: "test", Events: f.bus, Patience: patience}))
	f.s.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew && f.tight.Load() {
			c.(*net.TCPConn).SetWriteBuffer(4 << 10)
		}
	}
	f.s.Start()
	f.addr = f.s.Listener.Addr().String()
	t.Cleanup(func() {
		f.bus.Close()
		f.s.Close()
		check()
	})
	return f
}

// stuck asks for the feed with small buffers on both sides, and reads nothing of it. It is the nth reader.
func (f *feeding) stuck(n int) net.Conn {
	f.t.Helper()
	f.tight.Store(true)
	defer f.tight.Store(false)
	c := f.dial("")
	c.(*net.TCPConn).SetReadBuffer(4 << 10)
	f.listening(n)
	return c
}

// dial asks for the feed and reads nothing of it.
func (f *feeding) dial(query string, headers ...string) net.Conn {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET /control/v1/events%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n", query, token, strings.Join(append(headers, ""), "\r\n"))
	return c
}

// reader reads what a feed sends.
type reader struct {
	t *testing.T
	r *bufio.Reader
	// comments and the fields of what has no data
	beside []string
}

func read(t *testing.T, c io.Reader) *reader {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if ct := res.Header.Get("Content-Type"); res.StatusCode != http.StatusOK || ct != "text/event-stream" {
		b, _ := io.ReadAll(res.Body)
		t.Fatalf("%s %s: %s", res.Status, ct, b)
	}
	return &reader{t: t, r: bufio.NewReader(res.Body)}
}

// next is the next event, with id and name as the stream has them; it fails at the end of the stream.
func (r *reader) next() (x event.Told, err error) {
	var id, name string
	for {
		line, err := r.r.ReadString('\n')
		if err != nil {
			return x, err
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "id":
			id = value
			r.beside = append(r.beside, line)
		case "event":
			name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &x); err != nil {
				r.t.Fatalf("%s: %v", line, err)
			}
			if x.ID.String() != id || x.Event.Type() != name {
				r.t.Fatalf("%s as %s with id %s", line, name, id)
			}
			return x, nil
		default:
			r.beside = append(r.beside, line)
		}
	}
}

func call(n int) event.Call { return event.Call{RequestID: fmt.Sprint(n), Dialect: "ollama"} }

func (f *feeding) listening(n int) {
	f.t.Helper()
	if !testkit.Eventually(func() bool { now, _ := f.bus.Readers(); return now == n }) {
		now, _ := f.bus.Readers()
		f.t.Fatalf("%d readers, not %d", now, n)
	}
}

func TestTheFeedGoesOnAfterTheLastEvent(t *testing.T) {
	f := serve(t, 0)
	for i := range 5 {
		f.bus.Publish(call(i))
	}
	c := f.dial("?after=0")
	r := read(t, c)
	var ids []string
	for i := range 5 {
		x, err := r.next()
		if err != nil || x.Event.(event.Call).RequestID != fmt.Sprint(i) {
			t.Fatal(x, err)
		}
		ids = append(ids, x.ID.String())
	}
	if !slices.Contains(r.beside, "retry: 1000\n") {
		t.Error(r.beside)
	}
	c.Close()
	f.listening(0)
	f.bus.Publish(event.Breaker{To: "open"})
	for _, again := range []net.Conn{f.dial("", "Last-Event-ID: "+ids[2]), f.dial("?after=" + ids[2]), f.dial("?after=0", "Last-Event-ID: "+ids[2])} {
		r := read(t, again)
		for i := 3; i < 5; i++ {
			if x, err := r.next(); err != nil || x.Event.(event.Call).RequestID != fmt.Sprint(i) {
				t.Fatal(x, err)
			}
		}
		if x, err := r.next(); err != nil || x.Event.Type() != "breaker" {
			t.Fatal(x, err)
		}
	}
	if x, err := read(t, f.dial("?types=config,breaker&after="+ids[2])).next(); err != nil || x.Event.Type() != "breaker" {
		t.Fatal(x, err)
	}
	// One that has read nothing yet can come back too.
	fresh := read(t, f.dial(""))
	for !slices.ContainsFunc(fresh.beside, func(s string) bool { return strings.HasPrefix(s, "id: ") }) {
		line, err := fresh.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		fresh.beside = append(fresh.beside, line)
	}
	f.bus.Publish(call(99))
	if x, err := fresh.next(); err != nil || x.Event.(event.Call).RequestID != "99" {
		t.Fatal(x, err)
	}
	// Last of another start.
	if x, err := read(t, f.dial("", "Last-Event-ID: 0000000000000001-7")).next(); err != nil || x.Event.(event.Gap).Why != "restarted" {
		t.Fatal(x, err)
	}
}

func TestAReaderThatDoesNotReadHoldsUpNobody(t *testing.T) {
	f := serve(t, time.Hour) // it is to be read on however busy the machine is
	stuck := f.stuck(1)
	quick := read(t, f.dial(""))
	f.listening(2)
	has := make(chan struct{}, 12_000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for got := range 12_000 {
			x, err := quick.next()
			if x, ok := x.Event.(event.Call); err != nil || !ok || x.RequestID != fmt.Sprint(got) {
				t.Errorf("%d: %+v %v", got, x, err)
				return
			}
			has <- struct{}{}
		}
	})
	var slowest time.Duration
	for i := range 12_000 {
		if i >= 1_000 {
			select {
			case <-has: // the quick one is no more than that behind, however busy the machine is
			case <-time.After(time.Minute):
				t.Fatalf("the quick one stopped at %d", i)
			}
		}
		began := time.Now()
		f.bus.Publish(call(i))
		slowest = max(slowest, time.Since(began))
	}
	wg.Wait()
	t.Logf("the slowest publishing took %v", slowest)
	if slowest > 5*time.Second { // a reader that was waited for would have held it up for an hour
		t.Errorf("publishing waited %v", slowest)
	}
	// Now it reads: some of the oldest, and at last that it was too slow.
	r := read(t, stuck)
	var last event.Told
	n := 0
	for {
		x, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = x
		n++
	}
	dropped, ok := last.Event.(event.Dropped)
	if !ok || dropped.Missed == 0 || dropped.Do == "" {
		t.Fatalf("%d events, the last %+v", n, last)
	}
	if uint64(n-1) != last.ID.Seq {
		t.Errorf("%d events came, the mark is at %s", n-1, last.ID)
	}
	t.Logf("it got %d events and missed %d", n-1, dropped.Missed)
	// It comes back with the mark's id.
	x, err := read(t, f.dial("", "Last-Event-ID: "+last.ID.String())).next()
	if gap, ok := x.Event.(event.Gap); err != nil || !ok || gap.Why != "too_late" || gap.Missed == 0 {
		t.Errorf("%+v %v", x, err)
	}
	if _, dropped := f.bus.Readers(); dropped != 1 {
		t.Errorf("%d dropped", dropped)
	}
}

func TestAReaderThatNeverReadsIsCut(t *testing.T) {
	f := serve(t, 50*time.Millisecond)
	f.stuck(1)
	for i := range 4000 {
		f.bus.Publish(call(i))
	}
	f.listening(0)
	if _, dropped := f.bus.Readers(); dropped != 1 { // it was in no figure
		t.Errorf("%d dropped", dropped)
	}
}

func TestTheFeedEndsPromptlyWhenCorralStops(t *testing.T) {
	f := serve(t, time.Hour)
	reads := read(t, f.dial(""))
	f.listening(1)
	f.stuck(2)
	for range 8 { // so that the one who reads is never far behind, however busy the machine is
		for i := range 500 {
			f.bus.Publish(call(i))
		}
		for range 500 {
			if x, err := reads.next(); err != nil || x.Event.Type() != "call" {
				t.Fatalf("%+v %v", x, err)
			}
		}
	}
	f.bus.Publish(event.Service{State: "stopping"})
	f.bus.Close()
	var last event.Told
	for {
		x, err := reads.next()
		if err != nil {
			break
		}
		last = x
	}
	if s, ok := last.Event.(event.Service); !ok || s.State != "stopping" {
		t.Errorf("the last was %+v", last)
	}
	f.listening(0) // long before the hour is over
	if _, dropped := f.bus.Readers(); dropped != 0 {
		t.Errorf("%d dropped", dropped)
	}
}

func TestAHundredReaders(t *testing.T) {
	f := serve(t, 0)
	var wg sync.WaitGroup
	for range 100 {
		r := read(t, f.dial(""))
		wg.Go(func() {
			for i := range 200 {
				x, err := r.next()
				if err != nil || x.Event.(event.Call).RequestID != fmt.Sprint(i) {
					t.Errorf("%d: %v %v", i, x, err)
					return
				}
			}
		})
	}
	f.listening(100)
	for i := range 200 {
		f.bus.Publish(call(i))
	}
	wg.Wait()
}

func TestWhatTheFeedRefuses(t *testing.T) {
	f := serve(t, 0)
	ask := func(query, token string) (int, string) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, f.s.URL+"/control/v1/events"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := f.s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		return res.StatusCode, string(b)
	}
	for _, c := range []struct {
		query, token string
		status       int
		says         string
	}{
		{"", "corral_op_wrong", 401, "operator's token"},
		{"?types=cull", token, 422, "there are call, load"},
		{"?after=yesterday", token, 422, "id of the last event read"},
	} {
		if status, body := ask(c.query, c.token); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.query, status, body)
		}
	}
	for range event.MaxReaders {
		r, err := f.bus.Read("")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
	}
	if status, body := ask("", token); status != 503 || !strings.Contains(body, "256 readers") {
		t.Errorf("%d %s", status, body)
	}
}

func TestTheDescriptionNamesEveryEvent(t *testing.T) {
	f := serve(t, 0)
	req, err := http.NewRequest(http.MethodGet, f.s.URL+"/control/v1/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := f.s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	type schema struct {
		Ref        string `json:"$ref"`
		OneOf      []schema
		Properties map[string]json.RawMessage
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema schema }
			}
		}
		Components struct{ Schemas map[string]schema }
	}
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	all := doc.Paths["/control/v1/events"]["get"].Responses["200"].Content["text/event-stream"].Schema.OneOf
	var names []string
	for _, s := range all {
		envelope := doc.Components.Schemas[s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]]
		var kind struct{ Enum []string }
		var data schema
		if json.Unmarshal(envelope.Properties["type"], &kind) != nil || json.Unmarshal(envelope.Properties["data"], &data) != nil || len(kind.Enum) != 1 {
			t.Fatalf("%+v", envelope)
		}
		if len(doc.Components.Schemas[data.Ref[strings.LastIndexByte(data.Ref, '/')+1:]].Properties) == 0 {
			t.Errorf("the data of %s has no fields", kind.Enum[0])
		}
		names = append(names, kind.Enum[0])
	}
	if !slices.Equal(names, event.Names()) {
		t.Errorf("%v, not %v", names, event.Names())
	}
}
