# SPDX-License-Identifier: MIT
"""The SWE-bench package as an oracle: its parsers and grading functions, importable with whatever
of its dependencies is installed (`pip install swebench`, or `pip install --no-deps swebench`).

A module that the package wants and that is not installed (docker, modal, ...) is replaced by an
empty stand-in: parsing and grading never call it.
"""
import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import re
import sys
import types
import unittest.mock

WANTED = ("docker", "modal", "unidiff", "dotenv", "datasets", "requests", "tqdm", "rich", "ghapi",
          "git", "bs4", "chardet", "tenacity", "typer", "yaml", "fastcore")


class _Anything(types.ModuleType):
    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return unittest.mock.MagicMock(name=name)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] not in WANTED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec):
        return _Anything(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.append(_Finder())  # last: an installed module is found before

import swebench  # noqa: E402
from swebench.harness import grading, infra_failure  # noqa: E402
from swebench.harness.constants import EvalType  # noqa: E402
from swebench.harness.log_parsers import PARSER_REGISTRY  # noqa: E402
from swebench.types import TestSpec  # noqa: E402

VERSION = swebench.__version__


def spec_of(row):
    """A TestSpec from a row of a data set; test lists may be JSON strings."""
    import json

    def tests(name):
        value = row.get(name) or []
        return json.loads(value) if isinstance(value, str) else list(value)

    return TestSpec(
        instance_id=row.get("instance_id", "owner__repo-1"), image="", eval_script_list=[],
        repo=row.get("repo", "owner/repo"), version=str(row.get("version", "1.0")),
        FAIL_TO_PASS=tests("FAIL_TO_PASS"), PASS_TO_PASS=tests("PASS_TO_PASS"),
        log_parser=row.get("log_parser", "parse_log_pytest"),
        eval_type=row.get("eval_type", "pass_and_fail"))


def parse(name, text, row=None):
    """(map, None), or (None, exception name) where the reference itself raises."""
    with contextlib.redirect_stdout(io.StringIO()):  # some parsers print warnings
        try:
            return PARSER_REGISTRY[name](text, spec_of(row or {})), None
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001 - what it raises is what is compared
            return None, type(error).__name__


def wrap(raw, exit_code):
    """What eval.sh of version 5 makes of a bare test log."""
    tail = "" if raw.endswith("\n") or not raw else "\n"
    return ("+ : '>>>>> Start Test Output'\n" + raw + tail + f"+ SWEBENCH_TEST_EXIT_CODE={exit_code}\n"
            "+ : '>>>>> End Test Output'\n" f">>>>> Test Exit Code: {exit_code}\n")


__all__ = ["EvalType", "PARSER_REGISTRY", "TestSpec", "VERSION", "grading", "infra_failure", "parse",
           "re", "spec_of", "wrap"]
