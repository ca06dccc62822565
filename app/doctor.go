package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/daemon/config"
	"corral/daemon/health"
	"corral/daemon/health/host"
	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/vault"
)

// State is how a check came out.
type state string

const (
	fine    state = "ok"
	warning state = "warning" // works, and should be known
	problem state = "problem" // does not work, or will not for long
)

// check is one thing that the doctor looked at.
type check struct {
	Name  string `json:"name"`
	State state  `json:"state"`
	Text  string `json:"text"`
	Mend  string `json:"mend,omitempty"` // a command, or a line of the config
}

// doctor looks at everything around Corral, whether or not it runs.
type doctor struct {
	e       *env
	dir     string // data folder
	config  config.Config
	valid   bool // config is what the file says, and not the defaults in its place
	path    string
	api     *client.Client // nil: nothing to speak to
	running *admin.Status  // nil: it does not run, or does not answer
	found   []check
}

// doctorPatience bounds each question to a server.
const doctorPatience = 5 * time.Second

func (e *env) doctor() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "doctor", Short: "Look for what is wrong, and say what mends it", Args: cobra.NoArgs,
		Long: `Look at the config, the data folder, the disk, the port, the daemon, the providers,
their keys, and the ledger with its keys and anchors, whether or not Corral runs.
Ends with 1 if there is a problem; a warning is no problem. No key is shown.`,
		Example: "  corral doctor\n  corral doctor --json | jq '.checks[] | select(.state != \"ok\")'",
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := config.DataDir(e.dataFlag)
			if err != nil {
				return err
			}
			d := &doctor{e: e, dir: dir}
			d.look(c.Context())
			problems := 0
			for _, f := range d.found {
				if f.State == problem {
					problems++
				}
			}
			if e.json {
				err = e.print(struct {
					OK     bool    `json:"ok"`
					Checks []check `json:"checks"`
				}{problems == 0, d.found})
			} else {
				d.show()
			}
			if err == nil && problems > 0 {
				err = errors.New(plural(problems, "problem", "problems"))
			}
			return err
		},
	})
}

func plural[N int | int64 | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

func (d *doctor) show() {
	for _, f := range d.found {
		var text any = f.Text
		if f.Name == "config" { // has a line for each thing that is wrong
			text = lines(f.Text)
		}
		sayf(d.e.out, "%-8s %-20s %s\n", f.State, f.Name, text)
		if f.Mend != "" {
			sayf(d.e.out, "%-8s %-20s -> %s\n", "", "", f.Mend)
		}
	}
}

// say notes how a check came out.
func (d *doctor) say(name string, s state, mend, format string, args ...any) {
	d.found = append(d.found, check{name, s, fmt.Sprintf(format, args...), mend})
}

// look makes all checks. The daemon comes first: it may have been started with another config than this command was.
func (d *doctor) look(ctx context.Context) {
	d.findDaemon(ctx)
	d.lookAtConfig()
	d.lookAtFolder()
	d.lookAtMachine(ctx)
	d.lookAtHealth(ctx)
	d.lookAtPort()
	d.lookAtProviders(ctx)
	d.lookAtSecrets()
	d.lookAtOllama(ctx)
	d.lookAtDatabase()
	d.lookAtLedger(ctx)
}

func (d *doctor) findDaemon(ctx context.Context) {
	api, err := d.e.client()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, doctorPatience)
		defer cancel()
		var s admin.Status
		if s, err = api.Status(ctx); err == nil {
			d.api, d.running = api, &s
		}
	}
	switch {
	case errors.Is(err, client.ErrNotRunning):
		d.say("daemon", warning, "corral serve", "Corral is not running")
	case errors.Is(err, context.DeadlineExceeded):
		d.say("daemon", problem, "restart Corral", "Corral does not answer within %s", doctorPatience)
	case err != nil:
		d.say("daemon", problem, "run this as the user that Corral runs as, or with its --data-dir", "Corral cannot be asked: %v", err)
	case d.running.Version != version:
		d.say("daemon", warning, "restart Corral", "Corral %s answers at http://%s (pid %d), but this command is of version %s", d.running.Version, d.running.Listen, d.running.PID, version)
	default:
		d.say("daemon", fine, "", "Corral %s answers at http://%s (pid %d)", d.running.Version, d.running.Listen, d.running.PID)
	}
}

func (d *doctor) lookAtConfig() {
	source := config.NewSource(d.e.configFlag, nil)
	if d.running != nil && !source.Explicit {
		source.Path = d.running.Config.Path
	}
	d.path = source.Path
	c, warnings, err := source.Load()
	if d.valid = err == nil; !d.valid {
		d.config = config.Default()
		mend := "corral config check"
		if errors.Is(err, fs.ErrNotExist) {
			mend = "corral config init " + source.Path
		}
		d.say("config", problem, mend, "%v", err)
		return
	}
	d.config = c
	for _, w := range warnings {
		d.say("config", warning, "", "%v", w)
	}
	if d.running != nil {
		for _, field := range d.running.Config.NeedsRestart {
			d.say("config", warning, "restart Corral", "the change to %s waits for a restart", field)
		}
		if d.running.Config.Rejected != "" {
			d.say("config", warning, "corral config check", "Corral goes on with an older config: %s", d.running.Config.Rejected)
		}
	}
	if _, err := os.Stat(source.Path); errors.Is(err, fs.ErrNotExist) || source.Path == "" {
		d.say("config", fine, "", "there is no %s; the defaults are in force", source.Path)
		return
	}
	d.say("config", fine, "", "%s is valid", source.Path)
}

func (d *doctor) lookAtFolder() {
	const name = "data-folder"
	info, err := os.Stat(d.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := mayMake(d.dir); err != nil {
			d.say(name, problem, "mkdir -p -m 0700 "+d.dir, "%s is not there, and cannot be made: %v", d.dir, err)
			return
		}
		d.say(name, fine, "", "%s will be made at the first start", d.dir)
		return
	case err != nil:
		d.say(name, problem, "", "%v", err)
		return
	case !info.IsDir():
		d.say(name, problem, "corral serve --data-dir ANOTHER", "%s is not a folder", d.dir)
		return
	}
	if err := mayWrite(d.dir); err != nil {
		d.say(name, problem, mendFolder(err), "%s cannot be written: %v", d.dir, err)
		return
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		d.say(name, warning, "chmod 700 "+d.dir, "others on this machine may look into %s (mode %04o)", d.dir, mode)
		return
	}
	d.say(name, fine, "", "%s is there and can be written", d.dir)
}

func mendFolder(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		return "free some space there; `corral audit retain` removes what the ledger has kept for long enough"
	}
	return "run this as the user that Corral runs as, or chown the folder to that user"
}

// mayWrite writes a file into dir and takes it away again.
func mayWrite(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Close(), os.Remove(f.Name()))
}

// mayMake says whether a folder could be made: whether the nearest one above it can be written.
func mayMake(dir string) error {
	info, err := os.Stat(above(dir))
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a folder", above(dir))
	}
	if err != nil {
		return err
	}
	return mayWrite(above(dir))
}

// above is dir, or the nearest folder above it that is there.
func above(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// lookAtMachine looks at the machine itself where no Corral does.
func (d *doctor) lookAtMachine(ctx context.Context) {
	if d.running != nil {
		return
	}
	h := d.config.Health
	share := func(s config.Share) health.Share {
		return health.Share{Percent: float64(s.Percent), Bytes: uint64(max(s.Bytes, 0))}
	}
	rules := health.Rules{MinFreeMemory: share(h.MinFreeMemory), MinFreeDisk: share(h.MinFreeDisk), MaxTemperature: h.MaxTemperature}
	set := health.NewSet(nil)
	health.NewMachine(host.New(above(d.dir)), func() health.Rules { return rules }).Look(ctx, set)
	d.sayAll(slices.DeleteFunc(set.List(), func(c health.Condition) bool {
		return c.Code == health.CPU || c.Code == health.FileHandles || c.Code == health.Clock // one look says nothing, or is at this command
	}))
}

// lookAtHealth tells what the running Corral knows.
func (d *doctor) lookAtHealth(ctx context.Context) {
	if d.running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	h, err := d.api.Health(ctx)
	if err != nil {
		d.say("health", problem, "corral health", "Corral cannot be asked how it is: %v", err)
		return
	}
	d.sayAll(slices.DeleteFunc(h.Conditions, func(c health.Condition) bool {
		switch c.Code {
		case health.Config, health.Database: // looked at here, Corral running or not
			return true
		case health.Ledger, health.LedgerGap, health.Anchor:
			return c.Severity == health.OK // lookAtLedger says more
		}
		return false
	}))
}

func (d *doctor) sayAll(list []health.Condition) {
	for _, c := range list {
		switch {
		case c.Absent != "":
			d.say(c.Name(), fine, "", "not told: %s", c.Absent)
		case c.Severity == health.Critical:
			d.say(c.Name(), problem, c.Do, "%s", c.Text)
		case c.Severity == health.Warning:
			d.say(c.Name(), warning, c.Do, "%s", c.Text)
		default:
			d.say(c.Name(), fine, "", "%s", c.Text)
		}
	}
}

func (d *doctor) lookAtPort() {
	listen := d.config.Listen
	if d.running != nil {
		if d.running.Listen == listen {
			d.say("port", fine, "", "%s is Corral's own", listen)
			return
		}
		d.say("port", fine, "", "Corral listens on %s (the config says %s)", d.running.Listen, listen)
		return
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		d.say("port", problem, "listen: "+other(listen), "%s cannot be listened on: %v", listen, err)
		return
	}
	l.Close()
	d.say("port", fine, "", "%s is free", listen)
}

// other is an address beside one that is taken.
func other(listen string) string {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return "127.0.0.1:21435"
	}
	return net.JoinHostPort(host, "21435")
}

// lookAtProviders asks the servers on this machine where no Corral does.
func (d *doctor) lookAtProviders(ctx context.Context) {
	if d.running != nil {
		return
	}
	for _, p := range d.config.Providers {
		if !p.OnDevice() {
			d.say("provider "+p.Name, fine, "", "%s is not on this machine, and was not asked", p.URL)
			continue
		}
		if err := reach(ctx, p.URL); err != nil {
			d.say("provider "+p.Name, warning, mendProvider(string(p.Kind)), "%s cannot be reached: %v", p.URL, err)
			continue
		}
		d.say("provider "+p.Name, fine, "", "%s can be reached", p.URL)
	}
}

func mendProvider(kind string) string {
	if kind == string(config.KindOllama) {
		return "ollama serve"
	}
	return "start that server, or set its providers[].url in corral.yaml"
}

// lookAtSecrets resolves each key that the config names, and shows none.
func (d *doctor) lookAtSecrets() {
	kept, err := d.e.secretStore()
	if err != nil {
		return
	}
	where := map[string]string{}
	if list, err := kept.List(); err == nil {
		for _, k := range list {
			where[k.Name] = k.Where
		}
	}
	for _, p := range d.config.Providers {
		if p.Key == "" {
			continue
		}
		name := "key of " + p.Name
		kind, at, _ := strings.Cut(string(p.Key), ":")
		_, err := p.Key.Resolve(kept.Get)
		switch {
		case err == nil && where[at] != "" && kind == "keyring":
			d.say(name, fine, "", "%s is there: %s", p.Key, where[at])
		case err == nil:
			d.say(name, fine, "", "%s is there", p.Key)
		case d.running != nil && kind != "file":
			// A service has an environment and credentials of its own.
			d.say(name, warning, p.Key.Mend(p.Name), "%v (that is how it looks from here; the running Corral may have been given it)", err)
		default:
			d.say(name, problem, p.Key.Mend(p.Name), "%v", err)
		}
	}
}

func (d *doctor) lookAtDatabase() {
	aside, _ := filepath.Glob(filepath.Join(d.dir, store.FileName+".damaged-*"))
	for _, path := range aside {
		d.say("database", problem, "corral restore BACKUP --yes, then move that file away", "the database was damaged; it was set aside as %s and a new one begun", path)
	}
	if len(aside) > 0 {
		return
	}
	info, err := os.Stat(filepath.Join(d.dir, store.FileName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.say("database", fine, "", "none yet")
	case err != nil:
		d.say("database", problem, "", "%v", err)
	default:
		d.say("database", fine, "", "%s, %s", filepath.Join(d.dir, store.FileName), size(uint64(info.Size())))
	}
}

func (d *doctor) lookAtLedger(ctx context.Context) {
	if d.running == nil {
		d.lookAtKeysOffline()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	s, err := d.api.LedgerStatus(ctx)
	if err != nil {
		d.say("ledger", problem, "corral audit status", "the ledger cannot be asked: %v", err)
		return
	}
	d.lookAtKey(topKey, s.TopKey, true)
	d.lookAtKey(signingKey, s.SigningKey, true)
	if s.Failing == "" && s.Missed == 0 && s.TornKeys == 0 { // else the conditions have said it
		d.say("ledger", fine, "", "%s in %s; `corral audit verify` checks them", plural(s.Entries, "entry", "entries"), size(uint64(s.FileBytes)))
	}
	for _, a := range s.Anchors {
		inside := strings.HasPrefix(a.Name, "file "+d.dir+string(filepath.Separator))
		switch {
		case a.Error != "": // the conditions have said it
		case inside && len(s.Anchors) == 1:
			d.say("anchor", fine, "audit: { anchors: [ https://HOST/PATH ] }", "%s, in the data folder itself: it shows a mistake, not a person who has the folder", a.Name)
		default:
			d.say("anchor", fine, "", "%s has seen %s", a.Name, plural(a.Size, "entry", "entries"))
		}
	}
}

// lookAtKeysOffline says where the keys of a ledger are that nobody has open.
func (d *doctor) lookAtKeysOffline() {
	p := ledger.Places{Credentials: config.Credentials(), Dir: d.dir}
	if config.Desktop() {
		p.Keyring = vault.OSKeyring{}
	}
	top, signing, err := ledger.Keys(p)
	if err != nil {
		d.say("top-key", problem, "unlock the keyring, or give the credential to this process", "%v", err)
		return
	}
	file := filepath.Join(d.dir, vault.FileName)
	begun := vault.KindOf(file) != ""
	for _, k := range []struct {
		ledgerKey
		at vault.Source
	}{{topKey, top}, {signingKey, signing}} {
		_, err := k.at.Load()
		if err == nil && k.ledgerKey == topKey {
			err = vault.Check(file, k.at)
		}
		switch {
		case errors.Is(err, vault.ErrTopKey):
			d.say(k.name, problem, "give back the key that was there", "the %s holds another key than %s was made with", k.at.Where(), file)
		case errors.Is(err, vault.ErrNoSecret) && begun:
			d.say(k.name, problem, "bring it back from where you keep a copy", "the ledger's %s is gone: %s", k.called, k.at.Where())
		case err != nil && !errors.Is(err, vault.ErrNoSecret):
			d.say(k.name, problem, "", "the ledger's %s cannot be read: %v", k.called, err)
		default:
			d.lookAtKey(k.ledgerKey, k.at.Where(), begun)
		}
	}
}

// ledgerKey is one of the two keys that the ledger rests on.
type ledgerKey struct{ name, called, opens, credential string }

var (
	topKey     = ledgerKey{"top-key", "top key", "whoever reads that file can read the ledger", "corral-ledger-key"}
	signingKey = ledgerKey{"signing-key", "signing key", "whoever reads that file can sign in its name", "corral-signing-key"}
)

// lookAtKey says aloud when a key is no better kept than the ledger. A ledger that was begun so stays so.
func (d *doctor) lookAtKey(k ledgerKey, where string, begun bool) {
	if !strings.HasPrefix(where, "file ") {
		d.say(k.name, fine, "", "the ledger's %s is in the %s", k.called, where)
		return
	}
	why, mend := "a service has no keyring", "LoadCredential="+k.credential+":PATH in the service's unit"
	if config.Desktop() {
		why, mend = "no keyring answers", "unlock the keyring"
	}
	if begun {
		d.say(k.name, warning, "keep a copy of it apart from backups", "the ledger's %s is in a plain %s, since %s: %s", k.called, where, strings.Replace(why, "answers", "answered when it was begun", 1), k.opens)
		return
	}
	d.say(k.name, warning, mend, "the ledger's %s would be in a plain %s, since %s: %s", k.called, where, why, k.opens)
}
