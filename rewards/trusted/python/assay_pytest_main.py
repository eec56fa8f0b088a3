# SPDX-License-Identifier: MIT
"""assay_pytest_main: what `python -m pytest` does, without trusting the current directory.

`-m` puts the current directory first on sys.path, and a file of the repository
named assay_pytest.py would be loaded in place of ours. Here ours and pytest are
imported first; the directory takes its place afterwards.
"""
import os
import runpy
import sys

_SAFE = sys.flags.isolated or getattr(sys.flags, "safe_path", False)
if _SAFE:
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

_note_exit = None

if __name__ == "__main__" and sys.argv[1:2] == ["--assay-zygote"]:
    import assay_zygote

    def _modules():
        def run(tell):
            import assay_pytest, pytest  # noqa: E401,F401

            class Plugin:
                @pytest.hookimpl(tryfirst=True)
                def pytest_load_initial_conftests(self):
                    tell()  # from here on code of a repository may run

            os.mkdir("/tmp/assay-scout")
            os.chdir("/tmp/assay-scout")
            pytest.main([], plugins=[Plugin()])

        return assay_zygote.scout(run)

    def _odd_words(words):
        # A plugin named on the command line may have been loaded already, and pytest says so.
        return any(
            word.startswith("-p") and not (word + following).startswith("-pno:")
            for word, following in zip(words, words[1:] + [""])
        )

    _REHEARSAL = {}, []

    def _prepare():
        import assay_pytest_warm

        assay_pytest_warm.prepare()
        _REHEARSAL[0].update(assay_pytest_warm.FILES)
        _REHEARSAL[1].extend(assay_pytest_warm.WORDS)
        del sys.modules["assay_pytest_warm"]  # a start has none; its functions stay

    _note_exit = assay_zygote.serve(  # comes back in each run
        _modules, _odd_words, warm=_prepare, rehearsal=_REHEARSAL)
    sys.modules["assay_pytest"].reopen()

import assay_pytest  # noqa: E402,F401  stays in sys.modules, where PYTEST_PLUGINS finds it

if __name__ == "__main__":
    # From here on the path is that of `-m pytest`.
    sys.path[:1] = [] if _SAFE else [os.getcwd()]
    try:
        runpy.run_module("pytest", run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if _note_exit is not None:
            _note_exit(stop)
        raise
