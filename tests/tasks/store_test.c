// SPDX-License-Identifier: MIT
// What must hold: what the store took it gives back byte for byte; one run for one open command;
// one verdict for one evaluation; a null verdict never answers for a key.
#include "tasks/store.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/tasks/fixture.h"

static struct assay_store *open_store(void *const *state)
{
    struct assay_store *store = NULL;
    struct assay_error err = {0};

    if (assay_store_open(&store, in_dir(state, "assay.db"), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return store;
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_new_store_is_private_and_opens_again(void **state)
{
    struct stat stat_file;

    assay_store_close(open_store(state));
    assay_store_close(open_store(state));
    assert_int_equal(stat(in_dir(state, "assay.db"), &stat_file), 0);
    assert_int_equal(stat_file.st_mode & 0777, 0600);
    assay_store_close(NULL);
}

static void a_newer_or_foreign_database_is_refused_and_untouched(void **state)
{
    struct assay_store *store = NULL;
    struct assay_error err;

    assay_store_close(open_store(state));
    sql(in_dir(state, "assay.db"), "PRAGMA user_version = 99");
    assert_fails(assay_store_open(&store, in_dir(state, "assay.db"), &err), &err, ASSAY_EREFUSED,
            "store: written by a newer assay (schema 99; this program knows 14)");
    sql(in_dir(state, "other.db"), "CREATE TABLE theirs (x)");
    assert_fails(assay_store_open(&store, in_dir(state, "other.db"), &err), &err, ASSAY_EREFUSED,
            "store: this database is not one of assay's");
    write_file(state, "text.db",
            "this is text, and long enough to be read as a header of 100 bytes"
            " ....................................................");
    assert_int_equal(assay_store_open(&store, in_dir(state, "text.db"), &err), ASSAY_EREFUSED);
    assert_non_null(strstr(err.message, "file is not a database"));
    assert_int_equal(assay_store_open(&store, in_dir(state, "no/where.db"), &err), ASSAY_EIO);
    assert_null(store); // out parameters are untouched
}

static void assert_bytes(struct assay_bytes actual, struct assay_bytes expected)
{
    assert_int_equal(actual.len, expected.len);
    assert_non_null(actual.data);
    assert_memory_equal(actual.data, expected.data, expected.len);
    assert_int_equal(actual.data[actual.len], '\0');
}

static void a_suite_comes_back_as_it_went_in(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_suite *suite = make_suite(3, "t::two");
    struct assay_suite *loaded = NULL;
    struct assay_error err;
    char before[65];
    char after[65];

    assert_int_equal(assay_store_add_suite(store, suite, false, &err), ASSAY_OK);
    assert_int_equal(assay_store_load_suite(store, "demo", &loaded, &err), ASSAY_OK);
    assert_int_equal(loaded->instance_count, 3);
    assert_int_equal(assay_suite_hash(before, suite, &err), ASSAY_OK);
    assert_int_equal(assay_suite_hash(after, loaded, &err), ASSAY_OK);
    assert_string_equal(before, after);
    assert_string_equal(loaded->recipes[0].setup.items[0], "apt-get install \"x\"");
    assert_string_equal(loaded->recipes[0].env.items[0], "LANG=C");
    assert_string_equal(loaded->source, "made by hand");
    for (size_t i = 0; i < 3; i++) {
        assert_bytes(loaded->instances[i].problem, suite->instances[i].problem);
        assert_bytes(loaded->instances[i].gold_patch, suite->instances[i].gold_patch);
        assert_bytes(loaded->instances[i].test_patch, suite->instances[i].test_patch);
        if (suite->instances[i].row.data == NULL)
            assert_null(loaded->instances[i].row.data);
        else
            assert_bytes(loaded->instances[i].row, suite->instances[i].row);
        assert_string_equal(loaded->instances[i].tags.items[1], "easy");
    }
    assay_suite_free(loaded);
    assay_suite_free(suite);
    assay_store_close(store);
}

// Lists of hosts came with version 2: a store of version 1 is brought up to it, and keeps its
// suites.
static void an_older_store_is_brought_up_to_date(void **state)
{
    static const char *const hosts[] = {"files.example:443"};
    struct assay_store *store = open_store(state);
    struct assay_suite *suite = make_suite(1, "t::two");
    struct assay_suite *loaded = NULL;
    struct assay_error err;

    assert_int_equal(assay_store_add_suite(store, suite, false, &err), ASSAY_OK);
    assay_store_close(store);
    sql(in_dir(state, "assay.db"),
            "DROP INDEX verdicts_outcome; ALTER TABLE runs DROP COLUMN suite_hash; ALTER TABLE instances DROP COLUMN row; ALTER TABLE instances DROP COLUMN row_bytes;"
            "DROP TABLE jobs; DROP TABLE rollout_verdicts; DROP TABLE turns; DROP TABLE episodes;"
            "ALTER TABLE recipes DROP COLUMN hosts; DROP TABLE evidence; DROP TABLE claims;"
            "DROP TABLE rollouts; DROP TABLE metrics; DROP TABLE checkpoints; DROP TABLE trainings;"
            "DROP TABLE kept_runs;"
            "DROP TABLE certificate_runs; ALTER TABLE certificates DROP COLUMN checks;"
            "ALTER TABLE certificates DROP COLUMN grader; PRAGMA user_version = 1");
    store = open_store(state);
    assert_int_equal(assay_store_load_suite(store, "demo", &loaded, &err), ASSAY_OK);
    assert_int_equal(loaded->recipes[0].hosts.count, 0);
    assay_suite_free(loaded);

    suite->recipes[0].hosts = (struct assay_strings){hosts, 1};
    suite->instances[0].network = true;
    suite->instances[0].hosts = (struct assay_strings){hosts, 1};
    assert_int_equal(assay_store_add_suite(store, suite, true, &err), ASSAY_OK);
    assert_int_equal(assay_store_load_suite(store, "demo", &loaded, &err), ASSAY_OK);
    assert_string_equal(loaded->recipes[0].hosts.items[0], hosts[0]);
    assert_true(loaded->instances[0].network);
    assert_string_equal(loaded->instances[0].hosts.items[0], hosts[0]);
    assay_suite_free(loaded);
    assay_suite_free(suite);
    assay_store_close(store);
}

static void a_suite_is_replaced_only_on_demand(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_suite *suite = make_suite(2, "t::two");
    struct assay_suite *other = make_suite(1, "t::two");
    struct assay_suite *loaded = NULL;
    struct assay_error err;

    assert_int_equal(assay_store_add_suite(store, suite, false, &err), ASSAY_OK);
    assert_int_equal(assay_store_add_suite(store, suite, false, &err), ASSAY_OK); // the same
    assert_fails(assay_store_add_suite(store, other, false, &err), &err, ASSAY_ECONFLICT,
            "suite demo is in the store already, with other content; --replace puts this one in its "
            "place");
    assert_int_equal(assay_store_add_suite(store, other, true, &err), ASSAY_OK);
    assert_int_equal(assay_store_load_suite(store, "demo", &loaded, &err), ASSAY_OK);
    assert_int_equal(loaded->instance_count, 1);
    assay_suite_free(loaded);
    loaded = NULL;
    assert_int_equal(assay_store_remove_suite(store, "demo", &err), ASSAY_OK);
    assert_fails(assay_store_remove_suite(store, "demo", &err), &err, ASSAY_ENOTFOUND,
            "no suite demo in the store");
    assert_fails(assay_store_load_suite(store, "demo", &loaded, &err), &err, ASSAY_ENOTFOUND,
            "no suite demo in the store");
    assert_null(loaded);
    assay_suite_free(other);
    assay_suite_free(suite);
    assay_store_close(store);
}

static void a_bad_instance_leaves_nothing_of_its_suite(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_suite *suite = make_suite(2, "t::two");
    struct assay_arena *arena = make_arena();
    struct assay_suite_row *rows = NULL;
    struct assay_error err;
    size_t count = 9;

    suite->instances[1].tree[0] = '\0';
    assert_fails(assay_store_add_suite(store, suite, false, &err), &err, ASSAY_EINVAL,
            "suite demo: demo__thing-00002: has no tree yet");
    assert_int_equal(assay_store_list_suites(store, arena, &rows, &count, &err), ASSAY_OK);
    assert_int_equal(count, 0);
    assay_arena_destroy(arena);
    assay_suite_free(suite);
    assay_store_close(store);
}

static void the_newest_certificate_of_a_content_counts(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_suite *suite = make_suite(2, "t::two");
    struct assay_arena *arena = make_arena();
    struct assay_certificate certificate = {.suite = "demo",
            .instance_id = "demo__thing-00001",
            .holds = true,
            .runs = 3,
            .details = "{}",
            .reason = ""};
    struct assay_certificate found = {0};
    struct assay_suite_row *rows = NULL;
    struct assay_error err;
    size_t count = 0;

    assert_int_equal(assay_store_add_suite(store, suite, false, &err), ASSAY_OK);
    assert_int_equal(
            assay_instance_hash(certificate.instance_hash, suite, &suite->instances[0], &err),
            ASSAY_OK);
    assert_fails(assay_store_get_certificate(store, "demo", "demo__thing-00001",
                         certificate.instance_hash, arena, &found, &err),
            &err, ASSAY_ENOTFOUND, "demo__thing-00001 has no certificate");
    assert_int_equal(assay_store_put_certificate(store, &certificate, &err), ASSAY_OK);
    assert_int_equal(assay_store_list_suites(store, arena, &rows, &count, &err), ASSAY_OK);
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].instance_count, 2);
    assert_int_equal(rows[0].certified_count, 1);
    certificate.holds = false;
    certificate.reason = "the gold patch did not pass twice";
    assert_int_equal(assay_store_put_certificate(store, &certificate, &err), ASSAY_OK);
    assert_int_equal(assay_store_get_certificate(store, "demo", "demo__thing-00001",
                             certificate.instance_hash, arena, &found, &err),
            ASSAY_OK);
    assert_false(found.holds);
    assert_string_equal(found.reason, "the gold patch did not pass twice");
    assert_int_equal(assay_store_list_suites(store, arena, &rows, &count, &err), ASSAY_OK);
    assert_int_equal(rows[0].certified_count, 0);
    assay_arena_destroy(arena);
    assay_suite_free(suite);
    assay_store_close(store);
}

// --- runs ----------------------------------------------------------------------------------------

static const char *const ids[] = {"demo__thing-00002", "demo__thing-00001"};

static struct assay_run open_run(struct assay_store *store, const char *run_id,
        const char *identity, bool again, struct assay_arena *arena, bool *resumed)
{
    const struct assay_run wanted = {.run_id = run_id,
            .suite = "demo",
            .identity = identity,
            .model = "gold",
            .command = "assay eval demo --gold"};
    struct assay_run run = {0};
    struct assay_error err;

    if (assay_store_open_run(store, &wanted, ids, 2, again, arena, &run, resumed, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return run;
}

static void the_same_command_is_the_same_run(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_error err;
    struct assay_run *rows = NULL;
    struct assay_run first;
    struct assay_run next;
    size_t count = 0;
    bool resumed = true;

    first = open_run(store, NULL, "one", false, arena, &resumed);
    assert_false(resumed);
    assert_int_equal(first.total, 2);
    assert_int_equal(first.state, ASSAY_RUN_OPEN);
    next = open_run(store, NULL, "one", true, arena, &resumed); // cut off, typed again
    assert_true(resumed);
    assert_string_equal(next.run_id, first.run_id);
    assert_int_equal(assay_store_finish_run(store, first.run_id, &err), ASSAY_OK);
    next = open_run(store, NULL, "one", false, arena, &resumed); // reported, not repeated
    assert_true(resumed);
    assert_int_equal(next.state, ASSAY_RUN_FINISHED);
    assert_non_null(next.finished_at);
    next = open_run(store, NULL, "one", true, arena, &resumed);
    assert_false(resumed);
    assert_string_not_equal(next.run_id, first.run_id);
    (void)open_run(store, "mine", "two", false, arena, &resumed);
    assert_false(resumed);
    assert_int_equal(assay_store_list_runs(store, arena, &rows, &count, &err), ASSAY_OK);
    assert_int_equal(count, 3);
    assert_string_equal(rows[0].run_id, "mine");
    assert_string_equal(rows[2].run_id, first.run_id);
    assay_arena_destroy(arena);
    assay_store_close(store);
}

static void a_run_id_belongs_to_one_command(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_run wanted = {.run_id = "mine", .suite = "demo", .identity = "other"};
    struct assay_run run = {0};
    struct assay_error err;
    bool resumed;

    (void)open_run(store, "mine", "one", false, arena, &resumed);
    assert_fails(assay_store_open_run(store, &wanted, ids, 2, false, arena, &run, &resumed, &err),
            &err, ASSAY_ECONFLICT,
            "run mine is of another command, or its suite or predictions have changed since: assay eval demo --gold");
    wanted.run_id = "yours";
    wanted.identity = "one";
    assert_fails(assay_store_open_run(store, &wanted, ids, 2, false, arena, &run, &resumed, &err),
            &err, ASSAY_ECONFLICT, "run yours: the same command is open under another run id");
    assert_int_equal(assay_store_finish_run(store, "mine", &err), ASSAY_OK);
    wanted.run_id = "mine";
    assert_fails(assay_store_open_run(store, &wanted, ids, 2, true, arena, &run, &resumed, &err),
            &err, ASSAY_ECONFLICT, "run mine is finished: running again needs a new run id");
    assert_fails(assay_store_finish_run(store, "nobody", &err), &err, ASSAY_ENOTFOUND,
            "no run nobody in the store");
    assert_fails(assay_store_get_run(store, "nobody", arena, &run, &err), &err, ASSAY_ENOTFOUND,
            "no run nobody in the store");
    assert_null(run.run_id);
    assay_arena_destroy(arena);
    assay_store_close(store);
}

// --- verdicts ------------------------------------------------------------------------------------

static void a_verdict_is_recorded_once(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_evaluation evaluation = {
            .log_path = "runs/mine/1.log", .model_patch = {"diff\r\n\0x", 8}, .cacheable = true};
    struct assay_evaluation_row *rows = NULL;
    struct assay_outcome outcome;
    struct assay_outcome found;
    struct assay_verdict verdict;
    struct assay_strings pending;
    struct assay_error err;
    size_t count = 0;
    bool resumed;

    (void)open_run(store, "mine", "one", false, arena, &resumed);
    assay_outcome_init(&outcome, arena);
    assay_outcome_add(&outcome, "t::one", 6, ASSAY_TEST_PASSED);
    assay_outcome_add(&outcome, "t::\xff", 4, ASSAY_TEST_XFAIL);
    assert_int_equal(assay_outcome_finish(&outcome, &err), ASSAY_OK);
    make_verdict(&verdict, "mine", ids[1], false);
    evaluation.verdict = &verdict;
    evaluation.outcome = &outcome;
    assert_int_equal(assay_store_put_verdict(store, &evaluation, &err), ASSAY_OK);
    evaluation.retry = true; // a scored verdict stays
    assert_fails(assay_store_put_verdict(store, &evaluation, &err), &err, ASSAY_ECONFLICT,
            "run mine: demo__thing-00001 has a verdict already");
    verdict.instance_id = "nobody";
    assert_fails(assay_store_put_verdict(store, &evaluation, &err), &err, ASSAY_ENOTFOUND,
            "run mine has no instance nobody");

    assert_int_equal(assay_store_pending(store, "mine", arena, &pending, &err), ASSAY_OK);
    assert_int_equal(pending.count, 1);
    assert_string_equal(pending.items[0], ids[0]);
    assert_int_equal(assay_store_run_rows(store, "mine", arena, &rows, &count, &err), ASSAY_OK);
    assert_int_equal(count, 2);
    assert_true(rows[0].has_verdict);
    assert_false(rows[1].has_verdict);
    assert_string_equal(rows[0].log_path, "runs/mine/1.log");
    assert_bytes(rows[0].model_patch, evaluation.model_patch);
    assert_string_equal(rows[0].verdict.f2p_failure.items[0], "t::two \"quoted\"\n");
    assay_outcome_init(&found, arena);
    assert_int_equal(assay_store_get_outcome(store, "mine", ids[1], &found, &err), ASSAY_OK);
    assert_int_equal(found.count, 2);
    assert_int_equal(assay_outcome_find(&found, "t::\xff"), ASSAY_TEST_XFAIL);
    assert_fails(assay_store_get_outcome(store, "mine", ids[0], &found, &err), &err,
            ASSAY_ENOTFOUND, "run mine: no test results of demo__thing-00002");
    assay_arena_destroy(arena);
    assay_store_close(store);
}

static void a_null_verdict_is_retried_and_never_cached(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_evaluation evaluation = {.cacheable = true};
    struct assay_verdict verdict;
    struct assay_verdict found = {0};
    struct assay_run run;
    struct assay_error err;
    bool resumed;

    (void)open_run(store, "mine", "one", false, arena, &resumed);
    make_verdict(&verdict, "mine", ids[0], true);
    verdict.scored = false;
    verdict.cause = ASSAY_CAUSE_INFRA_ERROR;
    evaluation.verdict = &verdict;
    assert_int_equal(assay_store_put_verdict(store, &evaluation, &err), ASSAY_OK);
    assert_fails(assay_store_cached_verdict(store, verdict.key, arena, &found, &err), &err,
            ASSAY_ENOTFOUND, "no verdict of this key");
    make_verdict(&verdict, "mine", ids[0], true);
    assert_int_equal(assay_store_put_verdict(store, &evaluation, &err), ASSAY_ECONFLICT);
    evaluation.retry = true;
    assert_int_equal(assay_store_put_verdict(store, &evaluation, &err), ASSAY_OK);
    assert_int_equal(assay_store_cached_verdict(store, verdict.key, arena, &found, &err), ASSAY_OK);
    assert_true(found.cached && found.resolved);
    assert_int_equal(assay_store_get_run(store, "mine", arena, &run, &err), ASSAY_OK);
    assert_int_equal(run.done, 1);
    assay_arena_destroy(arena);
    assay_store_close(store);
}

static void the_newest_cacheable_verdict_answers_for_its_key(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_verdict verdict;
    struct assay_evaluation evaluation = {.verdict = &verdict, .cacheable = true};
    struct assay_verdict found = {0};
    struct assay_error err;
    bool resumed;

    for (size_t i = 0; i < 2; i++) {
        const char *run_id = i == 0 ? "first" : "second";

        (void)open_run(store, run_id, run_id, false, arena, &resumed);
        make_verdict(&verdict, run_id, ids[0], true);
        assert_int_equal(assay_store_put_verdict(store, &evaluation, &err), ASSAY_OK);
        assert_int_equal(
                assay_store_cached_verdict(store, verdict.key, arena, &found, &err), ASSAY_OK);
        assert_string_equal(found.run_id, run_id);
    }
    verdict.instance_id = ids[1];
    evaluation.cacheable = false;
    assert_int_equal(assay_store_put_verdict(store, &evaluation, &err), ASSAY_OK);
    assert_int_equal(assay_store_cached_verdict(store, verdict.key, arena, &found, &err), ASSAY_OK);
    assert_string_equal(found.instance_id, ids[0]);
    assay_arena_destroy(arena);
    assay_store_close(store);
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            ROOM(a_new_store_is_private_and_opens_again),
            ROOM(a_newer_or_foreign_database_is_refused_and_untouched),
            ROOM(a_suite_comes_back_as_it_went_in),
            ROOM(an_older_store_is_brought_up_to_date),
            ROOM(a_suite_is_replaced_only_on_demand),
            ROOM(a_bad_instance_leaves_nothing_of_its_suite),
            ROOM(the_newest_certificate_of_a_content_counts),
            ROOM(the_same_command_is_the_same_run),
            ROOM(a_run_id_belongs_to_one_command),
            ROOM(a_verdict_is_recorded_once),
            ROOM(a_null_verdict_is_retried_and_never_cached),
            ROOM(the_newest_cacheable_verdict_answers_for_its_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
