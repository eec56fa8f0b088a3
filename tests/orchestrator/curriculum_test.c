// SPDX-License-Identifier: MIT
// What must hold: what is all solved is taken as seldom as was said, what is all failed not quite
// as seldom, what is in between more often, what is unknown always; a table that was written down
// goes on as the one that was not.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/train_curriculum.h"
#include "support/harness.h"

enum { DRAWS = 20000 };

static double share_taken(const struct assay_curriculum *c, const char *kind, double floor)
{
    size_t taken = 0;

    for (uint64_t cursor = 0; cursor < DRAWS; cursor++)
        taken += assay_curriculum_takes(c, kind, floor, 7, cursor);
    return (double)taken / DRAWS;
}

static struct assay_curriculum *make(void)
{
    struct assay_curriculum *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    return c;
}

static void shares_are_as_said(void **state)
{
    struct assay_curriculum *c = make();

    (void)state;
    assay_curriculum_add(c, "solved", 16, 16);
    assay_curriculum_add(c, "failed", 0, 16);
    assay_curriculum_add(c, "half", 8, 16);
    assay_curriculum_add(c, "better", 16, 16);
    assay_curriculum_add(c, "better", 8, 16); // now 3/4
    assert_float_equal(share_taken(c, "solved", 0.1), 0.1, 0.01);
    assert_float_equal(share_taken(c, "failed", 0.1), 0.3, 0.01);
    assert_float_equal(share_taken(c, "failed", 0.5), 0.5, 0.01);
    assert_float_equal(share_taken(c, "half", 0.1), 1, 0);
    assert_float_equal(share_taken(c, "better", 0), 0.75, 0.01);
    assert_float_equal(share_taken(c, "never seen", 0), 1, 0);
    assert_float_equal(share_taken(c, "solved", 0), 0, 0);
    assert_float_equal(share_taken(c, "solved", 1), 1, 0);
    free(c);
}

static enum assay_status read_back(
        struct assay_curriculum *c, const char *text, struct assay_error *err)
{
    const struct assay_json_limits limits = {1 << 20, 4};
    struct assay_json *json = NULL;
    enum assay_status status;

    assert_int_equal(
            assay_json_parse(&json, text, strlen(text), limits, "state", 1, err), ASSAY_OK);
    status = assay_curriculum_read(c, json, err);
    assay_json_free(json);
    return status;
}

static void a_table_comes_back(void **state)
{
    struct assay_curriculum *c = make(), *back = make();
    struct assay_json_writer w;
    struct assay_error err;
    struct assay_buf text;

    (void)state;
    for (size_t i = 0; i < ASSAY_CURRICULUM_KINDS_MAX + 10; i++) {
        char kind[32];

        (void)snprintf(kind, sizeof(kind), "kind %zu", i);
        assay_curriculum_add(c, kind, i % 17, 16);
    }
    assert_int_equal(c->count, ASSAY_CURRICULUM_KINDS_MAX);
    assay_buf_init(&text, 1 << 20);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_curriculum_write(c, &w);
    assay_json_end_object(&w);
    assert_int_equal(read_back(back, text.data, &err), ASSAY_OK);
    assert_memory_equal(c, back, sizeof(*c));
    assay_buf_free(&text);

    assert_int_equal(
            read_back(back, "{}", &err), ASSAY_OK); // a checkpoint from before there was one
    assert_int_equal(back->count, 0);
    assert_int_equal(read_back(back, "{\"curriculum\": {\"0\": 1}}", &err), ASSAY_EINVAL);
    assert_int_equal(
            read_back(back, "{\"curriculum\": {\"0123456789abcdef\": 65537}}", &err), ASSAY_EINVAL);
    free(c);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(shares_are_as_said),
            cmocka_unit_test(a_table_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
