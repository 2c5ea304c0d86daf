package access

import "testing"

func TestHostnameIsStrict(t *testing.T) {
	for host, want := range map[string]string{
		"app.example.com": "app.example.com", "APP.example.com:8443": "app.example.com", "app.example.com.": "app.example.com",
		"127.0.0.1:80": "127.0.0.1", "[::1]": "[::1]", "[::1]:4180": "[::1]", "localhost:": "",
		"[2001:DB8:0:0::1]:80": "[2001:db8::1]", "[::FFFF:127.0.0.1]": "[::ffff:7f00:1]", "[::ffff:7f00:1]": "[::ffff:7f00:1]", "[::ffff:0:0]": "[::ffff:0:0]",
		"": "", ":80": "", "[::1": "", "[]": "", "[": "", "[::1]]": "", "[[::1]]": "", "::1": "", "::1]": "", "[app]": "", "[127.0.0.1]": "", "a]b": "", "[::1]x": "", "[::1]x:80": "", "a:b": "", "a:1:2": "", "a b": "", "a:99999": "", "ä": "", "a/b": "", "app.example.com..": "", ".app": "", "a..b": "", ".": "", "..": "", "app..:80": "",
	} {
		name, ok := Hostname(host)
		if ok != (want != "") || ok && name != want {
			t.Errorf("Hostname(%q) = %q, %v; want %q", host, name, ok, want)
		}
	}
}
