// Icons draws the program's pictures from frontend/public/icon.svg, the one source of all: the same picture on every machine,
// and nothing to install. Run it in the repository's root after a change of that file:
//
//	go run ./build/icons
//
// It knows the little of SVG that the icon uses: a rect with round corners, and a path of M, h and v with round ends.
package main

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "icons:", err)
		os.Exit(1)
	}
}

// pictures are all that are made, by their path. dot, if not empty, says in a corner how Corral is.
var pictures = []struct {
	path string
	size int // pixels
	dot  string
}{
	{"build/appicon.png", 1024, ""}, // where the Wails tool looks for it
	{"build/icons/corral.png", 256, ""},
	{"app/desktop/icon.png", 128, ""},
	{"app/desktop/tray/well.png", 48, "#2f9e44"},
	{"app/desktop/tray/attention.png", 48, "#f08c00"},
	{"app/desktop/tray/away.png", 48, "#868e96"},
}

func write(root string) error {
	i, err := read(filepath.Join(root, "frontend/public/icon.svg"))
	if err != nil {
		return err
	}
	for _, p := range pictures {
		b, err := i.png(p.size, p.dot)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, p.path)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(root, p.path), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

type point struct{ x, y float64 }

// icon is a ground with round corners and lines on it, in a square.
type icon struct {
	side, round, half float64 // of the square; of its corners; of the lines' width
	ground, ink       color.RGBA
	lines             [][2]point
}

func read(path string) (*icon, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var svg struct {
		Rect struct {
			Width float64 `xml:"width,attr"`
			Round float64 `xml:"rx,attr"`
			Fill  string  `xml:"fill,attr"`
		} `xml:"rect"`
		Path struct {
			D      string  `xml:"d,attr"`
			Stroke string  `xml:"stroke,attr"`
			Width  float64 `xml:"stroke-width,attr"`
		} `xml:"path"`
	}
	if err := xml.Unmarshal(b, &svg); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	i := &icon{side: svg.Rect.Width, round: svg.Rect.Round, half: svg.Path.Width / 2}
	if i.ground, err = colour(svg.Rect.Fill); err == nil {
		i.ink, err = colour(svg.Path.Stroke)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var at point
	for _, m := range regexp.MustCompile(`([A-Za-z])\s*(-?[\d.]+)(?:[ ,]+(-?[\d.]+))?`).FindAllStringSubmatch(svg.Path.D, -1) {
		a, _ := strconv.ParseFloat(m[2], 64)
		b, _ := strconv.ParseFloat(m[3], 64)
		from := at
		switch m[1] {
		case "M":
			at = point{a, b}
			continue
		case "h":
			at.x += a
		case "v":
			at.y += a
		default:
			return nil, fmt.Errorf("%s: the path has %s, which is not known here", path, m[1])
		}
		i.lines = append(i.lines, [2]point{from, at})
	}
	if i.side == 0 || len(i.lines) == 0 {
		return nil, fmt.Errorf("%s: no rect, or no path", path)
	}
	return i, nil
}

// colour reads #rgb and #rrggbb.
func colour(s string) (color.RGBA, error) {
	if len(s) == 4 {
		s = string([]byte{'#', s[1], s[1], s[2], s[2], s[3], s[3]})
	}
	n, err := strconv.ParseUint(s[min(1, len(s)):], 16, 32)
	if err != nil || len(s) != 7 {
		return color.RGBA{}, fmt.Errorf("%q is no colour", s)
	}
	return color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255}, nil
}

// png draws it. Each pixel is covered by a shape as far as its middle is inside of it: smooth, and the same everywhere.
func (i *icon) png(size int, dot string) ([]byte, error) {
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	scale := float64(size) / i.side
	mark, err := colour(cmp.Or(dot, "#000"))
	if err != nil {
		return nil, err
	}
	for y := range size {
		for x := range size {
			p := point{(float64(x) + 0.5) / scale, (float64(y) + 0.5) / scale}
			cover := func(outside float64) float64 { return math.Max(0, math.Min(1, 0.5-outside*scale)) }
			c := layer{}.over(i.ground, cover(i.outside(p)))
			ink := math.Inf(1)
			for _, l := range i.lines {
				ink = math.Min(ink, distance(p, l)-i.half)
			}
			c = c.over(i.ink, cover(ink))
			if dot != "" {
				d := math.Hypot(p.x-i.side*0.76, p.y-i.side*0.76)
				c = c.over(color.RGBA{255, 255, 255, 255}, cover(d-i.side*0.24)).over(mark, cover(d-i.side*0.19))
			}
			img.SetNRGBA(x, y, c.pixel())
		}
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, img)
	return b.Bytes(), err
}

// outside is how far p is out of the ground; negative: inside.
func (i *icon) outside(p point) float64 {
	h := i.side / 2
	dx, dy := math.Abs(p.x-h)-h+i.round, math.Abs(p.y-h)-h+i.round
	return math.Hypot(math.Max(dx, 0), math.Max(dy, 0)) + math.Min(math.Max(dx, dy), 0) - i.round
}

// distance is that of a point to a line with ends.
func distance(p point, l [2]point) float64 {
	dx, dy := l[1].x-l[0].x, l[1].y-l[0].y
	t := math.Max(0, math.Min(1, ((p.x-l[0].x)*dx+(p.y-l[0].y)*dy)/(dx*dx+dy*dy)))
	return math.Hypot(p.x-l[0].x-t*dx, p.y-l[0].y-t*dy)
}

// layer is a colour and how much of it there is, from 0 to 1.
type layer struct{ r, g, b, a float64 }

// over paints c on it.
func (l layer) over(c color.RGBA, a float64) layer {
	all := a + l.a*(1-a)
	if all == 0 {
		return l
	}
	mix := func(below float64, above uint8) float64 { return (float64(above)*a + below*l.a*(1-a)) / all }
	return layer{mix(l.r, c.R), mix(l.g, c.G), mix(l.b, c.B), all}
}

func (l layer) pixel() color.NRGBA {
	byteOf := func(v float64) uint8 { return uint8(math.Round(v)) }
	return color.NRGBA{byteOf(l.r), byteOf(l.g), byteOf(l.b), byteOf(l.a * 255)}
}
