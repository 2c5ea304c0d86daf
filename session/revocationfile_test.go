package session

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const testIssuer = "https://id.example.com"

// withFile makes a manager that keeps its revocations in a file.
func withFile(t testing.TB, path string, change ...func(*Options)) *Manager {
	t.Helper()
	m := newManager(t, append([]func(*Options){func(o *Options) {
		o.RevocationsPath = path
		o.OnDamage = func(what error) { t.Errorf("damaged: %v", what) }
	}}, change...)...)
	t.Cleanup(func() { m.Close() })
	return m
}

// crash gives the file as a process that ended just now would have left it, in a folder of its own, changed.
func crash(t testing.TB, path string, change func([]byte) []byte) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		data = change(data)
	}
	left := filepath.Join(t.TempDir(), "revocations")
	if err := os.WriteFile(left, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return left
}

func isRevoked(t *testing.T, m *Manager, s *Session, want bool) {
	t.Helper()
	if m.Revoked(s) != want {
		t.Errorf("the session of %s/%s is revoked: %t", s.Subject, s.ProviderSession, !want)
	}
}

func TestRevocationsSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	m := withFile(t, path)
	itself, bySid, bySub, unnamed := person("alice", "1"), person("bob", "2"), person("carol", "3"), person("dave", "")
	bystander := person("erin", "4")
	itself.ID = "the-id-of-alice"
	for _, err := range []error{m.Revoke(itself), m.RevokeProviderSession(testIssuer, "2"), m.RevokeSubject(testIssuer, "carol"), m.RevokeUnnamed(testIssuer, "dave")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // each start writes the file anew
		path = crash(t, path, nil)
		m = withFile(t, path)
		for _, s := range []*Session{itself, bySid, bySub, unnamed} {
			isRevoked(t, m, s, true)
		}
		isRevoked(t, m, bystander, false)
		isRevoked(t, m, person("alice", "1"), false)
		isRevoked(t, m, person("bob", "2"), false)
		isRevoked(t, m, person("carol", "3"), false)
	}
	data, _ := os.ReadFile(path)
	for _, name := range []string{"alice", "bob", "carol", "dave", "example.com", itself.ID} {
		if bytes.Contains(data, []byte(name)) {
			t.Errorf("%q stands in the file", name)
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v", info.Mode())
	}
}

// A process that died in the middle of writing had not reported that revocation yet; all before it hold.
func TestAFileThatACrashCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	m := withFile(t, path)
	reported, late := person("alice", "1"), person("bob", "2")
	m.RevokeProviderSession(testIssuer, "1")
	m.RevokeProviderSession(testIssuer, "2")
	for _, cut := range []int{1, 3, 4, 5, 12, 13, recordSize / 2, recordSize - 1} {
		left := crash(t, path, func(data []byte) []byte { return data[:len(data)-cut] })
		m := withFile(t, left)
		isRevoked(t, m, reported, true)
		isRevoked(t, m, late, false)
		if err := m.RevokeProviderSession(testIssuer, "2"); err != nil {
			t.Fatal(err)
		}
		m.Close()
		m = withFile(t, left)
		isRevoked(t, m, reported, true)
		isRevoked(t, m, late, true)
		m.Close()
	}
}

// Nobody knows whose revocation a damaged record was, so everybody signs in again, once.
func TestADamagedFileEndsAllSessions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	m := withFile(t, path)
	m.RevokeProviderSession(testIssuer, "1")
	m.RevokeProviderSession(testIssuer, "2")
	bystander := person("erin", "4")
	for at := len(fileHead); at < len(fileHead)+2*recordSize; at += 7 {
		left := crash(t, path, func(data []byte) []byte { data[at] ^= 1; return data })
		var damage []error
		open := func() *Manager {
			return withFile(t, left, func(o *Options) { o.OnDamage = func(what error) { damage = append(damage, what) } })
		}
		m := open()
		isRevoked(t, m, person("alice", "1"), false) // who signs in from now on
		m.Close()
		m = open()
		isRevoked(t, m, bystander, true)
		m.Close()
		if len(damage) != 1 {
			t.Fatalf("byte %d: reported as damage are %v", at, damage)
		}
	}
}

func TestAForeignFileIsLeftAlone(t *testing.T) {
	for name, content := range map[string]string{
		"another file":    "root:x:0:0::/root:/bin/bash\nand much more than that",
		"a short file":    "x",
		"a later version": strings.Replace(fileHead, "1", "2", 1),
		"a line cut off":  fileHead[:len(fileHead)-1],
	} {
		path := filepath.Join(t.TempDir(), "revocations")
		os.WriteFile(path, []byte(content), 0o600)
		_, err := NewManager(Options{Secrets: [][]byte{secret(1)}, CookieName: "a", RevocationsPath: path})
		if err == nil || !strings.HasPrefix(err.Error(), "DOORWARD_REVOCATIONS_PATH: ") {
			t.Errorf("%s: %v", name, err)
		}
		if data, _ := os.ReadFile(path); string(data) != content {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestFilesThatCanBeBegun(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"none":  func(string) error { return nil },
		"empty": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"one that was never finished": func(path string) error {
			return os.WriteFile(path+".new", []byte(fileHead+strings.Repeat("junk", recordSize)), 0o600)
		},
		"a lock of a process that is gone": func(path string) error {
			return os.WriteFile(path+".lock", nil, 0o600)
		},
	} {
		path := filepath.Join(t.TempDir(), "revocations")
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		s := person("alice", "1")
		if err := withFile(t, path).Revoke(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		isRevoked(t, withFile(t, crash(t, path, nil)), s, true)
	}
}

func TestPlacesWhereNoFileCanBe(t *testing.T) {
	folder := t.TempDir()
	os.WriteFile(filepath.Join(folder, "file"), nil, 0o600)
	for _, path := range []string{filepath.Join(folder, "missing", "revocations"), filepath.Join(folder, "file", "revocations"), folder} {
		_, err := NewManager(Options{Secrets: [][]byte{secret(1)}, CookieName: "a", RevocationsPath: path})
		if err == nil || !strings.HasPrefix(err.Error(), "DOORWARD_REVOCATIONS_PATH: ") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// Two processes would write over each other's revocations.
func TestOneProcessHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	first := withFile(t, path)
	_, err := NewManager(Options{Secrets: [][]byte{secret(1)}, CookieName: "a", RevocationsPath: path})
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("got %v", err)
	}
	for range 2 {
		if err := errors.Join(first.Close(), newManager(t).Close()); err != nil {
			t.Fatal(err)
		}
	}
	second := withFile(t, path)
	if err := first.RevokeSubject(testIssuer, "alice"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the first still writes: %v", err)
	}
	if err := second.RevokeSubject(testIssuer, "bob"); err != nil {
		t.Error(err)
	}
}

// A disk that was full for a while has lost nothing for good.
func TestWritingFailsAndRecovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	m := withFile(t, path)
	before, during, after := person("alice", "1"), person("bob", "2"), person("carol", "3")
	before.ID, during.ID, after.ID = "1", "2", "3"
	if err := m.Revoke(before); err != nil {
		t.Fatal(err)
	}
	m.revoked.journal.(*revocationFile).file.Write([]byte("half a rec"))
	m.revoked.journal.(*revocationFile).file.Close()
	if err := m.Revoke(during); err == nil {
		t.Error("a revocation that is not on the disk is reported as done")
	}
	isRevoked(t, m, during, true)
	if err := m.Revoke(after); err != nil {
		t.Fatal(err)
	}
	m = withFile(t, crash(t, path, nil))
	for _, s := range []*Session{before, during, after} {
		isRevoked(t, m, s, true)
	}
}

// However often something is revoked, the file does not grow for ever, though something older is still to be known.
func TestTheFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	m := withFile(t, path)
	s := person("alice", "1")
	if err := m.RevokeSubject(testIssuer, "carol"); err != nil {
		t.Fatal(err)
	}
	m.revoked.journal.(*revocationFile).records = leastRecords - 5
	for range 10 {
		if err := m.RevokeSubject(testIssuer, "alice"); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != int64(len(fileHead)+6*recordSize) {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	isRevoked(t, withFile(t, crash(t, path, nil)), s, true)
}

// What a full set has forgotten by its moved not-before stays so.
func TestTheNotBeforeOfAllSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	m := withFile(t, path)
	old := person("alice", "1")
	m.revoked.mu.Lock()
	m.revoked.revokeEverybody(time.Now())
	m.revoked.mu.Unlock()
	m.revoked.journal.(*revocationFile).limit = 0 // written anew at the next one
	m.RevokeSubject(testIssuer, "somebody")
	m = withFile(t, crash(t, path, nil))
	isRevoked(t, m, old, true)
	isRevoked(t, m, person("alice", "1"), false)
}

// What a fast clock saw revoked stays so when the clock was mended, however long that is ago. Who signs in then comes in.
func TestAClockThatWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ahead = 2 * time.Hour
		path := filepath.Join(t.TempDir(), "revocations")
		m := withFile(t, path)
		m.revoked.journal.(*revocationFile).save(revocation{keyOfSubject(testIssuer, "alice"), time.Now().Add(ahead + 5*time.Minute)})
		fast, b := person("alice", "1"), newBrowser(t)
		fast.CreatedAt, fast.UsedAt = time.Now().Add(ahead), time.Now().Add(ahead)
		fast.ExpiresAt, fast.TokenExpiresAt = fast.CreatedAt.Add(12*time.Hour), fast.CreatedAt.Add(12*time.Hour)
		b.login(m, fast)

		m = withFile(t, crash(t, path, nil), func(o *Options) { o.Secrets = m.options.Secrets })
		again, second := person("alice", "2"), newBrowser(t)
		again.CreatedAt, _ = m.Now(t.Context())
		again.ExpiresAt, again.TokenExpiresAt = again.CreatedAt.Add(8*time.Hour), again.CreatedAt.Add(8*time.Hour)
		second.login(m, again)
		for hour := range 4 {
			if s, err := m.Get(b.request()); err == nil {
				t.Errorf("after %d hours %s is signed in again", hour, s.Subject)
			}
			if _, err := m.Get(second.request()); err != nil {
				t.Errorf("after %d hours a new login is %v", hour, err)
			}
			time.Sleep(time.Hour)
		}
		if err := m.Revoke(again); err != nil || !m.Revoked(again) {
			t.Errorf("a sign-out: %v", err)
		}
	})
}

// A session that a fast clock made lives no longer for that when the clock is mended.
func TestSessionsOfAClockThatWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(t, func(o *Options) { o.MaxAge, o.IdleTimeout = 12*time.Hour, time.Hour })
		m.revoked.clock = func() time.Time { return time.Now().Add(30 * 24 * time.Hour) }
		s, b := person("alice", "1"), newBrowser(t)
		s.CreatedAt, _ = m.Now(t.Context())
		s.UsedAt = s.CreatedAt
		s.ExpiresAt, s.TokenExpiresAt = s.CreatedAt.Add(12*time.Hour), s.CreatedAt.Add(12*time.Hour)
		b.login(m, s)
		m.revoked.clock = time.Now
		time.Sleep(13 * time.Hour)
		for day := range 31 {
			if _, err := m.Get(b.request()); err == nil {
				t.Errorf("on day %d it lives, unused", day)
			}
			time.Sleep(24 * time.Hour)
		}
	})
}

// A damaged record may have been anybody's, of those too whom a fast clock let in.
func TestADamagedFileOfAClockThatWasAhead(t *testing.T) {
	const ahead = 2 * time.Hour
	path := filepath.Join(t.TempDir(), "revocations")
	m := withFile(t, path)
	fast := person("alice", "1")
	fast.CreatedAt = time.Now().Add(ahead)
	for i, name := range []string{"alice", "bob"} {
		m.revoked.journal.(*revocationFile).save(revocation{keyOfSubject(testIssuer, name), fast.CreatedAt.Add(time.Duration(i+1) * time.Minute)})
	}
	left := crash(t, path, func(data []byte) []byte { data[len(fileHead)+3] ^= 1; return data })
	isRevoked(t, withFile(t, left, func(o *Options) { o.OnDamage = nil }), fast, true)
}

// A clock that is set back while doorward runs keeps nobody out, and lets nobody in.
func TestAClockThatIsSetBack(t *testing.T) {
	m := newManager(t)
	now := time.Now()
	m.revoked.clock = func() time.Time { return now }
	before := person("alice", "1")
	before.CreatedAt, _ = m.Now(t.Context())
	m.RevokeSubject(testIssuer, "alice")
	now = now.Add(-time.Hour)
	after := person("alice", "2")
	after.CreatedAt, _ = m.Now(t.Context())
	if !m.Revoked(before) || m.Revoked(after) {
		t.Errorf("revoked: %t before, %t after", m.Revoked(before), m.Revoked(after))
	}
	if m.RevokeSubject(testIssuer, "alice"); !m.Revoked(after) {
		t.Error("the second revocation came before the login")
	}
}

// A SESSION_MAX_AGE that was lower for a while lets nobody in again who was signed out.
func TestALifetimeThatGrowsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "revocations")
		m := withFile(t, path)
		s := person("alice", "1")
		s.ExpiresAt = s.CreatedAt.Add(12 * time.Hour)
		time.Sleep(time.Minute)
		m.RevokeSubject(testIssuer, "alice")
		time.Sleep(time.Hour)
		for _, age := range []time.Duration{time.Minute, 12 * time.Hour} {
			path = crash(t, path, nil)
			m = withFile(t, path, func(o *Options) { o.MaxAge = age })
		}
		isRevoked(t, m, s, true)
	})
}

func TestManyRevocationsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revocations")
	m := withFile(t, path)
	m.revoked.journal.(*revocationFile).limit = 10
	var people []*Session
	var all sync.WaitGroup
	for i := range 60 {
		s := person(fmt.Sprint("person-", i), fmt.Sprint(i))
		people = append(people, s)
		all.Go(func() {
			if err := m.RevokeProviderSession(testIssuer, s.ProviderSession); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	m = withFile(t, crash(t, path, nil))
	for _, s := range people {
		isRevoked(t, m, s, true)
	}
}

// FuzzRevocationFile reads whatever a disk makes of a file: it is refused, or everybody whose revocation it may have held is out.
func FuzzRevocationFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "revocations")
	m := withFile(f, path)
	s := person("alice", "1")
	m.RevokeSubject(testIssuer, "bob")
	m.RevokeProviderSession(testIssuer, "1")
	m.RevokeSubject(testIssuer, "carol")
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	whole := len(fileHead) + 2*recordSize // up to the end of the record that counts
	f.Add(uint(0), []byte("x"))
	f.Add(uint(whole-1), []byte{0})
	f.Add(uint(whole), []byte("tail"))
	f.Add(uint(len(fileHead)), []byte{})
	f.Fuzz(func(t *testing.T, at uint, put []byte) {
		at %= uint(len(good))
		data := bytes.Clone(good)
		copy(data[at:], put)
		left := filepath.Join(t.TempDir(), "revocations")
		if err := os.WriteFile(left, data, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := NewManager(Options{Secrets: [][]byte{secret(1)}, CookieName: "a", RevocationsPath: left})
		if err != nil {
			return
		}
		defer m.Close()
		isRevoked(t, m, s, true)
	})
}

// A revocation is reported as done when it is on the disk, and not before.
func TestWhatIsNotOnTheDiskIsNotReportedAsDone(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, f *revocationFile){
		"it cannot be written": func(t *testing.T, f *revocationFile) {
			readOnly, err := os.Open(f.path)
			if err != nil {
				t.Fatal(err)
			}
			f.file.Close()
			f.file = readOnly
		},
		"it cannot be synchronised": func(t *testing.T, f *revocationFile) {
			out, in, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { out.Close() })
			f.file.Close()
			f.file = in
		},
		"it cannot be begun anew": func(t *testing.T, f *revocationFile) {
			f.limit = 0
			if err := os.Mkdir(f.path+".new", 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"it cannot be replaced": func(t *testing.T, f *revocationFile) {
			f.limit = 0
			if err := os.Remove(f.path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(f.path, 0o700); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := withFile(t, filepath.Join(t.TempDir(), "revocations"))
			spoil(t, m.revoked.journal.(*revocationFile))
			s := person("alice", "1")
			if err := m.RevokeSubject(testIssuer, "alice"); err == nil {
				t.Error("it is reported as done")
			}
			isRevoked(t, m, s, true)
		})
	}
}
