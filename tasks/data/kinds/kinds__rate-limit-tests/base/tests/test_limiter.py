# SPDX-License-Identifier: MIT
import pytest

from ratelimit import Limiter


def drain(limiter, client="c"):
    while limiter.allow(client):
        pass


def test_burst(clock):
    limiter = Limiter(5, 3, clock)
    assert [limiter.allow("c") for _ in range(4)] == [True, True, True, False]


def test_clients_are_apart(clock):
    limiter = Limiter(1, 1, clock)
    drain(limiter, "a")
    assert limiter.allow("b")


def test_slow_poll(clock):
    limiter = Limiter(5, 10, clock)
    drain(limiter)
    clock.ms += 200
    assert limiter.allow("c")
    assert not limiter.allow("c")


def test_never_above_burst(clock):
    limiter = Limiter(5, 2, clock)
    clock.ms += 60_000
    assert [limiter.allow("c") for _ in range(3)] == [True, True, False]


def test_cost_above_burst(clock):
    with pytest.raises(ValueError):
        Limiter(5, 2, clock).allow("c", 3)


def test_sweep(clock):
    limiter = Limiter(1, 1, clock)
    drain(limiter)
    assert limiter.sweep() == 0
    clock.ms += 1000
    assert limiter.sweep() == 1
    assert len(limiter) == 0
