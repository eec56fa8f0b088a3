// SPDX-License-Identifier: MIT
// What must hold: the page of a training is well formed at any moment of it, from nothing at all to
// thousands of steps; nothing that a policy wrote or a task says becomes markup; every kept answer
// of a shown step is there; a number that nobody named has its chart.
#include "orchestrator/report_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/html_page.h"
#include "support/harness.h"

#define PAGE_MAX ((size_t)64 << 20)
#define EVIL "</title></style></pre></code><script>alert(1)</script>\" onmouseover=\"x' <!-- \xff"

static const char config[] =
        "name                     t              --set            # of the run\n"
        "sft.updates              25             c.yaml:3         # 0: no warm start\n"
        "rl.steps                 4000           c.yaml:4         # batches\n"
        "loss.name                cispo          default          # cispo, grpo\n";

static struct assay_train_report empty_report(void)
{
    return (struct assay_train_report){.training = {.run_id = "t",
                                               .config = config,
                                               .command = "assay train c.yaml",
                                               .state = ASSAY_RUN_OPEN,
                                               .started_at = "2026-11-30T10:00:00.000Z"},
            .sft_steps = 3,
            .rl_steps = 4000};
}

static struct assay_buf write_page(const struct assay_train_report *report)
{
    struct assay_buf page;

    assay_buf_init(&page, PAGE_MAX);
    assert_int_equal(assay_train_report_write_html(&page, report, NULL), ASSAY_OK);
    assert_well_formed(&page);
    assert_links(&page);
    assert_lacks(&page, "<script");
    assert_lacks(&page, " style=");
    assert_lacks(&page, "http:");
    assert_lacks(&page, "nan");
    return page;
}

static void a_training_that_has_just_begun_is_a_page(void **state)
{
    const struct assay_train_report report = empty_report();
    struct assay_buf page = write_page(&report);

    (void)state;
    assert_holds(&page, "No step is recorded yet.");
    assert_holds(&page, "open, 0 of 4003 steps");
    assert_holds(&page, "c.yaml:3");
    assay_buf_free(&page);
}

static void thousands_of_steps_stay_small_and_keep_their_peaks(void **state)
{
    enum { STEPS = 4000 };
    struct assay_train_report report = empty_report();
    struct assay_train_number(*numbers)[3] = calloc(STEPS, sizeof(*numbers));
    struct assay_train_row *rows = calloc(STEPS, sizeof(*rows));
    struct assay_buf page;

    (void)state;
    assert_true(numbers && rows);
    for (size_t i = 0; i < STEPS; i++) {
        numbers[i][0] = (struct assay_train_number){"reward", i == 1234 ? 0.875 : 0.25};
        numbers[i][1] = (struct assay_train_number){"grad_norm", i == 7 ? (double)NAN : 1e6};
        numbers[i][2] = (struct assay_train_number){"cause/" EVIL, (double)i};
        rows[i] = (struct assay_train_row){.position = i + 3,
                .step = i,
                .phase = "rl",
                .recorded_at = "2026-11-30T10:00:00.000Z",
                .body = "{}",
                .numbers = numbers[i],
                .count = 3};
    }
    report.rows = rows;
    report.row_count = STEPS;
    page = write_page(&report);
    assert_holds(&page, "mean reward from 0.25 to 0.25, between 0.25 and 0.875");
    assert_holds(&page, "No evaluation is recorded yet.");
    assert_holds(&page, "<h3>cause/&lt;/title&gt;");
    assert_true(page.len < 300000);
    assay_buf_free(&page);
    free(numbers);
    free(rows);
}

static void what_a_policy_wrote_stays_text(void **state)
{
    static const struct assay_rollout_token tokens[] = {
            {1, sizeof(EVIL) - 3, -0.01F}, {2, 2, -5.0F}, {3, 0, -1.0F}};
    static const struct assay_bytes evil = {EVIL, sizeof(EVIL) - 1};
    struct assay_training_rollout rollouts[] = {{.position = 3,
                                                        .phase = "rl",
                                                        .task = EVIL,
                                                        .family = EVIL,
                                                        .cause = EVIL,
                                                        .reason = EVIL,
                                                        .finish = "stop",
                                                        .reward = 0,
                                                        .advantage = -0.5,
                                                        .token_count = 3,
                                                        .prompt = evil,
                                                        .answer = evil,
                                                        .patch = evil,
                                                        .tokens = tokens,
                                                        .tokens_kept = 3},
            {.position = 3,
                    .phase = "rl",
                    .place = 1,
                    .task = "a",
                    .family = "f",
                    .cause = "ok",
                    .reason = "",
                    .finish = "length",
                    .solved = true,
                    .reward = 1,
                    .advantage = 0.5,
                    .answer = {"1|x", 3},
                    .tokens = tokens,
                    .tokens_kept = 3},
            {.position = 4,
                    .phase = "eval",
                    .task = "b",
                    .family = "f",
                    .cause = "infra_error",
                    .reason = "the box died",
                    .finish = "stop",
                    .reward = (double)NAN,
                    .advantage = (double)NAN}};
    struct assay_train_report report = empty_report();
    struct assay_buf page;

    (void)state;
    report.training.run_id = report.training.command = EVIL;
    report.rollouts = rollouts;
    report.rollout_count = 3;
    page = write_page(&report);
    assert_lacks(&page, " onmouseover=\"");
    assert_lacks(&page, "\xff");
    assert_lacks(&page, "<!--");
    assert_int_equal(count_of(&page, "<details class=\"r k"), 3);
    assert_holds(&page, "<span class=\"p4\" title=\"0.67 %\">");
    assert_holds(&page, "<i>end</i>");
    assert_holds(&page, "<b>+0.50</b>");
    assert_holds(&page, "cut off (length)");
    assert_holds(&page, "1|x"); // whose tokens are not its text: unshaded
    assert_holds(&page, "no reward");
    assert_holds(&page, "Evaluation after step 1 of rl");
    assay_buf_free(&page);
}

static void of_many_steps_some_are_shown_and_the_last_always(void **state)
{
    enum { STEPS = 2000 };
    struct assay_train_report report = empty_report();
    struct assay_training_rollout *rollouts = calloc(STEPS, sizeof(*rollouts));
    struct assay_buf page;

    (void)state;
    assert_non_null(rollouts);
    for (size_t i = 0; i < STEPS; i++)
        rollouts[i] = (struct assay_training_rollout){.position = i + 3,
                .phase = "rl",
                .task = "a",
                .family = "f",
                .cause = "tests_failed",
                .reason = "",
                .finish = "stop"};
    report.rollouts = rollouts;
    report.rollout_count = STEPS;
    page = write_page(&report);
    assert_holds(&page, "Step 2000 ");
    assert_int_equal(count_of(&page, "<details class=\"r k"), STEPS / 4);
    assert_holds(&page, "some steps are left out here");
    assay_buf_free(&page);
    free(rollouts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_training_that_has_just_begun_is_a_page),
            cmocka_unit_test(thousands_of_steps_stay_small_and_keep_their_peaks),
            cmocka_unit_test(what_a_policy_wrote_stays_text),
            cmocka_unit_test(of_many_steps_some_are_shown_and_the_last_always),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
