package session

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"
)

// dictionary is what tokens say of anybody, as providers commonly spell it: what compressed sessions begin after, as it were, so that they
// need not say it. With it the tokens of Keycloak deflate to 590 bytes instead of 840, and inflate in 6.5 µs instead of 10. It is part of the
// format.
const dictionary = `"updated_at":17","locale":"en","picture":"https://","zoneinfo":"Europe/","phone_number":"+` +
	`","tid":"","oid":"","upn":"","uti":"","rh":"","ver":"2.0","idp":"","cid":"","uid":"","amr":["pwd","mfa"],"scp":["openid","profile","email"` +
	`,"c_hash":"","client_id":"","realm_access":{"roles":["offline_access","default-roles-","uma_authorization"]},` +
	`"resource_access":{"account":{"roles":["manage-account","manage-account-links","view-profile"]}},"scope":"openid email profile groups offline_access` +
	`"}{"alg":"RS256","typ" : "JWT","kid" : "{"alg":"RS256","kid":"{"alg":"RS256","typ":"at+jwt","kid":"{"alg":"RS256","typ":"JWT","kid":"` +
	`","allowed-origins":["https://",{"exp":17,"iat":17,"nbf":17,"auth_time":17,"jti":"","iss":"https://.com/realms/","aud":["account"],"sub":"` +
	`","typ":"ID","typ":"Bearer","typ":"Refresh","azp":"","nonce":"","session_state":"","at_hash":"","acr":"1","sid":"` +
	`","email_verified":true,"name":"","groups":["","preferred_username":"","given_name":"","family_name":"","email":"`

// deflater compresses (RFC 1951). It keeps its compressors, which weigh a megabyte each; its zero value is ready.
type deflater struct {
	writers, inflaters sync.Pool
}

// deflate appends the compressed body to head.
func (d *deflater) deflate(head, body []byte) []byte {
	out := bytes.NewBuffer(head)
	w, ok := d.writers.Get().(*flate.Writer)
	if ok {
		w.Reset(out)
	} else {
		w, _ = flate.NewWriterDict(out, flate.BestCompression, []byte(dictionary)) // errs for unknown levels alone
	}
	// A bytes.Buffer takes everything, and so these do not fail.
	w.Write(body)
	w.Close()
	d.writers.Put(w)
	return out.Bytes()
}

// inflater is what inflating needs.
type inflater struct {
	in     bytes.Reader
	reader io.ReadCloser // from in
	out    bytes.Buffer
}

// inflate undoes deflate, and lets use look at what comes of it, which is not to be kept. More than limit bytes are an error, and are never
// held.
func (d *deflater) inflate(body []byte, limit int64, use func(plain []byte) error) error {
	i, ok := d.inflaters.Get().(*inflater)
	if !ok {
		i = &inflater{}
		i.reader = flate.NewReader(&i.in)
	}
	defer d.inflaters.Put(i)
	i.in.Reset(body)
	i.out.Reset()
	i.reader.(flate.Resetter).Reset(&i.in, []byte(dictionary)) // which does not fail
	n, err := i.out.ReadFrom(io.LimitReader(i.reader, limit+1))
	i.in.Reset(nil)
	if err == nil && n > limit {
		err = fmt.Errorf("inflating cookie: more than %d bytes", limit)
	}
	if err != nil {
		return err
	}
	return use(i.out.Bytes())
}
