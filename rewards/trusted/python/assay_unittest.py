# SPDX-License-Identifier: MIT
"""assay_unittest: `python -m unittest` with each test's result on the private channel.

One record a test, when it stops, with the worst that was said of it; one more
for each failure that belongs to no test (setUpClass, tearDownModule). Started
as a file, so that nothing in the current directory can take its place.
"""
import os
import sys
import unittest

_SAFE = sys.flags.isolated or getattr(sys.flags, "safe_path", False)
if _SAFE:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from assay_report import leave_environment, open_channel, reordered, take_order  # noqa: E402

__unittest = True  # keeps these frames out of tracebacks, as unittest does

_SUB_TEST = getattr(unittest.case, "_SubTest", ())
_ORDER = ("passed", "xfail", "xpass", "skipped", "failed", "error")  # worst last


class Recorder(unittest.TextTestResult):
    channel = None
    tests = 0
    finished = False
    about_to_fail = None  # of a zygote: brings in what the first failure makes Python import

    _current = None
    _status = None

    def _note(self, test, status):
        if self.channel is None:
            return
        # A part of a test (subTest) speaks for the test it belongs to.
        if isinstance(test, _SUB_TEST):
            test = test.test_case
        if self._current is None or test is not self._current:
            self.channel.write("result", id=test.id(), status=status, when="outside")
        elif self._status is None or _ORDER.index(status) > _ORDER.index(self._status):
            self._status = status

    def startTest(self, test):
        self._current, self._status = test, None
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        if self.channel is not None and self._status is not None:
            Recorder.tests += 1
            self.channel.write("result", id=test.id(), status=self._status, when="test")
        self._current, self._status = None, None

    def addSuccess(self, test):
        super().addSuccess(test)
        self._note(test, "passed")

    def _exc_info_to_string(self, err, test):
        if Recorder.about_to_fail is not None:
            Recorder.about_to_fail, bring = None, Recorder.about_to_fail
            bring()
        return super()._exc_info_to_string(err, test)

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "error")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failed")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, "skipped")

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self._note(test, "xfail")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._note(test, "xpass")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(test, "failed" if issubclass(err[0], test.failureException) else "error")


def rearrange(test, order):
    """Each suite's members in another order: no class or module is torn apart."""
    members = getattr(test, "_tests", None)
    if isinstance(members, list):
        members[:] = reordered(members, order)
        for member in members:
            rearrange(member, order)


class Runner(unittest.TextTestRunner):
    resultclass = Recorder
    order = ""

    def run(self, test):
        self.failfast = False  # there are tests that must fail
        if self.order:
            rearrange(test, self.order)
        result = super().run(test)
        Recorder.finished = True
        return result


class Program(unittest.TestProgram):
    """unittest.main, whose parsers of arguments a zygote has made already."""

    parsers = None
    reads_names = False  # names alone need no parser

    def _initArgParsers(self):
        if Program.parsers is None:
            super()._initArgParsers()
        else:
            self._main_parser, self._discovery_parser = Program.parsers

    def parseArgs(self, argv):
        names = list(argv[1:])
        if not Program.reads_names or not names or not all(map(is_plain, names)):
            super().parseArgs(argv)
            return
        self._initArgParsers()
        self.tests = self.testNames = names
        self.createTests()


def is_plain(name):
    """Neither an option, nor a file, nor a word that unittest knows."""
    return (name.replace(".", "_").isidentifier() and name.lower() != "discover"
            and not name.lower().endswith(".py"))


def main():
    channel = Recorder.channel = open_channel()
    Runner.order = take_order()
    leave_environment()
    version = "%d.%d.%d" % sys.version_info[:3]
    if channel is not None:
        channel.write("begin", framework="unittest", version=version)
    try:
        Program(module=None, testRunner=Runner)
    except SystemExit as stop:
        # A test module that exits while it is loaded gets no end record.
        if channel is not None and Recorder.finished:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            channel.write("end", exit=int(code), tests=Recorder.tests)
        raise


_note_exit = None
_COMMAND = os.path.basename(sys.executable) + " -m unittest"
_TESTS = """\
import unittest


class Rehearsal(unittest.TestCase):
    def test_passes(self):
        self.assertEqual(1 + 1, 2)

    def test_fails(self):
        self.assertEqual([1, "a"], [2, "b"])

    def test_is_not_equal(self):
        self.assertEqual(object(), object())

    def test_differs(self):
        self.assertEqual("one", "two")

    def test_raises(self):
        self.assertEqual({}["missing"], int("x"))

    def test_skips(self):
        self.skipTest("skipped")
"""
_FILES = {"test_rehearsal.py": _TESTS}
_WORDS = ["test_rehearsal"]

if __name__ == "__main__" and sys.argv[1:2] == ["--assay-zygote"]:
    import assay_zygote

    def _read_arguments(then):
        class Reader(unittest.TestProgram):
            def createTests(self, *args, **kwargs):
                pass  # from here on code of a repository may run

            def runTests(self):
                then(self)

        Reader(module=None, argv=[_COMMAND, "x"])

    def _keep_parsers(program):
        Program.parsers = (program._main_parser, program._discovery_parser)
        # What a program has already is set by an option alone.
        read = vars(Program.parsers[0].parse_args(["x"]))
        Program.reads_names = all(hasattr(program, name) for name in read)

    def _rehearse():
        known = set(sys.modules)
        late = []
        sys.path[:1] = [os.getcwd()]

        def note_late():
            known.update(sys.modules)

        Recorder.about_to_fail = note_late
        try:
            Program(module=None, argv=[_COMMAND] + _WORDS, testRunner=Runner)
        except SystemExit:
            late = [name for name in sys.modules if name not in known]
        return {"late": late, "patterns": assay_zygote.patterns()}

    def _prepare():
        _read_arguments(_keep_parsers)
        told = assay_zygote.rehearse(_rehearse, _FILES) or {}
        assay_zygote.compile_patterns(told.get("patterns", ()))
        Recorder.about_to_fail = assay_zygote.Late(told.get("late", ())).bring

    _note_exit = assay_zygote.serve(  # comes back in each run
        modules=lambda: assay_zygote.scout(lambda tell: _read_arguments(lambda program: tell())),
        warm=_prepare, rehearsal=(_FILES, _WORDS))

if __name__ == "__main__":
    # From here on the path is that of `-m unittest`.
    sys.path[:1] = [] if _SAFE else [os.getcwd()]
    sys.argv[0] = _COMMAND
    try:
        main()
    except SystemExit as stop:
        if _note_exit is not None:
            _note_exit(stop)
        raise
