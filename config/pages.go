package config

import "doorward/proxy/pages"

// PageOptions are what the settings say of the pages that people see.
func (c *Config) PageOptions() pages.Options {
	return pages.Options{Name: c.BrandName, Logo: c.BrandLogo, Dir: c.PagesDir}
}

// checkPages reads and tries them as the start will.
func checkPages(c *Config) Problems {
	variables := map[string]string{"Name": "BRAND_NAME", "Logo": "BRAND_LOGO", "Dir": "PAGES_DIR"}
	_, err := pages.New(c.PageOptions())
	var problems Problems
	for _, one := range joined(err) {
		v := verdict{variable: "PAGES_DIR"}
		if p, ok := one.(*pages.Problem); ok {
			v.variable = variables[p.Option]
			v.add(p.Wrong, p.Mend)
		} else {
			v.add(one.Error(), "")
		}
		problems = append(problems, v.problems...)
	}
	return problems
}
