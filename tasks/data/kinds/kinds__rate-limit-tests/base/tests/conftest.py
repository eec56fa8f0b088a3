# SPDX-License-Identifier: MIT
import pytest


class Clock:
    def __init__(self):
        self.ms = 5_000

    def __call__(self):
        return self.ms


@pytest.fixture
def clock():
    return Clock()
