package session

import "context"

// store is where sessions live: in their cookies, or in Redis.
type store interface {
	// keep takes a session in, and gives what is to be sealed into its cookies. create says that it may be put where none is. Its
	// error is a *TooLargeError, ErrRevoked when it has ended meanwhile, or ErrUnavailable.
	keep(ctx context.Context, s *Session, create bool) (plain []byte, err error)

	// read gives what the cookies say of the session, by what was sealed into them. Its error is ErrNone.
	read(plain []byte) (*Session, error)

	// find gives the session of which its cookies say so much, and the index of the secret that opened it where it lives. It is not to be
	// changed. Its error is ErrNone, ErrRevoked or ErrUnavailable.
	find(ctx context.Context, carried *Session) (s *Session, secret int, err error)

	// fits tells whether keep would take a session: nil, or a *TooLargeError.
	fits(s *Session) error
}

// cookieStore keeps sessions in their cookies, and nothing here.
type cookieStore struct {
	packing *packing
	names   names
	most    int // bytes that the cookies may have
}

func (c cookieStore) keep(_ context.Context, s *Session, _ bool) ([]byte, error) {
	plain, err := c.packing.pack(s, func(size int) bool { return c.room(size) == nil })
	if err != nil {
		return nil, err
	}
	return plain, c.room(len(plain))
}

func (c cookieStore) read(plain []byte) (*Session, error) {
	s, err := c.packing.unpack(plain)
	if err != nil {
		return nil, ErrNone
	}
	return s, nil
}

func (c cookieStore) find(_ context.Context, carried *Session) (*Session, int, error) {
	return carried, 0, nil
}

func (c cookieStore) fits(s *Session) error {
	_, err := c.keep(context.Background(), s, false)
	return err
}

// room tells whether there is room for so many bytes, once they are sealed.
func (c cookieStore) room(size int) error {
	sealed := sealedLen(size)
	if count, bytes := c.names.cookiesFor(sealed); count > maxChunks || bytes > c.most {
		return &TooLargeError{Bytes: bytes, Max: c.most}
	}
	return nil
}

// redisStore keeps sessions in Redis alone. Their cookie bears the identifier.
type redisStore struct{ shared *sharedSessions }

func (r redisStore) keep(ctx context.Context, s *Session, create bool) ([]byte, error) {
	if err := r.shared.put(ctx, s, create); err != nil {
		return nil, err
	}
	return append([]byte{format, stored}, s.ID...), nil
}

func (r redisStore) read(plain []byte) (*Session, error) {
	if len(plain) < 3 || plain[0] != format || plain[1] != stored {
		return nil, ErrNone
	}
	return &Session{ID: string(plain[2:])}, nil
}

func (r redisStore) find(ctx context.Context, carried *Session) (*Session, int, error) {
	opened, err := r.shared.recall(ctx, carried)
	if err != nil {
		return nil, 0, err
	}
	return opened.session, opened.secret, nil
}

func (r redisStore) fits(s *Session) error {
	_, err := r.shared.seal(s)
	return err
}
