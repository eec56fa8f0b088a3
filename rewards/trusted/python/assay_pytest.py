# SPDX-License-Identifier: MIT
"""assay_pytest: a pytest plugin that reports each phase of each test on the private channel.

Loaded by PYTEST_PLUGINS; works with pytest 6 to 8, with and without xdist
(whose workers are not given the channel: the controller reports for them).
Only the first configuration of the process reports, so a suite that runs
pytest inside its tests does not report those. PYTEST_DONT_REWRITE
"""
import unittest

import pytest

from assay_report import leave_environment, open_channel, reordered, take_order

_channels = [open_channel()]


def reopen():
    """In a run of a zygote, which had no channel when it was imported."""
    _channels[:] = [open_channel()]


class Order:
    """Modules in another order, and the classes and tests of each: none is torn apart."""

    def __init__(self, order):
        self.order = order

    def arrange(self, items, depth):
        groups = {}
        for item in items:
            parts = item.nodeid.split("::")
            groups.setdefault(tuple(parts[: depth + 1]), []).append(item)
        result = []
        for key in reordered(list(groups), self.order):
            group = groups[key]
            if len(group) > 1 and any(item.nodeid.count("::") > depth for item in group):
                group = self.arrange(group, depth + 1)
            result += group
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        if self.order == "reverse":
            items.reverse()
        else:
            items[:] = self.arrange(items, 0)


def expects_failure(item):
    """Does unittest's decorator stand on the test or on a class of the suite's?

    Only what is written there itself: on TestCase it would be somebody else's.
    """
    name = "__unittest_expecting_failure__"
    case = getattr(item, "cls", None)
    if case is None or not isinstance(case, type) or not issubclass(case, unittest.TestCase):
        return False
    for place in case.__mro__:
        if place is unittest.TestCase:
            break
        if vars(place).get(name) is True:
            return True
    test = getattr(case, getattr(item, "originalname", None) or item.name, None)
    return getattr(test, name, False) is True


class Recorder:
    def __init__(self, channel):
        self.channel = channel
        self.session = None
        self.ids = set()
        self.marked = None  # tests that say themselves that they fail; None: not known here
        self.failed = 0  # failures that went through here
        self.counted = 0  # failures that the session had counted by then

    def note(self, report, when, seen):
        # The same condition by which the session counts what sets its exit status.
        if report.failed and not hasattr(report, "wasxfail"):
            self.failed += 1
        if self.session is not None:
            self.counted = self.session.testsfailed
        if seen:
            self.ids.add(report.nodeid)
        self.channel.write(
            "phase",
            id=report.nodeid,
            when=when,
            outcome=report.outcome,
            xfail=hasattr(report, "wasxfail"),
            # What is tested can call pytest.xfail(); what a test says of itself stands before it runs.
            marked=self.marked is None or report.nodeid in self.marked,
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session):
        self.session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session):
        self.marked = {
            item.nodeid
            for item in session.items
            if any(item.iter_markers("xfail")) or expects_failure(item)
        }
        self.channel.write("collected", count=len(session.items))

    @pytest.hookimpl(trylast=True)
    def pytest_collectreport(self, report):
        if not report.passed:
            self.note(report, "collect", False)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        self.note(report, report.when or "?", True)

    def end(self):
        if self.session is None:
            return  # --help, --version: nothing was run
        counted = self.session.testsfailed
        try:
            status = int(self.session.exitstatus)
        except (TypeError, ValueError):
            return
        self.channel.write(
            "end",
            exit=status,
            tests=len(self.ids),
            failed=self.failed,
            counted=self.counted,
            outside=max(counted - self.counted, 0),  # such as coverage below its bound
        )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    channel = _channels.pop() if _channels else None
    if channel is None:
        return
    # A run goes on behind failures: there are tests that must fail.
    for option, value in (("maxfail", 0), ("stepwise", False)):
        if hasattr(config.option, option):
            setattr(config.option, option, value)
    order = take_order()
    if order:
        config.pluginmanager.register(Order(order), "assay-order")
    leave_environment()  # not earlier: pytest reads it after a first import of this file
    recorder = Recorder(channel)
    # Clean-ups run last come, first served: this one sees the final exit status.
    config.add_cleanup(recorder.end)
    channel.write("begin", framework="pytest", version=pytest.__version__)
    config.pluginmanager.register(recorder, "assay-recorder")
