package session

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"sync"
)

// dictionary is what tokens say of anybody, as providers spell it: some in the order of the alphabet, and Keycloak, at the end, in its own.
// Compressed sessions refer to it instead of saying it. With it the tokens of Keycloak deflate to 540 bytes instead of 780, and inflate in two
// thirds of the time. It is part of the format.
const dictionary = `","picture":"https://","locale":"en","zoneinfo":"Europe/","phone_number":"+","updated_at":18` +
	`","tid":"","oid":"","upn":"","uti":"","rh":"","ver":"2.0","idp":"","cid":"","uid":"","roles":["","amr":["pwd","mfa"],"scp":["openid","profile","email"` +
	`{"acr":"1","amr":["pwd"],"at_hash":"","aud":["","aud":"","auth_time":18,"azp":"","c_hash":"","client_id":"","email":"` +
	`","email_verified":true,"exp":18,"family_name":"","given_name":"","groups":[""],"iat":18,"iss":"https://","jti":"","locale":"en","name":"","nbf":18,"nonce":"` +
	`","preferred_username":"","scope":"openid profile email groups offline_access","sid":"","sub":""}` +
	`","realm_access":{"roles":["offline_access","default-roles-","uma_authorization"]},"resource_access":{"account":{"roles":[` +
	`"manage-account","manage-account-links","view-profile"]}},"scope":"openid email profile","allowed-origins":["https://` +
	`{"alg":"RS256","typ":"at+jwt","kid":"{"alg":"RS256","typ" : "JWT","kid" : "{"alg":"RS256","typ":"JWT","kid":"{"alg":"RS256","kid":"","typ":"JWT"}` +
	`{"exp":18,"iat":18,"auth_time":18,"jti":"","iss":"https://.com/realms/","aud":["account"],"sub":"","typ":"Bearer","typ":"Refresh","typ":"ID","azp":"` +
	`","nonce":"","session_state":"","at_hash":"","acr":"1","sid":"","email_verified":true,"name":"","groups":["` +
	`"],"preferred_username":"","given_name":"","family_name":"","email":"`

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
	in         bytes.Reader
	dictionary []byte
	limited    io.LimitedReader // of a flate reader, of in
	out        bytes.Buffer
}

func newInflater() *inflater {
	i := &inflater{dictionary: []byte(dictionary)}
	i.limited.R = flate.NewReaderDict(&i.in, i.dictionary)
	return i
}

// inflate undoes deflate, and lets use look at what comes of it, which is not to be kept. More than limit bytes are an error, and are never
// held.
func (d *deflater) inflate(body []byte, limit int, use func(plain []byte) error) error {
	i, ok := d.inflaters.Get().(*inflater)
	if !ok {
		i = newInflater()
	}
	defer d.inflaters.Put(i)
	i.in.Reset(body)
	i.out.Reset()
	i.limited.N = int64(limit) + 1
	i.limited.R.(flate.Resetter).Reset(&i.in, i.dictionary) // which does not fail
	n, err := i.out.ReadFrom(&i.limited)
	i.in.Reset(nil)
	if err == nil && n > int64(limit) {
		err = fmt.Errorf("inflating cookie: more than %d bytes", limit)
	}
	if err != nil {
		return err
	}
	return use(i.out.Bytes())
}
