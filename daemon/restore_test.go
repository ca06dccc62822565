package daemon_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"corral/testkit/raw"
)

// A backup that cannot be used here changes nothing: the folder is what it was, now and at the next start.
func TestARestoreThatFailsIsTakenBack(t *testing.T) {
	u := serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"model":"m","response":"hello","done":true}`)
	})
	ctx := context.Background()
	other, corral := boot(t, u.config()), boot(t, u.config())
	var backup bytes.Buffer
	if err := other.api().Backup(ctx, &backup); err != nil {
		t.Fatal(err)
	}
	if res, body := corral.do("POST", "/api/generate", `{"model":"m"}`, "X-Request-Id: before"); res.StatusCode != 200 {
		t.Fatal(body)
	}
	origin := corral.ledgerStatus().Origin
	for range 2 {
		if _, err := corral.api().Restore(ctx, bytes.NewReader(backup.Bytes())); err == nil || !strings.Contains(err.Error(), "holds another key") {
			t.Fatalf("a backup of another ledger, whose top key is not here: %v", err)
		}
	}
	if res, body := corral.do("POST", "/api/generate", `{"model":"m"}`, "X-Request-Id: after"); res.StatusCode != 200 {
		t.Fatal(body)
	}
	for _, id := range []string{"before", "after"} {
		var err error // an entry is committed a moment after its answer
		if !eventually(func() bool { _, err = corral.api().Entry(ctx, id); return err == nil }) {
			t.Errorf("%s: %v", id, err)
		}
	}
	v, err := corral.api().Verify(ctx, func(uint64, uint64) {})
	if err != nil || !v.OK() || v.Origin != origin {
		t.Errorf("%v: %+v", err, v)
	}
	if res, body := corral.do("GET", "/readyz", ""); res.StatusCode != 200 || strings.Contains(body, "ledger") {
		t.Errorf("readyz: %s", body)
	}
}

// A backup comes as fast as its sender likes; the ledger is written meanwhile.
func TestASlowRestoreHoldsNothingUp(t *testing.T) {
	u := serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"model":"m","response":"hello","done":true}`)
	})
	corral := boot(t, "audit: { durability: strict }\n"+u.config())
	var backup bytes.Buffer
	if err := corral.api().Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	sent, sending := io.Pipe()
	restored := make(chan error, 1)
	go func() {
		_, err := corral.api().Restore(t.Context(), sent)
		restored <- err
	}()
	half := backup.Len() / 2
	if _, err := sending.Write(backup.Bytes()[:half]); err != nil {
		t.Fatal(err)
	}
	if res, body := corral.do("POST", "/api/generate", `{"model":"m"}`, "X-Request-Id: meanwhile"); res.StatusCode != 200 {
		t.Error(body)
	}
	if _, err := corral.api().Entry(t.Context(), "meanwhile"); err != nil {
		t.Error(err)
	}
	if _, err := sending.Write(backup.Bytes()[half:]); err != nil {
		t.Error(err)
	}
	sending.Close()
	if err := <-restored; err != nil {
		t.Error(err)
	}
}
