// SPDX-License-Identifier: MIT
// train_mini.c - tasks of the miniature, whose answers become edits that tests in a box judge.
#include <stdlib.h>

#include "orchestrator/rollout_reward.h"
#include "orchestrator/train_tasks.h"
#include "tasks/mini.h"

#define EDITS_BYTES_MAX ((size_t)16 << 20) // of one call

struct mini {
    struct assay_rewarder *rewarder;
    uint64_t seed;
    double rare;
};

static enum assay_status draw(void *user, struct assay_train_task *out,
        enum assay_train_split split, uint64_t index, struct assay_arena *arena,
        struct assay_error *err)
{
    static const enum assay_mini_split splits[] = {[ASSAY_TRAIN_SFT] = ASSAY_MINI_SFT,
            [ASSAY_TRAIN_RL] = ASSAY_MINI_RL,
            [ASSAY_TRAIN_SEEDS] = ASSAY_MINI_HELD};
    const struct mini *m = user;
    struct assay_mini_task *task;
    enum assay_status status;

    if (split == ASSAY_TRAIN_FAMILIES || split == ASSAY_TRAIN_VARIANTS)
        return assay_fail(
                err, ASSAY_ENOTFOUND, "mini has no families or faults that are not shown");
    task = assay_arena_array(arena, 1, sizeof(*task));
    if (!task)
        return assay_fail(err, ASSAY_ENOMEM, "a task: out of memory");
    status = assay_mini_draw(task, splits[split], m->seed, index, m->rare, arena, err);
    if (status == ASSAY_OK)
        *out = (struct assay_train_task){.id = task->repair.id,
                .family = task->repair.family,
                .prompt = task->prompt,
                .answer = task->answer,
                .detail = task,
                .rare = task->kind > ASSAY_MINI_ARG};
    return status;
}

static enum assay_status patch_of(void *user, struct assay_bytes *out,
        const struct assay_train_answer *answer, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_mini_task *task = answer->task->detail;
    struct assay_answer read;
    struct assay_buf edits;
    enum assay_status status;

    (void)user;
    assay_buf_init(&edits, EDITS_BYTES_MAX);
    assay_mini_edits(&edits, task, answer->text);
    status = assay_answer_read(&read, task->repair.path, task->repair.broken,
            (struct assay_bytes){edits.data, edits.len}, arena, err);
    assay_buf_free(&edits);
    if (status == ASSAY_OK)
        *out = read.fault == ASSAY_ANSWER_FINE ? read.patch : (struct assay_bytes){NULL, 0};
    return status;
}

static enum assay_status grade(void *user, struct assay_train_reward *rewards,
        const struct assay_train_answer *answers, size_t count, struct assay_error *err)
{
    const struct mini *m = user;
    struct assay_rollout *rollouts = calloc(count + 1, sizeof(*rollouts));
    size_t *ends = calloc(count + 1, sizeof(*ends));
    struct assay_buf edits; // of all answers, one behind the other
    enum assay_status status =
            rollouts && ends ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "rewards: out of memory");

    assay_buf_init(&edits, EDITS_BYTES_MAX);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        assay_mini_edits(&edits, answers[i].task->detail, answers[i].text);
        ends[i] = edits.len;
    }
    if (status == ASSAY_OK)
        status = assay_buf_check(&edits, "edits", err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct assay_mini_task *task = answers[i].task->detail;
        const size_t begin = i > 0 ? ends[i - 1] : 0;

        rollouts[i] =
                (struct assay_rollout){&task->repair, {edits.data + begin, ends[i] - begin}, false};
    }
    if (status == ASSAY_OK)
        status = assay_train_rewards(m->rewarder, rewards, rollouts, count, err);
    assay_buf_free(&edits);
    free(ends);
    free(rollouts);
    return status;
}

static uint64_t progress(void *user)
{
    const struct mini *m = user;

    return assay_rewarder_progress(m->rewarder);
}

static struct assay_train_counts counts(void *user)
{
    const struct mini *m = user;
    const struct assay_rewarder_counts c = assay_rewarder_counts(m->rewarder);

    return (struct assay_train_counts){c.answers, c.executed, c.remembered, c.unscored};
}

static void close_mini(void *user)
{
    struct mini *m = user;

    assay_rewarder_destroy(m->rewarder);
    free(m);
}

enum assay_status assay_task_mini_open(struct assay_task_source *out, struct assay_context *context,
        uint64_t seed, double rare, struct assay_error *err)
{
    const struct assay_rewarder_options options = {.keep = true};
    struct mini *m = calloc(1, sizeof(*m));
    enum assay_status status;

    if (!m)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    m->seed = seed;
    m->rare = rare;
    status = assay_rewarder_create(&m->rewarder, context, &options, err);
    if (status == ASSAY_OK)
        *out = (struct assay_task_source){.name = "mini",
                .user = m,
                .draw = draw,
                .grade = grade,
                .patch = patch_of,
                .counts = counts,
                .progress = progress,
                .close = close_mini};
    else
        close_mini(m);
    return status;
}
