// SPDX-License-Identifier: MIT
// Package roman reads and writes Roman numerals.
package roman

import "errors"

var ErrSyntax = errors.New("not a Roman numeral")

var values = map[rune]int{'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}

// Parse gives the number that s stands for.
func Parse(s string) (int, error) {
	total := 0
	for _, r := range s {
		v, known := values[r]
		if !known {
			return 0, ErrSyntax
		}
		total += v
	}
	return total, nil
}

// Format writes n, from 1 to 3999.
func Format(n int) string {
	out := ""
	for _, step := range []struct {
		v int
		s string
	}{{1000, "M"}, {500, "D"}, {100, "C"}, {50, "L"}, {10, "X"}, {5, "V"}, {1, "I"}} {
		for n >= step.v {
			out += step.s
			n -= step.v
		}
	}
	return out
}
