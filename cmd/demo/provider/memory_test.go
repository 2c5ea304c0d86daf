package provider

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memory[int]
		m.put("a", 1, time.Minute)
		time.Sleep(time.Minute)
		if _, ok := m.get("a"); !ok {
			t.Error("forgotten too early")
		}
		time.Sleep(time.Nanosecond)
		if _, ok := m.get("a"); ok {
			t.Error("still there after its time")
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	var m memory[int]
	for i := range memoryLimit + 5 {
		m.put(strconv.Itoa(i), i, time.Hour+time.Duration(i)*time.Second)
	}
	if len(m.entries) != memoryLimit {
		t.Errorf("%d entries are kept, want %d", len(m.entries), memoryLimit)
	}
	if _, ok := m.get("0"); ok {
		t.Error("the oldest entry is still there")
	}
	if _, ok := m.get(strconv.Itoa(memoryLimit + 4)); !ok {
		t.Error("the newest entry is gone")
	}
}
