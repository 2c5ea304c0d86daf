package flow

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"doorward/proxy/provider"
)

// repository is the way from this package to the top.
const repository = "../../.."

func chapters() []chapter {
	a := &attempt{asked: &url.URL{}, person: &provider.Person{}}
	return newRecorder().chapters(a, httptest.NewRequest(http.MethodGet, "/flow", nil))
}

func TestChaptersNameFilesThatExist(t *testing.T) {
	for _, c := range chapters() {
		for _, file := range c.Files {
			if _, err := os.Stat(filepath.Join(repository, file)); err != nil {
				t.Errorf("chapter %d sends its reader to a file that is not there: %v", c.Number, err)
			}
		}
	}
}

// The page speaks to the person whom the manual tells about.
func TestChaptersAreTheStepsOfTheManual(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join(repository, "deploy", "manual", "login.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chapters() {
		step := "**" + strconv.Itoa(c.Number) + ". " + strings.Replace(c.Title, "you", "the person", 1)
		if !strings.Contains(string(manual), step) {
			t.Errorf("the manual has no %q", step)
		}
	}
}
