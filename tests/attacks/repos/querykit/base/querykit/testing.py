# SPDX-License-Identifier: MIT
"""A pytest plugin for projects that test their queries with golden files."""
import pathlib

import pytest


class Golden:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def check(self, name, text):
        wanted = (self.folder / f"{name}.sql").read_text().strip()
        assert text == wanted


@pytest.fixture
def golden(request):
    return Golden(pathlib.Path(request.fspath).parent / "golden")
