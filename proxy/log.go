package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"doorward/config"
)

// Rules that this file keeps:
//
//   - No token, code, cookie, state or query string is ever written. Only fields listed here are, and slog's JSON
//     handler escapes them, so that nobody writes lines of their own.
//   - What a peer sent is not quoted: neither by net/http's own words nor by its errors.
//   - Sessions appear as a hash; host and path as the client sent them, cut to a length.

// maxLogged bounds what a client can make a log line carry in one field, in bytes.
const maxLogged = 512

// NewLog makes the log that LOG_LEVEL and LOG_FORMAT ask for: one object a line, its message, a fixed word, under the
// name "event".
func NewLog(w io.Writer, c *config.Config) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // validated by config
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: nameFields}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(newJSONLines(w, options))
}

func nameFields(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.MessageKey:
		a.Key = "event"
	case slog.LevelKey:
		a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
	}
	return a
}

// event logs something worth an audit, by its fixed name.
func (p *Proxy) event(x *exchange, r *http.Request, name string) {
	level := slog.LevelInfo
	if x.cause != nil {
		level = slog.LevelWarn
	}
	p.log.LogAttrs(r.Context(), level, name, x.attributes(nil, r)...)
}

// providerFetched logs that the provider's metadata or keys cannot be had, or can again. Meanwhile those of before serve.
func (p *Proxy) providerFetched(document string, err error) {
	if err == nil {
		p.log.Info("provider_recovered", "document", document)
		return
	}
	p.log.Warn("provider_failed", "document", document, "error", shortened(err.Error()))
}

// record tells the finished exchange to log and metrics.
func (p *Proxy) record(x *exchange, r *http.Request) {
	took := time.Since(x.start)
	p.metrics.requestDone(x, r.Method, took)
	if p.config.AccessLog == "off" || p.config.AccessLog == "errors" && x.status < 400 || !p.log.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	var room [maxAttributes]slog.Attr
	attributes := append(x.attributes(room[:0], r),
		slog.Int("status", x.status),
		slog.Float64("duration_ms", milliseconds(took)),
		slog.Float64("upstream_ms", milliseconds(x.upstreamTime)),
		slog.Int64("bytes", x.bytes))
	p.logRequest(r.Context(), x.start.Add(took), attributes)
}

// logRequest writes a line of the access log. slog.Logger would look for the caller, whom nobody wants to know.
func (p *Proxy) logRequest(ctx context.Context, now time.Time, attributes []slog.Attr) {
	const event = "request"
	if lines, ok := p.log.Handler().(*jsonLines); ok {
		if easy, _ := lines.line(now, slog.LevelInfo, event, attributes); easy {
			return
		}
	}
	line := slog.NewRecord(now, slog.LevelInfo, event, 0)
	line.AddAttrs(attributes...)
	_ = p.log.Handler().Handle(ctx, line)
}

// maxAttributes is as many as a line has.
const maxAttributes = 20

// request appends what came, the rule that it came under, and the trace that it belongs to.
func (x *exchange) request(all []slog.Attr, r *http.Request) []slog.Attr {
	peer := x.client.peerIP()
	client := peer
	if len(x.client.hops) > 1 {
		client = x.client.address().String()
	}
	all = append(all,
		slog.String("request_id", x.id),
		slog.String("client_ip", client),
		slog.String("peer_ip", peer),
		slog.String("host", shortened(r.Host)),
		slog.String("method", shortened(r.Method)),
		slog.String("path", shortened(x.path)),
		slog.String("rule", x.rule))
	if id := x.traceID(); id != "" {
		all = append(all, slog.String("trace_id", id))
	}
	return all
}

// attributes appends what every line about an exchange carries.
func (x *exchange) attributes(all []slog.Attr, r *http.Request) []slog.Attr {
	all = x.request(all, r)
	for _, optional := range [...][2]string{{"outcome", x.outcome}, {"reason", x.reason}, {"upstream", x.upstream},
		{"user", shortened(x.user)}, {"session", x.sessionHash()}, {"provider_session", x.providerSession}} {
		if optional[1] != "" {
			all = append(all, slog.String(optional[0], optional[1]))
		}
	}
	if x.cause != nil {
		all = append(all, slog.String("error", shortened(x.cause.Error())))
	}
	return all
}

// ofProvider notes which session of the provider's a login began, or a logout ended, as a hash: with a sid, anybody could sign somebody out.
// By it the two are found together, where a logout names nobody.
func (x *exchange) ofProvider(issuer, sid string) {
	if sid == "" {
		return
	}
	hash := sha256.Sum256([]byte(issuer + "\x00" + sid))
	x.providerSession = hex.EncodeToString(hash[:6])
}

func shortened(s string) string {
	if len(s) > maxLogged {
		return s[:maxLogged] + "…"
	}
	return s
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// ServerLog takes what net/http has to say into the log, as event http_server.
func ServerLog(l *slog.Logger) *log.Logger { return log.New(serverLog{l}, "", 0) }

type serverLog struct{ log *slog.Logger }

func (s serverLog) Write(text []byte) (int, error) {
	s.log.Warn("http_server", "says", unquoted(strings.TrimSpace(string(text))))
	return len(text), nil
}

// unquoted is a text of net/http up to where it begins to quote what a peer sent, which may be a token as well as anything.
func unquoted(text string) string {
	if before, _, quotes := strings.Cut(text, `"`); quotes {
		return before + "…"
	}
	return text
}

// seldom is what is told now and then, however often there is reason to. It is safe for concurrent use.
type seldom struct {
	every time.Duration
	mu    sync.Mutex
	last  time.Time
}

// due says whether to tell it now.
func (s *seldom) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.last.IsZero() && now.Sub(s.last) < s.every {
		return false
	}
	s.last = now
	return true
}

// firstWarns is the level for what is likely the same for many people: the first is a warning.
func firstWarns(told *atomic.Bool) slog.Level {
	if told.CompareAndSwap(false, true) {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
