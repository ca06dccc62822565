package usage

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"corral/store"
)

// Query asks for a report.
type Query struct {
	From, To time.Time // whole hours: From is taken down, To up
	By       Dimension
	Zone     *time.Location // of days; nil: UTC
	Limit    int            // rows, the largest first; 0: all. What is left out is in the total.
}

// Report is usage over a time, broken down, and beside it the time of the same length before.
type Report struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	By     string    `json:"by"`
	Total  Sum       `json:"total"`
	Before Sum       `json:"before"` // the period before
	Trend  Trend     `json:"trend"`
	Rows   []Row     `json:"rows"`
}

// Row is one user, model, day, ...
type Row struct {
	Key    string `json:"key"`
	Sum    Sum    `json:"sum"`
	Before Sum    `json:"before"`
	Trend  Trend  `json:"trend"`
	Share  Share  `json:"share"`
}

// Share is a row's part of the total, from 0 to 1.
type Share struct {
	Calls  float64 `json:"calls"`
	Tokens float64 `json:"tokens"`
	Cost   float64 `json:"cost"`
}

// Trend is the change against the period before: 0.25 is a quarter more. Null where nothing was before.
type Trend struct {
	Calls  *float64 `json:"calls"`
	Tokens *float64 `json:"tokens"`
	Cost   *float64 `json:"cost"`
}

// Names resolves the numbers of a dimension.
type Names func(dim Dimension, value uint32) string

// Read makes a report.
func Read(tx *store.Tx, q Query, names Names) (*Report, error) {
	from := HourOf(q.From)
	to := HourOf(q.To.Add(time.Hour - time.Nanosecond))
	if !q.To.After(q.From) {
		return nil, fmt.Errorf("usage: the time ends at %s, before it begins at %s", q.To.Format(time.RFC3339), q.From.Format(time.RFC3339))
	}
	zone := q.Zone
	if zone == nil {
		zone = time.UTC
	}
	before := from - min(from, to-from)
	report := &Report{
		From: time.Unix(int64(from)*3600, 0).In(zone), To: time.Unix(int64(to)*3600, 0).In(zone), By: q.By.String(),
	}
	var now, then map[string]*Sum
	var err error
	if q.By == Day || q.By == Hour {
		now, err = overTime(tx, from, to, q.By, zone)
		if err == nil {
			then, err = byValue(tx, before, from, Total, names)
		}
	} else {
		now, err = byValue(tx, from, to, q.By, names)
		if err == nil {
			then, err = byValue(tx, before, from, q.By, names)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, s := range now {
		report.Total.Add(s)
	}
	for _, s := range then {
		report.Before.Add(s)
	}
	report.Trend = trend(&report.Total, &report.Before)
	for name, s := range now {
		r := Row{Key: name, Sum: *s, Share: share(s, &report.Total)}
		if b := then[name]; b != nil && q.By < dimensions {
			r.Before = *b
			r.Trend = trend(s, b)
		}
		report.Rows = append(report.Rows, r)
	}
	slices.SortFunc(report.Rows, func(a, b Row) int {
		if q.By == Day || q.By == Hour {
			return strings.Compare(a.Key, b.Key)
		}
		return cmp.Or(cmp.Compare(b.Sum.Cost, a.Sum.Cost), cmp.Compare(b.Sum.Calls, a.Sum.Calls), strings.Compare(a.Key, b.Key))
	})
	if q.Limit > 0 && len(report.Rows) > q.Limit {
		report.Rows = report.Rows[:q.Limit]
	}
	return report, nil
}

// byValue sums hours [from, to) by the values of a dimension: whole days from the day sums, the rest from the hours.
func byValue(tx *store.Tx, from, to uint32, dim Dimension, names Names) (map[string]*Sum, error) {
	sums := map[uint32]*Sum{}
	take := func(k key, s *Sum) {
		into := sums[k.value]
		if into == nil {
			into = new(Sum)
			sums[k.value] = into
		}
		into.Add(s)
	}
	firstDay, lastDay := (from+hourPerDay-1)/hourPerDay, to/hourPerDay
	var err error
	if firstDay < lastDay {
		err = scan(tx, false, from, firstDay*hourPerDay, dim, take)
		if err == nil {
			err = scan(tx, true, firstDay, lastDay, dim, take)
		}
		if err == nil {
			err = scan(tx, false, lastDay*hourPerDay, to, dim, take)
		}
	} else {
		err = scan(tx, false, from, to, dim, take)
	}
	if err != nil {
		return nil, err
	}
	named := make(map[string]*Sum, len(sums))
	for value, s := range sums {
		name := label(dim, value, names)
		if into := named[name]; into != nil { // erased persons share a name
			into.Add(s)
			continue
		}
		named[name] = s
	}
	return named, nil
}

func label(dim Dimension, value uint32, names Names) string {
	switch dim {
	case Total:
		return "total"
	case Status:
		return fmt.Sprint(value)
	}
	return names(dim, value)
}

func overTime(tx *store.Tx, from, to uint32, by Dimension, zone *time.Location) (map[string]*Sum, error) {
	layout := time.DateOnly
	if by == Hour {
		layout = "2006-01-02T15:04Z07:00"
	}
	sums := map[string]*Sum{}
	err := scan(tx, false, from, to, Total, func(k key, s *Sum) {
		name := time.Unix(int64(k.period)*3600, 0).In(zone).Format(layout)
		into := sums[name]
		if into == nil {
			into = new(Sum)
			sums[name] = into
		}
		into.Add(s)
	})
	return sums, err
}

// scan visits the sums of periods [from, to) in one dimension, seeking past the others.
func scan(tx *store.Tx, day bool, from, to uint32, dim Dimension, take func(key, *Sum)) error {
	if from >= to {
		return nil
	}
	name := hours
	if day {
		name = days
	}
	b := tx.Bucket(root, name)
	if b == nil {
		return nil
	}
	c := b.Cursor()
	raw, v := c.Seek(key{day, from, dim, 0}.bytes())
	for raw != nil {
		k, ok := parseKey(raw, day)
		if !ok {
			return errSum
		}
		if k.period >= to {
			return nil
		}
		switch {
		case k.dim < dim:
			raw, v = c.Seek(key{day, k.period, dim, 0}.bytes())
			continue
		case k.dim > dim:
			raw, v = c.Seek(key{day, k.period + 1, dim, 0}.bytes())
			continue
		}
		s, err := parseSum(v)
		if err != nil {
			return err
		}
		take(k, &s)
		raw, v = c.Next()
	}
	return nil
}

// Hours visits the totals of all hours from the given one on, for verify.
func Hours(tx *store.Tx, from uint32, take func(hour uint32, s Sum)) error {
	return scan(tx, false, from, math.MaxUint32, Total, func(k key, s *Sum) { take(k.period, *s) })
}

func share(s, total *Sum) Share {
	return Share{
		Calls:  ratio(float64(s.Calls), float64(total.Calls)),
		Tokens: ratio(tokens(s), tokens(total)),
		Cost:   ratio(float64(s.Cost), float64(total.Cost)),
	}
}

func tokens(s *Sum) float64 { return float64(s.Input) + float64(s.Output) }

func ratio(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

func trend(now, before *Sum) Trend {
	return Trend{
		Calls:  change(float64(now.Calls), float64(before.Calls)),
		Tokens: change(tokens(now), tokens(before)),
		Cost:   change(float64(now.Cost), float64(before.Cost)),
	}
}

func change(now, before float64) *float64 {
	if before == 0 {
		return nil
	}
	c := now/before - 1
	return &c
}

// DayNumber is the number of the day, from 1970 on.
func DayNumber(t time.Time) uint32 { return HourOf(t) / hourPerDay }
