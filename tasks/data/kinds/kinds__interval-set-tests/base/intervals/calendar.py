# SPDX-License-Identifier: MIT
from .intervalset import IntervalSet


def free_slots(day, busy, shortest):
    """The parts of day = (start, end) outside busy that last at least `shortest`, as a list of pairs."""
    free = IntervalSet([day])
    for start, end in busy:
        free.remove(start, end)
    return [(start, end) for start, end in free if end - start >= shortest]
