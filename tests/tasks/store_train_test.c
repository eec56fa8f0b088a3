// SPDX-License-Identifier: MIT
// What must hold: the same settings are one training until it is finished; steps done again replace
// themselves; a checkpoint is there with its steps or not at all.
#include "tasks/store_train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/harness.h"
#include "support/temp.h"
#include "tasks/store_reward.h"
#include "tests/tasks/world.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static enum assay_status open_training(struct world *w, const char *id, const char *identity,
        bool again, struct assay_training *out, bool *resumed, struct assay_error *err)
{
    const struct assay_training wanted = {
            .run_id = id, .identity = identity, .config = "seed 1", .command = "assay train x"};

    return assay_store_open_training(w->store, &wanted, again, w->arena, out, resumed, err);
}

static void the_same_settings_are_one_training(void **state)
{
    struct assay_training first, t;
    struct assay_error err = {0};
    struct world w;
    bool resumed = true;

    world_open(&w, state);
    assert_int_equal(open_training(&w, NULL, "x", false, &first, &resumed, NULL), ASSAY_OK);
    assert_true(!resumed && first.state == ASSAY_RUN_OPEN);
    assert_int_equal(open_training(&w, NULL, "x", true, &t, &resumed, NULL), ASSAY_OK);
    assert_true(resumed);
    assert_string_equal(t.run_id, first.run_id);
    assert_int_equal(
            open_training(&w, first.run_id, "y", false, &t, &resumed, &err), ASSAY_ECONFLICT);
    assert_non_null(strstr(err.message, "other settings"));
    assert_int_equal(open_training(&w, "z", "x", false, &t, &resumed, &err), ASSAY_ECONFLICT);
    assert_string_equal(err.message, "training z: the same settings are open under another name");
    assert_int_equal(assay_store_finish_training(w.store, first.run_id, NULL), ASSAY_OK);
    assert_int_equal(open_training(&w, NULL, "x", false, &t, &resumed, NULL), ASSAY_OK);
    assert_true(resumed && t.state == ASSAY_RUN_FINISHED);
    assert_int_equal(open_training(&w, NULL, "x", true, &t, &resumed, NULL), ASSAY_OK);
    assert_true(!resumed && strcmp(t.run_id, first.run_id) != 0);
    assert_int_equal(assay_store_finish_training(w.store, "none", &err), ASSAY_ENOTFOUND);
    world_close(&w);
}

static enum assay_status put(struct world *w, const char *run_id,
        const struct assay_training_step *steps, size_t count,
        const struct assay_training_checkpoint *checkpoint, struct assay_error *err)
{
    const struct assay_training_record record = {
            .steps = steps, .step_count = count, .checkpoint = checkpoint};

    return assay_store_put_training(w->store, run_id, &record, err);
}

static void steps_and_checkpoints_come_together(void **state)
{
    const struct assay_training_step steps[] = {
            {.position = 0, .phase = "sft", .body = "{\"a\":1}"},
            {.position = 1, .phase = "rl", .body = "{}"},
            {.position = 1, .phase = "eval", .body = "{}"}};
    const struct assay_training_step again = {.position = 1, .phase = "rl", .body = "{\"b\":2}"};
    const struct assay_training_checkpoint one = {1, "runs/t/1", HASH_A, HASH_B, "{}"};
    const struct assay_training_checkpoint two = {2, "runs/t/2", HASH_B, HASH_A, "{\"rng\":[]}"};
    const struct assay_training_checkpoint bad = {3, "runs/t/3", "short", HASH_A, "{}"};
    struct assay_training_checkpoint *checkpoints = NULL;
    struct assay_training_step *rows = NULL;
    struct assay_training t;
    struct assay_error err = {0};
    struct world w;
    size_t count = 9;
    bool resumed;

    world_open(&w, state);
    assert_int_equal(open_training(&w, "t", "x", false, &t, &resumed, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_training_checkpoints(w.store, "t", w.arena, &checkpoints, &count, NULL),
            ASSAY_OK);
    assert_true(count == 0 && !checkpoints);
    assert_int_equal(put(&w, "t", steps, 3, &one, NULL), ASSAY_OK);
    assert_int_equal(put(&w, "t", &again, 1, &two, NULL), ASSAY_OK);
    // A checkpoint that cannot be takes its steps with it.
    assert_int_equal(put(&w, "t", &steps[0], 1, &bad, &err), ASSAY_ECONFLICT);
    assert_int_equal(put(&w, "u", steps, 1, NULL, &err), ASSAY_ENOTFOUND);
    assert_int_equal(
            assay_store_training_steps(w.store, "t", w.arena, &rows, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 3);
    assert_string_equal(rows[0].body, "{\"a\":1}");
    assert_string_equal(rows[1].phase, "eval");
    assert_string_equal(rows[2].body, "{\"b\":2}");
    assert_string_equal(rows[2].phase, "rl");
    assert_int_equal(
            assay_store_training_checkpoints(w.store, "t", w.arena, &checkpoints, &count, NULL),
            ASSAY_OK);
    assert_true(count == 2 && checkpoints[0].position == 2 && checkpoints[1].position == 1);
    assert_string_equal(checkpoints[0].model_hash, HASH_B);
    assert_int_equal(assay_store_drop_checkpoints(w.store, "t", 2, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_training_checkpoints(w.store, "t", w.arena, &checkpoints, &count, NULL),
            ASSAY_OK);
    assert_true(count == 1 && checkpoints[0].position == 2);
    world_close(&w);
}

// What a run that goes on from an older checkpoint does again is gone, and nothing else.
static void a_rewound_training_is_where_its_checkpoint_was(void **state)
{
    const struct assay_training_step first[] = {{.position = 0, .phase = "sft", .body = "{}"},
            {.position = 1, .phase = "eval", .body = "{}"}};
    const struct assay_training_step later[] = {{.position = 1, .phase = "rl", .body = "{}"},
            {.position = 2, .phase = "eval", .body = "{}"}};
    const struct assay_training_checkpoint one = {1, "runs/t/1", HASH_A, HASH_B, "{}"};
    const struct assay_training_checkpoint two = {2, "runs/t/2", HASH_B, HASH_A, "{}"};
    static const char *const ids[] = {"t", "u"};
    struct assay_training_checkpoint *checkpoints = NULL;
    struct assay_training_step *rows = NULL;
    struct assay_training t;
    struct world w;
    size_t count = 0;
    bool resumed;

    world_open(&w, state);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(open_training(&w, ids[i], ids[i], false, &t, &resumed, NULL), ASSAY_OK);
        assert_int_equal(put(&w, ids[i], first, 2, &one, NULL), ASSAY_OK);
        assert_int_equal(put(&w, ids[i], later, 2, &two, NULL), ASSAY_OK);
    }
    assert_int_equal(assay_store_rewind_training(w.store, "t", 1, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_training_steps(w.store, "t", w.arena, &rows, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].phase, "sft");
    assert_string_equal(rows[1].phase, "eval");
    assert_int_equal(
            assay_store_training_checkpoints(w.store, "t", w.arena, &checkpoints, &count, NULL),
            ASSAY_OK);
    assert_true(count == 1 && checkpoints[0].position == 1);
    assert_int_equal( // another run's stay
            assay_store_training_steps(w.store, "u", w.arena, &rows, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 4);
    world_close(&w);
}

// A step that is done again leaves its rollouts, and only those.
static void rollouts_come_back_as_they_were(void **state)
{
    static const struct assay_rollout_token tokens[] = {{7, 2, -0.5F, 0}, {-1, 0, -31.25F, 64}};
    const struct assay_training_step step = {.position = 4, .phase = "rl", .body = "{}"};
    const struct assay_training_rollout rows[] = {{.position = 4,
                                                          .phase = "rl",
                                                          .place = 0,
                                                          .task = "a",
                                                          .family = "f",
                                                          .cause = "ok",
                                                          .reason = "",
                                                          .finish = "stop",
                                                          .solved = true,
                                                          .reward = 1,
                                                          .advantage = -0.25,
                                                          .version = 3,
                                                          .group = 2,
                                                          .token_count = 9,
                                                          .prompt = {"p\0q", 3},
                                                          .answer = {"1|x", 3},
                                                          .patch = {"--- a", 5},
                                                          .tokens = tokens,
                                                          .tokens_kept = 2},
            {.position = 4,
                    .phase = "rl",
                    .place = 1,
                    .task = "b",
                    .family = "f",
                    .cause = "infra_error",
                    .reason = "why",
                    .finish = "length",
                    .reward = (double)NAN,
                    .advantage = (double)NAN}};
    struct assay_training_record record = {
            .steps = &step, .step_count = 1, .rollouts = rows, .rollout_count = 2};
    struct assay_training_rollout *read = NULL;
    struct assay_training t;
    struct world w;
    size_t count = 0;
    bool resumed;

    world_open(&w, state);
    assert_int_equal(open_training(&w, "t", "x", false, &t, &resumed, NULL), ASSAY_OK);
    for (int again = 0; again < 2; again++)
        assert_int_equal(assay_store_put_training(w.store, "t", &record, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_training_rollouts(w.store, "t", w.arena, &read, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 2);
    assert_true(read[0].solved && read[0].reward == 1 && read[0].advantage == -0.25 &&
            read[0].version == 3 && read[0].group == 2 && read[0].token_count == 9);
    assert_true(read[0].prompt.len == 3 && memcmp(read[0].prompt.data, "p\0q", 3) == 0);
    assert_memory_equal(read[0].answer.data, "1|x", 3);
    assert_memory_equal(read[0].patch.data, "--- a", 5);
    assert_true(read[0].tokens_kept == 2 && read[0].tokens[0].id == 7 &&
            read[0].tokens[0].bytes == 2 && read[0].tokens[1].id == -1 &&
            read[0].tokens[1].bytes == 0 && read[0].tokens[0].newer == 0 &&
            read[0].tokens[1].newer == 64 && read[0].tokens[1].logp == -31.25F);
    assert_true(isnan(read[1].reward) && isnan(read[1].advantage) && read[1].patch.len == 0);
    assert_string_equal(read[1].reason, "why");
    record.rollout_count = 1;
    assert_int_equal(assay_store_put_training(w.store, "t", &record, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_training_rollouts(w.store, "t", w.arena, &read, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 1);
    world_close(&w);
}

static void trainings_are_listed_newest_first(void **state)
{
    struct assay_training *rows = NULL, t;
    struct assay_error err = {0};
    struct world w;
    size_t count = 9;
    bool resumed;

    world_open(&w, state);
    assert_int_equal(assay_store_list_trainings(w.store, w.arena, &rows, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 0);
    assert_int_equal(open_training(&w, "a", "x", false, &t, &resumed, NULL), ASSAY_OK);
    assert_int_equal(open_training(&w, "b", "y", false, &t, &resumed, NULL), ASSAY_OK);
    assert_int_equal(assay_store_list_trainings(w.store, w.arena, &rows, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].run_id, "b");
    assert_int_equal(assay_store_get_training(w.store, "a", w.arena, &t, NULL), ASSAY_OK);
    assert_string_equal(t.config, "seed 1");
    assert_int_equal(assay_store_get_training(w.store, "c", w.arena, &t, &err), ASSAY_ENOTFOUND);
    world_close(&w);
}

static void verdicts_of_rollouts_stay_by_scope(void **state)
{
    const struct assay_reward_row rows[] = {{"b", ASSAY_CAUSE_TESTS_FAILED, false, 1, 2},
            {"a", ASSAY_CAUSE_OK, true, 3, 0}},
                                  later = {"a", ASSAY_CAUSE_TESTS_FAILED, false, 0, 3};
    struct assay_reward_row *kept = NULL;
    struct world w;
    size_t count = 0;

    world_open(&w, state);
    assert_int_equal(assay_store_keep_rewards(w.store, "here", rows, 2, NULL), ASSAY_OK);
    assert_int_equal(assay_store_keep_rewards(w.store, "here", &later, 1, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_kept_rewards(w.store, "here", 9, w.arena, &kept, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 2);
    assert_string_equal(kept[0].key, "a");
    assert_true(kept[0].resolved && kept[0].cause == ASSAY_CAUSE_OK && kept[0].passed == 3);
    assert_true(!kept[1].resolved && kept[1].cause == ASSAY_CAUSE_TESTS_FAILED);
    assert_int_equal(
            assay_store_kept_rewards(w.store, "here", 1, w.arena, &kept, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 1);
    assert_int_equal(
            assay_store_kept_rewards(w.store, "there", 9, w.arena, &kept, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    the_same_settings_are_one_training, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(a_rewound_training_is_where_its_checkpoint_was,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    steps_and_checkpoints_come_together, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    rollouts_come_back_as_they_were, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    verdicts_of_rollouts_stay_by_scope, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    trainings_are_listed_newest_first, assay_temp_setup, assay_temp_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
