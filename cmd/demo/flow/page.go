package flow

import (
	"fmt"
	"net/http"
)

// view is what flow.html shows.
type view struct {
	User   string
	When   string
	Took   string
	Steps  []step
	Arrows []arrow
	Height int
}

// step is a section of the page.
type step struct {
	Number   int
	Title    string
	From, To string // who speaks to whom
	At       string // when, counted from the first redirect
	Text     []string
	Message  string // the message itself, as far as a table does not say it better
	Tables   []table
	Raw      string // a token as it travels
	Note     string
}

// table explains values, one a row.
type table struct {
	Caption string
	Head    [3]string
	Rows    []row
}

// row is a value, its meaning and, where the page itself compared it with another, the outcome.
type row struct{ Name, Value, Means, Proof string }

// ServeHTTP shows the last login of whoever asks.
func (rec *Recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET", http.StatusMethodNotAllowed)
		return
	}
	user, err := rec.options.User(r)
	if err != nil {
		rec.pages.Write(w, http.StatusUnauthorized, "none.html", "Your access token could not be verified, so it is not clear whose login to show.")
		return
	}
	a, ok := rec.last(user)
	if !ok {
		rec.pages.Write(w, http.StatusNotFound, "none.html", "Your login was not seen by this run of the demo. Sign out and in again, and come back.")
		return
	}
	rec.pages.Write(w, http.StatusOK, "flow.html", rec.view(user, &a, r))
}

func (rec *Recorder) view(user string, a *attempt, r *http.Request) view {
	steps := rec.steps(a, r)
	v := view{
		User:  user,
		When:  a.askedAt.UTC().Format("2 January 2006, 15:04:05 MST"),
		Took:  duration(a.doneAt.Sub(a.askedAt)),
		Steps: steps,
	}
	for i := range steps {
		steps[i].Number = i + 1
	}
	v.Arrows, v.Height = draw(steps)
	return v
}

// steps tells the login in the order in which it happened.
func (rec *Recorder) steps(a *attempt, r *http.Request) []step {
	return []step{
		rec.agreement(a),
		a.firstRequest(),
		a.authorizationRequest(),
		a.signIn(),
		a.callback(),
		a.tokenRequest(),
		a.tokenAnswer(),
		a.idToken(),
		a.accessToken(),
		a.checks(),
		a.session(),
		forwarded(r),
	}
}

// arrow is a line of the sequence diagram, in the units of its drawing.
type arrow struct {
	Number       int
	Title        string
	X1, X2, Y, L int // ends, height, and where the label begins
	Tip          string
}

// draw places the steps under each other, from the lane of one party to that of the other.
func draw(steps []step) (arrows []arrow, height int) {
	y := 66
	for _, s := range steps {
		from, to := lane(s.From), lane(s.To)
		if from == 0 || to == 0 {
			continue
		}
		a := arrow{Number: s.Number, Title: s.Title, X1: from, X2: to, Y: y, L: min(from, to) + 14}
		switch {
		case from == to: // somebody works alone
			a.Tip, a.L = "", from+12
		case from < to:
			a.Tip = fmt.Sprintf("M%d %d l-8 -4 v8 z", to, y)
		default:
			a.Tip = fmt.Sprintf("M%d %d l8 -4 v8 z", to, y)
		}
		arrows = append(arrows, a)
		y += 36
	}
	return arrows, y
}

// lane is where a party's line stands in the diagram, 0 for nobody.
func lane(party string) int {
	switch party {
	case "browser":
		return 70
	case "doorward":
		return 290
	case "provider":
		return 510
	case "backend":
		return 690
	}
	return 0
}
