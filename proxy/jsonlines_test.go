package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"testing"
	"time"
)

// sameAsSlog compares a line with the one that slog writes.
func sameAsSlog(t *testing.T, r slog.Record) {
	t.Helper()
	var got, want bytes.Buffer
	options := &slog.HandlerOptions{ReplaceAttr: nameFields}
	if err := newJSONLines(&got, options).Handle(context.Background(), r); err != nil {
		t.Error(err)
	}
	if err := slog.NewJSONHandler(&want, options).Handle(context.Background(), r); err != nil {
		t.Error(err)
	}
	if got.String() != want.String() {
		t.Errorf("got  %swant %s", got.String(), want.String())
	}
}

func TestLinesAreThoseOfSlog(t *testing.T) {
	now := time.Now()
	records := map[string]slog.Record{
		"nothing":         slog.NewRecord(now, slog.LevelInfo, "request", 0),
		"debug":           slog.NewRecord(now, slog.LevelDebug, "x", 0),
		"warning":         slog.NewRecord(now, slog.LevelWarn, "x", 0),
		"error":           slog.NewRecord(now, slog.LevelError, "x", 0),
		"a level between": slog.NewRecord(now, slog.LevelInfo+1, "x", 0),
		"no time":         slog.NewRecord(time.Time{}, slog.LevelInfo, "x", 0),
		"other zone":      slog.NewRecord(now.In(time.FixedZone("x", 3600)), slog.LevelInfo, "x", 0),
		"whole second":    slog.NewRecord(time.Unix(1_700_000_000, 0), slog.LevelInfo, "x", 0),
		"odd message":     slog.NewRecord(now, slog.LevelInfo, "a\"b\nc", 0),
	}
	for name, r := range records {
		t.Run(name, func(t *testing.T) {
			r.AddAttrs(slog.String("a", "b"), slog.Int("n", -5), slog.Float64("ms", 1.25))
			sameAsSlog(t, r)
		})
	}
	for name, a := range map[string]slog.Attr{
		"quotes": slog.String("a", `"}{"`), "line break": slog.String("a", "\r\n"), "escape": slog.String("a", "\x1b[31m"), "backslash": slog.String("a", `\`),
		"bad UTF-8": slog.String("a", "\xff"), "line separator": slog.String("a", "\u2028"), "umlaut": slog.String("a", "ü"), "angle": slog.String("a", "<&>"),
		"delete": slog.String("a", "\x7f"), "empty": slog.String("a", ""), "no key": slog.String("", "x"), "odd key": slog.String("a\"b", "x"),
		"zero": slog.Float64("f", 0), "tiny": slog.Float64("f", 1e-7), "huge": slog.Float64("f", 1e21), "long": slog.Float64("f", 123456789.123456),
		"not a number": slog.Float64("f", math.NaN()), "infinite": slog.Float64("f", math.Inf(1)), "negative": slog.Float64("f", -0.5),
		"most": slog.Int64("n", math.MaxInt64), "boolean": slog.Bool("b", true), "duration": slog.Duration("d", time.Second), "time": slog.Time("t", now),
		"error": slog.Any("e", errors.New("x")), "nil": slog.Any("e", nil), "group": slog.Group("g", slog.Int("a", 1)), "empty group": slog.Group("g"),
		"the message's": slog.String("msg", "x"), "the level's": slog.String("level", "INFO"), "the time's": slog.String("time", "x"), "empty attribute": {},
	} {
		t.Run(name, func(t *testing.T) {
			r := slog.NewRecord(now, slog.LevelInfo, "x", 0)
			r.AddAttrs(slog.String("before", "x"), a, slog.String("after", "x"))
			sameAsSlog(t, r)
		})
	}
}

func FuzzLinesAreThoseOfSlog(f *testing.F) {
	f.Add("key", "text", int64(1), 1.5)
	f.Add("msg", "\x00\"\\", int64(-1), 1e-9)
	f.Fuzz(func(t *testing.T, key, text string, n int64, x float64) {
		r := slog.NewRecord(time.Now(), slog.LevelInfo, text, 0)
		r.AddAttrs(slog.String(key, text), slog.Int64(key, n), slog.Float64(key, x))
		sameAsSlog(t, r)
	})
}

// With attributes of its own, a logger is slog's.
func TestLinesWithAttributes(t *testing.T) {
	var got, want bytes.Buffer
	options := &slog.HandlerOptions{ReplaceAttr: nameFields}
	for to, h := range map[*bytes.Buffer]slog.Handler{&got: newJSONLines(&got, options), &want: slog.NewJSONHandler(&want, options)} {
		r := slog.NewRecord(time.Unix(0, 0), slog.LevelInfo, "x", 0)
		r.AddAttrs(slog.String("a", "b"))
		if err := h.WithAttrs([]slog.Attr{slog.String("c", "d")}).WithGroup("g").Handle(context.Background(), r); err != nil {
			t.Error(to, err)
		}
	}
	if got.String() != want.String() {
		t.Errorf("got  %swant %s", got.String(), want.String())
	}
}

// BenchmarkLog shows why there are jsonLines.
func BenchmarkLog(b *testing.B) {
	options := &slog.HandlerOptions{ReplaceAttr: nameFields}
	for name, h := range map[string]slog.Handler{"ours": newJSONLines(io.Discard, options), "slog": slog.NewJSONHandler(io.Discard, options)} {
		b.Run(name, func(b *testing.B) {
			l := slog.New(h)
			b.ReportAllocs()
			for b.Loop() {
				l.LogAttrs(context.Background(), slog.LevelInfo, "request", slog.String("request_id", "2KZ5QDLYKOXVJ2WYJXGYJ4TZBM"), slog.String("client_ip", "192.0.2.1"),
					slog.String("peer_ip", "192.0.2.1"), slog.String("host", "app.example.com"), slog.String("method", "GET"), slog.String("path", "/a/b/c"),
					slog.String("rule", "/"), slog.String("outcome", "forwarded"), slog.String("upstream", "http://127.0.0.1:8080"), slog.String("user", "alice"),
					slog.String("session", "0123456789ab"), slog.Int("status", 200), slog.Float64("duration_ms", 1.234), slog.Float64("upstream_ms", 1.2), slog.Int64("bytes", 1024))
			}
		})
	}
}
