// SPDX-License-Identifier: MIT
// What must hold: what a certification's runs say is told by the right name, the first that holds,
// with the test that shows it; evidence of several runs is decided by the worse of two.
#include <string.h>

#include "orchestrator/certify_parts.h"
#include "orchestrator/evidence.h"
#include "tests/support/harness.h"

static const char *const f2p[] = {"t.py::fixed"};
static const char *const p2p[] = {"t.py::other", "t.py::last"};
static const struct assay_instance instance = {.instance_id = "a__b-1",
        .framework = "pytest",
        .fail_to_pass = {f2p, 1},
        .pass_to_pass = {p2p, 2}};

// Runs of one check, a word each: "PPP" resolved, "FPP" not; '!' before it: no verdict.
static void set_runs(struct assay_certified *item, struct assay_cell cells[5],
        enum assay_check check, const char *words)
{
    unsigned runs = 0;

    for (const char *at = words; at && *at; at += strcspn(at, " "), at += *at == ' ') {
        struct assay_cell *cell = &cells[runs++];
        static char vectors[ASSAY_CHECKS][5][4];
        char *vector = vectors[check][runs - 1];

        *cell = (struct assay_cell){.done = true, .scored = *at != '!', .reason = "why"};
        memcpy(vector, at + (*at == '!'), 3);
        cell->vector = vector;
        cell->resolved = cell->scored && strcmp(vector, "PPP") == 0;
        cell->shifted = check == ASSAY_CHECK_CLOCK;
    }
    item->checks[check].runs = runs;
    item->checks[check].cells = cells;
}

static void each_defect_is_told_by_its_name(void **state)
{
    static const struct {
        const char *gold, *empty, *junk, *order, *cpu, *clock, *hash, *network, *expected;
    } rows[] = {
            {"PPP PPP", "FPP FPP", "FPP", "PPP", "PPP", "PPP PPP", "PPP", "PPP", ""},
            {"PPP !PPP", "FPP", "", "", "", "", "", "", "no verdict: run 2 of gold: why"},
            {"FPP FPP", "FPP", "", "", "", "", "", "", "gold fails: it resolved in no run: why"},
            {"PPP PPF PPP", "FPP", "", "", "", "", "", "",
                    "flaky: t.py::last passed in 2 of 3 runs of gold"},
            {"PPS PPP", "FPP", "", "", "", "", "", "",
                    "flaky: t.py::last passed in 1 of 2 runs of gold"},
            {"PPP", "PPP PPP", "", "", "", "", "", "",
                    "vacuous FAIL_TO_PASS: t.py::fixed passes before the fix"},
            {"PPP", "FPP FFP", "", "", "", "", "", "",
                    "flaky: t.py::other passed in 1 of 2 runs of the unchanged tree"},
            {"PPP", "FPP", "PPP", "", "", "", "", "",
                    "resolved without a fix: a patch that adds a file of no use"},
            {"PPP", "FPP", "FPP", "PPP PFP", "", "", "", "",
                    "order dependence: t.py::other fails in another order (run 2 of 2)"},
            {"PPP", "FPP", "FPP", "PPP", "PP-", "", "", "",
                    "fails on a busy CPU: t.py::last fails with four programs on its CPU (run 1 of "
                    "1)"},
            {"PPP", "FPP", "FPP", "PPP", "PPP", "PPP PEP", "", "",
                    "date bomb: t.py::other fails when the clock is two years ahead"},
            // Under the library itself the tests fail: that says nothing of the date.
            {"PPP", "FPP", "FPP", "PPP", "PPP", "PEP PEP", "", "", ""},
            {"PPP", "FPP", "FPP", "PPP", "PPP", "", "PPP FPP", "",
                    "hash seed dependence: t.py::fixed fails with another hash seed (run 2 of 2)"},
            {"PPP", "FPP", "FPP", "PPP", "PPP", "", "", "FPP",
                    "network use: t.py::fixed fails without a network (run 1 of 1)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_certified item = {.instance = &instance};
        struct assay_cell cells[ASSAY_CHECKS][5];
        struct assay_buf fault;

        print_message("row %zu\n", i);
        set_runs(&item, cells[ASSAY_CHECK_GOLD], ASSAY_CHECK_GOLD, rows[i].gold);
        set_runs(&item, cells[ASSAY_CHECK_EMPTY], ASSAY_CHECK_EMPTY, rows[i].empty);
        set_runs(&item, cells[ASSAY_CHECK_JUNK], ASSAY_CHECK_JUNK, rows[i].junk);
        set_runs(&item, cells[ASSAY_CHECK_ORDER], ASSAY_CHECK_ORDER, rows[i].order);
        set_runs(&item, cells[ASSAY_CHECK_CPU], ASSAY_CHECK_CPU, rows[i].cpu);
        set_runs(&item, cells[ASSAY_CHECK_CLOCK], ASSAY_CHECK_CLOCK, rows[i].clock);
        set_runs(&item, cells[ASSAY_CHECK_HASH], ASSAY_CHECK_HASH, rows[i].hash);
        set_runs(&item, cells[ASSAY_CHECK_NETWORK], ASSAY_CHECK_NETWORK, rows[i].network);
        assay_buf_init(&fault, 1000);
        assay_certify_fault(&fault, &item);
        assert_string_equal(fault.data, rows[i].expected);
        assay_buf_free(&fault);
    }
}

static void a_log_names_a_failure_and_decides_none(void **state)
{
    struct assay_certified item = {.instance = &instance};
    struct assay_cell cells[ASSAY_CHECKS][5];
    struct assay_buf fault;

    (void)state;
    set_runs(&item, cells[ASSAY_CHECK_GOLD], ASSAY_CHECK_GOLD, "PFP PFP");
    cells[ASSAY_CHECK_GOLD][0].hint = ASSAY_DEFECT_NETWORK;
    assay_buf_init(&fault, 1000);
    assay_certify_fault(&fault, &item);
    assert_string_equal(fault.data, "network use: t.py::other fails without a network");
    assay_buf_clear(&fault);
    set_runs(&item, cells[ASSAY_CHECK_GOLD], ASSAY_CHECK_GOLD, "PPP PPP");
    cells[ASSAY_CHECK_GOLD][0].hint = ASSAY_DEFECT_NETWORK;
    assay_certify_fault(&fault, &item);
    assert_string_equal(fault.data, "");
    assay_buf_free(&fault);
}

// A copy that passes on gold is told by the test and the line, and counted; it comes back from the
// store as it was, and what is no run does not.
static void a_deaf_test_is_named(void **state)
{
    static const struct assay_cell_copy copies[] = {
            {"t.py::fixed", "assert f() == 9", false}, {"t.py::other", "assert x == 8", true}};
    static const char *const bad[] = {"", "{}",
            "{\"scored\":true,\"resolved\":true,\"vector\":\"PPP\","
            "\"hint\":0,\"shifted\":false,\"wall_ms\":1}",
            "{\"scored\":true,\"resolved\":true,\"vector\":\"PPP\",\"hint\":0,\"shifted\":false,"
            "\"wall_ms\":1,\"copies\":[{\"passed\":true}]}"};
    struct assay_certified item = {.instance = &instance};
    struct assay_cell cells[ASSAY_CHECKS][5], back = {0};
    struct assay_arena *arena = NULL;
    struct assay_buf text;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    set_runs(&item, cells[ASSAY_CHECK_GOLD], ASSAY_CHECK_GOLD, "PPP PPP");
    cells[ASSAY_CHECK_GOLD][1].copies = copies;
    cells[ASSAY_CHECK_GOLD][1].copy_count = 2;
    assay_buf_init(&text, 10000);
    assay_cell_write(&text, &cells[ASSAY_CHECK_GOLD][1]);
    assert_int_equal(assay_cell_read(&back, text.data, 3, arena, NULL), ASSAY_OK);
    assert_int_equal(back.copy_count, 2);
    assert_string_equal(back.copies[1].says, "assert x == 8");
    assert_true(back.copies[1].passed && !back.copies[0].passed);
    cells[ASSAY_CHECK_GOLD][1] = back;
    assay_buf_clear(&text);
    assay_certify_fault(&text, &item);
    assert_string_equal(text.data,
            "deaf test: t.py::other passes with another expected value, too: assert x == 8");
    assay_buf_clear(&text);
    assay_certify_details(&text, &item, 1u << ASSAY_CHECK_GOLD, 2);
    assert_non_null(strstr(text.data, "\"copies\":{\"failed\":1,\"deaf\":[]}"));
    assert_non_null(strstr(text.data, "\"copies\":{\"failed\":0,\"deaf\":[\"assert x == 8\"]}"));
    assay_buf_free(&text);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(assay_cell_read(&back, bad[i], 3, arena, NULL), ASSAY_EINVAL);
    assay_arena_destroy(arena);
}

// --- which run counts ----------------------------------------------------------------------------

static void the_worse_of_two_runs_counts(void **state)
{
    // 'r' resolved, 'u' not, 'n' no verdict
    static const struct {
        const char *runs;
        size_t chosen;
        const char *reason;
    } rows[] = {
            {"r", 0, "r"}, {"u", 0, "u"}, {"n", 0, "n"}, {"nnn", 2, "n"}, {"nr", 1, "r"},
            {"nu", 1, "u"}, {"ur", 0, "1 of 2 runs resolved, and the worse counts: u"},
            {"ru", 1, "1 of 2 runs resolved, and the worse counts: u"}, {"uu", 0, "u"},
            {"unnr", 0, "1 of 2 runs resolved, and the worse counts: u"},
            {"unnn", 0, "u"}, // trouble of ours in the second takes nothing back
    };
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_verdict runs[8] = {0}, out;
        const size_t count = strlen(rows[i].runs);
        size_t chosen = 99;

        print_message("row %zu\n", i);
        for (size_t k = 0; k < count; k++) {
            const char word = rows[i].runs[k];

            runs[k].scored = word != 'n';
            runs[k].resolved = word == 'r';
            runs[k].reward = word == 'r';
            runs[k].reason = word == 'n' ? "n" : word == 'r' ? "r" : "u";
        }
        assert_int_equal(assay_evidence_decide(&out, &chosen, runs, count, arena, NULL), ASSAY_OK);
        assert_int_equal(chosen, rows[i].chosen);
        assert_string_equal(out.reason, rows[i].reason);
        assert_int_equal(out.attempt_count, count > 1 ? count : 0);
        assert_int_equal(out.scored, strpbrk(rows[i].runs, "ru") != NULL);
        assert_int_equal(out.resolved, out.scored && strchr(rows[i].runs, 'u') == NULL);
    }
    assay_arena_destroy(arena);
}

// --- evidence as bytes ---------------------------------------------------------------------------

static void evidence_comes_back_byte_for_byte(void **state)
{
    static const char log[] = "one\0two\xff\n", report[] = "{\"n\":0}\n";
    static const char *const words[] = {"sh", "run.sh"};
    const struct assay_out_file file = {"a.xml", {"<x/>", 4}};
    const struct assay_run_evidence evidence = {.judged = {.box_cause = ASSAY_CAUSE_TESTS_FAILED,
                                                        .exit_code = 7,
                                                        .log = {log, sizeof(log) - 1},
                                                        .log_truncated = true,
                                                        .report = {report, sizeof(report) - 1},
                                                        .files = &file,
                                                        .file_count = 1},
            .tier = "B",
            .usage = {.wall_ms = 5, .memory_bytes_peak = UINT64_MAX},
            .command = {words, 2},
            .env = {words, 1},
            .run_hash = "aa",
            .role = "after.1",
            .run_key = "bb"};
    struct assay_run_evidence back;
    struct assay_arena *arena = NULL;
    struct assay_frame frame;
    struct assay_buf raw;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 24, NULL), ASSAY_OK);
    assert_int_equal(assay_evidence_pack(&frame, &evidence, arena, NULL), ASSAY_OK);
    assay_buf_init(&raw, 1 << 20);
    assert_int_equal(assay_frame_unpack(&raw, (struct assay_bytes){frame.data, frame.len},
                             frame.raw_bytes, "evidence", NULL),
            ASSAY_OK);
    assert_int_equal(assay_evidence_read(&back, raw.data, raw.len, arena, NULL), ASSAY_OK);
    assert_int_equal(back.judged.box_cause, ASSAY_CAUSE_TESTS_FAILED);
    assert_int_equal(back.judged.exit_code, 7);
    assert_true(back.judged.log_truncated);
    assert_int_equal(back.judged.log.len, sizeof(log) - 1);
    assert_memory_equal(back.judged.log.data, log, sizeof(log)); // its NUL, too
    assert_memory_equal(back.judged.report.data, report, sizeof(report));
    assert_int_equal(back.judged.file_count, 1);
    assert_string_equal(back.judged.files[0].content.data, "<x/>");
    assert_string_equal(back.command.items[1], "run.sh");
    assert_string_equal(back.run_key, "bb");
    assert_string_equal(back.role, "after.1");
    assert_null(back.trouble);
    // Cut anywhere, it is refused, not read past its end.
    for (size_t len = 0; len < raw.len; len++) {
        char *part = assay_arena_memdup(arena, raw.data, len);

        assert_int_equal(assay_evidence_read(&back, part, len, arena, NULL), ASSAY_EINVAL);
    }
    assay_buf_free(&raw);
    assay_arena_destroy(arena);
}

// What was run stands in the evidence: whoever had it run knows, and the box does not.
static void evidence_tells_what_was_run(void **state)
{
    static const char *const words[] = {"sh", "run.sh"}, *const env[] = {"A=b"};
    const struct assay_box_result result = {.cause = ASSAY_BOX_EXITED, .out_dir_fd = -1};
    struct assay_run_evidence evidence = {.command = {words, 2}, .env = {env, 1}};
    struct assay_arena *arena = NULL;
    struct assay_buf refused;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assay_buf_init(&refused, 100);
    assert_int_equal(assay_evidence_take(&evidence, &result, &refused, assay_framework_find("exit"),
                             arena, NULL),
            ASSAY_OK);
    assert_int_equal(evidence.judged.box_cause, ASSAY_CAUSE_OK);
    assert_int_equal(evidence.command.count, 2);
    assert_string_equal(evidence.command.items[1], "run.sh");
    assert_string_equal(evidence.env.items[0], "A=b");
    assay_buf_free(&refused);
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(each_defect_is_told_by_its_name),
            cmocka_unit_test(a_log_names_a_failure_and_decides_none),
            cmocka_unit_test(a_deaf_test_is_named),
            cmocka_unit_test(the_worse_of_two_runs_counts),
            cmocka_unit_test(evidence_tells_what_was_run),
            cmocka_unit_test(evidence_comes_back_byte_for_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
