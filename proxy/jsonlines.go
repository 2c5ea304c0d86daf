package proxy

import (
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"
)

// jsonLines writes what slog.JSONHandler writes, in a quarter of the time: a request has one line, and twenty fields. It writes itself what
// needs no escaping, which is nearly everything, and leaves every other record to slog.
type jsonLines struct {
	*slog.JSONHandler
	to *wholeLines
}

func newJSONLines(w io.Writer, options *slog.HandlerOptions) *jsonLines {
	to := &wholeLines{to: w}
	return &jsonLines{slog.NewJSONHandler(to, options), to}
}

// Handle writes a record as one line.
func (j *jsonLines) Handle(ctx context.Context, r slog.Record) error {
	var room [maxAttributes]slog.Attr
	attributes := room[:0]
	r.Attrs(func(a slog.Attr) bool {
		attributes = append(attributes, a)
		return true
	})
	if easy, err := j.line(r.Time, r.Level, r.Message, attributes); easy {
		return err
	}
	return j.JSONHandler.Handle(ctx, r)
}

// line writes a line, if nothing in it is slog's to write. It spares the access log a slog.Record, which copies what it holds.
func (j *jsonLines) line(at time.Time, level slog.Level, event string, attributes []slog.Attr) (easy bool, err error) {
	b := j.to.buffer()
	defer j.to.put(b)
	l := jsonLine{text: (*b)[:0]}
	l.begin(at, level, event)
	for i := 0; i < len(attributes) && !l.hard; i++ {
		l.attr(attributes[i])
	}
	*b = append(l.text, "}\n"...)
	if !l.hard {
		_, err = j.to.Write(*b)
	}
	return !l.hard, err
}

// jsonLine is a line in the making.
type jsonLine struct {
	text []byte
	hard bool // it holds what is slog's to write
}

func (l *jsonLine) begin(at time.Time, level slog.Level, event string) {
	l.text = append(l.text, `{"time":"`...)
	l.text = at.AppendFormat(l.text, time.RFC3339Nano)
	l.text = append(l.text, `","level":`...)
	l.level(level)
	l.text = append(l.text, `,"event":`...)
	l.string(event)
	l.hard = l.hard || at.IsZero()
}

func (l *jsonLine) level(level slog.Level) {
	switch level {
	case slog.LevelDebug:
		l.string("debug")
	case slog.LevelInfo:
		l.string("info")
	case slog.LevelWarn:
		l.string("warn")
	case slog.LevelError:
		l.string("error")
	default:
		l.hard = true
	}
}

func (l *jsonLine) attr(a slog.Attr) {
	l.text = append(l.text, ',')
	l.string(a.Key)
	l.text = append(l.text, ':')
	switch a.Value.Kind() {
	case slog.KindString:
		l.string(a.Value.String())
	case slog.KindInt64:
		l.text = strconv.AppendInt(l.text, a.Value.Int64(), 10)
	case slog.KindFloat64:
		l.float(a.Value.Float64())
	default:
		l.hard = true
	}
	l.hard = l.hard || a.Key == "" || a.Key == slog.MessageKey || a.Key == slog.LevelKey
}

// float writes a number as encoding/json does where that needs no exponent.
func (l *jsonLine) float(f float64) {
	size := math.Abs(f)
	l.hard = l.hard || size != 0 && (size < 1e-6 || size >= 1e21) || math.IsNaN(f)
	l.text = strconv.AppendFloat(l.text, f, 'f', -1, 64)
}

func (l *jsonLine) string(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			l.hard = true
			return
		}
	}
	l.text = append(l.text, '"')
	l.text = append(l.text, s...)
	l.text = append(l.text, '"')
}

// wholeLines keeps lines apart that several goroutines write, and lends them memory.
type wholeLines struct {
	mu   sync.Mutex
	to   io.Writer
	pool sync.Pool // of *[]byte
}

// Write writes one line.
func (w *wholeLines) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(line)
}

// maxLineKept bounds the memory that is kept for the next line.
const maxLineKept = 16 << 10

func (w *wholeLines) buffer() *[]byte {
	if b, ok := w.pool.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 1<<10)
	return &b
}

func (w *wholeLines) put(b *[]byte) {
	if cap(*b) <= maxLineKept {
		w.pool.Put(b)
	}
}
