// SPDX-License-Identifier: MIT
// What must hold: evidence stands and falls with its verdict; a key has one owner at a time, a dead
// owner blocks nobody, and a late one cannot make its verdict the key's.
#include <stdio.h>
#include <string.h>

#include "tasks/frame.h"
#include "tasks/store.h"
#include "tests/tasks/fixture.h"

#define KEY "00000000000000000000000000000000000000000000000000000000000000aa"

static struct assay_store *open_store(void *const *state)
{
    struct assay_store *store = NULL;
    struct assay_error err = {0};

    if (assay_store_open(&store, in_dir(state, "assay.db"), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return store;
}

static void open_run(struct assay_store *store, const char *run_id, struct assay_arena *arena)
{
    static const char *const ids[] = {"a__b-1", "a__b-2"};
    const struct assay_run wanted = {
            .run_id = run_id, .suite = "s", .identity = run_id, .model = "m", .command = "c"};
    struct assay_run run;
    bool resumed = false;

    assert_int_equal(
            assay_store_open_run(store, &wanted, ids, 2, false, arena, &run, &resumed, NULL),
            ASSAY_OK);
}

// Record a verdict with `text` as the evidence of its only run.
static enum assay_status put(struct assay_store *store, const char *run_id, const char *instance_id,
        const char *text, uint64_t claim, bool retry)
{
    struct assay_verdict verdict;
    struct assay_frame frame = {.raw_bytes = strlen(text)};
    struct assay_evaluation evaluation = {.verdict = &verdict,
            .evidence = &frame,
            .evidence_count = 1,
            .claim = claim,
            .cacheable = true,
            .retry = retry};
    struct assay_buf packed;
    enum assay_status status;

    make_verdict(&verdict, run_id, instance_id, true);
    memcpy(verdict.key, KEY, sizeof(verdict.key));
    if (retry)
        verdict.scored = false;
    assay_buf_init(&packed, 1 << 20);
    assert_int_equal(assay_frame_pack(&packed, text, strlen(text), "evidence", NULL), ASSAY_OK);
    frame.data = packed.data;
    frame.len = packed.len;
    status = assay_store_put_verdict(store, &evaluation, NULL);
    assay_buf_free(&packed);
    return status;
}

static void assert_evidence(struct assay_store *store, const char *run_id, const char *instance_id,
        const char *expected, struct assay_arena *arena)
{
    struct assay_bytes *runs = NULL;
    size_t count = 0;
    const enum assay_status status =
            assay_store_get_evidence(store, run_id, instance_id, arena, &runs, &count, NULL);

    if (expected == NULL) {
        assert_int_equal(status, ASSAY_ENOTFOUND);
        return;
    }
    assert_int_equal(status, ASSAY_OK);
    assert_int_equal(count, 1);
    assert_int_equal(runs[0].len, strlen(expected));
    assert_string_equal(runs[0].data, expected);
}

static void evidence_goes_with_its_verdict(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_dropped dropped = {0};

    open_run(store, "r1", arena);
    assert_evidence(store, "r1", "a__b-1", NULL, arena);
    assert_int_equal(put(store, "r1", "a__b-1", "first", 0, true), ASSAY_OK);
    assert_evidence(store, "r1", "a__b-1", "first", arena);
    assert_int_equal(put(store, "r1", "a__b-1", "second", 0, true), ASSAY_OK); // null: replaced
    assert_evidence(store, "r1", "a__b-1", "second", arena);
    assert_evidence(store, "r1", "a__b-2", NULL, arena);

    assert_int_equal(
            assay_store_drop_evidence(store, NULL, "2000-01-01", &dropped, NULL), ASSAY_OK);
    assert_int_equal(dropped.runs, 0);
    assert_int_equal(assay_store_drop_evidence(store, "r1", NULL, &dropped, NULL), ASSAY_OK);
    assert_int_equal(dropped.runs, 1);
    assert_true(dropped.bytes > 0);
    assert_evidence(store, "r1", "a__b-1", NULL, arena);
    assay_store_close(store);
    assay_arena_destroy(arena);
}

static void keep(struct assay_store *store, const char *key, const char *role, const char *text)
{
    const struct assay_kept_run run = {role, {text, strlen(text), 7}};

    assert_int_equal(assay_store_keep_run(store, key, &run, NULL), ASSAY_OK);
}

static void a_kept_run_stays_as_it_was_kept_first(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_kept_run *runs = NULL;
    struct assay_dropped dropped = {0};
    size_t count = 9;

    assert_int_equal(assay_store_kept_runs(store, "k", arena, &runs, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 0);
    keep(store, "k", "reference", "one");
    keep(store, "k", "base", "two");
    keep(store, "k", "reference", "three");
    keep(store, "other", "base", "four");
    assert_int_equal(assay_store_kept_runs(store, "k", arena, &runs, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 2);
    assert_string_equal(runs[0].role, "base");
    assert_int_equal(runs[1].frame.raw_bytes, 7);
    assert_memory_equal(runs[1].frame.data, "one", 3);
    // They are no run's, and go by their age.
    assert_int_equal(assay_store_drop_evidence(store, "r1", NULL, &dropped, NULL), ASSAY_OK);
    assert_int_equal(dropped.runs, 0);
    assert_int_equal(
            assay_store_drop_evidence(store, NULL, "9999-01-01", &dropped, NULL), ASSAY_OK);
    assert_int_equal(dropped.runs, 3);
    assert_int_equal(dropped.bytes, 3 + 3 + 4);
    assay_store_close(store);
    assay_arena_destroy(arena);
}

static void a_verdict_from_the_cache_has_the_evidence_of_its_key(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_verdict verdict;
    const struct assay_evaluation copy = {.verdict = &verdict};

    open_run(store, "r1", arena);
    open_run(store, "r2", arena);
    assert_int_equal(put(store, "r1", "a__b-1", "seen", 0, false), ASSAY_OK);
    make_verdict(&verdict, "r2", "a__b-1", true);
    memcpy(verdict.key, KEY, sizeof(verdict.key));
    verdict.cached = true;
    assert_int_equal(assay_store_put_verdict(store, &copy, NULL), ASSAY_OK);
    assert_evidence(store, "r2", "a__b-1", "seen", arena);
    assay_store_close(store);
    assay_arena_destroy(arena);
}

static void a_key_has_one_owner_at_a_time(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_store *other = open_store(state); // as another process
    uint64_t mine = 0, theirs = 0, again = 0;
    bool claimed = false;

    assert_int_equal(assay_store_claim(store, KEY, "me", 1000, 2000, &mine, NULL), ASSAY_OK);
    assert_true(mine > 0);
    assert_int_equal(assay_store_claim(other, KEY, "they", 1001, 2001, &theirs, NULL), ASSAY_OK);
    assert_int_equal(theirs, 0);
    assert_int_equal(assay_store_is_claimed(other, KEY, 1500, &claimed, NULL), ASSAY_OK);
    assert_true(claimed);
    // Renewed by its owner, it holds on.
    assert_int_equal(assay_store_renew_claims(store, "me", 3000, NULL), ASSAY_OK);
    assert_int_equal(assay_store_claim(other, KEY, "they", 2500, 3500, &theirs, NULL), ASSAY_OK);
    assert_int_equal(theirs, 0);
    // Its owner is dead: it is anybody's, by another number.
    assert_int_equal(assay_store_is_claimed(other, KEY, 3000, &claimed, NULL), ASSAY_OK);
    assert_false(claimed);
    assert_int_equal(assay_store_claim(other, KEY, "they", 3000, 4000, &theirs, NULL), ASSAY_OK);
    assert_true(theirs > mine);
    // The dead one's number ends nothing.
    assert_int_equal(assay_store_drop_claim(store, KEY, mine, NULL), ASSAY_OK);
    assert_int_equal(assay_store_is_claimed(store, KEY, 3500, &claimed, NULL), ASSAY_OK);
    assert_true(claimed);
    assert_int_equal(assay_store_drop_claim(other, KEY, theirs, NULL), ASSAY_OK);
    assert_int_equal(assay_store_claim(store, KEY, "me", 3600, 4600, &again, NULL), ASSAY_OK);
    assert_true(again > theirs);
    assay_store_close(other);
    assay_store_close(store);
}

static void a_late_owner_is_recorded_and_does_not_answer_for_the_key(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_verdict verdict = {0};
    uint64_t late = 0, owner = 0;
    bool claimed = true;

    open_run(store, "late", arena);
    open_run(store, "owner", arena);
    assert_int_equal(assay_store_claim(store, KEY, "a", 1000, 2000, &late, NULL), ASSAY_OK);
    assert_int_equal(assay_store_claim(store, KEY, "b", 2000, 9000, &owner, NULL), ASSAY_OK);
    assert_int_equal(put(store, "late", "a__b-1", "late", late, false), ASSAY_OK);
    assert_int_equal(
            assay_store_get_verdict(store, "late", "a__b-1", arena, &verdict, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_cached_verdict(store, KEY, arena, &verdict, NULL), ASSAY_ENOTFOUND);
    assert_int_equal(assay_store_is_claimed(store, KEY, 2500, &claimed, NULL), ASSAY_OK);
    assert_true(claimed);
    assert_int_equal(put(store, "owner", "a__b-1", "owner", owner, false), ASSAY_OK);
    assert_int_equal(assay_store_cached_verdict(store, KEY, arena, &verdict, NULL), ASSAY_OK);
    assert_string_equal(verdict.run_id, "owner");
    // Recording ended the claim, in the same transaction.
    assert_int_equal(assay_store_is_claimed(store, KEY, 2500, &claimed, NULL), ASSAY_OK);
    assert_false(claimed);
    assay_store_close(store);
    assay_arena_destroy(arena);
}

static void runs_of_a_certification_last_until_its_certificate(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_arena *arena = make_arena();
    struct assay_certificate certificate = {.suite = "s",
            .instance_id = "a__b-1",
            .holds = true,
            .runs = 2,
            .checks = "gold order"};
    struct assay_certificate found = {0};
    struct assay_certificate_run *runs = NULL;
    size_t count = 0;

    memset(certificate.instance_hash, 'c', 64);
    for (unsigned i = 0; i < 2; i++) {
        const struct assay_certificate_run run = {"gold", i, i ? "{\"b\":1}" : "{}"};

        assert_int_equal(
                assay_store_put_certificate_run(store, certificate.instance_hash, &run, NULL),
                ASSAY_OK);
    }
    assert_int_equal(assay_store_certificate_runs(
                             store, certificate.instance_hash, arena, &runs, &count, NULL),
            ASSAY_OK);
    assert_int_equal(count, 2);
    assert_string_equal(runs[1].body, "{\"b\":1}");
    assert_int_equal(runs[1].run, 1);
    assert_int_equal(assay_store_put_certificate(store, &certificate, NULL), ASSAY_OK);
    assert_int_equal(assay_store_certificate_runs(
                             store, certificate.instance_hash, arena, &runs, &count, NULL),
            ASSAY_OK);
    assert_int_equal(count, 0);
    assert_int_equal(assay_store_get_certificate(
                             store, "s", "a__b-1", certificate.instance_hash, arena, &found, NULL),
            ASSAY_OK);
    assert_string_equal(found.checks, "gold order");
    assert_string_equal(found.grader, ASSAY_GRADER_VERSION);
    assay_store_close(store);
    assay_arena_destroy(arena);
}

int main(void)
{
#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)
    const struct CMUnitTest tests[] = {
            ROOM(evidence_goes_with_its_verdict),
            ROOM(a_kept_run_stays_as_it_was_kept_first),
            ROOM(a_verdict_from_the_cache_has_the_evidence_of_its_key),
            ROOM(a_key_has_one_owner_at_a_time),
            ROOM(a_late_owner_is_recorded_and_does_not_answer_for_the_key),
            ROOM(runs_of_a_certification_last_until_its_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
