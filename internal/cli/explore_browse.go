package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/term"

	"certwright/internal/arm"
)

// talks says whether a person sits at both ends: only then are questions asked.
func (e *Env) talks() bool {
	if f, ok := e.Stdin.(*os.File); ok && !term.IsTerminal(int(f.Fd())) {
		return false
	}
	return e.IsTerminal
}

// choice is one way on from a place.
type choice struct{ label, path string }

// browse walks about by numbers, until it is left or the input ends.
func (x explorer) browse(path string) error {
	in := bufio.NewScanner(x.Stdin)
	for {
		choices, data, err := x.look(path)
		if err != nil {
			x.complain(err)
			if path == "/" {
				return err
			}
			path = arm.Above(path)
			continue
		}
		next, leave := x.askWhere(in, path, choices, data)
		if leave {
			return in.Err()
		}
		path = next
	}
}

// look prints a place with the ways on from it, numbered.
func (x explorer) look(path string) (choices []choice, data []byte, err error) {
	p := arm.PlaceOf(path)
	x.printf("\n")
	if path == "/" {
		x.head(p)
	} else if data, err = x.read(p); err != nil {
		return nil, nil, err
	}
	var v any
	if data != nil && json.Unmarshal(data, &v) == nil && (p.List || isList(v)) {
		things, more, err := x.list(p, listShows)
		if err != nil {
			return nil, nil, err
		}
		scrub(things)
		x.head(p)
		for i := range things {
			choices = append(choices, choice{x.typed(&things[i], p), things[i].Path})
		}
		if more {
			x.printf("  the first %d of more\n", listShows)
		}
	} else {
		if data != nil {
			x.printThing(arm.Place{Path: p.Path, Type: p.Type, Text: p.Text, Actions: p.Actions}, data)
		}
		for _, b := range p.Below {
			choices = append(choices, choice{strings.TrimPrefix(strings.TrimPrefix(b.Path, p.Path), "/") + x.colour().dim("  "+b.Text), b.Path})
		}
	}
	x.printf("\n")
	for i, c := range choices {
		x.printf("  %s %s\n", pad(strconv.Itoa(i+1), 4), c.label)
	}
	return choices, data, nil
}

// askWhere asks where to go on from a place.
func (x explorer) askWhere(in *bufio.Scanner, path string, choices []choice, data []byte) (next string, leave bool) {
	keys := "q leaves"
	if path != "/" {
		keys = "u goes up, " + keys
	}
	if data != nil {
		keys = "j shows the JSON, " + keys
	}
	switch n := len(choices); {
	case n == 1:
		keys = "1 goes on, " + keys
	case n > 1:
		keys = fmt.Sprintf("1-%d goes on, ", n) + keys
	}
	for {
		x.printf("\n%s: ", keys)
		if !in.Scan() {
			x.printf("\n")
			return "", true
		}
		switch word := strings.ToLower(strings.TrimSpace(in.Text())); word {
		case "q", "quit", "exit":
			return "", true
		case "u", "..":
			return arm.Above(path), false
		case "j":
			var v any
			if data != nil && json.Unmarshal(data, &v) == nil {
				_ = x.writeJSON(v) // the terminal is gone if this fails
			}
		default:
			n, err := strconv.Atoi(word)
			if err == nil && n >= 1 && n <= len(choices) && choices[n-1].path != "" {
				return choices[n-1].path, false
			}
			x.printf("%q is none of these.\n", word)
		}
	}
}
