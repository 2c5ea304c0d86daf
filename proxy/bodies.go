package proxy

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// clientBody notes that a request's body could not be read: the client's fault, which the Transport reports like the upstream's. It
// notes that bytes have passed, too. And it gives io.EOF each time once it has ended: the Transport reads again after the end, and if the answer
// is there by then, net/http says that the body is closed, for which the Transport would end the connection in the middle of the answer.
type clientBody struct {
	io.ReadCloser
	connection    *connection
	reading       sync.Mutex
	passing       bool // what was read, to the upstream; under reading
	ended, broken atomic.Bool
	answered      atomic.Bool // the request that it belongs to
	stopped       atomic.Bool // by us

	latest atomic.Pointer[sending] // that may read
	all    atomic.Int64            // bytes read
	held   []byte                  // these, while they are not too many; under reading
}

// read is for one reader at a time.
func (b *clientBody) read(p []byte) (int, error) {
	if b.ended.Load() {
		return 0, io.EOF
	}
	b.passed()
	b.connection.receiving.begin()
	n, err := b.ReadCloser.Read(p)
	b.connection.receiving.end()
	if n > 0 {
		b.connection.move()
	}
	switch err {
	case nil:
		b.connection.passing.begin()
		b.passing = true
	case io.EOF:
		b.ended.Store(true)
		b.connection.awaitAnswer()
	default:
		b.broken.Store(!b.stopped.Load())
	}
	return n, err
}

// passed notes that the upstream has taken what was read before.
func (b *clientBody) passed() {
	if b.passing {
		b.connection.passing.end()
		b.passing = false
	}
}

// giveUp is for a body that the upstream did not wait for: whoever still reads it is stopped, and the client gets a moment to send the
// rest, for which net/http would wait for ever. The connection ends with it.
func (b *clientBody) giveUp(x *exchange, r *http.Request) {
	if b.ended.Load() || r.ContentLength == 0 || r.ProtoMajor != 1 {
		return
	}
	client := http.NewResponseController(x)
	_ = client.SetReadDeadline(time.Unix(1, 0))
	b.reading.Lock() // net/http takes the deadline away again while somebody reads
	defer b.reading.Unlock()
	_ = client.SetReadDeadline(time.Now().Add(maxBodyWait))
}

// upstreamBody notes that an upstream broke off amid its answer: httputil.ReverseProxy ends the client's connection then, and says no more.
type upstreamBody struct {
	io.ReadCloser
	d *delivery
	p *Proxy
}

func (b *upstreamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF && !b.d.clientGaveUp() && b.d.x.connection.cut.Load() == nil {
		b.p.brokeOff(b.d, err)
	}
	return n, err
}

// clientGaveUp says whether it is the client's doing that an exchange ends early.
func (d *delivery) clientGaveUp() bool { return d.in.Context().Err() != nil || d.body.broken.Load() }

// brokeOff tells log and metrics that an upstream broke off amid its answer.
func (p *Proxy) brokeOff(d *delivery, err error) {
	d.x.reason, d.x.cause = p.countFailure(d, d.in, err)
	p.event(d.x, d.in, "upstream_error")
}

// A large body goes through larger buffers, and less often through the kernel: with 1 MiB that is about a twentieth of the time.
const bufferSize, largeBufferSize = 32 << 10, 128 << 10

// buffers is the memory that bodies are copied through.
type buffers struct{ usual, large sync.Pool }

func newBuffers() *buffers {
	return &buffers{
		usual: sync.Pool{New: func() any { return new([bufferSize]byte) }},
		large: sync.Pool{New: func() any { return new([largeBufferSize]byte) }},
	}
}

// lender lends ReverseProxy what one answer is to be copied through.
type lender struct {
	*buffers
	to *delivery
}

func (l lender) Get() []byte {
	if l.to.length < 2*largeBufferSize {
		return l.usual.Get().(*[bufferSize]byte)[:]
	}
	return l.large.Get().(*[largeBufferSize]byte)[:]
}

func (l lender) Put(buffer []byte) {
	if len(buffer) == bufferSize {
		l.usual.Put((*[bufferSize]byte)(buffer))
	} else {
		l.large.Put((*[largeBufferSize]byte)(buffer))
	}
}
