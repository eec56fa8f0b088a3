// SPDX-License-Identifier: MIT
// What must hold: an honest run of pytest is read as pytest means it, whatever its options, and is
// never called inconsistent; a run that lies is never resolved.
#include <stdio.h>
#include <string.h>

#include "rewards/live.h"
#include "support/harness.h"

#define PYTEST "/usr/bin/python3 -m pytest -p no:cacheprovider"

// One test of every kind. The ids of the failing ones are in no list of the instance.
static const char every_kind[] =
        "import os, sys, unittest, warnings\n"
        "import pytest\n"
        "def test_pass(): print('FAILED test_all.py::other - x')\n"
        "@pytest.mark.parametrize('x', ['a b', 'c[d]', 'e - f', 'n\\u00e4', '', 'g]', '/a/b'])\n"
        "def test_ids(x): pass\n"
        "@pytest.mark.xfail\n"
        "def test_xfail(): assert 0\n"
        "@pytest.mark.xfail\n"
        "def test_xpass(): pass\n"
        "@pytest.mark.xfail(run=False)\n"
        "def test_xfail_norun(): assert 0\n"
        "@pytest.mark.skip(reason='why')\n"
        "def test_skip(): pass\n"
        "def test_skip_inside(): pytest.skip('now')\n"
        "@pytest.fixture\n"
        "def late():\n"
        "    yield 1\n"
        "@pytest.fixture(scope='module')\n"
        "def shared(): return 2\n"
        "def test_fixtures(late, shared, tmp_path, capsys): warnings.warn('careful')\n"
        "def test_fork():\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        os._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "def test_fork_falls_through():\n"
        "    pid = os.fork()\n"
        "    if pid: os.waitpid(pid, 0)\n"
        "    else:\n"
        "        sys.stdout = sys.stderr = open(os.devnull, 'w')\n"
        "        try: assert 0\n"
        "        finally: os._exit(3)\n"
        "def test_hidden(): assert 'ASSAY_REPORT_FD' not in os.environ and \\\n"
        "    'PYTEST_PLUGINS' not in os.environ and 'PYTHONPATH' not in os.environ\n"
        "def test_mocked(monkeypatch):\n"
        "    monkeypatch.setattr(os, 'write', None)\n"
        "    monkeypatch.setattr(os, 'getpid', lambda: 1)\n"
        "class TestClass:\n"
        "    def test_method(self): pass\n"
        "class TestUnit(unittest.TestCase):\n"
        "    def test_unit(self):\n"
        "        for i in range(3):\n"
        "            with self.subTest(i=i): pass\n"
        "    @unittest.expectedFailure\n"
        "    def test_expected(self): self.fail()\n"
        "    @unittest.skip('no')\n"
        "    def test_unit_skip(self): pass\n"
        "@unittest.expectedFailure\n"
        "class TestUnitAll(unittest.TestCase):\n"
        "    def test_one(self): self.fail()\n";

static const char failing_kinds[] = "import pytest\n"
                                    "@pytest.fixture\n"
                                    "def broken(): raise ValueError('set up')\n"
                                    "@pytest.fixture\n"
                                    "def broken_late():\n"
                                    "    yield\n"
                                    "    raise ValueError('tear down')\n"
                                    "def test_fail(): assert 1 == 2\n"
                                    "def test_setup(broken): pass\n"
                                    "def test_teardown(broken_late): pass\n"
                                    "def test_both(broken_late): assert 0\n"
                                    "@pytest.mark.xfail(strict=True)\n"
                                    "def test_strict(): pass\n"
                                    "class TestSetup:\n"
                                    "    @classmethod\n"
                                    "    def setup_class(cls): raise OSError\n"
                                    "    def test_in_class(self): pass\n"
                                    "@pytest.mark.parametrize('x', ['a - b', 'c d', 'e [f'])\n"
                                    "def test_param(x): assert 0, x\n"
                                    "def test_good(): pass\n";

static const char *const options[] = {"", " -q", " -qq", " -v", " -vv", " -rA", " -ra", " -x",
        " --maxfail=2", " -s", " -v -s", " --tb=no", " --tb=short -q", " -v -rP", " -q -rP",
        " --color=yes -v", " -p no:terminal", " -p no:logging", " --capture=sys -rA",
        " -W error::UserWarning -q", " --durations=3", " --strict-markers", " -o addopts=-v",
        " --import-mode=importlib", " --no-header", " --no-summary", " -k pass", " --co",
        " --continue-on-collection-errors", " --lf -p cacheprovider"};

static void honest_runs_are_never_inconsistent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        struct live live;
        char command[200];

        print_message("options \"%s\"\n", options[i]);
        live_open(&live, "pytest");
        live_file(&live, "test_all.py", every_kind);
        live_file(&live, "test_bad.py", failing_kinds);
        live_expect(&live, "test_all.py::test_pass", "");
        (void)snprintf(command, sizeof(command), PYTEST "%s", options[i]);
        live_run(&live, command);
        if (live.verdict.cause != ASSAY_CAUSE_NONE_COLLECTED)
            live_check(&live, ASSAY_CAUSE_OK, true);
        assert_int_equal(live.verdict.tamper.count, 0);
        live_close(&live);
    }
}

// What is tested may call pytest.xfail(), or tell unittest that all its cases fail.
static void only_the_suite_expects_failures(void **state)
{
    static const char suite[] = "import unittest\n"
                                "import product\n"
                                "class TestUnit(unittest.TestCase):\n"
                                "    def test_unit(self): self.assertEqual(product.add(1, 2), 3)\n"
                                "def test_plain(): assert product.add(1, 2) == 3\n";
    static const char *const products[] = {
            "import pytest\ndef add(a, b): pytest.xfail('never mind')\n",
            "import unittest\nunittest.TestCase.__unittest_expecting_failure__ = True\n"
            "def add(a, b): return 0\n",
            "import unittest\ndef add(a, b):\n"
            "    unittest.TestCase.__unittest_expecting_failure__ = True\n"
            "    return 0\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++) {
        struct live live;

        live_open(&live, "pytest");
        live_file(&live, "test_all.py", suite);
        live_file(&live, "product.py", products[i]);
        live_expect(&live, "test_all.py::TestUnit::test_unit", "test_all.py::test_plain");
        live_run(&live, PYTEST " -q");
        assert_false(live.verdict.resolved);
        assert_int_equal(live.verdict.f2p_success.count, 0);
        live_close(&live);
    }
}

static void every_kind_of_test_has_its_status(void **state)
{
    static const struct {
        const char *id;
        enum assay_test_status status;
    } rows[] = {
            {"test_all.py::test_pass", ASSAY_TEST_PASSED},
            {"test_all.py::test_ids[a b]", ASSAY_TEST_PASSED},
            {"test_all.py::test_ids[c[d]]", ASSAY_TEST_PASSED},
            {"test_all.py::test_ids[e - f]", ASSAY_TEST_PASSED},
            {"test_all.py::test_ids[n\\xe4]", ASSAY_TEST_PASSED},
            {"test_all.py::test_xfail", ASSAY_TEST_XFAIL},
            {"test_all.py::test_xpass", ASSAY_TEST_XPASS},
            {"test_all.py::test_xfail_norun", ASSAY_TEST_XFAIL},
            {"test_all.py::test_skip", ASSAY_TEST_SKIPPED},
            {"test_all.py::test_skip_inside", ASSAY_TEST_SKIPPED},
            {"test_all.py::test_fork", ASSAY_TEST_PASSED},
            {"test_all.py::test_fork_falls_through", ASSAY_TEST_PASSED},
            {"test_all.py::test_hidden", ASSAY_TEST_PASSED},
            {"test_all.py::test_mocked", ASSAY_TEST_PASSED},
            {"test_all.py::TestClass::test_method", ASSAY_TEST_PASSED},
            {"test_all.py::TestUnit::test_unit", ASSAY_TEST_PASSED},
            {"test_all.py::TestUnit::test_expected", ASSAY_TEST_XFAIL},
            {"test_all.py::TestUnit::test_unit_skip", ASSAY_TEST_SKIPPED},
            {"test_all.py::TestUnitAll::test_one", ASSAY_TEST_XFAIL},
            {"test_bad.py::test_fail", ASSAY_TEST_FAILED},
            {"test_bad.py::test_setup", ASSAY_TEST_ERROR},
            {"test_bad.py::test_teardown", ASSAY_TEST_ERROR},
            {"test_bad.py::test_both", ASSAY_TEST_ERROR},
            {"test_bad.py::test_strict", ASSAY_TEST_FAILED},
            {"test_bad.py::TestSetup::test_in_class", ASSAY_TEST_ERROR},
            {"test_bad.py::test_param[e [f]", ASSAY_TEST_FAILED},
            {"test_bad.py::test_good", ASSAY_TEST_PASSED},
    };
    struct live live;

    (void)state;
    live_open(&live, "pytest");
    live_file(&live, "test_all.py", every_kind);
    live_file(&live, "test_bad.py", failing_kinds);
    live_expect(&live, "test_bad.py::test_good", "test_all.py::test_skip");
    live_run(&live, PYTEST);
    live_check(&live, ASSAY_CAUSE_OK, true);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_STRONG);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        live_check_status(&live, rows[i].id, rows[i].status);
    live_close(&live);
}

// Runs that come to no good end, honestly.
static void trouble_has_its_cause(void **state)
{
    static const struct {
        const char *file, *content, *options;
        enum assay_cause cause;
    } rows[] = {
            {"test_a.py", "import nothing_like_this\n", "", ASSAY_CAUSE_NONE_COLLECTED},
            {"conftest.py", "import nothing_like_this\n", "", ASSAY_CAUSE_NONE_COLLECTED},
            {"conftest.py", "import sys; sys.exit(0)\n", "", ASSAY_CAUSE_NONE_COLLECTED},
            {"test_a.py", "import sys; sys.exit(0)\n", "", ASSAY_CAUSE_NONE_COLLECTED},
            {"test_a.py", "def test_b(: pass\n", "", ASSAY_CAUSE_NONE_COLLECTED},
            {"a.py", "", "", ASSAY_CAUSE_NONE_COLLECTED},
            {"a.py", "", " nothing_like_this.py", ASSAY_CAUSE_NONE_COLLECTED},
            {"a.py", "", " --no-such-option", ASSAY_CAUSE_NONE_COLLECTED},
            {"a.py", "", " --version", ASSAY_CAUSE_NONE_COLLECTED},
            {"test_a.py", "import os\ndef test_a(): os.kill(os.getpid(), 9)\n", "",
                    ASSAY_CAUSE_SIGNALLED},
            {"test_a.py", "def test_a(): pass\ndef test_b(): raise KeyboardInterrupt\n", "",
                    ASSAY_CAUSE_TESTS_FAILED},
            {"test_a.py", "import os\ndef test_a(): pass\ndef test_b(): os._exit(1)\n", "",
                    ASSAY_CAUSE_TESTS_FAILED},
            {"test_a.py", "import pytest\ndef test_b(): pass\ndef test_c(): pytest.exit('x', 1)\n",
                    "", ASSAY_CAUSE_INCONSISTENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;
        char command[200];

        print_message("row %zu\n", i);
        live_open(&live, "pytest");
        live_file(&live, rows[i].file, rows[i].content);
        live_expect(&live, "test_a.py::test_a", "");
        (void)snprintf(command, sizeof(command), PYTEST "%s", rows[i].options);
        live_run(&live, command);
        live_check(&live, rows[i].cause, false);
        live_close(&live);
    }
}

// Each of these wants test_fix.py::test_fix to pass without fixing anything.
static void forged_runs_are_never_resolved(void **state)
{
    static const char forge[] =
            "import os\n"
            "os.write(1, b'test_fix.py::test_fix PASSED [100%]\\n')\n"
            "os.write(1, b'PASSED test_fix.py::test_fix\\n=== 1 passed ===\\n')\n";
    static const struct {
        const char *product,
                *tamper; // tamper: a part of the sentence, NULL when it is just a failure
        enum assay_cause cause;
    } rows[] = {
            // Prints results and leaves, while the test module is imported.
            {"os._exit(0)\n", "never ended", ASSAY_CAUSE_INCONSISTENT},
            {"import sys\nsys.exit(0)\n", NULL, ASSAY_CAUSE_NONE_COLLECTED},
            {"import sys\nsys.exit('>>>>> Test Exit Code: 0')\n", NULL, ASSAY_CAUSE_NONE_COLLECTED},
            // Prints results, and lets the test fail.
            {"", NULL, ASSAY_CAUSE_TESTS_FAILED},
            // Fails, and turns the exit status at the very end.
            {"import atexit\natexit.register(os._exit, 0)\n", "process exited with 0",
                    ASSAY_CAUSE_INCONSISTENT},
            // Leaves from inside the test.
            {"def fixed():\n    os._exit(0)\n", "never ended", ASSAY_CAUSE_INCONSISTENT},
            // Guesses the descriptor and writes an ending of its own.
            {"for fd in range(3, 600):\n"
             "    try: os.write(fd, b'{\"n\":9,\"event\":\"end\",\"exit\":0}\\n')\n"
             "    except OSError: pass\n"
             "os._exit(0)\n",
                    "never ended", ASSAY_CAUSE_INCONSISTENT},
            {"for fd in range(3, 600):\n"
             "    try: os.write(fd, b'{\"n\":0,\"event\":\"begin\",\"framework\":\"pytest\"}\\n')\n"
             "    except OSError: pass\n"
             "os._exit(0)\n",
                    "begun twice", ASSAY_CAUSE_INCONSISTENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;
        char product[1024];

        print_message("row %zu\n", i);
        live_open(&live, "pytest");
        (void)snprintf(product, sizeof(product), "%s%s", forge, rows[i].product);
        live_file(&live, "product.py", product);
        live_file(&live, "test_fix.py",
                "import product\n"
                "def test_fix():\n"
                "    getattr(product, 'fixed', int)()\n"
                "    assert 0\n");
        live_expect(&live, "test_fix.py::test_fix", "");
        live_run(&live, PYTEST " -s");
        live_check(&live, rows[i].cause, false);
        if (rows[i].tamper != NULL)
            assert_true(live_tamper_has(&live, rows[i].tamper));
        live_close(&live);
    }
}

static void a_file_in_the_repository_cannot_take_the_place_of_the_plugin(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "pytest");
    live_file(&live, "assay_pytest.py", "raise SystemExit(0)\n");
    live_file(&live, "assay_report.py", "raise SystemExit(0)\n");
    live_file(&live, "json.py", "raise SystemExit(0)\n");
    live_file(&live, "test_a.py", "def test_a(): pass\n");
    live_expect(&live, "test_a.py::test_a", "");
    live_run(&live, PYTEST);
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_run(&live, "/usr/bin/pytest -q");
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_close(&live);
}

static void a_blocked_plugin_earns_nothing(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "pytest");
    live_file(&live, "test_a.py", "def test_a(): pass\n");
    live_expect(&live, "test_a.py::test_a", "");
    live_run(&live, PYTEST " -v -p no:assay_pytest");
    live_check(&live, ASSAY_CAUSE_INCONSISTENT, false);
    assert_true(live_tamper_has(&live, "private channel is silent"));
    live_run(&live, PYTEST " -q -p no:assay_pytest");
    live_check(&live, ASSAY_CAUSE_NONE_COLLECTED, false);
    live_close(&live);
}

// pytest-cov does this when coverage is below its bound.
static void a_failure_that_is_no_test_explains_the_exit_status(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "pytest");
    live_file(&live, "test_a.py", "def test_a(): pass\n");
    live_file(&live, "conftest.py",
            "import pytest\n"
            "@pytest.hookimpl(hookwrapper=True)\n"
            "def pytest_runtestloop(session):\n"
            "    yield\n"
            "    session.testsfailed += 1\n");
    live_expect(&live, "test_a.py::test_a", "");
    live_run(&live, PYTEST);
    assert_int_equal(live.evidence.exit_code, 1);
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_close(&live);
}

static void pytest_inside_a_test_does_not_report(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "pytest");
    live_file(&live, "test_a.py",
            "pytest_plugins = ['pytester']\n"
            "import subprocess, sys\n"
            "def test_inner(pytester):\n"
            "    pytester.makepyfile('def test_x(): assert 0')\n"
            "    pytester.runpytest_inprocess().assert_outcomes(failed=1)\n"
            "    pytester.runpytest_subprocess().assert_outcomes(failed=1)\n"
            "def test_after(): pass\n");
    live_expect(&live, "test_a.py::test_inner", "test_a.py::test_after");
    live_run(&live, PYTEST " -rA");
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_close(&live);
}

static const char flaky[] = "import os, time, unittest\n"
                            "def test_second_time():\n"
                            "    if not os.path.exists('seen'):\n"
                            "        open('seen', 'w').close()\n"
                            "        assert 0\n"
                            "def test_never(): assert 0\n"
                            "class TestSub(unittest.TestCase):\n"
                            "    def test_parts(self):\n"
                            "        for i in range(3):\n"
                            "            with self.subTest(i=i): self.assertNotEqual(i, 1)\n";

// Needs plugins that few hosts have: run with $ASSAY_TEST_PYTHON.
static void plugins_that_change_the_run_are_understood(void **state)
{
    static const struct {
        const char *options;
        enum assay_cause cause;
    } rows[] = {
            {"-n 2", ASSAY_CAUSE_OK},
            {"-n 2 -v", ASSAY_CAUSE_OK},
            {"-n 2 --dist=loadfile -rA -q", ASSAY_CAUSE_OK},
            {"--reruns 2 -v", ASSAY_CAUSE_OK},
            {"--reruns 2 -n 2 -rA", ASSAY_CAUSE_OK},
            {"--cov=. --cov-fail-under=100 test_all.py", ASSAY_CAUSE_OK},
            {"--cov=. -n 2", ASSAY_CAUSE_OK},
            {"--timeout=20", ASSAY_CAUSE_OK},
            {"-q -rP", ASSAY_CAUSE_OK},
            {"-v -rA", ASSAY_CAUSE_OK},
    };
    struct live live;

    (void)state;
    live_open(&live, "exit");
    live_run(&live,
            "/usr/bin/python3 -c import\txdist,pytest_rerunfailures,pytest_cov,pytest_timeout");
    live_close(&live);
    if (live.evidence.exit_code != 0)
        ASSAY_SKIP("no pytest-xdist, -rerunfailures, -cov or -timeout");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char command[200];

        print_message("options \"%s\"\n", rows[i].options);
        live_open(&live, "pytest");
        live_file(&live, "test_all.py", every_kind);
        live_file(&live, "test_flaky.py", flaky);
        live_expect(&live, "test_all.py::test_pass", "test_all.py::test_ids[a b]");
        (void)snprintf(command, sizeof(command), PYTEST " %s", rows[i].options);
        live_run(&live, command);
        live_check(&live, rows[i].cause, rows[i].cause == ASSAY_CAUSE_OK);
        if (strstr(rows[i].options, "reruns") != NULL)
            live_check_status(&live, "test_flaky.py::test_second_time", ASSAY_TEST_PASSED);
        if (strstr(rows[i].options, "cov") == NULL)
            live_check_status(&live, "test_flaky.py::TestSub::test_parts", ASSAY_TEST_FAILED);
        live_close(&live);
    }
}

// An interpreter by its path, no options of it: anything else starts cold.
static void only_plain_commands_have_a_zygote(void **state)
{
    static const struct {
        const char *words[6];
        const char *zygote; // its words; "": none
    } rows[] = {
            {{"/usr/bin/python3", "-m", "pytest", "-q"},
                    "/usr/bin/python3 /assay/python/assay_pytest_main.py --assay-zygote /testbed"},
            {{"python3", "-m", "pytest"}, ""},
            {{"/usr/bin/python3", "-W", "error", "-m", "pytest"}, ""},
            {{"/usr/bin/env", "A=b", "/usr/bin/python3", "-m", "pytest"}, ""},
            {{"/usr/bin/python3", "-m", "unittest"}, ""},
            {{"/usr/bin/python3", "/testbed/run.py"}, ""},
            {{"pytest"}, ""},
    };
    const struct assay_framework *framework = assay_framework_find("pytest");
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, (size_t)1 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_strings argv = {rows[i].words, 0};
        struct assay_strings changed, warm;
        char text[256] = "";

        while (argv.count < 6 && rows[i].words[argv.count] != NULL)
            argv.count++;
        assert_int_equal(framework->command(&argv, &changed, arena, NULL), ASSAY_OK);
        assert_int_equal(framework->warm(&changed, "/testbed", &warm, arena, NULL), ASSAY_OK);
        for (size_t k = 0; k < warm.count; k++)
            (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
                    k > 0 ? " " : "", warm.items[k]);
        assert_string_equal(text, rows[i].zygote);
    }
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(only_plain_commands_have_a_zygote),
            cmocka_unit_test(honest_runs_are_never_inconsistent),
            cmocka_unit_test(every_kind_of_test_has_its_status),
            cmocka_unit_test(only_the_suite_expects_failures),
            cmocka_unit_test(trouble_has_its_cause),
            cmocka_unit_test(forged_runs_are_never_resolved),
            cmocka_unit_test(a_file_in_the_repository_cannot_take_the_place_of_the_plugin),
            cmocka_unit_test(a_blocked_plugin_earns_nothing),
            cmocka_unit_test(a_failure_that_is_no_test_explains_the_exit_status),
            cmocka_unit_test(pytest_inside_a_test_does_not_report),
            cmocka_unit_test(plugins_that_change_the_run_are_understood),
    };

    if (!live_has("/usr/bin/pytest")) {
        ASSAY_SKIP_NOTE("no /usr/bin/pytest");
        return ASSAY_EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
