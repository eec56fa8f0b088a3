// SPDX-License-Identifier: MIT
// What must hold: a key is one job, however often it is accepted; a job with a verdict stays, one
// without is queued again; all are accepted, or none.
#include "tasks/store_job.h"

#include <string.h>

#include "tests/tasks/fixture.h"

static const char keys[3][65] = {"1111111111111111111111111111111111111111111111111111111111111111",
        "2222222222222222222222222222222222222222222222222222222222222222",
        "3333333333333333333333333333333333333333333333333333333333333333"};

static struct assay_store *open_store(void *const *state)
{
    struct assay_store *store = NULL;

    assert_int_equal(assay_store_open(&store, in_dir(state, "assay.db"), NULL), ASSAY_OK);
    return store;
}

static struct assay_job job(const char *id, size_t key)
{
    return (struct assay_job){.job_id = id,
            .key = keys[key],
            .suite = "demo",
            .instance_id = "demo__thing-1",
            .settings = "{}",
            .answer = {"a\0b", 3}};
}

static void finish(struct assay_store *store, const char *id, bool scored)
{
    struct assay_verdict verdict;
    const struct assay_evaluation evaluation = {.verdict = &verdict, .retry = true};

    make_verdict(&verdict, id, "demo__thing-1", true);
    if (!scored) {
        verdict.scored = verdict.resolved = false;
        verdict.cause = ASSAY_CAUSE_INFRA_ERROR;
    }
    assert_int_equal(assay_store_put_verdict(store, &evaluation, NULL), ASSAY_OK);
    assert_int_equal(assay_store_finish_job(store, id, NULL), ASSAY_OK);
}

static void a_key_is_one_job(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    const struct assay_job wanted[] = {job("j1", 0), job("j2", 1), job("j3", 0)};
    struct assay_job out[3] = {{.job_id = NULL}}, found;
    bool fresh[3];

    assert_int_equal(assay_store_accept_jobs(store, wanted, 3, arena, out, fresh, NULL), ASSAY_OK);
    assert_true(fresh[0] && fresh[1] && !fresh[2]);
    assert_string_equal(out[2].job_id, "j1");
    assert_int_equal(assay_store_get_job(store, NULL, keys[1], arena, &found, NULL), ASSAY_OK);
    assert_string_equal(found.job_id, "j2");
    assert_false(found.finished);
    assert_int_equal(found.answer.len, 3);
    assert_memory_equal(found.answer.data, "a\0b", 3);
    assert_int_equal(
            assay_store_get_job(store, "j9", keys[1], arena, &found, NULL), ASSAY_ENOTFOUND);
    assay_store_close(store);
    assay_arena_destroy(arena);
}

static void what_came_to_no_verdict_is_tried_again(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    const struct assay_job wanted = job("j1", 0);
    struct assay_job out = {.job_id = NULL}, *queued = NULL;
    struct assay_run run;
    size_t count = 9;
    bool fresh;

    for (unsigned tries = 1; tries <= 3; tries++) {
        assert_int_equal(
                assay_store_accept_jobs(store, &wanted, 1, arena, &out, &fresh, NULL), ASSAY_OK);
        assert_true(fresh);
        assert_int_equal(out.tries, tries);
        assert_int_equal(assay_store_queued_jobs(store, arena, &queued, &count, NULL), ASSAY_OK);
        assert_int_equal(count, 1);
        assert_string_equal(queued[0].key, keys[0]);
        finish(store, "j1", tries == 3);
    }
    assert_int_equal(
            assay_store_accept_jobs(store, &wanted, 1, arena, &out, &fresh, NULL), ASSAY_OK);
    assert_false(fresh);
    assert_true(out.finished && out.scored);
    assert_int_equal(assay_store_queued_jobs(store, arena, &queued, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 0);
    assert_int_equal(assay_store_get_run(store, "j1", arena, &run, NULL), ASSAY_OK);
    assert_int_equal(run.state, ASSAY_RUN_FINISHED);
    assay_store_close(store);
    assay_arena_destroy(arena);
}

// A run that was opened before, under the job's own name, is the job's; another's is not.
static void all_or_none(void **state)
{
    static const char *const ids[] = {"demo__thing-1"};
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    const struct assay_job wanted[] = {job("j1", 0), job("theirs", 1)};
    struct assay_run run = {.run_id = "theirs", .suite = "demo", .identity = "other"}, opened;
    struct assay_job out[2] = {{.job_id = NULL}};
    bool fresh[2], resumed;
    size_t count = 9;
    struct assay_job *queued = NULL;

    assert_int_equal(
            assay_store_open_run(store, &run, ids, 1, false, arena, &opened, &resumed, NULL),
            ASSAY_OK);
    run = (struct assay_run){.run_id = "mine", .suite = "demo", .identity = "mine"};
    assert_int_equal(
            assay_store_open_run(store, &run, ids, 1, false, arena, &opened, &resumed, NULL),
            ASSAY_OK);
    assert_int_equal(
            assay_store_accept_jobs(store, wanted, 2, arena, out, fresh, NULL), ASSAY_ECONFLICT);
    assert_int_equal(assay_store_queued_jobs(store, arena, &queued, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 0);

    const struct assay_job mine = job("mine", 2);

    assert_int_equal(assay_store_accept_jobs(store, &mine, 1, arena, out, fresh, NULL), ASSAY_OK);
    assay_store_close(store);
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    a_key_is_one_job, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    what_came_to_no_verdict_is_tried_again, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(all_or_none, assay_temp_setup, assay_temp_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
