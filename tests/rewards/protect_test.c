// SPDX-License-Identifier: MIT
// What must hold: nothing that decides what the tests are or how they run is the model's to
// change, and what has nothing to do with tests is.
#include "rewards/protect.h"

#include <string.h>

#include "base/arena.h"
#include "support/harness.h"

static bool matches(const struct assay_strings *globs, const char *path)
{
    for (size_t i = 0; i < globs->count; i++)
        if (assay_glob_match(globs->items[i], path))
            return true;
    return false;
}

static const char *const f2p[] = {"tests/test_a.py::test_x", "src/doc.py::src.doc.f"};
static const char *const modules[] = {"pkg.tests.test_b.Case.test_y", "test_z (pkg.more.Case)"};
static const char *const command[] = {"sh", "-c", "./tools/run.sh && make check"};
static const char gold[] = "--- a/src/doc.py\n+++ b/src/doc.py\n@@ -1 +1 @@\n-a\n+b\n";
static const char test_patch[] =
        "--- a/spec/more/x.txt\n+++ b/spec/more/x.txt\n@@ -1 +1 @@\n-a\n+b\n";

static void whole_files(void **state)
{
    static const struct {
        const char *framework, *path;
        bool protected;
    } rows[] = {
            {"pytest", "conftest.py", true},
            {"pytest", "a/b/conftest.py", true},
            {"pytest", "pytest.ini", true},
            {"pytest", "x.dist-info/entry_points.txt", true},
            {"pytest", "usercustomize.py", true},
            {"pytest", "lib/evil.pth", true},
            {"pytest", "pytest.py", true},
            {"pytest", "_pytest/runner.py", true},
            {"pytest", "assay_pytest.py", true},
            {"pytest", "assay_report.py", true},
            {"pytest", "tests/test_a.py", true},
            {"pytest", "tests/test_other.py", true}, // in a folder of tests
            {"pytest", "src/test_other.py", false},
            {"pytest", "spec/data/x.json", true}, // in one of the test patch's
            {"pytest", "test/client.py", false},  // no expected test is in it
            {"pytest", "src/doc.py", false},      // doctests in what gold changes
            {"pytest", "src/product.py", false},
            {"pytest", "tools/run.sh", true},
            {"unittest", "pkg/tests/test_b.py", true},
            {"unittest", "pkg/more.py", true},
            {"unittest", "unittest/__init__.py", true},
            {"unittest", "pkg/product.py", false},
            {"unittest", "conftest.py", false},
            {"gotest", "a/b_test.go", true},
            {"gotest", "a/b.go", false},
            {"cargo", "build.rs", true},
            {"cargo", ".cargo/config.toml", true},
            {"cargo", "tests/it.rs", true},
            {"cargo", "src/lib.rs", false},
            {"node", "jest.config.js", true},
            {"node", "lib/a.test.js", true},
            {"node", "lib/a.js", false},
            {"minitest", "Rakefile", true},
            {"minitest", "lib/a.rb", false},
            {"tap", "t/a.t", true},
            {"ctest", "CTestCustom.cmake", true},
            {"exit", "tools/run.sh", true},
            {"exit", "other.sh", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_instance instance = {.framework = rows[i].framework,
                .fail_to_pass = {f2p, 2},
                .test_cmd = {command, 3},
                .gold_patch = {gold, sizeof(gold) - 1},
                .test_patch = {test_patch, sizeof(test_patch) - 1}};
        struct assay_protection protection;
        struct assay_arena *arena = NULL;

        if (strcmp(rows[i].framework, "unittest") == 0)
            instance.fail_to_pass = (struct assay_strings){modules, 2};
        assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
        assert_int_equal(assay_protection_make(&protection, &instance, arena, NULL), ASSAY_OK);
        print_message("%s: %s\n", rows[i].framework, rows[i].path);
        assert_int_equal(matches(&protection.globs, rows[i].path) ||
                        (matches(&protection.tests, rows[i].path) &&
                                !matches(&protection.exempt, rows[i].path)),
                rows[i].protected);
        assay_arena_destroy(arena);
    }
}

#define TOML                                                                                       \
    "[project]\nname = \"x\"\nversion = \"1\"\ndependencies = [\n  \"a\",\n]\n\n"                  \
    "[tool.pytest.ini_options]\naddopts = \"-q\"\n"
#define MAKE                                                                                       \
    "CFLAGS = -O2\nOBJS = a.o\n\nprog: $(OBJS)\n\tld -o prog $(OBJS)\n\ncheck: prog\n\tprove t\n"
#define PACKAGE                                                                                    \
    "{\"name\": \"x\", \"version\": \"1\", \"scripts\": {\"test\": \"node --test\"},"              \
    " \"dependencies\": {\"a\": \"1\"}}"

// A file before and after a patch, and whether its part that decides the tests stands.
static const struct {
    const char *path, *before, *after;
    bool stands;
} parts[] = {
        {"pyproject.toml", TOML,
                "[project]\nname = \"x\"\nversion = \"2\"\ndependencies = [\n  \"a\",\n"
                "  \"b>=2\",\n]\n\n[tool.pytest.ini_options]\naddopts = \"-q\"\n",
                true},
        {"pyproject.toml", TOML, TOML "[tool.black]\nline-length = 100\n", true},
        {"pyproject.toml", TOML,
                "[project]\nname = \"x\"\n\n[tool.pytest.ini_options]\naddopts = \"-q -p x\"\n",
                false},
        {"pyproject.toml", TOML, TOML "x = 1\n", false},
        {"pyproject.toml", TOML, TOML "[tool]\npytest.ini_options.xfail_strict = false\n", false},
        {"pyproject.toml", TOML, TOML "[\"tool\".\"py\\u0074est\"]\na = 1\n", false},
        {"pyproject.toml", TOML, "x = '''\n" TOML "'''\n", false},
        {"pyproject.toml", TOML, "[project]\nname = \"x\"\n", false},
        {"a/setup.cfg", "[metadata]\nname = x\n[tool:pytest]\naddopts = -q\n",
                "[metadata]\nname = y\n[tool:pytest]\naddopts = -q\n", true},
        {"setup.cfg", "[metadata]\nname = x\n",
                "[metadata]\nname = x\n[tool:pytest]\naddopts = -p x\n", false},
        {"tox.ini", NULL, "[x]\n", false},
        {"tox.ini", "[x]\n", NULL, false},
        {"Makefile", MAKE,
                "CFLAGS = -O3\nOBJS = a.o b.o\n\nprog: $(OBJS)\n\tld -o prog $(OBJS)\n\n"
                "check: prog\n\tprove t\n",
                true},
        {"Makefile", MAKE, MAKE "\techo done\n", false},
        {"Makefile", MAKE, "SHELL = ./sh\n" MAKE, false},
        {"Makefile", MAKE, "ifdef X\n" MAKE "endif\n", false},
        {"Makefile", MAKE,
                "CFLAGS = -O2\nOBJS = a.o\n\nprog: $(OBJS)\n\tld -o prog $(OBJS)\nX = \\\n"
                "check: prog\n\tprove t\n",
                false},
        {"CMakeLists.txt", "project(x)\nadd_library(x a.c)\nadd_test(NAME t COMMAND t)\n",
                "project(x)\nadd_library(x a.c\n  b.c)\nadd_test(NAME t COMMAND t)\n", true},
        {"CMakeLists.txt", "project(x)\nadd_test(NAME t COMMAND t)\n",
                "project(x)\nadd_test(NAME t COMMAND true)\n", false},
        {"CMakeLists.txt", "project(x)\nadd_test(NAME t COMMAND t)\n",
                "project(x)\nmacro(add_test)\nendmacro()\nadd_test(NAME t COMMAND t)\n", false},
        {"CMakeLists.txt", "project(x)\n",
                "project(x)\nset(CMAKE_CROSSCOMPILING TRUE)\n"
                "set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/true)\n",
                false},
        {"CMakeLists.txt", "project(x)\n", "project(x)\nset(CMAKE_TEST_LAUNCHER /usr/bin/true)\n",
                false},
        // A variable's name in parts.
        {"CMakeLists.txt", "project(x)\n",
                "project(x)\nset(a CMAKE_CROS)\nset(b SCOMPILING_EMU)\nset(c LATOR)\n"
                "set(${a}${b}${c} /usr/bin/true)\n",
                false},
        {"CMakeLists.txt", "project(x)\n",
                "project(x)\nset(CMAKE_POSITION_INDEPENDENT_CODE ON)\n", true},
        {"Cargo.toml", "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\n",
                "[package]\nname = \"x\"\n[dependencies]\na = \"2\"\n", true},
        {"Cargo.toml", "[package]\nname = \"x\"\n",
                "[package]\nname = \"x\"\n[[test]]\nname = \"t\"\nharness = false\n", false},
        {"go.mod", "module x\n\nrequire a v1\n", "module x\n\nrequire a v2\n", true},
        {"go.mod", "module x\n", "module x\nreplace a => ./b\n", false},
        {"package.json", PACKAGE,
                "{\"name\": \"x\", \"version\": \"2\", \"scripts\": {\"test\": \"node --test\"},"
                " \"dependencies\": {\"a\": \"2\"}}",
                true},
        {"package.json", PACKAGE,
                "{\"name\": \"x\", \"version\": \"1\", \"scripts\": {\"test\": \"true\"}}", false},
        {"package.json", PACKAGE,
                "{\"name\": \"x\", \"version\": \"1\", \"jest\": {}, \"scripts\": {\"test\":"
                " \"node --test\"}}",
                false},
        {"package.json", PACKAGE, "{", false},
        {"unknown.txt", "a", "b", false},
};

static void parts_of_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const struct assay_bytes before = {parts[i].before,
                                         parts[i].before != NULL ? strlen(parts[i].before) : 0},
                                 after = {parts[i].after,
                                         parts[i].after != NULL ? strlen(parts[i].after) : 0};

        print_message("row %zu: %s\n", i, parts[i].path);
        assert_int_equal(assay_protect_change(parts[i].path, before, after), parts[i].stands);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(whole_files), cmocka_unit_test(parts_of_files)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
