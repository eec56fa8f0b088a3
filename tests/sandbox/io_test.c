// SPDX-License-Identifier: MIT
// What must hold: every byte of output is counted, the right ones are kept, and the report pipe is
// the payload's alone.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sandbox/boxes.h"

static void stdout_and_stderr_come_in_order(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result, "echo one; echo two >&2; printf 'a\\0b'; echo three >&2");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_int_equal(result.output.len, 17);
    assert_memory_equal(result.output.data, "one\ntwo\na\0bthree\n", 17);
    assert_int_equal(result.usage.output_bytes, 17);
    assert_false(result.output_truncated);
    assay_box_result_release(&result);
}

static void head_and_tail_are_kept_and_the_middle_is_counted(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, "seq 1 100000");
    plan.plan.head_bytes_max = 10;
    plan.plan.tail_bytes_max = 14;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_int_equal(result.usage.output_bytes, 588895);
    assert_true(result.output_truncated);
    boxes_assert_text(
            &result, "1\n2\n3\n4\n5\n\n[assay: 588871 bytes left out]\n\n99999\n100000\n");
    assay_box_result_release(&result);
}

static void stdin_is_the_plans_bytes_or_empty(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char *big = malloc(3000000);

    (void)state;
    assert_non_null(big);
    memset(big, 'y', 3000000);
    boxes_plan_init(&plan, "cat");
    boxes_run(&result, &plan);
    boxes_assert_text(&result, "");
    assay_box_result_release(&result);

    plan.plan.stdin_bytes = "a\0b";
    plan.plan.stdin_len = 3;
    boxes_run(&result, &plan);
    assert_int_equal(result.output.len, 3);
    assert_memory_equal(result.output.data, "a\0b", 3);
    assay_box_result_release(&result);

    boxes_plan_init(&plan, "wc -c");
    plan.plan.stdin_bytes = big;
    plan.plan.stdin_len = 3000000;
    boxes_run(&result, &plan);
    boxes_assert_text(&result, "3000000\n");
    assay_box_result_release(&result);
    free(big);
}

static void the_report_pipe_is_apart_from_the_output(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, "echo seen; echo reported >&9; seq 1 200000 >&9");
    plan.plan.report_fd = 9;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "seen\n");
    assert_int_equal(result.report.len, 9 + 1288895);
    assert_memory_equal(result.report.data, "reported\n1\n", 11);
    assay_box_result_release(&result);

    plan.plan.report_bytes_max = 1000;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_OUTPUT_LIMIT, 0);
    assert_true(result.report.len <= 1000);
    assay_box_result_release(&result);
}

static void output_arrives_while_the_box_runs(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, "exec 1>&- 2>&-; sleep 0.1; exit 3"); // closes its own output
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 3);
    assay_box_result_release(&result);
}

struct heard {
    size_t pieces, bytes;
};

static void hear(void *user, const char *bytes, size_t len)
{
    struct heard *heard = user;

    (void)bytes;
    heard->pieces++;
    heard->bytes += len;
}

static void a_listener_hears_every_piece(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct heard heard = {0};

    (void)state;
    boxes_plan_init(&plan, "echo one; sleep 0.1; echo two");
    plan.plan.on_output = hear;
    plan.plan.user = &heard;
    boxes_run(&result, &plan);
    assert_int_equal(heard.pieces, 2);
    assert_int_equal(heard.bytes, 8);
    assay_box_result_release(&result);
}

static void *run_some(void *failed)
{
    for (int i = 0; i < 5; i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        boxes_plan_init(&plan, "read x; echo got $x");
        plan.plan.stdin_bytes = "it\n";
        plan.plan.stdin_len = 3;
        if (assay_box_run(boxes_sandbox, &plan.plan, &result, NULL) != ASSAY_OK) {
            *(bool *)failed = true;
            return NULL;
        }
        if (result.cause != ASSAY_BOX_EXITED || strcmp(result.output.data, "got it\n") != 0)
            *(bool *)failed = true;
        assay_box_result_release(&result);
    }
    return NULL;
}

static void many_threads_run_boxes_at_once(void **state)
{
    pthread_t threads[8];
    bool failed[8] = {false};

    (void)state;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_some, &failed[i]), 0);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(failed[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(stdout_and_stderr_come_in_order),
            cmocka_unit_test(head_and_tail_are_kept_and_the_middle_is_counted),
            cmocka_unit_test(stdin_is_the_plans_bytes_or_empty),
            cmocka_unit_test(the_report_pipe_is_apart_from_the_output),
            cmocka_unit_test(output_arrives_while_the_box_runs),
            cmocka_unit_test(a_listener_hears_every_piece),
            cmocka_unit_test(many_threads_run_boxes_at_once),
    };

    return boxes_main("io", tests, sizeof(tests) / sizeof(tests[0]));
}
