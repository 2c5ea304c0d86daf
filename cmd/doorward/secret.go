package main

import (
	"fmt"
	"io"

	"doorward/config"
)

func printSecret(args []string, out, errOut io.Writer) int {
	flags := newFlags("secret", errOut)
	rotate := flags.Bool("rotate", false, "print how to change the secret, step by step")
	if status, ok := flags.parse(args, 0); !ok {
		return status
	}
	if *rotate {
		fmt.Fprintf(out, rotation, config.NewSecret())
	} else {
		fmt.Fprintln(out, config.NewSecret())
	}
	return exitOK
}

// rotation is in three steps because every replica must be able to open what
// any other one seals, at every moment.
const rotation = `The first secret of DOORWARD_COOKIE_SECRETS seals, all of them open. Nobody is signed out when each
step is finished on every replica before the next begins. With DOORWARD_COOKIE_SECRETS_FILE, writing the file is
enough, without a restart.

Here is a fresh secret: %[1]s

1. Append it everywhere, and restart:
     DOORWARD_COOKIE_SECRETS=<old>,%[1]s
2. Put it first everywhere, and restart:
     DOORWARD_COOKIE_SECRETS=%[1]s,<old>
3. Wait until no session is sealed with the old one: when every session has reached its end, or when
   doorward_session_key_uses_total{key="2"} no longer grows. Then drop it everywhere, and restart:
     DOORWARD_COOKIE_SECRETS=%[1]s

If the old secret may be known to others, do all of it at once: everybody signs in again.
`
