// Package daemon is the service: it opens the store, puts the stages of a call's journey together (pipeline.go is the map),
// listens, and stops in the reverse order.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/admin"
	"corral/daemon/auth"
	"corral/daemon/config"
	"corral/daemon/gateway"
	"corral/daemon/limit"
	"corral/daemon/llm"
	"corral/daemon/meter"
	"corral/daemon/pricing"
	"corral/daemon/provider/relay"
	"corral/daemon/resilience"
	"corral/daemon/route"
	"corral/store/ledger/vault"
)

// Options are what Run needs to know of the process it is in.
type Options struct {
	Config  config.Source
	DataDir string
	Version string
	Log     *slog.Logger
	Level   *slog.LevelVar // of Log; follows telemetry.log
	// Check looks at the database before it is opened (store.CheckInChild); nil: it is opened as it is.
	Check func(path string, thorough bool) error
	// Secret reads a provider's key that `corral secrets` keeps under a name.
	Secret func(name string) (string, error)
	// Keyring keeps the ledger's top key on a desktop; nil, as for a service: a systemd credential or a file does.
	Keyring vault.Keyring
	// Reload asks for the config to be read again, as SIGHUP does.
	Reload <-chan struct{}
	// Listening is told the address once calls are answered there; nil: nobody asks.
	Listening func(addr string)
}

// Daemon is the service while it runs.
type Daemon struct {
	o       Options
	log     *slog.Logger
	config  *config.Live
	books   books
	auth    *auth.Auth
	meter   *meter.Meter
	limit   *limit.Limit
	decoder *gateway.Decoder
	router  *route.Router
	routing atomic.Pointer[routing]
	nest    *resilience.Nest
	set     *metrics.Set
	probes  probes
	started time.Time
	addr    string

	now       atomic.Pointer[inForce]
	restoring sync.Mutex // one restore at a time

	mu      sync.Mutex // guards what follows
	changes changes
}

// inForce is what of the config every call looks at, ready to use.
type inForce struct {
	policy   gateway.Policy
	timeouts relay.Timeouts
	maxBody  int64
	audit    meter.Rules
	prices   *pricing.Table
	sellers  map[string]seller
}

// AddressFile says in the data folder where the daemon listens, for the command line.
const AddressFile = "corral.addr"

// Run is the whole life of the service: it returns when ctx has ended and the calls under way have too, or when it could
// not begin. store.ErrInUse says that another Corral has the data folder.
func Run(ctx context.Context, o Options) (err error) {
	d := &Daemon{o: o, log: o.Log, started: time.Now(), set: metrics.NewSet()}
	if d.config, err = config.Open(o.Config); err != nil {
		return err
	}
	c := d.config.Current()
	prices, err := d.newPrices(c)
	if err != nil {
		return err
	}
	d.take(c, prices)
	d.changes = changes{loaded: time.Now()}
	for _, w := range d.config.Warnings() {
		o.Log.Warn(w.Error())
	}

	if err := d.openBooks(c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.books.close()) }()
	token, err := admin.Token(o.DataDir)
	if err != nil {
		return err
	}

	d.auth = auth.New(&d.books)
	d.auth.Required.Store(c.Auth == config.AuthRequired)
	d.meter = meter.New(meter.Options{Log: o.Log, Set: d.set, Ledger: &d.books, Prices: d, Rules: func() meter.Rules { return d.now.Load().audit }})
	defer d.meter.Close()
	d.limit = limit.New(rules(c))
	d.decoder = &gateway.Decoder{Max: func() int64 { return d.now.Load().maxBody }}
	first, err := d.newTable(c)
	if err != nil {
		return err
	}
	d.routing.Store(first)
	d.router = route.New(first.table)
	defer func() { d.routing.Load().close() }()
	d.nest = d.newNest(c)
	d.subscribe()

	control := admin.New(admin.Options{Token: token, Version: o.Version, Status: d.status, Keys: &d.books, Reload: d.reload, Ledger: d.books.open, Restore: d.restore, Retain: d.retain, Targets: d.targets, Breaker: d.breaker, Prices: d.priceList})
	gate := gateway.New(gateway.Options{Policy: func() *gateway.Policy { return &d.now.Load().policy }, Journey: d.journey(), Other: d.other(control), Log: o.Log, Refused: d.meter.Refused})
	return d.serve(ctx, gate)
}

// serve listens until ctx ends, then lets the calls under way end.
func (d *Daemon) serve(ctx context.Context, h http.Handler) error {
	c := d.config.Current()
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w (is another program using the port? set `listen:` or --listen to another)", c.Listen, err)
	}
	d.addr = l.Addr().String()
	addrFile := filepath.Join(d.o.DataDir, AddressFile)
	if err := os.WriteFile(addrFile, []byte(d.addr+"\n"), 0o600); err != nil {
		d.log.Warn("the command line will have to be told the address with --url", "cause", err)
	}
	defer os.Remove(addrFile)

	// Calls outlive ctx until the shutdown's deadline; then they are told why they end.
	calls, endCalls := context.WithCancelCause(context.Background())
	defer endCalls(nil)
	server := gateway.NewServer(h, calls, d.log, c.Limits.Connections)

	background, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { d.watchConfig(background) })
	wg.Go(func() { d.obey(background) })
	wg.Go(func() { d.keepBooks(background) })

	failed := make(chan error, 1)
	wg.Go(func() { failed <- server.Serve(l) })
	d.log.Info("corral is listening", "version", d.o.Version, "address", "http://"+d.addr, "providers", names(c), "config", d.o.Config.Path, "data", d.o.DataDir, "pid", os.Getpid())
	if d.o.Listening != nil {
		d.o.Listening(d.addr)
	}
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	patience := time.Duration(d.config.Current().Shutdown)
	d.log.Info("corral is stopping", "calls", d.limit.Inside(), "patience", patience.String())
	deadline, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		endCalls(llm.ErrStopping)
		last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if server.Shutdown(last) != nil {
			server.Close()
		}
	}
	d.log.Info("corral has stopped")
	return nil
}

func rules(c config.Config) limit.Rules {
	return limit.Rules{PerMinute: c.Limits.RequestsPerMinute, Concurrent: c.Limits.Concurrent}
}

func level(c config.Config) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(c.Telemetry.Log)) != nil {
		return slog.LevelInfo
	}
	return l
}

func names(c config.Config) []string {
	var out []string
	for _, p := range c.Providers {
		out = append(out, p.Name+"="+p.URL)
	}
	return out
}

// take puts c in force for what every call looks at.
func (d *Daemon) take(c config.Config, prices *pricing.Table) {
	d.o.Level.Set(level(c))
	t, audit := c.Timeouts, d.config.Started().Audit // the open ledger goes by what it was opened with
	d.now.Store(&inForce{
		policy:   gateway.Policy{Hosts: c.Hosts, Origins: c.Origins},
		timeouts: relay.Timeouts{FirstToken: time.Duration(t.FirstToken), Idle: time.Duration(t.Idle), Whole: time.Duration(t.Whole), Load: time.Duration(t.Load)},
		maxBody:  int64(c.Limits.Body),
		prices:   prices,
		sellers:  sellers(c),
		audit:    meter.Rules{Strict: c.Audit.Durability == "strict", Refuse: audit.OnFailure == "refuse", Keep: audit.Content == "encrypted"},
	})
}

// status is how all is at the moment.
func (d *Daemon) status(ctx context.Context) admin.Status {
	c := d.config.Current()
	s := admin.Status{Version: d.o.Version, PID: os.Getpid(), Started: d.started, Listen: d.addr, Auth: string(c.Auth), DataDir: d.o.DataDir,
		InFlight: d.limit.Inside(), Providers: d.seen(ctx), Models: []admin.Model{}, Problems: []string{}}
	s.Ready, _ = d.readiness(s.Providers)
	for _, m := range c.Models {
		shown := admin.Model{Name: m.Name, Targets: []string{}}
		for _, t := range m.Targets {
			shown.Targets = append(shown.Targets, t.Provider+"/"+t.Model)
		}
		s.Models = append(s.Models, shown)
	}
	s.Config = d.shownConfig(c)
	for _, p := range s.Providers {
		if !p.Reachable {
			s.Problems = append(s.Problems, fmt.Sprintf("provider %s: %s", p.Name, p.Problem))
		}
	}
	if s.Config.Rejected != "" {
		s.Problems = append(s.Problems, "config: "+s.Config.Rejected)
	}
	if damage := d.books.damage(); damage != nil {
		s.Problems = append(s.Problems, damage.String())
	}
	s.Problems = append(s.Problems, d.troubles()...)
	return s
}
