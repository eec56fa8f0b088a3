# SPDX-License-Identifier: MIT
import itertools

import pytest

from retrycall import GaveUp, exponential, retry


class Flaky:
    def __init__(self, *results):
        self.results = list(results)
        self.calls = 0

    __name__ = "flaky"

    def __call__(self):
        self.calls += 1
        result = self.results.pop(0) if self.results else ValueError("empty")
        if isinstance(result, BaseException):
            raise result
        return result


def test_second_attempt():
    slept = []
    flaky = Flaky(OSError("net"), "fine")
    assert retry(sleep=slept.append)(flaky)() == "fine"
    assert slept == [1.0]


def test_other_errors_pass():
    flaky = Flaky(KeyError("x"), "never")
    with pytest.raises(KeyError):
        retry(on=(OSError,), sleep=lambda s: None)(flaky)()
    assert flaky.calls == 1


def test_predicate():
    flaky = Flaky(OSError(11), OSError(5))
    with pytest.raises(OSError):
        retry(on=lambda e: e.args == (11,), sleep=lambda s: None)(flaky)()
    assert flaky.calls == 2


def test_gives_up():
    with pytest.raises(GaveUp):
        retry(sleep=lambda s: None)(Flaky())()


def test_exponential():
    assert list(itertools.islice(exponential(1, ceiling=5), 5)) == [1, 2, 4, 5, 5]
