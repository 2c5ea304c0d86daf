package session

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// The file in which revocations survive a restart (REVOCATIONS_PATH).
//
//   - It begins with a line that says what it is. A file that begins otherwise is somebody else's and stays as it is; doorward does
//     not start.
//   - Then come records, one for each revocation: the hash of what ended, when, and a checksum. No name is in it.
//   - A record is on the disk before the revocation is reported as done. So what a crash left of the last one was never reported,
//     and is dropped. What else does not read may have been anybody's revocation: all sessions from before now end.
//   - When it holds twice as much as there is to know it is written anew, beside the old one, which it then replaces.
//   - One process has it, by a lock on a file beside it.

const (
	fileHead     = "doorward revocations 1\n"
	recordSize   = sha256.Size + 8 + 4
	leastRecords = 1024 // a file that holds fewer is not worth writing anew
)

// record is a revocation as the file holds it.
type record [recordSize]byte

func (one revocation) record() (r record) {
	copy(r[:], one.key[:])
	binary.BigEndian.PutUint64(r[sha256.Size:], uint64(one.at.UnixNano()))
	binary.BigEndian.PutUint32(r[recordSize-4:], crc32.ChecksumIEEE(r[:recordSize-4]))
	return r
}

func (r record) revocation() (one revocation, ok bool) {
	copy(one.key[:], r[:])
	one.at = time.Unix(0, int64(binary.BigEndian.Uint64(r[sha256.Size:])))
	return one, binary.BigEndian.Uint32(r[recordSize-4:]) == crc32.ChecksumIEEE(r[:recordSize-4])
}

// revocationFile is the file while doorward has it. It is safe for concurrent use.
type revocationFile struct {
	path string
	set  *revocations
	lock *os.File

	mu      sync.Mutex
	file    *os.File // positioned at its end
	records int      // that it holds
	limit   int      // when it holds so many it is written anew
	broken  bool     // nobody knows how it ends, since writing failed: it must be written anew
}

// openRevocationFile takes the file, reads it into the set, and writes it anew. damage is what was wrong with it, nil when it
// was well.
func openRevocationFile(path string, set *revocations) (f *revocationFile, damage, err error) {
	f = &revocationFile{path: path, set: set}
	if f.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, nil, fmt.Errorf("DOORWARD_REVOCATIONS_PATH: %w", err)
	}
	if damage, err = set.load(path); err == nil {
		err = f.rewrite(set.all())
	}
	if err != nil {
		f.lock.Close()
		return nil, nil, fmt.Errorf("DOORWARD_REVOCATIONS_PATH: %w", err)
	}
	return f, damage, nil
}

// load reads a file, which need not be there, into the set.
func (r *revocations) load(path string) (damage, err error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	in := bufio.NewReader(file)
	head := make([]byte, len(fileHead))
	if n, err := io.ReadFull(in, head); err == io.EOF && n == 0 {
		return nil, nil // somebody made it for us
	} else if err != nil || !bytes.Equal(head, []byte(fileHead)) {
		return nil, fmt.Errorf("%s is not a file of revocations, or one of another version of doorward; name another, or move it away", path)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.readRecords(in)
}

// readRecords takes in what reads, and makes up for what does not, once it is known how far the clock that wrote it was ahead. The caller
// holds mu.
func (r *revocations) readRecords(in io.Reader) (damage, err error) {
	for i := 1; ; i++ {
		var raw record
		_, err := io.ReadFull(in, raw[:])
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return nil, err
		}
		one, ok := raw.revocation()
		if !ok {
			damage = fmt.Errorf("record %d of the file of revocations is damaged; all sessions from before now have ended", i)
			continue
		}
		r.latest.Store(max(r.latest.Load(), one.at.UnixNano()))
		r.put(one)
	}
	if damage != nil {
		r.revokeEverybody(r.next())
	}
	return damage, nil
}

// add revokes at once, and then for the next process too.
func (f *revocationFile) add(key revocationKey) error {
	one := revocation{key, f.set.next()}
	f.set.take(one)
	return f.save(one)
}

// save puts a revocation that the set has on the disk.
func (f *revocationFile) save(one revocation) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return fmt.Errorf("writing the file of revocations: %w", os.ErrClosed)
	}
	if f.broken || f.records >= f.limit {
		return f.rewrite(f.set.all())
	}
	f.broken = true // until it is known to be well
	r := one.record()
	if _, err := f.file.Write(r[:]); err != nil {
		return fmt.Errorf("writing the file of revocations: %w", err)
	}
	if err := f.file.Sync(); err != nil {
		return fmt.Errorf("writing the file of revocations: %w", err)
	}
	f.broken = false
	f.records++
	return nil
}

// rewrite puts a new file in the place of the old one. The caller holds mu, or is the only one.
func (f *revocationFile) rewrite(all []revocation) error {
	fresh, err := os.OpenFile(f.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing the file of revocations: %w", err)
	}
	if err := f.replace(fresh, all); err != nil {
		fresh.Close()
		return fmt.Errorf("writing the file of revocations: %w", err)
	}
	if f.file != nil {
		f.file.Close()
	}
	f.file, f.records, f.limit, f.broken = fresh, len(all), max(2*len(all), leastRecords), false
	return nil
}

// replace fills a new file and gives it the old one's name. Each step is on the disk before the next begins.
func (f *revocationFile) replace(fresh *os.File, all []revocation) error {
	out := bufio.NewWriter(fresh)
	out.WriteString(fileHead)
	for _, one := range all {
		r := one.record()
		out.Write(r[:])
	}
	if err := out.Flush(); err != nil { // an error stays with the writer
		return err
	}
	if err := fresh.Sync(); err != nil {
		return err
	}
	if err := os.Rename(fresh.Name(), f.path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// close gives the file back.
func (f *revocationFile) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return errors.Join(file.Close(), f.lock.Close())
}
