# SPDX-License-Identifier: MIT
"""assay_zygote: a Python that has its modules loaded, from which test runs are forked.

`python assay_<framework>_main.py --assay-zygote WORKDIR` comes here, loads what a
cold start would have loaded before any code of a repository runs, and waits in
libassay_zygote.so. In each run serve() returns, and the file that called it goes
on as if it had just been started. That is only right while the run cannot tell the
difference. So a run looks for reasons to doubt it, and if there is one, it execs the
command it stands for: the same verdict, only slower. PYTEST_DONT_REWRITE
"""
import itertools
import os
import sys

_LIBRARY = "/run/assay-zygote.so"
_WORD = "--assay-zygote"
_CHANNEL = "ASSAY_REPORT_FD"  # a run's alone: nothing that is loaded may take it
_BUILTIN = frozenset(sys.builtin_module_names)


_SUFFIXES = (".py", ".pyc", ".so")
_KEPT = ("sys", "builtins", "__main__")
_FOLDER = "/tmp/assay-scout"  # of the zygote's box, which no run sees
_PAGES = "/tmp/assay-zygote-pages"  # where libassay_zygote.so looks for them
_PAGE = os.sysconf("SC_PAGE_SIZE")
_REHEARSAL_SECONDS = 10


class Refused(Exception):
    """This interpreter cannot be a zygote."""


# --- what a cold start imports -------------------------------------------------------------------


def _plain(module):
    """Was this module loaded as an import statement loads it?"""
    spec = getattr(module, "__spec__", None)
    loader = getattr(spec, "loader", None)
    kind = loader if isinstance(loader, type) else type(loader)
    return kind.__module__ in ("_frozen_importlib", "_frozen_importlib_external")


def scout(run):
    """Names of modules, in order, that `run` imports in a child before it calls its argument.

    Those that something else than an import statement loads (pytest rewrites its
    plugins) are left out, and with them what only they import.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            known = set(sys.modules)

            def tell():
                names = [name for name in sys.modules if name not in known]
                names = [name for name in names if _plain(sys.modules[name])]
                os.write(writing, ("%s\n" % "\n".join(names)).encode())
                os._exit(0)

            run(tell)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as stream:
        names = stream.read().split()
    if os.waitpid(child, 0)[1] != 0:
        raise Refused("the scout failed")
    return names


# --- a rehearsal ----------------------------------------------------------------------------------


def rehearse(run, files):
    """What `run` returns of a child, in a folder with these files; None if it did not come so far.

    For what a run of the framework compiles, imports and asks for, whatever the tests are.
    """
    import marshal

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _go_to_rehearse(files)
            told = marshal.dumps(run())
            with os.fdopen(writing, "wb") as stream:
                stream.write(told)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        told = stream.read()
    os.waitpid(child, 0)
    return marshal.loads(told) if told else None


def _go_to_rehearse(files):
    import _signal

    _signal.alarm(_REHEARSAL_SECONDS)  # whatever plugins the environment has
    os.makedirs(_FOLDER, exist_ok=True)
    os.chdir(_FOLDER)
    for name, text in files.items():
        with open(name, "w") as stream:
            stream.write(text)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (1, 2):
        os.dup2(nowhere, number)


def patterns():
    """Of the regular expressions compiled so far: what compile_patterns() wants."""
    import re

    return [(key[1], int(key[2])) for key in getattr(re, "_cache", {}) if key[0] is str]


def compile_patterns(found):
    import re

    for pattern, flags in found:
        try:
            re.compile(pattern, flags & ~re.DEBUG)
        except re.error:
            pass


class Late:
    """Modules that a run imports when code of the repository may have changed the path.

    They are loaded, and not in sys.modules: bring() puts them there if an import, now, would find
    the same files. Call it where the framework is about to import them.
    """

    def __init__(self, names):
        import importlib.util

        self._find = importlib.util.find_spec
        self._modules = {}
        before = set(sys.modules)
        for name in names:
            if "." not in name and name not in before:
                self._modules[name] = importlib.import_module(name)
        gone = set(sys.modules) - before
        if gone != set(self._modules):
            self._modules.clear()
        for name in gone:
            del sys.modules[name]

    def bring(self):
        modules, self._modules = self._modules, {}
        if modules.keys() & sys.modules.keys():
            return
        for name, module in modules.items():
            found = self._find(name)
            if found is None or found.origin != module.__spec__.origin:
                return
        sys.modules.update(modules)


# --- doubts ---------------------------------------------------------------------------------------


class _Missing:
    """Last of the finders while modules are loaded: remembers what nobody found."""

    def __init__(self):
        self.names = set()

    def find_spec(self, name, path=None, target=None):
        if path is None:
            self.names.add(name)
        return None


def _words_of(line):
    word = ""
    for letter in line:
        if letter.isalnum() or letter == "_":
            word += letter
        elif word:
            yield word
            word = ""
    if word:
        yield word


def _read_pth():
    """Of the .pth files that site has read: directories that were not there, names in code."""
    import site

    folders, absent, names = site.getsitepackages() + [site.getusersitepackages()], [], set()
    for folder in folders:
        try:
            files = sorted(name for name in os.listdir(folder) if name.endswith(".pth"))
        except OSError:
            continue
        for name in files:
            with open(os.path.join(folder, name), "rb") as stream:
                text = stream.read().decode("utf-8", "replace")
            for line in text.splitlines():
                if line.startswith(("import ", "import\t")):
                    names.update(_words_of(line))
                elif line.strip() and not line.startswith("#"):
                    path = os.path.join(folder, line.rstrip())
                    if not os.path.exists(path):
                        absent.append(path)
    return absent, names


def _descriptor_kinds():
    kinds = []
    for number in (0, 1, 2):
        found = os.fstat(number)
        kinds.append((found.st_mode & 0o170000, found.st_rdev))
    return kinds


class _Zygote:
    def __init__(self, workdir):
        self.workdir = workdir.rstrip("/") or "/"
        self.environ = dict(os.environ)
        self.path = list(sys.path)
        self.there = {entry for entry in self.path if os.path.exists(entry)}
        self.kinds = _descriptor_kinds()
        self.command = [sys.executable] + sys.argv[:1]
        self.missing = _Missing()
        self.absent, self.names = _read_pth()
        self.names |= {"sitecustomize", "usercustomize"}
        self.spaces = set()  # namespace packages: a directory of the tree would add to them
        self.started = set(sys.modules)
        self.odd = ()  # what only the zygote itself needed

    def refuse_odd_starts(self):
        flags = sys.flags
        if flags.isolated or getattr(flags, "safe_path", False) or flags.no_site:
            raise Refused("interpreter options")
        if list(getattr(sys, "orig_argv", [])[:2]) != self.command:
            raise Refused("another interpreter or options of it")  # 3.9 and older, too
        if not self.environ.get("PYTHONHASHSEED", "").isdigit():
            raise Refused("hashes are seeded at random")
        known = ("_frozen_importlib", "_frozen_importlib_external", "_distutils_hack")
        for finder in sys.meta_path:
            kind = finder if isinstance(finder, type) else type(finder)
            if kind.__module__ not in known:
                raise Refused("an import hook of the environment")

    def load(self, modules):
        import importlib

        channel = os.environ.pop(_CHANNEL, None)
        names = modules() if modules is not None else []
        sys.meta_path.append(self.missing)
        for name in names:
            importlib.import_module(name)
        sys.meta_path.remove(self.missing)
        if channel is not None:
            os.environ[_CHANNEL] = channel
        self.odd = set(sys.modules) - self.started - set(names)

    def settle(self):
        for name, module in list(sys.modules.items()):
            origin = getattr(module, "__file__", None)
            if origin is None and hasattr(module, "__path__"):
                self.spaces.add(name.partition(".")[0])
            if origin is not None and self.inside(origin):
                raise Refused("%s is in the work tree" % name)
            self.names.add(name.partition(".")[0])
        self.names |= {name.partition(".")[0] for name in self.missing.names}
        self.names -= _BUILTIN

    def inside(self, path):
        return self.workdir == "/" or (path + "/").startswith(self.workdir + "/")

    def shadows(self, folder):
        """May an import from this folder find what the zygote loaded from elsewhere?"""
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return False
        except OSError:
            return True
        for entry in entries:
            name, dot, _ = entry.name.partition(".")
            if name not in self.names:
                continue
            if dot:
                if entry.name.endswith(_SUFFIXES):
                    return True
            elif name in self.spaces or _is_package(entry.path):
                return True
        return False

    def doubt(self, argv, environ, odd_words):
        """Why this run cannot go on from here; None: it can."""
        if argv[: len(self.command)] != self.command:
            return "command"
        if odd_words is not None and odd_words(argv[len(self.command):]):
            return "arguments"
        if environ != self.environ:
            return "environment"
        if _descriptor_kinds() != self.kinds:
            return "descriptors"
        if os.getcwd() != self.workdir:
            return "working directory"
        if any(os.path.exists(path) for path in self.absent):
            return ".pth"
        for entry in [self.workdir] + self.path:
            if (self.inside(entry) or entry not in self.there) and self.shadows(entry):
                return "import path"
        return None


def _is_package(folder):
    try:
        return any(name.startswith("__init__.") for name in os.listdir(folder))
    except NotADirectoryError:
        return False
    except OSError:
        return True


# --- serving --------------------------------------------------------------------------------------


def _await_run(door):
    """Comes back in each run, with the command that it is to stand for."""
    import _imp
    from importlib.machinery import ModuleSpec

    try:
        _imp.create_dynamic(ModuleSpec(door, None, origin=_LIBRARY))
    except ImportError as back:
        if not str(back).isdigit():
            raise Refused(str(back))
        number = int(str(back))
    with open(number, "rb") as stream:
        words = [os.fsdecode(word) for word in stream.read().split(b"\0")]
    count = 1 + int(words[0])
    return words[1:count], dict(word.partition("=")[::2] for word in words[count:-1])


def _exec(argv, environ):
    import _signal

    for number in (_signal.SIGPIPE, _signal.SIGXFSZ):  # Python ignores them, which exec keeps
        _signal.signal(number, _signal.SIG_DFL)
    try:
        os.execve(argv[0], argv, environ)
    except OSError as trouble:
        os.write(2, ("assay: %s: %s\n" % (argv[0], trouble.strerror)).encode())
        os._exit(127 if isinstance(trouble, FileNotFoundError) else 126)


def _forget_zygote(zygote):
    """What a fresh start would not know."""
    for path in list(sys.path_importer_cache):
        if zygote.inside(path) or path not in zygote.there:
            del sys.path_importer_cache[path]
    # Kept out of sight: what is freed is written to, page by page.
    kept = [zygote, sys.modules.pop(__name__, None)]
    kept.append(kept)
    kept.extend(map(sys.modules.pop, zygote.odd, itertools.repeat(None)))
    logging = sys.modules.get("logging")
    if logging is not None:
        import time

        logging._startTime = time.time_ns() if logging._startTime > 1e12 else time.time()


def _learn_files(zygote):
    """What the first traceback of a run would work out about files that it did not load itself.

    inspect keeps the name of each module by its file, for which it asks the system for the real
    path of every file it sees for the first time. It looks at each of them again when it is asked.
    """
    inspect = sys.modules.get("inspect")
    if inspect is None:
        return
    inspect.getmodule(_learn_files.__code__)
    ours = set(zygote.odd) | {__name__}
    for path in [path for path, name in inspect.modulesbyfile.items() if name in ours]:
        del inspect.modulesbyfile[path]
    for name in ours:
        getattr(inspect, "_filesbymodname", {}).pop(name, None)


class _Last:
    """Ends the process when the run's own modules are gone: what would follow is the zygote's."""

    def __init__(self, code, files, leave=os._exit):
        self.code, self.files, self.leave = code, files, leave

    def __del__(self):
        try:
            for file in self.files:
                file.flush()
        except BaseException:
            self.leave(120)  # as Python does
        self.leave(self.code)


def _hold_at_exit(names):
    """Do not take apart what the zygote loaded: freeing it costs more than a small test run."""
    import atexit

    held, codes = [], []
    held.append(held)  # never freed

    def hold():
        held.extend(map(sys.modules.pop, names, itertools.repeat(None)))
        if codes and None not in (sys.__stdout__, sys.__stderr__):
            # The names of sys are cleared behind all modules of the run, this one first.
            sys._assay_last = _Last(codes[-1], (sys.__stdout__, sys.__stderr__))

    def note_exit(stop):
        """Of the SystemExit that ends the run."""
        del codes[:]
        if stop.code is None or isinstance(stop.code, int):
            codes.append(int(stop.code or 0) & 0xFF)

    atexit.register(hold)
    return note_exit


# --- pages that a run writes to -------------------------------------------------------------------


def _writable():
    ranges = []
    with open("/proc/self/maps") as stream:
        for line in stream:
            words = line.split()
            if words[1] == "rw-p":
                start, _, end = words[0].partition("-")
                ranges.append((int(start, 16), int(end, 16)))
    return ranges


def _own_pages(ranges):
    """Those that are this process's alone: it has written to them since it was forked."""
    owned = []
    with open("/proc/self/pagemap", "rb", buffering=0) as stream:
        for start, end in ranges:
            stream.seek(start // _PAGE * 8)
            entries = memoryview(stream.read((end - start) // _PAGE * 8)).cast("Q")
            for index, entry in enumerate(entries):
                if entry >> 63 and entry >> 56 & 1:  # present, exclusively mapped
                    owned.append(start // _PAGE + index)
    return owned


def _write_pages(owned):
    """As lines of /proc/self/maps; a hole of one page is filled."""
    with open(_PAGES, "w") as stream:
        first = last = None
        for page in owned + [None]:
            if last is not None and page is not None and page - last <= 2:
                last = page
                continue
            if last is not None:
                stream.write("%x-%x rw-p\n" % (first * _PAGE, (last + 1) * _PAGE))
            first = last = page


def _learn_pages(files, words):
    """Have a child go on as a run over these files would; when it ends it tells what it wrote to.

    True in the child.
    """
    ranges = _writable()
    child = os.fork()
    if child != 0:
        os.waitpid(child, 0)
        return False
    import atexit

    def tell():
        try:
            _write_pages(_own_pages(ranges))
        finally:
            os._exit(0)

    _go_to_rehearse(files)
    atexit.register(tell)
    sys.argv = sys.argv[:1] + words
    return True


# --------------------------------------------------------------------------------------------------


def serve(modules=None, odd_words=None, warm=None, rehearsal=None):
    """Load the modules that `modules()` names, call `warm()`, and wait; returns in each run.

    What it returns is to be called with the SystemExit that ends the run.

    `warm` does once what each run would do again, in code that no repository can change, and leaves
    nothing behind but what is faster found a second time.
    `odd_words` tells of a command's arguments whether they need a fresh start.
    `rehearsal`: files, by name, and the words of a command over them. The pages that it writes to
    are copied ahead for each run, at half the cost of copying each when it is written to.
    """
    import gc

    held = []
    note_exit = _hold_at_exit(held)  # before anyone else registers, so that it runs last
    try:
        zygote = _Zygote(sys.argv[2])
        zygote.refuse_odd_starts()
        zygote.load(modules)
        if warm is not None:
            warm()
        zygote.settle()
        _learn_files(zygote)
        held.extend(name for name in sys.modules if name not in _KEPT)
        gc.collect()
        gc.freeze()
        if rehearsal is not None and _learn_pages(*rehearsal):
            _forget_zygote(zygote)
            return note_exit
        argv, environ = _await_run("assay_zygote")
    except Refused as reason:
        sys.exit("not a zygote: %s" % reason)
    if zygote.doubt(argv, environ, odd_words) is not None:
        _exec(argv, environ)
    sys.argv = argv[1:]
    sys.orig_argv = argv
    _forget_zygote(zygote)
    return note_exit
