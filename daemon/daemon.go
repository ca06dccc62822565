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
	"corral/daemon/budget"
	"corral/daemon/cache"
	"corral/daemon/config"
	"corral/daemon/event"
	"corral/daemon/gateway"
	"corral/daemon/guard"
	"corral/daemon/health"
	"corral/daemon/journey"
	"corral/daemon/library"
	"corral/daemon/limit"
	"corral/daemon/llm"
	"corral/daemon/meter"
	"corral/daemon/pause"
	"corral/daemon/pricing"
	"corral/daemon/provider/relay"
	"corral/daemon/resilience"
	"corral/daemon/route"
	"corral/daemon/slo"
	"corral/daemon/trace"
	"corral/store/ledger/vault"
	"corral/store/replies"
	"corral/store/secrets"
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
	// Secrets are those keys, for the operator to keep and forget; nil: files in the data folder.
	Secrets *secrets.Store
	// Keyring keeps the ledger's top key on a desktop; nil, as for a service: a systemd credential or a file does.
	Keyring vault.Keyring
	// Reload asks for the config to be read again, as SIGHUP does.
	Reload <-chan struct{}
	// Autostart has this Corral start when its user logs in; nil: whoever started it decides when it starts.
	Autostart admin.Autostart
	// Machine is what the health of the machine is read from; nil: the machine itself.
	Machine health.Reader
	// Listening is told the address once calls are answered there; nil: nobody asks.
	Listening func(addr string)
}

// Daemon is the service while it runs.
type Daemon struct {
	o        Options
	log      *slog.Logger
	config   *config.Live
	books    books
	auth     *auth.Auth
	trace    *trace.Tracer
	meter    *meter.Meter
	pause    pause.Pause
	limit    *limit.Limit
	budgets  *budget.Budgets
	decoder  *gateway.Decoder
	guard    *guard.Guard
	router   *route.Router
	routing  atomic.Pointer[routing]
	cache    *cache.Cache
	replies  *replies.Store // the cache's file; nil: there is none
	embedder atomic.Value   // of string: the provider that made the last vector of a question
	nest     *resilience.Nest
	set      *metrics.Set
	events   *event.Bus
	journeys journey.Ring
	probes   probes
	wellness wellness
	library  *library.Library
	started  time.Time
	addr     string

	now       atomic.Pointer[inForce]
	levels    atomic.Pointer[slo.Report] // for the metrics; nil: not read yet
	burns     atomic.Pointer[[]slo.Burn] // for the conditions; nil: not read yet
	restoring sync.Mutex                 // one restore at a time
	level     *slog.Level                // that the config set last; changed with the config only

	mu      sync.Mutex // guards what follows
	changes changes
}

// inForce is what of the config every call looks at, ready to use.
type inForce struct {
	policy   gateway.Policy
	timeouts relay.Timeouts
	maxBody  int64
	audit    meter.Rules
	cache    *cache.Rules
	prices   *pricing.Table
	sellers  map[string]seller
	servers  map[string]*trace.Server
}

// AddressFile says in the data folder where the daemon listens, for the command line.
const AddressFile = "corral.addr"

// Run is the whole life of the service: it returns when ctx has ended and the calls under way have too, or when it could
// not begin. store.ErrInUse says that another Corral has the data folder.
func Run(ctx context.Context, o Options) (err error) {
	if o.Secrets == nil {
		o.Secrets = secrets.New(secrets.Places{Service: config.KeyringService, Dir: filepath.Join(o.DataDir, "secrets")})
	}
	if o.Secret == nil {
		o.Secret = o.Secrets.Get
	}
	d := &Daemon{o: o, log: o.Log, started: time.Now(), set: metrics.NewSet(), events: event.New(time.Now())}
	defer d.events.Close()
	if d.config, err = config.Open(o.Config); err != nil {
		return err
	}
	c := d.config.Current()
	prices, err := d.newPrices(c)
	if err != nil {
		return err
	}
	if d.guard, err = guard.New(func() []byte { k := d.books.secret("guard"); return k[:] }); err != nil {
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

	d.budgets = d.newBudgets()
	d.budgets.Set(ctx, budgetRules(c))
	d.auth = auth.New(&d.books)
	d.auth.Required.Store(c.Auth == config.AuthRequired)
	d.trace = trace.New(trace.Options{Log: o.Log, Set: d.set, Version: o.Version, Servers: func() map[string]*trace.Server { return d.now.Load().servers }, Proxy: config.Proxy})
	defer d.trace.Close()
	d.trace.Set(d.traceRules(c))
	d.meter = meter.New(meter.Options{Log: o.Log, Set: d.set, Ledger: accounted{&d.books, d.budgets}, Prices: d, Rules: func() meter.Rules { return d.now.Load().audit }, Ended: d.tellCall})
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
	if err := d.openCache(c); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.closeCache()) }()
	d.nest = d.newNest(c)
	d.newWellness()
	d.subscribe()
	d.library = d.newLibrary()
	defer d.library.Close()

	sessions := admin.NewSessions(o.Log)
	defer sessions.Close()
	var gate *gateway.Gateway
	control := admin.New(admin.Options{ // one a line: each change of the API meets here
		Token:    token,
		Sessions: sessions,
		Address:  func() string { return d.addr },
		Logger:   o.Log,
		Version:  o.Version,
		Status:   d.status,
		Health:   d.health,
		Keys:     &d.books,
		Reload:   d.reload,
		Ledger:   d.books.open,
		Restore:  d.restore,
		Retain:   d.retain,
		Targets:  d.targets,
		Breaker:  d.breaker,
		Pause:    d.setPause,
		Prices:   d.priceList,
		Try: func(w http.ResponseWriter, r *http.Request, t admin.Try) {
			gate.Try(w, r, gateway.Tried{Path: t.Path, Target: t.Target, By: t.By})
		},
		Choices:      d.choices,
		Journey:      d.journeys.Of,
		Budgets:      d.budgets.Balances,
		Levels:       d.serviceLevels,
		Cache:        d.cache,
		Library:      d.library,
		Events:       d.events,
		Log:          d.logged,
		SetLog:       d.setLog,
		ConfigStore:  configStore{d},
		TestProvider: d.testProvider,
		Explain:      d.explain,
		Texts:        d.texts,
		TryText:      d.tryText,
		Secrets:      d.o.Secrets,
		Outages:      d.outages,
		BeginOutage:  d.beginOutage,
		EndOutage:    d.endOutage,
		Autostart:    o.Autostart,
	})
	gate = gateway.New(gateway.Options{Policy: func() *gateway.Policy { return &d.now.Load().policy }, Journey: d.journey(), Other: d.other(control), Log: o.Log, Refused: d.meter.Refused})
	return d.serve(ctx, gate, control)
}

// serve listens until ctx ends, then lets the calls under way end. The operator API is reached by a socket too.
func (d *Daemon) serve(ctx context.Context, h, control http.Handler) error {
	c := d.config.Current()
	d.wellness.machine.Begin(ctx)
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

	operators := gateway.NewServer(gateway.Recovering(control, d.log), calls, d.log, socketConnections)
	socket, err := listenSocket(d.o.DataDir)
	if err != nil {
		d.log.Warn("the command line will use the port and not a socket", "cause", err)
	} else {
		defer socket.remove()
	}

	background, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { d.watchConfig(background) })
	wg.Go(func() { d.obey(background) })
	wg.Go(func() { d.keepBooks(background) })
	wg.Go(func() { d.tellStates(background) })
	wg.Go(func() { d.budgets.Run(background) })
	wg.Go(func() { d.watchLevels(background) })
	wg.Go(func() { d.warmCache(background) })
	wg.Go(func() { d.watchHealth(background) })
	wg.Go(func() { d.relieve(background) })

	failed := make(chan error, 1)
	wg.Go(func() { failed <- server.Serve(l) })
	if socket != nil {
		wg.Go(func() {
			if err := operators.Serve(socket); err != nil {
				d.log.Error("the operator's socket answers no more", "cause", err)
			}
		})
	}
	d.log.Info("corral is listening", "version", d.o.Version, "address", "http://"+d.addr, "providers", names(c), "config", d.o.Config.Path, "data", d.o.DataDir, "pid", os.Getpid())
	d.events.Publish(event.Service{State: "listening", Version: d.o.Version, Address: d.addr})
	if d.o.Listening != nil {
		d.o.Listening(d.addr)
	}
	select {
	case err := <-failed:
		operators.Close()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	patience := time.Duration(d.config.Current().Shutdown)
	d.log.Info("corral is stopping", "calls", d.limit.Inside(), "patience", patience.String())
	d.events.Publish(event.Service{State: "stopping", Version: d.o.Version, Address: d.addr})
	d.events.Close() // its readers would stay for ever
	deadline, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := errors.Join(server.Shutdown(deadline), operators.Shutdown(deadline)); err != nil {
		endCalls(llm.ErrStopping)
		last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		for _, s := range []*gateway.Server{server, operators} {
			if s.Shutdown(last) != nil {
				s.Close()
			}
		}
	}
	d.log.Info("corral has stopped")
	return nil
}

func rules(c config.Config) limit.Rules {
	return limit.Rules{PerMinute: c.Limits.RequestsPerMinute, Concurrent: c.Limits.Concurrent}
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
	d.takeLevel(c)
	d.guard.Set(guardRules(c))
	t, audit := c.Timeouts, d.config.Started().Audit // the open ledger goes by what it was opened with
	d.now.Store(&inForce{
		policy:   gateway.Policy{Hosts: c.Hosts, Origins: c.Origins},
		timeouts: relay.Timeouts{FirstToken: time.Duration(t.FirstToken), Idle: time.Duration(t.Idle), Whole: time.Duration(t.Whole), Load: time.Duration(t.Load)},
		maxBody:  int64(c.Limits.Body),
		prices:   prices,
		sellers:  sellers(c),
		servers:  servers(c),
		cache:    cacheRules(c),
		audit:    meter.Rules{Strict: c.Audit.Durability == "strict", Refuse: audit.OnFailure == "refuse", Keep: audit.Content == "encrypted"},
	})
}

// status is how all is at the moment.
func (d *Daemon) status(ctx context.Context) admin.Status {
	c := d.config.Current()
	s := admin.Status{Version: d.o.Version, PID: os.Getpid(), Started: d.started, Listen: d.addr, Auth: string(c.Auth), DataDir: d.o.DataDir,
		InFlight: d.limit.Inside(), Providers: d.refresh(ctx), Models: shownModels(c)}
	s.Ready = d.readiness(s.Providers)
	_, s.Paused = d.pause.Since()
	s.Config = d.shownConfig(c)
	s.Conditions = bad(d.wellness.set.List())
	return s
}

// shownModels are the config's names and their targets.
func shownModels(c config.Config) []admin.Model {
	out := []admin.Model{}
	for _, m := range c.Models {
		shown := admin.Model{Name: m.Name, Targets: []string{}}
		for _, t := range m.Targets {
			shown.Targets = append(shown.Targets, t.Provider+"/"+t.Model)
		}
		out = append(out, shown)
	}
	return out
}
