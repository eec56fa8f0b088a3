// SPDX-License-Identifier: MIT
// What must hold: lists that cannot measure anything are named, and no list that can is.
#include "rewards/defects.h"

#include <string.h>

#include "tests/support/harness.h"

static struct assay_strings list_of(const char *const *items)
{
    struct assay_strings list = {items, 0};

    while (items[list.count] != NULL)
        list.count++;
    return list;
}

static void lists_that_measure_nothing_are_named(void **state)
{
    // NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which rows read
    static const struct {
        const char *framework;
        enum assay_rules rules;
        const char *f2p[4], *p2p[4];
        enum assay_defect expected;
        const char *id;
    } rows[] = {
            {"pytest", 0, {"a.py::t"}, {"a.py::u"}, ASSAY_DEFECT_NONE, NULL},
            {"pytest", 0, {"a.py::t[[]"}, {"a.py::C::u[x y]"}, ASSAY_DEFECT_NONE, NULL},
            {"pytest", 0, {NULL}, {"a.py::u"}, ASSAY_DEFECT_EMPTY_LIST, NULL},
            {"pytest", 0, {"a.py::t", "a.py::t"}, {NULL}, ASSAY_DEFECT_DUPLICATE_ID, "a.py::t"},
            {"pytest", 0, {"a.py::t"}, {"a.py::t"}, ASSAY_DEFECT_OVERLAP, "a.py::t"},
            {"pytest", 0, {"t"}, {NULL}, ASSAY_DEFECT_IMPOSSIBLE_ID, "t"},
            {"pytest", 0, {"a.py::"}, {NULL}, ASSAY_DEFECT_IMPOSSIBLE_ID, "a.py::"},
            {"pytest", 0, {"a.py::t\nb"}, {NULL}, ASSAY_DEFECT_IMPOSSIBLE_ID, "a.py::t\nb"},
            {"pytest", ASSAY_RULES_SWEBENCH, {"t"}, {NULL}, ASSAY_DEFECT_NONE, NULL},
            {"unittest", 0, {"m.C.t"}, {"m.C.t (1)x"}, ASSAY_DEFECT_NONE, NULL},
            {"unittest", 0, {"t (m.C)"}, {NULL}, ASSAY_DEFECT_IMPOSSIBLE_ID, "t (m.C)"},
            {"gotest", 0, {"TestA/b", "p/q::TestC"}, {"ExampleX"}, ASSAY_DEFECT_NONE, NULL},
            {"gotest", 0, {"p/q"}, {NULL}, ASSAY_DEFECT_IMPOSSIBLE_ID, "p/q"},
            {"exit", 0, {"exit_status"}, {NULL}, ASSAY_DEFECT_NONE, NULL},
            {"exit", 0, {"status"}, {NULL}, ASSAY_DEFECT_IMPOSSIBLE_ID, "status"},
            {"ctest", 0, {"anything at all"}, {NULL}, ASSAY_DEFECT_NONE, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_instance instance = {.framework = rows[i].framework,
                .rules = rows[i].rules,
                .fail_to_pass = list_of(rows[i].f2p),
                .pass_to_pass = list_of(rows[i].p2p)};
        const char *id = "untouched";

        print_message("row %zu\n", i);
        assert_string_equal(assay_defect_name(assay_defect_of_lists(
                                    &instance, assay_framework_find(rows[i].framework), &id)),
                assay_defect_name(rows[i].expected));
        if (rows[i].id == NULL)
            assert_null(id);
        else
            assert_string_equal(id, rows[i].id);
    }
}

static void a_cut_id_is_found_by_what_was_reported(void **state)
{
    static const char *const reported[] = {"a.py::t[one two]", "a.py::u"};
    static const char *const rows[][2] = {
            {"a.py::t[one", "a.py::t[one"}, // cut
            {"a.py::t[one two]", NULL},     // whole
            {"a.py::v", NULL},              // missing, and no part of another
    };
    struct assay_arena *arena = NULL;
    struct assay_outcome outcome;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assay_outcome_init(&outcome, arena);
    for (size_t i = 0; i < 2; i++)
        assay_outcome_add(&outcome, reported[i], strlen(reported[i]), ASSAY_TEST_PASSED);
    assert_int_equal(assay_outcome_finish(&outcome, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_instance instance = {.fail_to_pass = {rows[i], 1}};
        const char *whole = NULL;
        const char *cut = assay_defect_cut_id(&instance, &outcome, &whole);

        if (rows[i][1] == NULL) {
            assert_null(cut);
            continue;
        }
        assert_string_equal(cut, rows[i][1]);
        assert_string_equal(whole, reported[0]);
    }
    assay_arena_destroy(arena);
}

static void a_log_speaks_of_networks_and_ports(void **state)
{
    static const struct {
        const char *log;
        enum assay_defect expected;
    } rows[] = {
            {"OSError: [Errno 98] Address already in use", ASSAY_DEFECT_PORT_CLASH},
            {"Error: listen EADDRINUSE: address already in use :::80", ASSAY_DEFECT_PORT_CLASH},
            {"OSError: [Errno 101] Network is unreachable", ASSAY_DEFECT_NETWORK},
            {"dial tcp: lookup x.example: no such host", ASSAY_DEFECT_NETWORK},
            {"socket.gaierror: [Errno -3] Temporary failure in name resolution",
                    ASSAY_DEFECT_NETWORK},
            {"AssertionError: 1 != 2", ASSAY_DEFECT_NONE},
            {"", ASSAY_DEFECT_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(assay_defect_hint((struct assay_bytes){rows[i].log, strlen(rows[i].log)}),
                rows[i].expected);
    assert_int_equal(assay_defect_hint((struct assay_bytes){NULL, 0}), ASSAY_DEFECT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(lists_that_measure_nothing_are_named),
            cmocka_unit_test(a_cut_id_is_found_by_what_was_reported),
            cmocka_unit_test(a_log_speaks_of_networks_and_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
