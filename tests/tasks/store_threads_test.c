// SPDX-License-Identifier: MIT
// What must hold: writers from many threads and handles all get through, each once, and readers see
// what was acknowledged.
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tasks/store.h"
#include "tests/tasks/fixture.h"

#define THREAD_COUNT ((size_t)8)
#define WRITES_EACH ((size_t)40)
#define EVALUATIONS (THREAD_COUNT * WRITES_EACH)

struct worker {
    pthread_t thread;
    struct assay_store *store;
    char (*ids)[32];
    size_t first;
    size_t failures;
};

// cmocka's asserts are for the main thread: workers count.
static void *write_verdicts(void *user)
{
    struct worker *worker = user;
    struct assay_arena *arena = NULL;

    if (assay_arena_create(&arena, (size_t)1 << 24, NULL) != ASSAY_OK)
        return NULL;
    for (size_t i = 0; i < WRITES_EACH; i++) {
        const char *id = worker->ids[worker->first + i];
        struct assay_verdict verdict;
        const struct assay_evaluation evaluation = {.verdict = &verdict, .cacheable = true};
        struct assay_verdict found = {0};

        make_verdict(&verdict, "run", id, i % 2 == 0);
        snprintf(verdict.key, sizeof(verdict.key), "key of %s", id);
        if (assay_store_put_verdict(worker->store, &evaluation, NULL) != ASSAY_OK)
            worker->failures++;
        if (assay_store_put_verdict(worker->store, &evaluation, NULL) != ASSAY_ECONFLICT)
            worker->failures++;
        if (assay_store_cached_verdict(worker->store, verdict.key, arena, &found, NULL) !=
                        ASSAY_OK ||
                strcmp(found.instance_id, id) != 0)
            worker->failures++;
    }
    assay_arena_destroy(arena);
    return NULL;
}

static void eight_threads_write_and_read(void **state)
{
    static char ids[EVALUATIONS][32];
    const char *id_list[EVALUATIONS];
    struct worker workers[THREAD_COUNT] = {0};
    const struct assay_run wanted = {.run_id = "run", .suite = "demo", .identity = "one"};
    struct assay_store *stores[2] = {NULL}; // two handles, as two processes have
    struct assay_arena *arena = make_arena();
    struct assay_run run;
    bool resumed;

    for (size_t i = 0; i < EVALUATIONS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "demo__thing-%zu", i);
        id_list[i] = ids[i];
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(assay_store_open(&stores[i], in_dir(state, "assay.db"), NULL), ASSAY_OK);
    assert_int_equal(assay_store_open_run(stores[0], &wanted, id_list, EVALUATIONS, false, arena,
                             &run, &resumed, NULL),
            ASSAY_OK);
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        workers[i] = (struct worker){.store = stores[i % 2], .ids = ids, .first = i * WRITES_EACH};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, write_verdicts, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failures, 0);
    }
    assert_int_equal(assay_store_get_run(stores[1], "run", arena, &run, NULL), ASSAY_OK);
    assert_int_equal(run.done, EVALUATIONS);
    assay_arena_destroy(arena);
    assay_store_close(stores[0]);
    assay_store_close(stores[1]);
}

struct opener {
    pthread_t thread;
    const char *path;
    char run_id[32];
    bool opened, resumed;
};

static void *open_and_run(void *user)
{
    struct opener *opener = user;
    const struct assay_run wanted = {.suite = "demo", .identity = "the same command"};
    const char *const ids[] = {"a-1", "a-2"};
    struct assay_store *store = NULL;
    struct assay_arena *arena = NULL;
    struct assay_run run;

    if (assay_arena_create(&arena, (size_t)1 << 20, NULL) != ASSAY_OK)
        return NULL;
    opener->opened = assay_store_open(&store, opener->path, NULL) == ASSAY_OK &&
            assay_store_open_run(
                    store, &wanted, ids, 2, false, arena, &run, &opener->resumed, NULL) == ASSAY_OK;
    if (opener->opened)
        snprintf(opener->run_id, sizeof(opener->run_id), "%s", run.run_id);
    assay_store_close(store);
    assay_arena_destroy(arena);
    return NULL;
}

static void eight_openers_of_a_new_store_share_one_run(void **state)
{
    struct opener openers[THREAD_COUNT] = {0};
    const char *path = in_dir(state, "new.db");
    size_t fresh = 0;

    for (size_t i = 0; i < THREAD_COUNT; i++) {
        openers[i].path = path;
        assert_int_equal(pthread_create(&openers[i].thread, NULL, open_and_run, &openers[i]), 0);
    }
    for (size_t i = 0; i < THREAD_COUNT; i++)
        pthread_join(openers[i].thread, NULL);
    for (size_t i = 0; i < THREAD_COUNT; i++) {
        assert_true(openers[i].opened);
        assert_string_equal(openers[i].run_id, openers[0].run_id);
        fresh += !openers[i].resumed;
    }
    assert_int_equal(fresh, 1);
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            ROOM(eight_threads_write_and_read),
            ROOM(eight_openers_of_a_new_store_share_one_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
