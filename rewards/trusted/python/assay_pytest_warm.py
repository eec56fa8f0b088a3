# SPDX-License-Identifier: MIT
"""assay_pytest_warm: what every run of pytest works out anew, worked out once in a zygote.

A third of a small run is pytest finding out about itself: which hooks its own plugins have, which
of their names are fixtures, what its options are, which packages of the environment bring plugins.
None of it depends on the tree. prepare() does that before there is a run, and puts what it found
where pytest will ask; each answer is looked at again when it is asked for, and where anything it
rests on has changed pytest works it out as ever. Of a pytest that is built otherwise than those
known here (6.2 to 9.0) a part, or all, stays as it is. PYTEST_DONT_REWRITE
"""
import builtins
import importlib.metadata
import operator
import os
import pathlib
import re
import sys
import types

import assay_zygote
import pytest

WORDS = ["-q"]
FILES = {"test_rehearsal.py": """\
import pytest


def test_passes():
    assert 1 + 1 == 2


def test_fails():
    assert [1, "a"] == [2, "b"]


def test_raises():
    {}["missing"]


def test_skips():
    pytest.skip("skipped")
"""}
_MISSING = object()


def _takes(function, *names):
    """Has it just these parameters, as the one that is to stand in for it?"""
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] == names and not (
        code.co_flags & 0x0C)  # *args, **kwargs


# --- a rehearsal ----------------------------------------------------------------------------------


def _rehearse():
    known = set(sys.modules)
    seen = {"plugins": [], "late": []}

    class Observer:
        @pytest.hookimpl(tryfirst=True)
        def pytest_load_initial_conftests(self, early_config):
            seen["plugins"] = _plugin_names(early_config)
            known.update(sys.modules)

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionstart(self):
            seen["late"] = [name for name in sys.modules if name not in known]

    observer = Observer()
    pytest.main(WORDS, plugins=[observer])
    seen["plugins"] = [name for name in seen["plugins"] if name != str(id(observer))]
    seen["patterns"] = assay_zygote.patterns()
    return seen


# --- modules that pytest imports while it is configured -------------------------------------------


def _plugin_names(config):
    return [name for name, plugin in config.pluginmanager.list_name_plugin() if plugin is not None]


def _keep_late(config, names, plugins):
    kind = config.Config
    plain = kind._do_configure
    if not _takes(plain, "self"):
        return
    late = assay_zygote.Late(names)

    def _do_configure(self):
        # A plugin that is switched off imports nothing.
        if set(plugins) <= set(_plugin_names(self)):
            late.bring()
        return plain(self)

    kind._do_configure = _do_configure


# --- pytest's own plugins, registered -------------------------------------------------------------


def _keep_config(config):
    """The first configuration of a run, as it is before it has seen an argument. Returns it."""
    plain = config.get_config
    if not _takes(plain, "args", "plugins"):
        return None
    made = plain([], None)
    ready = [made]

    def get_config(args=None, plugins=None):
        if not ready or args is None or plugins is not None:
            return plain(args, plugins)
        args = list(args)
        if any(not isinstance(word, str) or word.startswith("-p") for word in args):
            return plain(args, plugins)
        first = ready.pop()
        first.invocation_params = type(first.invocation_params)(
            args=args or (), plugins=plugins, dir=pathlib.Path.cwd())
        return first

    config.get_config = get_config
    return made


# --- which names of them are fixtures -------------------------------------------------------------


class _Names:
    """Of a module or class: which of its names are fixtures, so long as it has the same values."""

    def __init__(self, place, marker):
        self.of = [vars(kind) for kind in getattr(place, "__mro__", (place,))]
        self.keys = [list(each) for each in self.of]
        self.values = [list(each.values()) for each in self.of]
        self.fixtures = [
            name for name in dir(place) if marker(getattr(place, name, None)) is not None]

    def hold(self):
        return all(
            list(now) == keys and all(map(operator.is_, now.values(), values))
            for now, keys, values in zip(self.of, self.keys, self.values))


def _keep_fixture_names(fixtures, plugins):
    """`dir` of a plugin, as fixtures.py sees it: the names of fixtures alone."""
    marker = fixtures.getfixturemarker
    modules = {
        plugin: _Names(plugin, marker) for plugin in plugins
        if type(plugin) is types.ModuleType and not hasattr(plugin, "__getattr__")}
    kinds = {
        kind: _Names(kind, marker) for module in modules for kind in vars(module).values()
        if type(kind) is type and kind.__dir__ is object.__dir__
        and kind.__module__.startswith("_pytest.")}

    def short_dir(*objects):
        place = objects[0] if len(objects) == 1 else None
        if type(place) is types.ModuleType:
            names, own = modules.get(place), {}
        else:
            names, own = kinds.get(type(place)), getattr(place, "__dict__", {})
        if names is None or not names.hold():
            return builtins.dir(*objects)
        added = [name for name, value in own.items() if marker(value) is not None]
        return sorted({*names.fixtures, *added}) if added else list(names.fixtures)

    fixtures.dir = short_dir


# --- the parser of its options --------------------------------------------------------------------


def _keep_parser(argparsing, config):
    """argparse's parser is made again only when there are other options than those it was made of."""
    kind = argparsing.Parser
    plain = getattr(kind, "_getparser", None)
    if plain is None or not _takes(plain, "self"):
        return  # 9.0 has one that stays
    kept = {}

    def options_of(parser):
        return [
            (group, group.name, group.description,
             [(option, id(vars(option).get("default"))) for option in group.options])
            for group in list(parser._groups) + [parser._anonymous]
        ]

    def _getparser(self):
        made_of = (self, self.prog, options_of(self))
        if kept.get("of") != made_of:
            kept.clear()
            kept["parser"] = plain(self)
            kept["of"] = made_of
        kept["parser"].extra_info = self.extra_info or {}
        return kept["parser"]

    _getparser(config._parser)
    kind._getparser = _getparser


# --- packages that bring plugins ------------------------------------------------------------------


def _keep_entry_points():
    """Entry points of the environment's packages, by the age of the file they stand in."""
    metadata = importlib.metadata
    kind = metadata.Distribution
    plain = kind.entry_points
    kept = {}

    def age_of(distribution):
        """None: not a folder of a package."""
        path = getattr(distribution, "_path", None)
        if type(distribution) is not metadata.PathDistribution or not isinstance(path, pathlib.Path):
            return None
        try:
            found = os.stat(os.path.join(str(path), "entry_points.txt"))
        except (FileNotFoundError, NotADirectoryError):
            return (str(path),)
        except OSError:
            return None
        return (str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    for distribution in metadata.distributions():
        age = age_of(distribution)
        if age is not None:
            kept[age] = distribution.entry_points

    def entry_points(self):
        age = age_of(self)
        found = kept.get(age, _MISSING) if age is not None else _MISSING
        return plain.fget(self) if found is _MISSING else found

    kind.entry_points = property(entry_points)


# --- sources of tests that fail -------------------------------------------------------------------


def _keep_trees(code, source):
    """Where the statement of a line begins and ends: one syntax tree for all failures of a file."""
    plain = source.getstatementrange_ast
    if not _takes(plain, "lineno", "source", "assertion", "astnode"):
        return
    trees, found = {}, {}

    def getstatementrange_ast(lineno, source, assertion=False, astnode=None):
        if astnode is not None:
            return plain(lineno, source, assertion, astnode)
        text = str(source)
        if text not in trees:
            trees.clear()
            found.clear()
        if (lineno, assertion) not in found:
            found[lineno, assertion] = plain(lineno, source, assertion, trees.get(text))
            trees[text] = found[lineno, assertion][0]
        return found[lineno, assertion]

    source.getstatementrange_ast = code.getstatementrange_ast = getstatementrange_ast


# --------------------------------------------------------------------------------------------------


def prepare():
    """To be called in a zygote that has loaded pytest, before it serves."""
    import _pytest._code.code as code
    import _pytest._code.source as source
    import _pytest.config as config
    import _pytest.config.argparsing as argparsing
    import _pytest.fixtures as fixtures

    release = tuple(int(part) for part in re.findall(r"\d+", pytest.__version__)[:2])
    if not (6, 2) <= release < (9, 1):
        return
    told = assay_zygote.rehearse(_rehearse, FILES) or {}
    assay_zygote.compile_patterns(told.get("patterns", ()))
    first = _keep_config(config)
    if first is None:
        return
    for keep in (
        lambda: _keep_late(config, told["late"], told["plugins"]),
        lambda: _keep_fixture_names(fixtures, first.pluginmanager.get_plugins()),
        lambda: _keep_parser(argparsing, first),
        _keep_entry_points,
        lambda: _keep_trees(code, source),
    ):
        try:
            keep()  # what it changes in pytest, it changes last
        except Exception:
            pass  # built otherwise: as ever
