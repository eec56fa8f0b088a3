# SPDX-License-Identifier: MIT
"""Calling something again until it works."""
import functools
import time

from . import backoff


class GaveUp(RuntimeError):
    """Every attempt failed. `errors` holds what each one raised, oldest first."""

    errors = []

    def __init__(self, name):
        super().__init__(f"{name} failed {len(self.errors)} times")


def _wanted(error, on):
    if callable(on) and not isinstance(on, type):
        return bool(on(error))
    return isinstance(error, on)


def retry(attempts=3, on=(Exception,), delays=None, sleep=time.sleep):
    """A decorator. `on` says which errors are worth another attempt: a class, a tuple of them, or a predicate."""
    if attempts < 1:
        raise ValueError("attempts must be at least 1")

    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            pauses = iter(delays() if delays else backoff.constant(1.0))
            made = 0
            while True:
                try:
                    return function(*args, **kwargs)
                except BaseException as error:
                    if isinstance(error, Exception) and not _wanted(error, on):
                        raise
                    GaveUp.errors.append(error)
                sleep(next(pauses))
                made += 1
                if made > attempts:
                    raise GaveUp(function.__name__)

        return wrapper

    return decorate
