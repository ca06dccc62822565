package daemon

import (
	"os"
	"path/filepath"
	"strconv"

	"corral/daemon/event"
	"corral/daemon/health/host"
	"corral/daemon/library"
)

// newLibrary makes what knows and changes the models on this device.
func (d *Daemon) newLibrary() *library.Library {
	return library.New(library.Options{Servers: d.modelServers, Machine: d.room, Uses: d.modelUses, Free: host.Free, Folders: ollamaFolders(), Told: d.tellPull,
		Changed: func(server, model, what string) {
			d.log.Info("a model on this device", "provider", server, "model", model, "what", what)
			d.events.Publish(event.Library{Provider: server, Model: short(model), What: what})
		}})
}

// modelServers are the providers on this device.
func (d *Daemon) modelServers() (list []library.Server) {
	providers := d.routing.Load().providers
	for _, p := range d.config.Current().Providers {
		if made := providers[p.Name]; made != nil && p.OnDevice() {
			list = append(list, library.Server{Name: p.Name, Kind: string(p.Kind), URL: p.URL, Provider: made})
		}
	}
	return list
}

// room is what the machine showed of its memory last.
func (d *Daemon) room() (m library.Machine) {
	f := d.wellness.machine.Facts()
	if f.Memory != nil {
		m.Memory = &library.Room{Total: f.Memory.Total, Free: f.Memory.Available}
		m.Keep = healthRules(d.config.Current()).MinFreeMemory.Of(f.Memory.Total)
	}
	for _, g := range f.GPUs {
		if g.MemoryTotal == nil || g.MemoryUsed == nil {
			continue
		}
		if m.VRAM == nil {
			m.VRAM = &library.Room{}
		}
		m.VRAM.Total += *g.MemoryTotal
		m.VRAM.Free += *g.MemoryTotal - min(*g.MemoryTotal, *g.MemoryUsed)
	}
	return m
}

// modelUses are what of the config names each model of a server, by its whole name.
func (d *Daemon) modelUses(server string, full func(string) string) map[string][]string {
	c, out := d.config.Current(), map[string][]string{}
	for _, m := range c.Models {
		for _, t := range m.Targets {
			if t.Provider == server {
				out[full(t.Model)] = append(out[full(t.Model)], "the model "+m.Name)
			}
		}
	}
	if name := c.Cache.Similar.Model; name != "" {
		if by := c.Cache.Similar.Provider; by == "" || by == server {
			out[full(name)] = append(out[full(name)], "the cache of questions alike")
		}
	}
	return out
}

// ollamaFolders are where an Ollama on this machine keeps its models unless told otherwise
// (https://github.com/ollama/ollama/blob/v0.17.4/docs/faq.mdx): as a service, and as the user's own.
func ollamaFolders() []string {
	list := []string{"/usr/share/ollama/.ollama/models"}
	if home, err := os.UserHomeDir(); err == nil {
		list = append(list, filepath.Join(home, ".ollama", "models"), home)
	}
	return list
}

// tellPull tells the feed how far a pull is.
func (d *Daemon) tellPull(p library.Pull) {
	id, _ := strconv.ParseUint(p.ID, 10, 64)
	d.events.Publish(event.Progress{Task: "pull", ID: id, Subject: short(p.Model), State: p.State, Done: p.Done, Total: p.Total, Unit: "bytes", Speed: p.Speed, Why: short(p.Why)})
}
