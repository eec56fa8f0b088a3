// SPDX-License-Identifier: MIT
// What must hold: a grading that hangs ends the run by name, in turn and ahead, and nobody waits
// for it; one that takes long but gets on does not.
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "orchestrator/train.h"
#include "support/harness.h"
#include "tests/orchestrator/ground.h"

#define SLICE_US 10000
#define SLICES_MAX 6000 // then a test fails rather than hangs

static const char *const config =
        "tasks: {source: file, path: none, tokens_max: 32}\n"
        "model: {layers: 1, width: 16, heads: 1, kv_heads: 1, head_dim: 16, ffn: 16,\n"
        "        vocab: 258, tokenizer_texts: 1}\n"
        "rl: {steps: 2, groups: 2, group_size: 2, updates: 1, answer_tokens_max: 4,\n"
        "     dynamic: false}\n"
        "eval: {count: 0}\n"
        "batch: {rows_max: 64, sequences_max: 4}\n";

struct slow {
    _Atomic uint64_t ended;
    size_t slices; // that a grading takes; something ends in each. 0: it hangs
};
static struct ground ground;

static enum assay_status draw(void *user, struct assay_train_task *out,
        enum assay_train_split split, uint64_t index, struct assay_arena *arena,
        struct assay_error *err)
{
    (void)user;
    (void)split;
    (void)index;
    (void)arena;
    (void)err;
    *out = (struct assay_train_task){
            .id = "one", .family = "f", .prompt = {"a b c =", 7}, .answer = {"d", 1}};
    return ASSAY_OK;
}

static enum assay_status grade(void *user, struct assay_train_reward *rewards,
        const struct assay_train_answer *answers, size_t count, struct assay_error *err)
{
    const volatile bool *cancelled = assay_context_interrupted(ground.context);
    struct slow *s = user;

    (void)answers;
    for (size_t i = 0; s->slices == 0 || i < s->slices; i++) {
        assert_true(i < SLICES_MAX);
        if (__atomic_load_n(cancelled, __ATOMIC_RELAXED)) // the watch sets it
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        usleep(SLICE_US);
        if (s->slices > 0)
            atomic_fetch_add(&s->ended, 1);
    }
    for (size_t i = 0; i < count; i++)
        rewards[i] = (struct assay_train_reward){.scored = true, .cause = "ok"};
    return ASSAY_OK;
}

static struct assay_train_counts counts(void *user)
{
    (void)user;
    return (struct assay_train_counts){0};
}

static uint64_t progress(void *user)
{
    struct slow *s = user;

    return atomic_load(&s->ended);
}

static enum assay_status train(struct slow *slow, const char *name, const char *how,
        const char *wait_s, struct assay_error *err)
{
    // A name is a seed, too: runs of other names must be other runs.
    const char *seed = assay_arena_printf(ground.arena, "seed=%zu", strlen(name));
    const char *const sets[] = {name, how, wait_s, seed};
    struct assay_task_source source = {.name = "slow",
            .user = slow,
            .draw = draw,
            .grade = grade,
            .counts = counts,
            .progress = progress};
    struct assay_train_settings settings;
    struct assay_train_result result;
    const struct assay_train_options options = {.settings = &settings,
            .source = &source,
            .command_line = "test",
            .cancel = &ground.cancel};

    assert_int_equal(assay_train_config_read(&settings, config, strlen(config), "config", sets, 4,
                             ground.arena, NULL),
            ASSAY_OK);
    return assay_train(&result, ground.context, &options, ground.arena, err);
}

static void a_grading_that_hangs_ends_the_run_by_name(void **state)
{
    struct slow hangs = {.slices = 0};
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(train(&hangs, "name=turn", "rl.staleness=0", "rl.wait_s_max=0.3", &err),
            ASSAY_ETIMEOUT);
    assert_non_null(strstr(err.message, "trainer waited 0 s for rewards of answers (4)"));
    assert_false(ground.cancel); // the next one may use the context
}

static void nobody_waits_for_what_a_sampler_grades(void **state)
{
    struct slow hangs = {.slices = 0};
    struct assay_error err = {0};

    (void)state;
    // Whoever of both notices first: it is told what hangs, and the thread is no obstacle.
    assert_int_equal(train(&hangs, "name=ahead", "rl.staleness=1", "rl.wait_s_max=0.3", &err),
            ASSAY_ETIMEOUT);
    if (!strstr(err.message, "trainer waited 0 s for batch 0; sampler: samples and grades"))
        assert_non_null(strstr(err.message, "sampler waited 0 s for rewards of answers (4)"));
    assert_false(ground.cancel);
}

static void what_gets_on_may_take_its_time(void **state)
{
    struct slow slow = {.slices = 250};
    struct assay_error err = {0};

    (void)state;
    if (train(&slow, "name=unhurried", "rl.steps=1", "rl.wait_s_max=2", &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_int_equal(slow.ended, 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_grading_that_hangs_ends_the_run_by_name),
            cmocka_unit_test(nobody_waits_for_what_a_sampler_grades),
            cmocka_unit_test(what_gets_on_may_take_its_time),
    };
    struct assay_error err = {0};
    int failed = 1;

    if (ground_open_bare(&ground, &err) == ASSAY_OK)
        failed = cmocka_run_group_tests(tests, NULL, NULL);
    else
        (void)fprintf(stderr, "%s\n", err.message);
    ground_close(&ground);
    return failed;
}
