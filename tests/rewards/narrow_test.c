// SPDX-License-Identifier: MIT
// What must hold: a narrowed command runs the named files and nothing else, keeps every option, and
// is refused where a word could be either.
#include "rewards/narrow.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "support/harness.h"

// The narrowed command as one text; "no" where it cannot be.
static void narrowed(char *out, size_t size, const char *const *words)
{
    static const char *const files[] = {"tests/a.py", "b.py"};
    const struct assay_strings wanted = {files, 2};
    struct assay_strings argv = {words, 0}, narrow = {NULL, 0};
    struct assay_arena *arena = NULL;
    bool possible = false;

    while (words[argv.count])
        argv.count++;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_true(assay_narrow_pytest(&narrow, &possible, &argv, &wanted, arena));
    out[0] = '\0';
    for (size_t i = 0; possible && i < narrow.count; i++)
        (void)snprintf(
                out + strlen(out), size - strlen(out), "%s%s", i ? " " : "", narrow.items[i]);
    if (!possible)
        (void)snprintf(out, size, "no");
    assay_arena_destroy(arena);
}

static void files_take_the_place_of_paths(void **state)
{
    static const struct {
        const char *words[12];
        const char *wants;
    } rows[] = {
            {{"/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "more"},
                    "/usr/bin/python3 -m pytest -q -p no:cacheprovider --rootdir=. tests/a.py b.py"},
            {{"/usr/bin/python3", "-m", "pytest", "-o", "addopts=", "--deselect=tests/a.py::x"},
                    "/usr/bin/python3 -m pytest -o addopts= --deselect=tests/a.py::x --rootdir=. "
                    "tests/a.py b.py"},
            {{"python3", "-m", "pytest", "--rootdir=sub", "sub"},
                    "python3 -m pytest --rootdir=sub tests/a.py b.py"},
            {{"python3", "-m", "pytest", "tests/a.py::test_one"}, "no"},
            {{"python3", "-m", "pytest", "-n", "4"}, "no"},
            {{"python3", "-m", "unittest", "discover"}, "no"},
            {{"sh", "-c", "pytest"}, "no"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char said[512];

        narrowed(said, sizeof(said), rows[i].words);
        assert_string_equal(said, rows[i].wants);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(files_take_the_place_of_paths)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
