package flow

import "net/http"

// view is what flow.html shows.
type view struct {
	User     string
	When     string
	Took     string
	Chapters []chapter
	Arrows   []arrow
	Height   int
}

// part is one thing that happened, or that is worth looking at.
type part struct {
	Title    string
	From, To string // who speaks to whom
	At       string // when, counted from the first redirect
	Text     []string
	Message  string // the message itself, as far as a table does not say it better
	Tables   []table
	Folds    []fold
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
	v := view{
		User:     user,
		When:     a.askedAt.UTC().Format("2 January 2006, 15:04:05 MST"),
		Took:     duration(a.doneAt.Sub(a.askedAt)),
		Chapters: rec.chapters(a, r),
	}
	v.Arrows, v.Height = draw(v.Chapters)
	return v
}
