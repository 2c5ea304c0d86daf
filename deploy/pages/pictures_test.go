package pages

import (
	"os"
	"path/filepath"
	"testing"

	"doorward/config"
	"doorward/deploy/deploytest"
)

// TestPictures takes the pictures that README.md shows, when the environment variable PICTURES says where to put them.
func TestPictures(t *testing.T) {
	directory := os.Getenv("PICTURES")
	if directory == "" {
		t.Skip("PICTURES is not set")
	}
	b := deploytest.NewBrowser(t)
	for name, of := range map[string]struct {
		open     func(visit) deploytest.Page
		settings func(*config.Config)
	}{
		"sign-out": {signedIn("alice", "/oauth2/sign_out"), branded},
		"denied":   {signedIn("bob", "/admin/"), branded},
		"expired":  {typed("/oauth2/callback?code=x&state=y"), branded},
		"own":      {signedIn("bob", "/admin/"), ownPages},
	} {
		b.Forget()
		of.open(visit{t, b, newSite(t, of.settings)})
		for _, scheme := range []string{"light", "dark"} {
			b.Look(deploytest.View{Name: scheme, Width: 680, Height: 620, Scheme: scheme})
			b.Save(filepath.Join(directory, name+"-"+scheme+".png"))
		}
	}
}
