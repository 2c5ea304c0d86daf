package session

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"
)

// deflater compresses (RFC 1951). It keeps its compressors, which weigh a megabyte each; its zero value is ready.
type deflater struct {
	writers, readers sync.Pool
}

// deflate appends the compressed body to head.
func (d *deflater) deflate(head, body []byte) []byte {
	out := bytes.NewBuffer(head)
	w, ok := d.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(out)
	} else {
		w, _ = flate.NewWriter(out, flate.BestCompression) // errs for unknown levels alone
	}
	// A bytes.Buffer takes everything, and so these do not fail.
	w.Write(body)
	w.Close()
	d.writers.Put(w)
	return out.Bytes()
}

// inflate undoes deflate. More than limit bytes are an error, and are never held.
func (d *deflater) inflate(body []byte, limit int64) ([]byte, error) {
	in := bytes.NewReader(body)
	r, ok := d.readers.Get().(io.ReadCloser)
	if ok {
		r.(flate.Resetter).Reset(in, nil)
	} else {
		r = flate.NewReader(in)
	}
	defer d.readers.Put(r)
	out := bytes.NewBuffer(make([]byte, 0, 4*len(body))) // tokens shrink to half or so
	n, err := out.ReadFrom(io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("inflating cookie: more than %d bytes", limit)
	}
	return out.Bytes(), err
}
