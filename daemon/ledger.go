package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"corral/daemon/config"
	"corral/daemon/llm"
	"corral/store/ledger"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
)

// ledgerPatience bounds the last writing of a ledger whose disk is broken.
const ledgerPatience = 10 * time.Second

// AnchorFile is where the ledger's signed heads go unless audit.anchors names other places, in the data folder.
const AnchorFile = "anchor.log"

func (d *Daemon) openLedger(c config.Config) error {
	top, signing, err := ledger.Keys(ledger.Places{Credentials: config.Credentials(), Keyring: d.o.Keyring, Dir: d.o.DataDir})
	if err != nil {
		return fmt.Errorf("open ledger: %w", err)
	}
	failure := ledger.Continue
	if c.Audit.OnFailure == "refuse" {
		failure = ledger.Refuse
	}
	d.ledger, err = ledger.Open(d.db, ledger.Options{TopKey: top, SigningKey: signing, Anchors: d.anchors(c), KeepContent: c.Audit.Content == "encrypted",
		OnFailure: failure, Log: d.log})
	if err != nil {
		return fmt.Errorf("open ledger: %w", err)
	}
	return nil
}

func (d *Daemon) anchors(c config.Config) []treehead.Anchor {
	return []treehead.Anchor{treehead.File{Path: filepath.Join(d.o.DataDir, AnchorFile)}}
}

func (d *Daemon) closeLedger() error {
	ctx, cancel := context.WithTimeout(context.Background(), ledgerPatience)
	defer cancel()
	if err := d.ledger.Close(ctx); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}

// Cost implements meter.Prices.
func (d *Daemon) Cost(t llm.Target, model string, u llm.Usage, took time.Duration) (cost, baseline record.Money) {
	return record.Money{}, record.Money{}
}
