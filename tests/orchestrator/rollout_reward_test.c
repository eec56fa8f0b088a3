// SPDX-License-Identifier: MIT
// What must hold: a right answer earns 1 and nothing else does; what cannot be applied is told by
// its form without a run; equal answers are run once, in a call and between calls, and, where the
// store keeps them, by whoever comes later.
#include "orchestrator/rollout_reward.h"

#include <string.h>

#include "orchestrator/train_tasks.h"
#include "support/harness.h"
#include "tests/orchestrator/ground.h"

#define TASKS ((size_t)3)
#define ANSWERS ((size_t)6)

struct fixture {
    struct ground ground;
    struct assay_rewarder *rewarder;
    struct assay_repair_table *table;
    struct assay_arena *arena; // the ground's
};

static enum assay_status open_all(struct fixture *f, struct assay_error *err)
{
    const struct assay_rewarder_options options = {.threads = 2};
    enum assay_status status = ground_open(&f->ground, err);

    f->arena = f->ground.arena;
    if (status == ASSAY_OK)
        status = assay_rewarder_create(&f->rewarder, f->ground.context, &options, err);
    return status == ASSAY_OK ? assay_repair_open(&f->table, &(struct assay_repair_choice){0}, err)
                              : status;
}

static struct assay_bytes answer_of(
        const struct fixture *f, const struct assay_repair_task *task, size_t kind)
{
    char *text = NULL;

    switch (kind) {
    case 0:
    case 1: // the same
        text = assay_arena_printf(f->arena, "%zu|%s", task->line, task->gold_line);
        break;
    case 2: // it still fails
        text = assay_arena_printf(f->arena, "0+# nothing");
        break;
    case 3: // no Python
        text = assay_arena_printf(f->arena, "%zu|)", task->line);
        break;
    case 4:
        text = assay_arena_printf(f->arena, "it is fine");
        break;
    default:
        text = assay_arena_printf(f->arena, "%s", "");
        break;
    }
    assert_non_null(text);
    return (struct assay_bytes){text, strlen(text)};
}

static void check(const struct assay_rollout_verdict *v, size_t kind, bool again)
{
    static const enum assay_rollout_source first[ANSWERS] = {ASSAY_ROLLOUT_EXECUTED,
            ASSAY_ROLLOUT_JOINED, ASSAY_ROLLOUT_EXECUTED, ASSAY_ROLLOUT_EXECUTED,
            ASSAY_ROLLOUT_UNRUN, ASSAY_ROLLOUT_UNRUN};

    print_message("answer %zu: %s\n", kind, v->reason);
    assert_true(v->scored);
    assert_int_equal(v->resolved, kind < 2);
    assert_true(v->reward == (kind < 2 ? 1.0 : 0.0));
    assert_int_equal(v->fault,
            kind == 4           ? ASSAY_ANSWER_NO_NUMBER
                    : kind == 5 ? ASSAY_ANSWER_EMPTY
                                : ASSAY_ANSWER_FINE);
    if (kind == 4)
        assert_int_equal(v->cause, ASSAY_CAUSE_PATCH_REJECTED);
    if (kind == 5)
        assert_int_equal(v->cause, ASSAY_CAUSE_EMPTY_PATCH);
    assert_int_equal(v->source,
            again && first[kind] != ASSAY_ROLLOUT_UNRUN ? ASSAY_ROLLOUT_REMEMBERED : first[kind]);
    if (kind < 4)
        assert_true(v->passed + v->failed >= 1);
}

static void rewards_are_what_the_tests_say(void **state)
{
    const struct fixture *f = *state;
    struct assay_repair_task tasks[TASKS];
    struct assay_rollout rollouts[TASKS * ANSWERS];
    struct assay_rollout_verdict verdicts[TASKS * ANSWERS];
    struct assay_rewarder_counts counts;

    for (size_t i = 0; i < TASKS; i++) {
        assert_int_equal(
                assay_repair_draw(&tasks[i], f->table, ASSAY_REPAIR_RL, 11, i, f->arena, NULL),
                ASSAY_OK);
        for (size_t k = 0; k < ANSWERS; k++)
            rollouts[i * ANSWERS + k] =
                    (struct assay_rollout){&tasks[i], answer_of(f, &tasks[i], k)};
    }
    for (int again = 0; again < 2; again++) {
        assert_int_equal(
                assay_rewarder_grade(f->rewarder, verdicts, rollouts, TASKS * ANSWERS, NULL),
                ASSAY_OK);
        for (size_t i = 0; i < TASKS * ANSWERS; i++)
            check(&verdicts[i], i % ANSWERS, again);
    }
    counts = assay_rewarder_counts(f->rewarder);
    assert_int_equal(counts.answers, 2 * TASKS * ANSWERS);
    assert_int_equal(counts.executed, 3 * TASKS);
    assert_int_equal(counts.joined, TASKS);
    assert_int_equal(counts.unrun, 4 * TASKS);
    assert_int_equal(counts.remembered, 4 * TASKS);
    assert_int_equal(counts.unscored, 0);
}

#define MINI_TASKS ((size_t)8)

// The miniature: its operations become edits, and what one process ran another need not.
static void operations_are_graded_once_for_all(void **state)
{
    const struct fixture *f = *state;

    for (int again = 0; again < 2; again++) {
        struct assay_train_task tasks[MINI_TASKS];
        struct assay_train_answer answers[2 * MINI_TASKS];
        struct assay_train_reward rewards[2 * MINI_TASKS];
        struct assay_task_source source;
        struct assay_train_counts counts;

        assert_int_equal(assay_task_mini_open(&source, f->ground.context, 1, 1, NULL), ASSAY_OK);
        for (size_t i = 0; i < MINI_TASKS; i++) {
            assert_int_equal(source.draw(source.user, &tasks[i], ASSAY_TRAIN_RL, i, f->arena, NULL),
                    ASSAY_OK);
            answers[2 * i] = (struct assay_train_answer){&tasks[i], tasks[i].answer};
            answers[2 * i + 1] = (struct assay_train_answer){&tasks[i], {"=9+", 3}};
        }
        assert_int_equal(
                source.grade(source.user, rewards, answers, 2 * MINI_TASKS, NULL), ASSAY_OK);
        for (size_t i = 0; i < 2 * MINI_TASKS; i++) {
            print_message("%s: %s\n", answers[i].task->id, rewards[i].reason);
            assert_true(rewards[i].scored && rewards[i].solved == (i % 2 == 0));
        }
        counts = source.counts(source.user);
        assert_int_equal(counts.executed, again ? 0 : MINI_TASKS);
        assert_int_equal(counts.remembered, again ? MINI_TASKS : 0);
        source.close(source.user);
    }
}

static void close_all(struct fixture *f)
{
    assay_rewarder_destroy(f->rewarder);
    assay_repair_close(f->table);
    ground_close(&f->ground);
}

static struct fixture fixture;

static int tear_down(void **state)
{
    close_all(*state);
    return 0;
}

static int set_up(void **state)
{
    *state = &fixture;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(rewards_are_what_the_tests_say),
            cmocka_unit_test(operations_are_graded_once_for_all),
    };
    struct assay_error err = {0};

    if (open_all(&fixture, &err) != ASSAY_OK) {
        ASSAY_SKIP_NOTE(err.message);
        close_all(&fixture);
        return ASSAY_EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
