package main

import (
	"fmt"
	"io"
	"os"

	"doorward/cmd/doorward/migrate"
	"doorward/config"
)

const migrateUsage = "usage: doorward migrate oauth2-proxy [--forward-auth SERVER] [--docker] [FILE…]\n"

// migrateSettings prints our settings for those of a peer, and on errOut what changes. It fails where something is left to be done by
// hand, so that a script does not go on as if all were well.
func migrateSettings(args []string, out, errOut io.Writer) int {
	flags := newFlags("migrate", errOut)
	front := flags.String("forward-auth", "", "the server in front that asks /oauth2/auth, as FORWARD_AUTH names it")
	docker := flags.Bool("docker", false, "write for docker run --env-file, which knows no quotation marks")
	if status, ok := flags.parse(args, len(args)); !ok {
		return status
	}
	if len(flags.words) == 0 || flags.words[0] != "oauth2-proxy" {
		fmt.Fprint(errOut, "doorward migrate: there is one peer whose settings it reads, oauth2-proxy\n"+migrateUsage)
		return exitUsage
	}
	if *front != "" && (&config.Config{ForwardAuth: *front}).FrontServer() == nil {
		fmt.Fprint(errOut, "doorward migrate: --forward-auth takes nginx, ingress-nginx, traefik, caddy or envoy\n")
		return exitUsage
	}
	found, err := readSources(flags.words[1:])
	if err != nil {
		fmt.Fprintf(errOut, "doorward migrate: %v\n", err)
		return exitUsage
	}
	m := migrate.Translate(found, *front)
	m.WriteSettings(out, *docker)
	if !terminal(out) { // it has the lists behind the settings
		m.WriteLists(errOut)
	}
	if len(m.Todo) > 0 {
		return exitFailed
	}
	return exitOK
}

// readSources reads the files, the strongest first, or the environment where there is none.
func readSources(paths []string) (*migrate.Found, error) {
	if len(paths) == 0 {
		found := migrate.ReadEnvironment(os.Environ())
		if found.Empty() {
			return nil, fmt.Errorf("the environment has no variable OAUTH2_PROXY_…; name the file in which oauth2-proxy is configured, or - for standard input")
		}
		return found, nil
	}
	var sources []*migrate.Found
	for _, path := range paths {
		found, err := readSource(path)
		if err != nil {
			return nil, err
		}
		sources = append(sources, found)
	}
	for _, weaker := range sources[1:] {
		sources[0].Layer(weaker)
	}
	return sources[0], nil
}

func readSource(path string) (*migrate.Found, error) {
	if path == "-" {
		return migrate.Read(os.Stdin, "standard input")
	}
	return migrate.ReadFile(path)
}

// terminal reports a screen, as opposed to a file, a pipe or /dev/null.
func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	null, nullErr := os.Stat(os.DevNull)
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && (nullErr != nil || !os.SameFile(info, null))
}
