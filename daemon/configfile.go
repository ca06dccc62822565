package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"corral/daemon/admin"
	"corral/daemon/config"
)

// configStore is corral.yaml, for the operator.
type configStore struct{ d *Daemon }

// File is the file as it stands, and what is in force.
func (s configStore) File() (admin.ConfigFile, error) {
	d := s.d
	data, err := d.config.Text()
	if err != nil {
		return admin.ConfigFile{}, err
	}
	f := admin.ConfigFile{Path: d.config.Path(), Exists: data != nil, Revision: config.Revision(data), Writable: true, Shadowed: d.config.Shadowed(),
		Problems: []config.Problem{}, Warnings: []config.Problem{}, NeedsRestart: []string{}}
	f.Text, f.Hidden = config.Shown(data)
	if err := config.Writable(f.Path); err != nil {
		f.Writable, f.Why = false, err.Error()
	}
	now := d.config.Current()
	if f.Effective, err = asMap(now); err != nil {
		return f, err
	}
	if f.Defaults, err = asMap(config.Default()); err != nil {
		return f, err
	}
	f.NeedsRestart = append(f.NeedsRestart, config.NeedsRestart(d.config.Started(), now)...)
	var warnings []config.Problem
	if err = d.config.Replaceable(data); err == nil {
		_, warnings, err = d.config.Check(data)
	}
	var bad *config.Errors
	switch {
	case errors.As(err, &bad):
		f.Problems = bad.Problems
	case err != nil:
		return f, err
	}
	f.Warnings = append(f.Warnings, warnings...)
	return f, nil
}

func asMap(c config.Config) (m map[string]any, err error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return m, json.Unmarshal(b, &m)
}

// Review says what a text would do.
func (s configStore) Review(ctx context.Context, text string) (admin.ConfigReview, error) {
	was, err := s.d.config.Text()
	if err != nil {
		return admin.ConfigReview{}, err
	}
	return s.review(ctx, was, []byte(text))
}

func (s configStore) review(ctx context.Context, was, data []byte) (admin.ConfigReview, error) {
	live := s.d.config
	r := admin.ConfigReview{Problems: []config.Problem{}, Warnings: []config.Problem{}, Changes: []config.Change{}, NeedsRestart: []string{}, Held: []string{}, Revision: config.Revision(was)}
	shown, _ := config.Shown(was)
	r.Text, _ = config.Shown(data)
	r.Diff = config.Diff("corral.yaml", shown, r.Text)
	next, warnings, err := live.Check(data)
	if err == nil {
		err = live.Replaceable(was)
	}
	var bad *config.Errors
	switch {
	case errors.As(err, &bad):
		r.Problems = bad.Problems
		return r, nil
	case err != nil:
		return r, err
	}
	for _, x := range config.Sends(next) {
		if !config.HasSent(live.Current(), x.Key, x.To) && !admin.MaySend(ctx, x.Key, s.d.o.Secrets.Get) {
			r.Problems = append(r.Problems, config.Problem{Field: x.Field, Message: fmt.Sprintf("%s is kept, and not sent to %s so far: %s", x.Key, x.To, admin.HowToSend)})
		}
	}
	r.Valid = len(r.Problems) == 0
	r.Warnings = append(r.Warnings, warnings...)
	changes, err := config.Changes(live.Current(), next)
	r.Changes = append(r.Changes, changes...)
	r.NeedsRestart = append(r.NeedsRestart, config.NeedsRestart(live.Started(), next)...)
	r.Held = append(r.Held, live.Held(was, data)...)
	return r, err
}

// Edit says what edits would do to the file.
func (s configStore) Edit(ctx context.Context, edits []config.Edit) (admin.ConfigReview, error) {
	was, next, err := s.apply(edits)
	if err != nil {
		return admin.ConfigReview{}, err
	}
	return s.review(ctx, was, next)
}

func (s configStore) apply(edits []config.Edit) (was, next []byte, err error) {
	if was, err = s.d.config.Text(); err != nil {
		return nil, nil, err
	}
	next, err = config.Apply(s.d.config.Path(), was, edits)
	return was, next, err
}

// Write writes the text and takes it over.
func (s configStore) Write(ctx context.Context, revision, text string) (admin.ConfigReview, error) {
	was, err := s.d.config.Text()
	if err != nil {
		return admin.ConfigReview{}, err
	}
	return s.write(ctx, revision, was, []byte(text))
}

// WriteEdits edits the file, and takes over what comes out.
func (s configStore) WriteEdits(ctx context.Context, revision string, edits []config.Edit) (admin.ConfigReview, error) {
	was, err := s.d.config.Text()
	if err != nil {
		return admin.ConfigReview{}, err
	}
	if config.Revision(was) != revision {
		return admin.ConfigReview{}, config.ErrChanged // said first: the edits may be about what is not there any more
	}
	next, err := config.Apply(s.d.config.Path(), was, edits)
	if err != nil {
		return admin.ConfigReview{}, err
	}
	return s.write(ctx, revision, was, next)
}

func (s configStore) write(ctx context.Context, revision string, was, data []byte) (admin.ConfigReview, error) {
	d := s.d
	if config.Revision(was) != revision {
		return admin.ConfigReview{Revision: config.Revision(was)}, config.ErrChanged // what was looked at and what is written over are the same
	}
	r, err := s.review(ctx, was, data)
	if err != nil {
		return r, err
	}
	if !r.Valid {
		return r, &config.Errors{Problems: r.Problems}
	}
	changed, err := d.config.Write(ctx, revision, data)
	if err != nil {
		return r, err
	}
	d.log.Info("the operator wrote the config", "path", d.config.Path(), "revision", config.Revision(data), "before", config.Revision(was))
	d.reloaded(nil, changed)
	r.Written, r.Revision = true, config.Revision(data)
	return r, nil
}
