// SPDX-License-Identifier: MIT
// train_repair.c - tasks of the repair table, whose answers are edits that tests in a box judge.
#include "orchestrator/train_repair.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/repair_prompt.h"
#include "tasks/verdict.h"

#define TEXT_BYTES_MAX ((size_t)1 << 16)

static enum assay_status tell(
        struct assay_train_task *out, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_repair_task *task = out->detail;
    struct assay_buf texts[6];
    struct assay_bytes *const places[] = {
            &out->prompt, &out->answer, &out->reading, &out->mistake, &out->drill, &out->drilled};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < 6; i++)
        assay_buf_init(&texts[i], TEXT_BYTES_MAX);
    assay_repair_prompt_of(&texts[0], task);
    assay_repair_answer_of(&texts[1], task);
    assay_repair_reading_of(&texts[2], task);
    assay_repair_symptom_of(&texts[3], task);
    assay_repair_slip_of(&texts[4], &texts[5], task);
    for (size_t i = 0; i < 6; i++) {
        if (status == ASSAY_OK)
            status = assay_bytes_keep(places[i], &texts[i], "a task", arena, err);
        assay_buf_free(&texts[i]);
    }
    return status;
}

// In what is graded only: a policy that reads its tests reads nothing of it.
static enum assay_status slow_down(struct assay_repair_task *task, uint64_t tests_ms,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    (void)assay_buf_add(&text, task->tests.data, task->tests.len);
    assay_buf_addf(&text,
            "\n\ndef setUpModule():\n    import time\n    time.sleep(%" PRIu64 " / 1000)\n",
            tests_ms);
    status = assay_bytes_keep(&task->tests, &text, "slow tests", arena, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status draw(void *user, struct assay_train_task *out,
        enum assay_train_split split, uint64_t index, struct assay_arena *arena,
        struct assay_error *err)
{
    static const enum assay_repair_split splits[] = {ASSAY_REPAIR_SFT, ASSAY_REPAIR_RL,
            ASSAY_REPAIR_UNSEEN_FAULTS, ASSAY_REPAIR_UNSEEN_SEEDS, ASSAY_REPAIR_UNSEEN_FAMILIES};
    const struct repair *r = user;
    struct assay_repair_task *task = assay_arena_alloc(arena, sizeof(*task));
    enum assay_status status = task
            ? assay_repair_draw(task, r->table, splits[split], r->options.seed, index, arena, err)
            : assay_fail(err, ASSAY_ENOMEM, "a task: out of memory");

    if (status != ASSAY_OK)
        return status;
    *out = (struct assay_train_task){
            .id = task->id, .family = task->family, .kind = task->kind, .detail = task};
    status = r->options.turns_max > 0 ? repair_tell_turns(out, arena, err) : tell(out, arena, err);
    if (status == ASSAY_OK && r->options.tests_ms > 0)
        status = slow_down(task, r->options.tests_ms, arena, err);
    return status;
}

static enum assay_train_fault fault_of(
        const struct assay_rollout_verdict *verdict, const struct assay_rollout *rollout)
{
    if (verdict->resolved)
        return ASSAY_TRAIN_SOLVED;
    if (verdict->fault != ASSAY_ANSWER_FINE)
        return ASSAY_TRAIN_FORM;
    if (rollout->is_patch) // an episode edits where it likes
        return ASSAY_TRAIN_TEXT;
    return assay_answer_edits_line(rollout->answer, rollout->task->line) ? ASSAY_TRAIN_TEXT
                                                                         : ASSAY_TRAIN_PLACE;
}

enum assay_status assay_train_rewards(struct assay_rewarder *rewarder,
        struct assay_train_reward *rewards, const struct assay_rollout *rollouts, size_t count,
        struct assay_error *err)
{
    struct assay_rollout_verdict *verdicts = calloc(count + 1, sizeof(*verdicts));
    enum assay_status status = verdicts
            ? assay_rewarder_grade(rewarder, verdicts, rollouts, count, err)
            : assay_fail(err, ASSAY_ENOMEM, "rewards: out of memory");

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        rewards[i] = (struct assay_train_reward){.scored = verdicts[i].scored,
                .solved = verdicts[i].resolved,
                .reward = verdicts[i].reward,
                .fault = fault_of(&verdicts[i], &rollouts[i]),
                .cause = assay_cause_name(verdicts[i].cause)};
        memcpy(rewards[i].reason, verdicts[i].reason, sizeof(rewards[i].reason));
    }
    free(verdicts);
    return status;
}

static enum assay_status grade(void *user, struct assay_train_reward *rewards,
        const struct assay_train_answer *answers, size_t count, struct assay_error *err)
{
    struct repair *r = user;
    struct assay_rollout *rollouts = calloc(count + 1, sizeof(*rollouts));
    enum assay_status status;

    if (!rollouts)
        return assay_fail(err, ASSAY_ENOMEM, "rewards: out of memory");
    for (size_t i = 0; i < count; i++)
        rollouts[i] = (struct assay_rollout){
                answers[i].task->detail, answers[i].text, r->options.turns_max > 0};
    status = assay_train_rewards(r->rewarder, rewards, rollouts, count, err);
    free(rollouts);
    return status;
}
_Static_assert(
        ASSAY_TRAIN_REASON_BYTES == ASSAY_ROLLOUT_REASON_BYTES, "one is copied to the other");

static enum assay_status patch_of(void *user, struct assay_bytes *out,
        const struct assay_train_answer *answer, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_repair_task *task = answer->task->detail;
    struct assay_answer read;
    enum assay_status status =
            assay_answer_read(&read, task->path, task->broken, answer->text, arena, err);

    (void)user;
    if (status == ASSAY_OK)
        *out = read.fault == ASSAY_ANSWER_FINE ? read.patch : (struct assay_bytes){NULL, 0};
    return status;
}

static struct assay_train_counts counts(void *user)
{
    const struct repair *r = user;
    const struct assay_rewarder_counts c = assay_rewarder_counts(r->rewarder);

    return (struct assay_train_counts){c.answers, c.executed, c.remembered, c.unscored};
}

static uint64_t progress(void *user)
{
    const struct repair *r = user;

    return assay_rewarder_progress(r->rewarder);
}

static void close_repair(void *user)
{
    struct repair *r = user;

    assay_rewarder_destroy(r->rewarder);
    assay_repair_close(r->table);
    assay_suite_free(r->suite);
    free(r);
}

enum assay_status assay_task_repair_open(struct assay_task_source *out,
        struct assay_context *context, const struct assay_task_repair_options *options,
        struct assay_error *err)
{
    const struct assay_rewarder_options rewards = {0};
    struct repair *r = calloc(1, sizeof(*r));
    enum assay_status status;

    if (!r)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    r->context = context;
    r->options = *options;
    status = assay_repair_open(&r->table, &options->choice, err);
    if (status == ASSAY_OK)
        status = assay_suite_create(&r->suite, "repair", err);
    if (status == ASSAY_OK)
        status = assay_repair_recipe(r->suite, err);
    if (status == ASSAY_OK)
        status = assay_rewarder_create(&r->rewarder, context, &rewards, err);
    if (status != ASSAY_OK) {
        close_repair(r);
        return status;
    }
    *out = (struct assay_task_source){.name = "repair",
            .user = r,
            .turns = options->turns_max > 0 ? &repair_turns : NULL,
            .draw = draw,
            .grade = grade,
            .patch = patch_of,
            .counts = counts,
            .progress = progress,
            .close = close_repair};
    return ASSAY_OK;
}
