# SPDX-License-Identifier: MIT
import pytest

from eventbus import Bus


@pytest.fixture
def bus():
    return Bus()


@pytest.fixture
def heard():
    return []


def test_pattern(bus, heard):
    bus.subscribe("disk.*", lambda name, payload: heard.append((name, payload)))
    assert bus.emit("disk.full", 3) == 1
    assert bus.emit("net.down") == 0
    assert heard == [("disk.full", 3)]


def test_priority(bus, heard):
    bus.subscribe("e", lambda n, p: heard.append("low"))
    bus.subscribe("e", lambda n, p: heard.append("high"), priority=5)
    bus.subscribe("e", lambda n, p: heard.append("low too"))
    bus.emit("e")
    assert heard == ["high", "low", "low too"]


def test_cancel(bus, heard):
    with bus.subscribe("e", lambda n, p: heard.append(1)) as subscription:
        bus.emit("e")
    subscription.cancel()
    bus.emit("e")
    assert heard == [1]


def test_once(bus, heard):
    bus.once("e", lambda n, p: heard.append(p))
    bus.emit("e", 1)
    bus.emit("e", 2)
    assert heard == [1]
