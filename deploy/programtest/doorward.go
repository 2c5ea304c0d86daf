package programtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is what became of building doorward.
type built struct {
	once sync.Once
	err  error
}

var doorward built

// Doorward is the path of doorward, which is built once for all tests of a package, into a folder that [Main] removes. Flags are those
// of "go build".
func Doorward(t testing.TB, flags ...string) string {
	t.Helper()
	binary := filepath.Join(folder(), "doorward")
	doorward.once.Do(func() {
		output, err := exec.Command("go", append(append([]string{"build"}, flags...), "-o", binary, "doorward/cmd/doorward")...).CombinedOutput()
		if err != nil {
			doorward.err = fmt.Errorf("building doorward: %w\n%s", err, output)
		}
	})
	if doorward.err != nil {
		t.Fatal(doorward.err)
	}
	return binary
}

// folder is this process's own.
func folder() string { return filepath.Join(os.TempDir(), fmt.Sprintf("doorward-%d", os.Getpid())) }

// Main runs a package's tests, and removes what was built for them: it is their TestMain.
func Main(m *testing.M) {
	status := m.Run()
	os.RemoveAll(folder())
	os.Exit(status)
}
