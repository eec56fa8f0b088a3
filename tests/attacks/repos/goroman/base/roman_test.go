// SPDX-License-Identifier: MIT
package roman

import "testing"

func TestPlain(t *testing.T) {
	for s, want := range map[string]int{"VI": 6, "MDC": 1600} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v", s, got, err)
		}
	}
}

func TestUnknown(t *testing.T) {
	if _, err := Parse("Q"); err != ErrSyntax {
		t.Fatal(err)
	}
}
