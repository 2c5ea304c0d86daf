package pages

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"slices"
)

// Templates of one's own: KIND.html stands in for our page of that kind, page.html for every kind that has no file of its own, and
// files whose name begins with "_" are parts that all of them may use. What browsers would not do for them, by the policy of these
// pages, is found when they are read, rather than by people.

// ownPage is a template that stands in for ours.
type ownPage struct {
	template *template.Template
	policy   string
}

// take tries the template on the samples of a kind, and lets it stand in for ours. Styles are allowed by their hashes, so they have to
// be the same on every page of a kind.
func (s *Set) take(kind Kind, t *template.Template) error {
	own := &ownPage{template: t}
	var styles []string
	for i, sample := range samples(kind) {
		body, err := own.execute(s.fill(sample))
		if err != nil {
			return err
		}
		found := stylesOf(body)
		if i > 0 && !slices.Equal(found, styles) {
			return errors.New("its <style> changes with what stands on the page, and may depend on .Kind and .Brand alone")
		}
		styles = found
	}
	own.policy = policy("'self' data:", styles...)
	s.own[kind] = own
	return nil
}

func (p *ownPage) execute(data Page) ([]byte, error) {
	var body bytes.Buffer
	if err := p.template.Execute(&body, data); err != nil {
		return nil, fmt.Errorf("rendering a page: %w", err)
	}
	return body.Bytes(), nil
}
