// SPDX-License-Identifier: MIT
// What must hold: a verdict reads back as it was written, its keys are the ones of DESIGN section
// 4, and a null reward is never a number.
#include "tasks/verdict.h"

#include <string.h>

#include "tests/tasks/fixture.h"

static const char expected[] =
        "{\"schema\":1,\"run_id\":\"r1\",\"instance_id\":\"a__b-1\",\"resolved\":false,\"reward\":0,"
        "\"reason\":\"1 test failed\",\"cause\":\"tests_failed\",\"resolution\":\"NO\","
        "\"tests\":{\"FAIL_TO_PASS\":{\"success\":[],\"failure\":[\"t::two \\\"quoted\\\"\\n\"]},"
        "\"PASS_TO_PASS\":{\"success\":[\"t::three\"],\"failure\":[]}},"
        "\"tamper\":[],\"denied\":[\"ptrace\"],"
        "\"patch\":{\"applied\":true,\"dropped\":[],\"hunks\":["
        "{\"path\":\"src/a.c\",\"hunk\":0,\"offset\":-3,\"tolerance\":\"offset\"},"
        "{\"path\":\"src/a.c\",\"hunk\":1,\"offset\":0,\"tolerance\":\"exact\"}]},"
        "\"tier\":\"A\",\"evidence\":\"strong\","
        "\"usage\":{\"wall_ms\":1234,\"cpu_ms\":1000,\"memory_bytes_peak\":1073741824,"
        "\"pids_peak\":7},"
        "\"attempts\":[{\"resolved\":null,\"cause\":\"infra_error\",\"reason\":\"no box\",\"wall_ms\":0},"
        "{\"resolved\":false,\"cause\":\"tests_failed\",\"reason\":\"1 test failed\",\"wall_ms\":1234}],"
        "\"key\":\"0000000000000000000000000000000000000000000000000000000000000002\","
        "\"cached\":false,\"kind\":\"repair\"}";

static void the_object_has_the_published_keys(void **state)
{
    struct assay_verdict verdict;
    struct assay_buf buf;

    (void)state;
    make_verdict(&verdict, "r1", "a__b-1", false);
    assay_buf_init(&buf, 1 << 16);
    assay_verdict_write(&buf, &verdict, 0);
    assert_string_equal(buf.data, expected);
    assay_buf_free(&buf);
}

static void what_is_written_reads_back(void **state)
{
    struct assay_arena *arena = make_arena();
    struct assay_verdict verdict;
    struct assay_buf buf;
    struct assay_error err;

    (void)state;
    if (assay_verdict_read(&verdict, expected, strlen(expected), arena, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assay_buf_init(&buf, 1 << 16);
    assay_verdict_write(&buf, &verdict, 0);
    assert_string_equal(buf.data, expected);
    assay_buf_free(&buf);
    assay_arena_destroy(arena);
}

static void trouble_of_ours_has_neither_reward_nor_resolved(void **state)
{
    struct assay_arena *arena = make_arena();
    struct assay_verdict verdict;
    struct assay_verdict back;
    struct assay_buf buf;

    (void)state;
    make_verdict(&verdict, "r1", "a__b-1", true);
    verdict.scored = false;
    verdict.cause = ASSAY_CAUSE_INFRA_ERROR;
    assay_buf_init(&buf, 1 << 16);
    assay_verdict_write(&buf, &verdict, 2);
    assert_non_null(strstr(buf.data, "\"resolved\": null,\n  \"reward\": null,"));
    assert_int_equal(assay_verdict_read(&back, buf.data, buf.len, arena, NULL), ASSAY_OK);
    assert_false(back.scored || back.resolved);
    assay_buf_free(&buf);
    assay_arena_destroy(arena);
}

static void bytes_that_are_no_text_and_huge_numbers_are_still_json(void **state)
{
    static const char *const wild[] = {"test_\xff\xfe[\x01]"};
    struct assay_arena *arena = make_arena();
    struct assay_verdict verdict;
    struct assay_verdict back;
    struct assay_buf buf;
    struct assay_error err;

    (void)state;
    make_verdict(&verdict, "r1", "a__b-1", true);
    verdict.f2p_success = (struct assay_strings){wild, 1};
    verdict.usage.memory_bytes_peak = UINT64_MAX;
    assay_buf_init(&buf, 1 << 16);
    assay_verdict_write(&buf, &verdict, 0);
    if (assay_verdict_read(&back, buf.data, buf.len, arena, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_string_equal(back.f2p_success.items[0], "test_\xef\xbf\xbd\xef\xbf\xbd[\x01]");
    assay_buf_free(&buf);
    assay_arena_destroy(arena);
}

static void a_damaged_verdict_is_refused(void **state)
{
    static const struct {
        const char *from, *to, *message;
    } rows[] = {
            {"\"reward\":0", "\"reward\":null",
                    "verdict:1: reward: null without resolved, or the reverse"},
            {"\"reward\":0", "\"reward\":\"0\"", "verdict:1: reward: expected a number or null"},
            {"\"resolved\":false", "\"resolved\":0",
                    "verdict:1: resolved: expected true, false or null"},
            {"tests_failed", "bad_luck", "verdict:1: cause: unknown word \"bad_luck\""},
            {"\"NO\"", "\"no\"", "verdict:1: resolution: unknown word \"no\""},
            {"\"tier\":\"A\",", "", "verdict:1: tier: missing"},
            {"\"schema\":1", "\"schema\":2", "verdict:1: schema: must be 1"},
            {"\"success\":[]", "\"success\":[1]",
                    "verdict:1: tests.FAIL_TO_PASS.success[0]: expected a string"},
            {"\"pids_peak\":7", "\"pids_peak\":-7",
                    "verdict:1: usage.pids_peak: must be from 0 to 4294967295"},
            {"\"offset\":-3", "\"offset\":[]",
                    "verdict:1: patch.hunks.offset: expected a whole number"},
            {"{\"schema\"", "[{\"schema\"", "verdict:1: expected ',' or ']'"},
    };
    struct assay_arena *arena = make_arena();
    struct assay_verdict verdict = {.reason = "untouched"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *at = strstr(expected, rows[i].from);
        struct assay_error err = {0};
        struct assay_buf buf;

        print_message("row %zu\n", i);
        assay_buf_init(&buf, 1 << 16);
        assay_buf_add(&buf, expected, (size_t)(at - expected));
        assay_buf_adds(&buf, rows[i].to);
        assay_buf_adds(&buf, at + strlen(rows[i].from));
        assert_int_equal(
                assay_verdict_read(&verdict, buf.data, buf.len, arena, &err), ASSAY_EINVAL);
        if (i + 1 < sizeof(rows) / sizeof(rows[0])) // the last message is base/json's
            assert_string_equal(err.message, rows[i].message);
        assert_string_equal(verdict.reason, "untouched");
        assay_buf_free(&buf);
    }
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_object_has_the_published_keys),
            cmocka_unit_test(what_is_written_reads_back),
            cmocka_unit_test(trouble_of_ours_has_neither_reward_nor_resolved),
            cmocka_unit_test(bytes_that_are_no_text_and_huge_numbers_are_still_json),
            cmocka_unit_test(a_damaged_verdict_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
