// SPDX-License-Identifier: MIT
// What must hold: of many who want a key at once one makes its verdict, the others wait for it and
// then go on; a dead owner is waited for no longer than its claim lasts; a waiter can be stopped.
#include "orchestrator/claims.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "tests/support/harness.h"
#include "tests/support/temp.h"

#define THREADS 8
#define KEY "00000000000000000000000000000000000000000000000000000000000000bb"

static const volatile bool never = false;

struct fixture {
    struct assay_store *store, *other;    // the second as another process has it
    struct assay_claims *claims, *theirs; // on each
};

static void open_both(struct fixture *f, void *const *state)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s/assay.db", (const char *)*state);
    assert_int_equal(assay_store_open(&f->store, path, NULL), ASSAY_OK);
    assert_int_equal(assay_store_open(&f->other, path, NULL), ASSAY_OK);
    assert_int_equal(assay_claims_create(&f->claims, f->store, NULL), ASSAY_OK);
    assert_int_equal(assay_claims_create(&f->theirs, f->other, NULL), ASSAY_OK);
}

static void close_both(struct fixture *f)
{
    assay_claims_destroy(f->claims);
    assay_claims_destroy(f->theirs);
    assay_store_close(f->store);
    assay_store_close(f->other);
}

struct crowd {
    struct fixture *f;
    atomic_int started, inside, most_inside, held, waited, failed;
};

static void *want_key(void *user)
{
    struct crowd *crowd = user;
    const struct timespec moment = {.tv_nsec = 50L * 1000 * 1000};
    struct assay_claims *claims =
            atomic_fetch_add(&crowd->started, 1) % 2 ? crowd->f->theirs : crowd->f->claims;
    uint64_t claim = 0;

    if (assay_claims_take(claims, KEY, &never, &claim, NULL) != ASSAY_OK) {
        atomic_fetch_add(&crowd->failed, 1);
        return NULL;
    }
    if (claim == 0) {
        atomic_fetch_add(&crowd->waited, 1);
        return NULL;
    }
    if (atomic_fetch_add(&crowd->inside, 1) > 0)
        atomic_store(&crowd->most_inside, 2);
    atomic_fetch_add(&crowd->held, 1);
    nanosleep(&moment, NULL);
    atomic_fetch_sub(&crowd->inside, 1);
    assay_claims_end(claims, KEY, claim, false);
    return NULL;
}

static void one_holds_a_key_and_the_others_wait(void **state)
{
    struct fixture f;
    struct crowd crowd = {.f = &f};
    pthread_t threads[THREADS];

    open_both(&f, state);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, want_key, &crowd), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(crowd.failed, 0);
    assert_true(crowd.held >= 1);
    assert_int_equal(crowd.held + crowd.waited, THREADS);
    assert_int_equal(crowd.most_inside, 0); // never two at once
    close_both(&f);
}

static uint64_t unix_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void a_dead_owner_blocks_nobody_for_long(void **state)
{
    struct fixture f;
    uint64_t dead = 0, claim = 0;

    open_both(&f, state);
    assert_int_equal(
            assay_store_claim(f.other, KEY, "dead", unix_ms(), unix_ms() + 300, &dead, NULL),
            ASSAY_OK);
    assert_int_equal(assay_claims_take(f.claims, KEY, &never, &claim, NULL), ASSAY_OK);
    assert_int_equal(claim, 0); // it was another's, and has ended
    assert_int_equal(assay_claims_take(f.claims, KEY, &never, &claim, NULL), ASSAY_OK);
    assert_true(claim > dead);
    assay_claims_end(f.claims, KEY, claim, false);
    close_both(&f);
}

static void who_waits_can_be_stopped(void **state)
{
    static const volatile bool stop = true;
    struct fixture f;
    uint64_t mine = 0, claim = 77;

    open_both(&f, state);
    assert_int_equal(assay_claims_take(f.claims, KEY, &never, &mine, NULL), ASSAY_OK);
    assert_true(mine > 0);
    assert_int_equal(assay_claims_take(f.theirs, KEY, &stop, &claim, NULL), ASSAY_EINTERRUPTED);
    assert_int_equal(claim, 77); // out parameters are untouched
    assay_claims_end(f.claims, KEY, mine, false);
    close_both(&f);
}

int main(void)
{
#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)
    const struct CMUnitTest tests[] = {
            ROOM(one_holds_a_key_and_the_others_wait),
            ROOM(a_dead_owner_blocks_nobody_for_long),
            ROOM(who_waits_can_be_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
