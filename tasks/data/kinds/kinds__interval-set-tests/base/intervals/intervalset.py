# SPDX-License-Identifier: MIT
"""Sets of half-open intervals [start, end), kept sorted, disjoint and not touching."""
import bisect


class IntervalSet:
    def __init__(self, spans=[]):
        self._spans = self._normal(spans)

    @staticmethod
    def _normal(spans):
        """Sort and merge; a list that is in order already is taken as it is."""
        if isinstance(spans, list) and all(a[1] < b[0] for a, b in zip(spans, spans[1:])):
            return spans
        merged = []
        for start, end in sorted(spans):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        return merged

    def __iter__(self):
        return iter(list(self._spans))

    def __len__(self):
        return len(self._spans)

    def __bool__(self):
        return bool(self._spans)

    def __eq__(self, other):
        return isinstance(other, IntervalSet) and self._spans == other._spans

    def __contains__(self, point):
        i = bisect.bisect_right(self._spans, (point, float("inf"))) - 1
        return i >= 0 and point < self._spans[i][1]

    def __str__(self):
        return " ".join(f"[{start}, {end})" for start, end in self._spans) or "empty"

    def __or__(self, other):
        if not other:
            return IntervalSet(self._spans)
        if not self:
            return IntervalSet(other._spans)
        return IntervalSet(self._spans + other._spans)

    def copy(self):
        return IntervalSet(self._spans)

    @property
    def total(self):
        return sum(end - start for start, end in self._spans)

    def add(self, start, end):
        if start >= end:
            raise ValueError("an interval must not be empty")
        spans = self._spans
        lo = bisect.bisect_left(spans, (start,))
        if lo and spans[lo - 1][1] >= start:
            lo -= 1
            start = spans[lo][0]
        hi = lo
        while hi < len(spans) and spans[hi][0] <= end:
            end = max(end, spans[hi][1])
            hi += 1
        spans[lo:hi] = [(start, end)]

    def remove(self, start, end):
        kept = []
        for a, b in self._spans:
            if b <= start or a >= end:
                kept.append((a, b))
                continue
            if a < start:
                kept.append((a, start))
            if b > end:
                kept.append((end, b))
        self._spans[:] = kept
