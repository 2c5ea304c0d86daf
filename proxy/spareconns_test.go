package proxy

import (
	"errors"
	"net/http/httptrace"
	"testing"
)

// A connection is spare while nobody has it, until it is closed, in whatever order that is told.
func TestSpareConns(t *testing.T) {
	s := &spareConns{holder: make(map[*quietConn]*delivery)}
	c, first, second := &quietConn{spare: s}, &delivery{}, &delivery{}
	back := func(d *delivery, err error) {
		var trace httptrace.ClientTrace
		s.watch(&trace, d)
		trace.PutIdleConn(err)
	}
	for _, step := range []struct {
		name  string
		do    func()
		spare bool
	}{
		{"nothing", func() {}, false},
		{"a request that has none", func() { back(first, nil) }, false},
		{"a new one", func() { s.add(c) }, true},
		{"given", func() { s.give(c, first) }, false},
		{"given on, before it was given back", func() { s.give(c, second) }, false},
		{"given back by the first", func() { back(first, nil) }, false},
		{"not good for giving back", func() { back(second, errors.New("full")) }, false},
		{"given back", func() { back(second, nil) }, true},
		{"given back again", func() { back(second, nil) }, true},
		{"given again", func() { s.give(c, first) }, false},
		{"closed", func() { s.remove(c) }, false},
		{"given back when it is closed", func() { back(first, nil) }, false},
		{"given when it is closed", func() { s.give(c, first) }, false},
		{"another", func() { s.add(c) }, true},
		{"closed while nobody has it", func() { s.remove(c) }, false},
		{"closed again", func() { s.remove(c) }, false},
	} {
		if step.do(); s.any() != step.spare || len(s.holder) > 1 {
			t.Errorf("%s: there is a spare one: %v", step.name, s.any())
		}
	}
	if s.n != 0 || len(s.holder) != 0 {
		t.Errorf("in the end there are %d, of %d", s.n, len(s.holder))
	}
}

// Of many connections the spare ones count while they are more than half.
func TestSpareConnsOfMany(t *testing.T) {
	for _, test := range []struct {
		all, given int
		spare      bool
	}{{few - 1, few - 2, true}, {few - 1, few - 1, false}, {few, 0, true}, {few, few/2 - 1, true}, {few, few / 2, false}, {few, few - 1, false}} {
		s := &spareConns{holder: make(map[*quietConn]*delivery)}
		for n := range test.all {
			c := &quietConn{}
			if s.add(c); n < test.given {
				s.give(c, &delivery{})
			}
		}
		if s.any() != test.spare {
			t.Errorf("%d given of %d: one counts: %v", test.given, test.all, s.any())
		}
	}
}
