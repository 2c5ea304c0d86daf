package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"

	"doorward/config"
	"doorward/proxy"
)

// serve runs the proxy until SIGTERM or SIGINT, or until ctx ends.
func serve(ctx context.Context, args []string, out, errOut io.Writer) int {
	if status, ok := newFlags("serve", errOut).parse(args, 0); !ok {
		return status
	}
	// The hook that sends SIGHUP may meet a start: until somebody watches (watch.go), it would end the process. What changed meanwhile is looked
	// at then.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	defer collectLess()()
	c, err := config.Load()
	if err == nil {
		err = serveConfig(ctx, c, out)
	}
	if err != nil {
		fmt.Fprintln(errOut, err)
		return exitFailed
	}
	return exitOK
}

// collectLess collects garbage less often, unless GOGC says how often: of what a request needs next to nothing outlives it, and for some twenty
// megabytes of memory under load a tenth of the work is saved. What it gives is to be called at the end.
func collectLess() (end func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	debug.SetGCPercent(200)
	// How often that is depends on how much is alive, which is little. The ballast counts as alive too, and takes no memory, since nobody writes to it.
	ballast := make([]byte, 8<<20)
	return func() { runtime.KeepAlive(ballast) }
}

func serveConfig(ctx context.Context, c *config.Config, out io.Writer) error {
	lines := &gatherer{to: out}
	defer lines.flush()
	logger := proxy.NewLog(lines, c)
	// OpenTelemetry's SDK would write to standard error what it does not like about its variables. Our notes say it too.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Debug("opentelemetry", "says", err.Error()) }))
	p, err := proxy.New(proxy.Options{Config: c, Log: logger, Version: buildVersion()})
	if err != nil {
		return err
	}
	defer p.Close()
	s := &server{config: c, proxy: p, log: logger, manager: findManager()}
	// net/http prints what it does not understand of a peer's bytes through the
	// global log, where they would stand as they are, tokens too.
	log.SetFlags(0)
	log.SetOutput(proxy.ServerLog(logger).Writer())
	if err := s.listen(ctx); err != nil {
		return err
	}
	return s.run(ctx)
}

// server is the two listeners and the life of the process.
type server struct {
	config          *config.Config
	proxy           *proxy.Proxy
	log             *slog.Logger
	manager         manager
	public, metrics *listener
}

// listen binds both sockets, so that a taken port refuses the start.
func (s *server) listen(ctx context.Context) error {
	sockets, err := takeHanded()
	if err != nil {
		return err
	}
	byItself := config.Defaults()
	public, err := sockets.bind(ctx, "LISTEN_ADDR", s.config.ListenAddr, byItself.ListenAddr)
	if err != nil {
		return err
	}
	metrics, err := sockets.bind(ctx, "METRICS_ADDR", s.config.MetricsAddr, byItself.MetricsAddr)
	if err != nil {
		public.Close()
		return err
	}
	s.public = newListener(s.proxy.Server(), s.proxy.Limit(public))
	s.public.server.RegisterOnShutdown(s.proxy.EndStreams)
	s.metrics = newListener(s.proxy.AdminServer(), metrics)
	return nil
}

// run serves until ctx or a signal ends it. A second signal ends the process
// at once.
func (s *server) run(ctx context.Context) error {
	ctx, restoreSignals := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer restoreSignals()
	failed := make(chan error, 2)
	for _, l := range []*listener{s.public, s.metrics} {
		go func() { failed <- l.serve() }()
	}
	defer s.watch()()
	s.logStart()
	s.tell("READY=1")
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
		restoreSignals()
		s.shutDown()
		return nil
	}
}

// watch looks after files that change, until what it gives is called: what is still served at the end is served by the rules and the certificate
// of then.
func (s *server) watch() (end func()) {
	ctx, stop := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	w := newWatch(s.config.WatchedFiles(), s.log)
	watching.Go(func() { w.run(ctx, s.proxy.Reload) })
	return func() {
		stop()
		watching.Wait()
	}
}

func (s *server) logStart() {
	s.log.Info("start", "version", buildVersion(), "commit", commit(),
		"listen", s.public.socket.Addr().String(), "metrics", s.metrics.socket.Addr().String(),
		"public_urls", s.config.PublicURL, "callback_urls", s.config.CallbackURLs(), "traces", s.config.TracesTo())
	for _, note := range append(s.config.Notes(), config.EnvironmentNotes()...) {
		s.log.Warn("note", "says", note)
	}
}

// tell says to the service manager how doorward is.
func (s *server) tell(state string) {
	if err := s.manager.tell(state); err != nil {
		s.log.Warn("notify_failed", "error", err.Error(), "says", "the service manager (NOTIFY_SOCKET) has not heard "+state)
	}
}

// shutDown tells load balancers first, waits until they have heard, and then
// lets requests in flight finish. Metrics and readiness stay to the end.
func (s *server) shutDown() {
	s.proxy.Drain()
	s.tell("STOPPING=1")
	s.log.Info("shutdown", "delay", s.config.ShutdownDelay.String(), "timeout", s.config.ShutdownTimeout.String())
	time.Sleep(s.config.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), s.config.ShutdownTimeout)
	defer cancel()
	s.public.hearOut()
	if err := s.public.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("shutdown_timeout", "says", "requests in flight were cut off")
		s.cutOff()
	}
	s.proxy.FlushTraces(ctx)
	s.public.server.Close()
	s.metrics.server.Close()
}

// tellFor is how long those who are cut off may take to hear it.
const tellFor = time.Second

// cutOff ends requests in flight, and lets their clients hear of it where no answer has begun.
func (s *server) cutOff() {
	s.proxy.EndRequests()
	ctx, cancel := context.WithTimeout(context.Background(), tellFor)
	defer cancel()
	_ = s.public.server.Shutdown(ctx) // what is left then is closed
}
