package pages

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Brand is what a page wears.
type Brand struct {
	Name string
	Logo template.URL // the picture itself, as a data: URL; empty for none
}

const (
	maxName = 60       // characters
	maxLogo = 64 << 10 // bytes: each page carries the logo in itself
)

// readBrand reads name and logo. All of its errors are Problems.
func (s *Set) readBrand(o Options) (problems []error) {
	switch {
	case utf8.RuneCountInString(o.Name) > maxName:
		problems = append(problems, &Problem{"Name", fmt.Sprintf("is longer than %d characters", maxName), "write the name alone"})
	case !utf8.ValidString(o.Name) || strings.ContainsFunc(o.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		problems = append(problems, &Problem{"Name", "holds a character that cannot be printed", "write it as plain text"})
	}
	s.brand.Name = o.Name
	if o.Logo == "" {
		return problems
	}
	var err error
	if s.brand.Logo, err = readLogo(o.Logo); err != nil {
		problems = append(problems, &Problem{"Logo", fmt.Sprintf("%s: %v", o.Logo, err), "name a PNG, JPEG or SVG file of 64 KiB at most"})
	}
	return problems
}

// readLogo is the picture as a data: URL. As the source of an img element, SVG runs no script and loads nothing (SVG Integration,
// secure static mode).
func readLogo(path string) (template.URL, error) {
	data, err := readFile(path, maxLogo)
	if err != nil {
		return "", err
	}
	kind, err := pictureKind(data)
	if err != nil {
		return "", err
	}
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(data)), nil
}

func pictureKind(data []byte) (string, error) {
	if _, err := png.DecodeConfig(bytes.NewReader(data)); err == nil {
		return "image/png", nil
	}
	if _, err := jpeg.DecodeConfig(bytes.NewReader(data)); err == nil {
		return "image/jpeg", nil
	}
	if !bytes.Contains(data, []byte("<svg")) {
		return "", errors.New("it is no PNG, JPEG or SVG")
	}
	return "image/svg+xml", checkSVG(data)
}

// checkSVG wants what browsers want of a picture: well-formed XML whose root says by its namespace that it is one.
func checkSVG(data []byte) error {
	d := xml.NewDecoder(bytes.NewReader(data))
	for root := true; ; {
		token, err := d.Token()
		if err == io.EOF && !root {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is no SVG: %w", err)
		}
		if element, ok := token.(xml.StartElement); ok && root {
			if element.Name.Space != "http://www.w3.org/2000/svg" || element.Name.Local != "svg" {
				return errors.New(`its root is no <svg xmlns="http://www.w3.org/2000/svg">, so that browsers show nothing`)
			}
			root = false
		}
	}
}

// readFile reads a file of bounded size. Its error does not repeat the path.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it is larger than %d KiB", most>>10)
	}
	return data, withoutPath(err)
}

func withoutPath(err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		return of.Err
	}
	return err
}
