// SPDX-License-Identifier: MIT
#include "orchestrator/claims.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"

#define RENEW_MS (ASSAY_CLAIM_MS / 4)
#define POLL_MS_MIN 2 // a waiter looks often at first: many verdicts take milliseconds
#define POLL_MS_MAX 50

struct assay_claims {
    struct assay_store *store; // borrowed
    char owner[ASSAY_ID_BYTES];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t held;
    bool started, closing;
    pthread_t thread;
};

// Processes compare these: the clock must be the host's own.
static uint64_t wall_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void sleep_ms(unsigned ms)
{
    const struct timespec moment = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    nanosleep(&moment, NULL);
}

// Failed: the claims may expire, and their verdicts are then not the keys' own.
static void renew(struct assay_claims *claims)
{
    const enum assay_status status = assay_store_renew_claims(
            claims->store, claims->owner, wall_clock_ms() + ASSAY_CLAIM_MS, NULL);

    (void)status;
}

// Failed: it expires.
static void drop(struct assay_claims *claims, const char *key, uint64_t claim)
{
    const enum assay_status status = assay_store_drop_claim(claims->store, key, claim, NULL);

    (void)status;
}

static void *renewer_main(void *user)
{
    struct assay_claims *claims = user;

    pthread_mutex_lock(&claims->lock);
    while (!claims->closing) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += RENEW_MS / 1000;
        until.tv_nsec += (long)(RENEW_MS % 1000) * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&claims->changed, &claims->lock, &until);
        if (claims->held == 0)
            continue;
        pthread_mutex_unlock(&claims->lock);
        renew(claims);
        pthread_mutex_lock(&claims->lock);
    }
    pthread_mutex_unlock(&claims->lock);
    return NULL;
}

enum assay_status assay_claims_create(
        struct assay_claims **out, struct assay_store *store, struct assay_error *err)
{
    struct assay_claims *claims = calloc(1, sizeof(*claims));
    pthread_condattr_t monotonic;
    enum assay_status status;

    if (!claims)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    claims->store = store;
    status = assay_id_new(claims->owner, err);
    if (status != ASSAY_OK) {
        free(claims);
        return status;
    }
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&claims->lock, NULL);
    pthread_cond_init(&claims->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    *out = claims;
    return ASSAY_OK;
}

void assay_claims_destroy(struct assay_claims *claims)
{
    bool started;

    if (!claims)
        return;
    pthread_mutex_lock(&claims->lock);
    claims->closing = true;
    started = claims->started;
    pthread_cond_signal(&claims->changed);
    pthread_mutex_unlock(&claims->lock);
    if (started)
        pthread_join(claims->thread, NULL);
    pthread_cond_destroy(&claims->changed);
    pthread_mutex_destroy(&claims->lock);
    free(claims);
}

// A claim more is held. The first one starts the thread that renews; signals stay the main
// thread's.
static enum assay_status hold(struct assay_claims *claims, struct assay_error *err)
{
    sigset_t all, before;
    int code = 0;

    pthread_mutex_lock(&claims->lock);
    if (!claims->started) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        code = pthread_create(&claims->thread, NULL, renewer_main, claims);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        claims->started = code == 0;
    }
    claims->held += code == 0;
    pthread_mutex_unlock(&claims->lock);
    return code == 0 ? ASSAY_OK
                     : assay_fail_errno(err, code, "start the thread that renews claims");
}

// Until nobody has the key.
static enum assay_status wait_for_other(struct assay_claims *claims, const char *key,
        const volatile bool *cancel, struct assay_error *err)
{
    unsigned poll_ms = POLL_MS_MIN;
    bool claimed = true;

    for (;;) {
        const enum assay_status status =
                assay_store_is_claimed(claims->store, key, wall_clock_ms(), &claimed, err);

        if (status != ASSAY_OK || !claimed)
            return status;
        if (*cancel)
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        sleep_ms(poll_ms);
        poll_ms = poll_ms * 2 < POLL_MS_MAX ? poll_ms * 2 : POLL_MS_MAX;
    }
}

enum assay_status assay_claims_take(struct assay_claims *claims, const char *key,
        const volatile bool *cancel, uint64_t *claim, struct assay_error *err)
{
    const uint64_t now_ms = wall_clock_ms();
    uint64_t number = 0;
    enum assay_status status = assay_store_claim(
            claims->store, key, claims->owner, now_ms, now_ms + ASSAY_CLAIM_MS, &number, err);

    if (status == ASSAY_OK && number == 0)
        status = wait_for_other(claims, key, cancel, err);
    else if (status == ASSAY_OK)
        status = hold(claims, err);
    if (status != ASSAY_OK && number != 0)
        drop(claims, key, number);
    if (status == ASSAY_OK)
        *claim = number;
    return status;
}

void assay_claims_end(struct assay_claims *claims, const char *key, uint64_t claim, bool recorded)
{
    if (!recorded)
        drop(claims, key, claim);
    pthread_mutex_lock(&claims->lock);
    claims->held--;
    pthread_mutex_unlock(&claims->lock);
}
