// SPDX-License-Identifier: MIT
// What must hold: whatever moment a writer is killed at, every verdict that it acknowledged is
// there, exactly once, and the database is whole.
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "tasks/store.h"
#include "tests/tasks/fixture.h"

#define EVALUATIONS 4000
#define WRITER_COUNT 4
#define KILLS 20

static char ids[EVALUATIONS][32];

// --- the child that is killed --------------------------------------------------------------------

struct writer {
    pthread_t thread;
    struct assay_store *store;
    struct assay_strings pending;
    size_t number;
    int ack_fd;
};

// Writes the index of each verdict once the store has taken it.
static void *write_until_killed(void *user)
{
    const struct writer *writer = user;

    for (size_t i = writer->number; i < writer->pending.count; i += WRITER_COUNT) {
        struct assay_verdict verdict;
        const struct assay_evaluation evaluation = {.verdict = &verdict};
        const uint32_t index =
                (uint32_t)strtoul(strrchr(writer->pending.items[i], '-') + 1, NULL, 10);

        make_verdict(&verdict, "run", writer->pending.items[i], true);
        if (assay_store_put_verdict(writer->store, &evaluation, NULL) != ASSAY_OK)
            _exit(3);
        if (write(writer->ack_fd, &index, sizeof(index)) != (ssize_t)sizeof(index))
            _exit(4);
    }
    return NULL;
}

static void child_main(const char *path, int ack_fd)
{
    const struct assay_run wanted = {.run_id = "run", .suite = "demo", .identity = "one"};
    const char *id_list[EVALUATIONS];
    struct writer writers[WRITER_COUNT] = {0};
    struct assay_store *store = NULL;
    struct assay_arena *arena = NULL;
    struct assay_strings pending;
    struct assay_run run;
    bool resumed;

    for (size_t i = 0; i < EVALUATIONS; i++)
        id_list[i] = ids[i];
    if (assay_arena_create(&arena, (size_t)1 << 28, NULL) != ASSAY_OK ||
            assay_store_open(&store, path, NULL) != ASSAY_OK ||
            assay_store_open_run(store, &wanted, id_list, EVALUATIONS, false, arena, &run, &resumed,
                    NULL) != ASSAY_OK ||
            assay_store_pending(store, "run", arena, &pending, NULL) != ASSAY_OK)
        _exit(2);
    for (size_t i = 0; i < WRITER_COUNT; i++) {
        writers[i] =
                (struct writer){.store = store, .pending = pending, .number = i, .ack_fd = ack_fd};
        if (pthread_create(&writers[i].thread, NULL, write_until_killed, &writers[i]) != 0)
            _exit(2);
    }
    for (size_t i = 0; i < WRITER_COUNT; i++)
        pthread_join(writers[i].thread, NULL);
    pause(); // all written: still to be killed
}

// --- the parent ----------------------------------------------------------------------------------

// Start a writer, kill it within 60 ms of its start (`early`) or of its first acknowledgement, and
// mark what it acknowledged.
static void run_and_kill(const char *path, struct assay_rng *rng, bool early, bool *acknowledged)
{
    const struct timespec life = {.tv_nsec = (long)assay_rng_below(rng, 60) * 1000000L + 1};
    int ack[2];
    uint32_t index;
    int status;
    pid_t child;

    assert_int_equal(pipe(ack), 0);
    child = fork();
    assert_int_not_equal(child, -1);
    if (child == 0) {
        close(ack[0]);
        child_main(path, ack[1]);
        _exit(0);
    }
    close(ack[1]);
    if (!early) {
        assert_int_equal(read(ack[0], &index, sizeof(index)), sizeof(index));
        acknowledged[index] = true;
    }
    nanosleep(&life, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); // not a failed write
    while (read(ack[0], &index, sizeof(index)) == (ssize_t)sizeof(index))
        acknowledged[index] = true;
    close(ack[0]);
}

static void assert_database_is_whole(const char *path)
{
    sqlite3_stmt *statement = NULL;
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
            sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
    sqlite3_finalize(statement);
    assert_int_equal(
            sqlite3_prepare_v2(db, "PRAGMA foreign_key_check", -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

// How many verdicts there are; every acknowledged one is among them.
static size_t assert_nothing_is_lost(const char *path, const bool *acknowledged)
{
    struct assay_evaluation_row *rows = NULL;
    struct assay_arena *arena = make_arena();
    struct assay_store *store = NULL;
    struct assay_error err;
    size_t count = 0;
    size_t found = 0;

    if (assay_store_open(&store, path, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_int_equal(assay_store_run_rows(store, "run", arena, &rows, &count, &err), ASSAY_OK);
    assert_true(count == 0 || count == EVALUATIONS); // a run is opened whole or not at all
    for (size_t i = 0; i < count; i++) {
        const size_t index = strtoul(strrchr(rows[i].instance_id, '-') + 1, NULL, 10);

        if (acknowledged[index] && !rows[i].has_verdict)
            fail_msg("verdict %zu was acknowledged and is lost", index);
        if (rows[i].has_verdict)
            assert_string_equal(rows[i].verdict.instance_id, rows[i].instance_id);
        found += rows[i].has_verdict;
    }
    assay_store_close(store);
    assay_arena_destroy(arena);
    return found;
}

static void killed_writers_lose_nothing_they_acknowledged(void **state)
{
    static bool acknowledged[EVALUATIONS];
    const char *path = in_dir(state, "assay.db");
    struct assay_rng rng;
    size_t found = 0;
    char copy[256];

    snprintf(copy, sizeof(copy), "%s", path); // in_dir() has few buffers
    assay_rng_seed(&rng, 20261124, 0);
    for (size_t i = 0; i < EVALUATIONS; i++)
        snprintf(ids[i], sizeof(ids[i]), "demo__thing-%zu", i);
    for (size_t i = 0; i < KILLS; i++) {
        size_t acknowledged_count = 0;

        run_and_kill(copy, &rng, i % 4 == 0, acknowledged);
        assert_database_is_whole(copy);
        found = assert_nothing_is_lost(copy, acknowledged);
        for (size_t j = 0; j < EVALUATIONS; j++)
            acknowledged_count += acknowledged[j];
        print_message("kill %zu: %zu acknowledged, %zu found\n", i + 1, acknowledged_count, found);
    }
    assert_true(found >= KILLS / 2); // or the test killed too early to show anything
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            ROOM(killed_writers_lose_nothing_they_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
