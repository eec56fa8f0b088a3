# SPDX-License-Identifier: MIT
"""Generators of delays in seconds, one for each pause between two attempts."""


def constant(delay):
    while True:
        yield delay


def exponential(first, factor=2.0, ceiling=60.0):
    delay = first
    while True:
        yield min(delay, ceiling)
        if delay < ceiling:
            delay *= factor
