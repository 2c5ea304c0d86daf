package proxy

import (
	"io"
	"sync"
)

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

// A large body goes through larger buffers, and less often through the kernel: with 1 MiB that is about a twentieth of the time. Over HTTP/2, where
// it is cut into frames and streams share a connection, its client is to be seen to take the smaller pieces (patience.go).
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
	if l.to.length < 2*largeBufferSize || l.to.in.ProtoMajor != 1 {
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
