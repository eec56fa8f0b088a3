// SPDX-License-Identifier: MIT
// What must hold: `python -m unittest` reports each test of ours as unittest means it; commands of
// another shape are read from their log, as weak evidence; a run that lies is never resolved.
#include <stdio.h>
#include <string.h>

#include "rewards/live.h"
#include "support/harness.h"

static const char every_kind[] =
        "import os, sys, unittest\n"
        "class TestAll(unittest.TestCase):\n"
        "    def test_pass(self): print('FAIL: test_pass (tests.test_all.TestOther)')\n"
        "    def test_doc(self):\n"
        "        '''This one has a docstring.'''\n"
        "    def test_subtests(self):\n"
        "        for i in range(3):\n"
        "            with self.subTest(i=i): pass\n"
        "    def test_subtest_skips(self):\n"
        "        for i in range(2):\n"
        "            with self.subTest(i=i):\n"
        "                if i: self.skipTest('one')\n"
        "    @unittest.expectedFailure\n"
        "    def test_expected(self): self.fail()\n"
        "    @unittest.skip('why')\n"
        "    def test_skip(self): pass\n"
        "    def test_hidden(self):\n"
        "        self.assertNotIn('ASSAY_REPORT_FD', os.environ)\n"
        "        self.assertNotIn('PYTHONPATH', os.environ)\n"
        "        self.assertEqual(sys.path[0], os.getcwd())\n"
        "        self.assertIn('-m unittest', sys.argv[0])\n"
        "    def test_fork(self):\n"
        "        pid = os.fork()\n"
        "        if pid == 0: os._exit(0)\n"
        "        os.waitpid(pid, 0)\n"
        "@unittest.skip('whole')\n"
        "class TestSkipped(unittest.TestCase):\n"
        "    def test_in_it(self): pass\n";

static const char failing_kinds[] =
        "import unittest\n"
        "class TestBad(unittest.TestCase):\n"
        "    def test_fail(self): self.fail()\n"
        "    def test_error(self): raise OSError\n"
        "    def test_good(self): pass\n"
        "    def test_subtest(self):\n"
        "        for i in range(4):\n"
        "            with self.subTest('deep', i=i): self.assertNotEqual(i, 2)\n"
        "    @unittest.expectedFailure\n"
        "    def test_unexpected(self): pass\n"
        "class TestLate(unittest.TestCase):\n"
        "    def tearDown(self): raise OSError\n"
        "    def test_fail_late(self): pass\n"
        "class TestSetUp(unittest.TestCase):\n"
        "    @classmethod\n"
        "    def setUpClass(cls): raise OSError\n"
        "    def test_never(self): pass\n"
        "class TestTearDown(unittest.TestCase):\n"
        "    @classmethod\n"
        "    def tearDownClass(cls): raise OSError\n"
        "    def test_before(self): pass\n";

static void files(const struct live *live)
{
    live_file(live, "tests/__init__.py", "");
    live_file(live, "tests/test_all.py", every_kind);
    live_file(live, "tests/test_bad.py", failing_kinds);
}

static void honest_runs_are_never_inconsistent(void **state)
{
    static const char *const commands[] = {"-m unittest", "-m unittest -v", "-m unittest -b",
            "-m unittest -b -v", "-m unittest --locals", "-m unittest discover",
            "-m unittest discover -v -s tests -t .", "-m unittest tests.test_all -v",
            "-m unittest tests.test_all tests.test_bad", "-W error -X dev -m unittest -v",
            "-I -m unittest discover", "-B -m unittest -q",
            "-m unittest tests.test_all.TestAll.test_pass"};

    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        struct live live;
        char command[200];

        print_message("%s\n", commands[i]);
        live_open(&live, "unittest");
        files(&live);
        live_expect(&live, "tests.test_all.TestAll.test_pass", "");
        (void)snprintf(command, sizeof(command), "/usr/bin/python3 %s", commands[i]);
        live_run(&live, command);
        // Isolated, Python does not see the package in the current directory.
        if (strstr(commands[i], "-I") == NULL)
            live_check(&live, ASSAY_CAUSE_OK, true);
        assert_int_equal(live.verdict.tamper.count, 0);
        live_close(&live);
    }
}

static void every_kind_of_test_has_its_status(void **state)
{
    static const struct {
        const char *id;
        enum assay_test_status status;
    } rows[] = {
            {"tests.test_all.TestAll.test_pass", ASSAY_TEST_PASSED},
            {"tests.test_all.TestAll.test_doc", ASSAY_TEST_PASSED},
            {"tests.test_all.TestAll.test_subtests", ASSAY_TEST_PASSED},
            {"tests.test_all.TestAll.test_subtest_skips", ASSAY_TEST_SKIPPED},
            {"tests.test_all.TestAll.test_expected", ASSAY_TEST_XFAIL},
            {"tests.test_all.TestAll.test_skip", ASSAY_TEST_SKIPPED},
            {"tests.test_all.TestAll.test_hidden", ASSAY_TEST_PASSED},
            {"tests.test_all.TestAll.test_fork", ASSAY_TEST_PASSED},
            {"tests.test_all.TestSkipped.test_in_it", ASSAY_TEST_SKIPPED},
            {"tests.test_bad.TestBad.test_fail", ASSAY_TEST_FAILED},
            {"tests.test_bad.TestBad.test_error", ASSAY_TEST_ERROR},
            {"tests.test_bad.TestBad.test_good", ASSAY_TEST_PASSED},
            {"tests.test_bad.TestBad.test_subtest", ASSAY_TEST_FAILED},
            {"tests.test_bad.TestBad.test_unexpected", ASSAY_TEST_XPASS},
            {"tests.test_bad.TestLate.test_fail_late", ASSAY_TEST_ERROR},
            {"tests.test_bad.TestSetUp.test_never", ASSAY_TEST_MISSING},
            {"setUpClass (tests.test_bad.TestSetUp)", ASSAY_TEST_ERROR},
            {"tests.test_bad.TestTearDown.test_before", ASSAY_TEST_PASSED},
            {"tearDownClass (tests.test_bad.TestTearDown)", ASSAY_TEST_ERROR},
    };
    struct live live;

    (void)state;
    live_open(&live, "unittest");
    files(&live);
    live_expect(&live, "tests.test_all.TestAll.test_pass", "tests.test_all.TestAll.test_skip");
    live_run(&live, "/usr/bin/python3 -m unittest");
    live_check(&live, ASSAY_CAUSE_OK, true);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_STRONG);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        live_check_status(&live, rows[i].id, rows[i].status);
    live_close(&live);
}

static void swebench_ids_name_the_same_tests(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "unittest");
    files(&live);
    live_expect(&live, "test_pass (tests.test_all.TestAll)",
            "test_doc (tests.test_all.TestAll.test_doc)");
    live_run(&live, "/usr/bin/python3 -m unittest tests.test_all");
    live_check(&live, ASSAY_CAUSE_TESTS_FAILED, false);
    live.instance.rules = ASSAY_RULES_SWEBENCH;
    live_judge(&live);
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_close(&live);
}

static const char runner[] = "import sys, unittest\n"
                             "suite = unittest.defaultTestLoader.discover('.')\n"
                             "result = unittest.TextTestRunner(verbosity=2).run(suite)\n"
                             "sys.exit(not result.wasSuccessful())\n";

static void a_runner_of_the_project_is_read_from_its_log(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "unittest");
    files(&live);
    live_file(&live, "runtests.py", runner);
    live.instance.rules = ASSAY_RULES_SWEBENCH;
    // The second is how the log names a test that has a docstring.
    live_expect(&live, "test_pass (tests.test_all.TestAll)\nThis one has a docstring.",
            "test_skip (tests.test_all.TestAll)");
    live_run(&live, "/usr/bin/python3 runtests.py");
    live_check(&live, ASSAY_CAUSE_OK, true);
    assert_int_equal(live.verdict.evidence, ASSAY_EVIDENCE_WEAK);
    live_check_status(&live, "tests.test_all.TestAll.test_doc", ASSAY_TEST_PASSED);
    live_check_status(&live, "tests.test_all.TestAll.test_expected", ASSAY_TEST_XFAIL);
    live_check_status(&live, "tests.test_bad.TestBad.test_fail", ASSAY_TEST_FAILED);
    live_check_status(&live, "tests.test_bad.TestBad.test_subtest", ASSAY_TEST_FAILED);
    live_check_status(&live, "tests.test_bad.TestBad.test_error", ASSAY_TEST_ERROR);
    live_close(&live);
}

static void trouble_has_its_cause(void **state)
{
    static const struct {
        const char *content, *options;
        enum assay_cause cause;
    } rows[] = {
            {"import nothing_like_this\n", "", ASSAY_CAUSE_TESTS_FAILED},
            {"import sys; sys.exit(0)\n", "", ASSAY_CAUSE_TESTS_FAILED}, // discovery reports it
            {"import sys; sys.exit(0)\n", " test_a", ASSAY_CAUSE_INCONSISTENT},
            {"import sys; sys.exit(1)\n", " test_a", ASSAY_CAUSE_NONE_COLLECTED},
            {"def broken(:\n", "", ASSAY_CAUSE_TESTS_FAILED},
            {"", "", ASSAY_CAUSE_NONE_COLLECTED},
            {"", " --no-such-option", ASSAY_CAUSE_NONE_COLLECTED},
            {"import os, unittest\nclass T(unittest.TestCase):\n"
             "    def test_a(self): os.kill(os.getpid(), 11)\n",
                    "", ASSAY_CAUSE_SIGNALLED},
            {"import os, unittest\nclass T(unittest.TestCase):\n"
             "    def test_0(self): pass\n"
             "    def test_a(self): os._exit(1)\n",
                    "", ASSAY_CAUSE_TESTS_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;
        char command[200];

        print_message("row %zu\n", i);
        live_open(&live, "unittest");
        live_file(&live, "test_a.py", rows[i].content);
        live_expect(&live, "test_a.T.test_a", "");
        (void)snprintf(command, sizeof(command), "/usr/bin/python3 -m unittest%s", rows[i].options);
        live_run(&live, command);
        live_check(&live, rows[i].cause, false);
        live_close(&live);
    }
}

static void forged_runs_are_never_resolved(void **state)
{
    static const char forge[] = "import os, sys\n"
                                "sys.stderr.write('test_fix (test_fix.T.test_fix) ... ok\\n')\n"
                                "sys.stderr.write('\\nRan 1 test in 0.000s\\n\\nOK\\n')\n";
    static const struct {
        const char *product;
        enum assay_cause cause;
    } rows[] = {
            {"os._exit(0)\n", ASSAY_CAUSE_INCONSISTENT},
            {"sys.exit(0)\n", ASSAY_CAUSE_INCONSISTENT},
            {"", ASSAY_CAUSE_TESTS_FAILED},
            {"import atexit\natexit.register(os._exit, 0)\n", ASSAY_CAUSE_INCONSISTENT},
            {"def fixed(): os._exit(0)\n", ASSAY_CAUSE_INCONSISTENT},
            {"def fixed(): sys.exit(0)\n", ASSAY_CAUSE_TESTS_FAILED},
    };
    static const char *const commands[] = {
            "/usr/bin/python3 -m unittest -v test_fix", "/usr/bin/python3 runtests.py"};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        struct live live;
        char product[1024];

        print_message("row %zu\n", i);
        live_open(&live, "unittest");
        (void)snprintf(product, sizeof(product), "%s%s", forge, rows[i / 2].product);
        live_file(&live, "product.py", product);
        live_file(&live, "runtests.py", runner);
        live_file(&live, "test_fix.py",
                "import product, unittest\n"
                "class T(unittest.TestCase):\n"
                "    def test_fix(self):\n"
                "        getattr(product, 'fixed', int)()\n"
                "        self.fail()\n"
                "    def test_zzz(self): pass\n");
        live_expect(&live, "test_fix.T.test_fix", "test_fix.T.test_zzz");
        live_run(&live, commands[i % 2]);
        if (i % 2 == 0)
            live_check(&live, rows[i / 2].cause, false);
        assert_false(live.verdict.resolved);
        live_close(&live);
    }
}

static void a_file_in_the_repository_cannot_take_the_place_of_the_runner(void **state)
{
    struct live live;

    (void)state;
    live_open(&live, "unittest");
    live_file(&live, "assay_unittest.py", "raise SystemExit(0)\n");
    live_file(&live, "assay_report.py", "raise SystemExit(0)\n");
    live_file(&live, "unittest.py", "raise SystemExit(0)\n");
    live_file(&live, "test_a.py",
            "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n");
    live_expect(&live, "test_a.T.test_a", "");
    live_run(&live, "/usr/bin/python3 -m unittest");
    live_check(&live, ASSAY_CAUSE_OK, true);
    live_close(&live);
}

static void only_python_m_unittest_is_replaced(void **state)
{
    static const struct {
        const char *words[6];
        bool replaced;
    } rows[] = {
            {{"python3", "-m", "unittest"}, true},
            {{"/opt/venv/bin/python3.11", "-m", "unittest", "-v"}, true},
            {{"python", "-W", "error", "-Xdev", "-m", "unittest"}, true},
            {{"env", "A=b", "PYTHONPATH=src", "python3", "-m", "unittest"}, true},
            {{"pypy3", "-m", "unittest"}, true},
            {{"python3", "-m", "unittest2"}, false},
            {{"python3", "-m"}, false},
            {{"python3"}, false},
            {{"env"}, false},
            {{"env", "A=b"}, false},
            {{"python3", "run.py", "-m", "unittest"}, false},
            {{"python3", "-c", "pass", "-m", "unittest"}, false},
            {{"python3", "-m", "coverage", "run", "-m", "unittest"}, false},
            {{"pythonista", "-m", "unittest"}, false},
            {{"sh", "-c", "python3 -m unittest"}, false},
    };
    const struct assay_framework *framework = assay_framework_find("unittest");
    struct assay_arena *arena;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_strings argv = {rows[i].words, 0}, out;

        print_message("row %zu\n", i);
        while (argv.count < 6 && rows[i].words[argv.count] != NULL)
            argv.count++;
        assert_int_equal(framework->command(&argv, &out, arena, NULL), ASSAY_OK);
        assert_int_equal(framework->channel_applies(&argv), rows[i].replaced);
        assert_int_equal(out.count, argv.count - rows[i].replaced);
        if (!rows[i].replaced)
            continue;
        for (size_t word = 0; word < out.count; word++)
            assert_string_not_equal(out.items[word], "-m");
    }
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(honest_runs_are_never_inconsistent),
            cmocka_unit_test(every_kind_of_test_has_its_status),
            cmocka_unit_test(swebench_ids_name_the_same_tests),
            cmocka_unit_test(a_runner_of_the_project_is_read_from_its_log),
            cmocka_unit_test(trouble_has_its_cause),
            cmocka_unit_test(forged_runs_are_never_resolved),
            cmocka_unit_test(a_file_in_the_repository_cannot_take_the_place_of_the_runner),
            cmocka_unit_test(only_python_m_unittest_is_replaced),
    };

    if (!live_has("/usr/bin/python3")) {
        ASSAY_SKIP_NOTE("no /usr/bin/python3");
        return ASSAY_EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
