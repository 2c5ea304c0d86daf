package flow

import "fmt"

// arrow is a line of the sequence diagram, in the units of its drawing.
type arrow struct {
	Number       int // of the chapter
	Title        string
	X1, X2, Y, L int // ends, height, and where the label begins
	Tip          string
}

// draw places what happened under each other, from the lane of one party to that of the other.
func draw(chapters []chapter) (arrows []arrow, height int) {
	height = 66
	for _, c := range chapters {
		for _, p := range c.Parts {
			if p.From == "" { // nobody said anything
				continue
			}
			arrows = append(arrows, drawPart(c.Number, p, height))
			height += 36
		}
	}
	return arrows, height
}

func drawPart(number int, p part, y int) arrow {
	from, to := lane(p.From), lane(p.To)
	a := arrow{Number: number, Title: p.Title, X1: from, X2: to, Y: y, L: min(from, to) + 14}
	switch {
	case from == to: // somebody works alone
		a.L = from + 12
	case from < to:
		a.Tip = fmt.Sprintf("M%d %d l-8 -4 v8 z", to, y)
	default:
		a.Tip = fmt.Sprintf("M%d %d l8 -4 v8 z", to, y)
	}
	return a
}

// lane is where a party's line stands in the diagram.
func lane(party string) int {
	switch party {
	case "browser":
		return 70
	case "doorward":
		return 290
	case "provider":
		return 510
	}
	return 690 // the application
}
