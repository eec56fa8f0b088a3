// SPDX-License-Identifier: MIT
#include "orchestrator/leases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "orchestrator/claims.h"
#include "orchestrator/leases_inner.h"

#define LOOK_MS 100

// --- having one ---------------------------------------------------------------------------------

static struct assay_lease *find(const struct assay_leases *leases, const char *id)
{
    struct assay_lease *lease = leases->first;

    while (lease != NULL && (lease->closing || strcmp(lease->id, id) != 0))
        lease = lease->next;
    return lease;
}

static enum assay_status no_lease(const char *id, struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOTFOUND, "no episode %.40s is open here", id);
}

// What it does is to stop. Sandboxes look at it from other threads.
static void cut_off(struct assay_lease *lease)
{
    __atomic_store_n(&lease->cancel, true, __ATOMIC_RELAXED);
}

// It is the caller's alone until give_back().
static enum assay_status take(struct assay_lease **out, struct assay_leases *leases, const char *id,
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_lease *lease;

    pthread_mutex_lock(&leases->lock);
    lease = find(leases, id);
    if (lease == NULL) {
        status = no_lease(id, err);
    } else if (lease->busy) {
        status = assay_fail(err, ASSAY_ECONFLICT, "episode %s: a step is under way", id);
    } else {
        lease->busy = true;
        *out = lease;
    }
    pthread_mutex_unlock(&leases->lock);
    return status;
}

static void unlist(struct assay_leases *leases, const struct assay_lease *lease)
{
    struct assay_lease **at = &leases->first;

    while (*at != lease)
        at = &(*at)->next;
    *at = lease->next;
    leases->count--;
    leases->counts.open--;
    pthread_cond_broadcast(&leases->change);
}

// Gone: whoever comes later does not find it. `lease` is the caller's alone, and is freed.
static void drop(struct assay_leases *leases, struct assay_lease *lease,
        enum assay_episode_cause cause, const char *reason)
{
    struct assay_error err = {0};

    if (lease->episode != NULL) {
        assay_episode_end(lease->episode, cause);
        snprintf(lease->result.reason, sizeof(lease->result.reason), "%s", reason);
        if (assay_lease_finish(leases, lease, &err) != ASSAY_OK)
            assay_log(assay_context_log(leases->context), ASSAY_LOG_WARN, "service",
                    "episode not recorded", "episode", lease->id, "reason", err.message, NULL);
    }
    pthread_mutex_lock(&leases->lock);
    unlist(leases, lease);
    pthread_mutex_unlock(&leases->lock);
    assay_lease_release(leases, lease);
}

// What others may see. The lock is held, and `lease` the caller's alone.
static void show(struct assay_lease *lease)
{
    lease->shown.cause = lease->episode != NULL ? ASSAY_EPISODE_RUNNING : lease->result.cause;
    memcpy(lease->shown.reason, lease->result.reason, sizeof(lease->shown.reason));
    lease->shown.turns = lease->turns;
    lease->touched_ms = assay_clock_ms();
}

// The lock is held.
static void fill_view(struct assay_lease_view *out, const struct assay_lease *lease)
{
    const uint64_t now_ms = assay_clock_ms();

    memset(out, 0, sizeof(*out));
    memcpy(out->id, lease->id, sizeof(out->id));
    memcpy(out->owner, lease->owner, sizeof(out->owner));
    memcpy(out->reason, lease->shown.reason, sizeof(out->reason));
    memcpy(out->shell, lease->shell, sizeof(out->shell));
    out->task = lease->task;
    out->workdir = lease->recipe->workdir;
    out->cause = lease->shown.cause;
    out->turns = lease->shown.turns;
    out->busy = lease->busy;
    out->age_ms = now_ms - lease->opened_ms;
    out->idle_ms = lease->busy ? 0 : now_ms - lease->touched_ms;
    out->idle_ms_max = lease->idle_ms_max;
}

static void give_back(struct assay_leases *leases, struct assay_lease *lease)
{
    bool closing;

    pthread_mutex_lock(&leases->lock);
    closing = lease->closing;
    if (!closing)
        lease->busy = false;
    show(lease);
    pthread_cond_broadcast(&leases->change);
    pthread_mutex_unlock(&leases->lock);
    if (closing)
        drop(leases, lease, ASSAY_EPISODE_STOPPED, "closed by its client");
}

// --- opening ------------------------------------------------------------------------------------

static enum assay_status reserve(struct assay_leases *leases, struct assay_error *err)
{
    enum assay_status status = assay_depot_room(assay_context_depot(leases->context), err);

    if (status != ASSAY_OK)
        return status;
    pthread_mutex_lock(&leases->lock);
    if (leases->ending)
        status = assay_fail(err, ASSAY_EREFUSED, "the service is about to stop");
    else if (leases->count >= leases->count_max)
        status = assay_fail(err, ASSAY_EREFUSED, "%zu episodes are open already", leases->count);
    else
        leases->count++;
    pthread_mutex_unlock(&leases->lock);
    return status;
}

static void unreserve(struct assay_leases *leases)
{
    pthread_mutex_lock(&leases->lock);
    leases->count--;
    pthread_cond_broadcast(&leases->change);
    pthread_mutex_unlock(&leases->lock);
}

static void list(struct assay_leases *leases, struct assay_lease *lease, bool forked)
{
    pthread_mutex_lock(&leases->lock);
    show(lease);
    lease->next = leases->first;
    leases->first = lease;
    leases->counts.open++;
    leases->counts.opened++;
    leases->counts.forked += forked;
    pthread_cond_broadcast(&leases->change);
    pthread_mutex_unlock(&leases->lock);
}

enum assay_status assay_leases_open(struct assay_leases *leases,
        const struct assay_lease_begin *begin, char id[ASSAY_ID_BYTES], struct assay_error *err)
{
    struct assay_lease *lease = NULL;
    enum assay_status status = reserve(leases, err);

    if (status != ASSAY_OK)
        return status;
    status = assay_lease_make(&lease, leases, begin, err);
    if (status == ASSAY_OK)
        status = assay_lease_reset(leases, lease, err);
    if (status == ASSAY_OK)
        status = assay_lease_record(leases, lease, err);
    if (status == ASSAY_OK) {
        memcpy(id, lease->id, ASSAY_ID_BYTES);
        list(leases, lease, false);
        return ASSAY_OK;
    }
    if (lease != NULL)
        assay_lease_release(leases, lease);
    unreserve(leases);
    return status;
}

// --- acting -------------------------------------------------------------------------------------

enum assay_status assay_leases_step(struct assay_leases *leases, const char *id,
        const struct assay_action *action, struct assay_observation *seen,
        struct assay_lease_view *view, struct assay_error *err)
{
    struct assay_lease *lease = NULL;
    enum assay_status status = take(&lease, leases, id, err);

    if (status != ASSAY_OK)
        return status;
    status = assay_lease_step(leases, lease, action, seen, err);
    pthread_mutex_lock(&leases->lock);
    show(lease);
    fill_view(view, lease);
    view->busy = false; // not any more when it is told
    leases->counts.turns += status == ASSAY_OK;
    pthread_mutex_unlock(&leases->lock);
    give_back(leases, lease);
    return status;
}

enum assay_status assay_leases_name_shell(struct assay_leases *leases, const char *id,
        const char *from, const char *to, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_lease *lease;

    pthread_mutex_lock(&leases->lock);
    lease = find(leases, id);
    if (lease == NULL)
        status = no_lease(id, err);
    else if (strcmp(lease->shell, from) != 0)
        status = assay_fail(err, ASSAY_ECONFLICT, "its shell is called '%s'", lease->shell);
    else
        snprintf(lease->shell, sizeof(lease->shell), "%s", to);
    pthread_mutex_unlock(&leases->lock);
    return status;
}

enum assay_status assay_leases_fork(struct assay_leases *leases, const char *id, uint32_t turn,
        char fork_id[ASSAY_ID_BYTES], uint32_t *differs, struct assay_error *err)
{
    struct assay_lease *from = NULL, *lease = NULL;
    enum assay_status status = reserve(leases, err);

    if (status != ASSAY_OK)
        return status;
    status = take(&from, leases, id, err);
    if (status == ASSAY_OK) {
        status = assay_lease_fork(leases, from, turn, &lease, differs, err);
        give_back(leases, from);
    }
    if (status != ASSAY_OK) {
        unreserve(leases);
        return status;
    }
    memcpy(fork_id, lease->id, ASSAY_ID_BYTES);
    list(leases, lease, true);
    return ASSAY_OK;
}

// --- ending -------------------------------------------------------------------------------------

enum assay_status assay_leases_finish(
        struct assay_leases *leases, const char *id, struct assay_error *err)
{
    struct assay_lease *lease = NULL;
    enum assay_status status = take(&lease, leases, id, err);

    if (status != ASSAY_OK)
        return status;
    if (lease->episode != NULL)
        assay_episode_end(lease->episode, ASSAY_EPISODE_STOPPED);
    status = assay_lease_finish(leases, lease, err);
    give_back(leases, lease);
    return status;
}

enum assay_status assay_leases_answer(struct assay_leases *leases, const char *id,
        struct assay_buf *out, struct assay_submission *submission, struct assay_error *err)
{
    struct assay_lease *lease = NULL;
    enum assay_status status = take(&lease, leases, id, err);

    if (status != ASSAY_OK)
        return status;
    if (lease->episode != NULL)
        status = assay_fail(err, ASSAY_ECONFLICT, "the episode is not over");
    else if (lease->result.cause == ASSAY_EPISODE_INFRA_ERROR)
        status = assay_fail(
                err, ASSAY_EIO, "trouble of ours ended the episode: %.150s", lease->result.reason);
    else
        assay_buf_add(out, lease->result.answer.data, lease->result.answer.len);
    if (status == ASSAY_OK)
        status = assay_buf_check(out, "answer", err);
    if (status == ASSAY_OK)
        *submission = (struct assay_submission){.task = lease->task,
                .answer = {out->data, out->len},
                .model = lease->owner[0] != '\0' ? ASSAY_LEASE_ACTOR : NULL,
                .episode = id};
    give_back(leases, lease);
    return status;
}

enum assay_status assay_leases_close(
        struct assay_leases *leases, const char *id, struct assay_error *err)
{
    struct assay_lease *lease;
    bool ours = false;

    pthread_mutex_lock(&leases->lock);
    lease = find(leases, id);
    if (lease != NULL) {
        ours = !lease->busy;
        lease->closing = lease->busy = true;
        if (!ours)
            cut_off(lease);
    }
    pthread_mutex_unlock(&leases->lock);
    if (lease == NULL)
        return no_lease(id, err);
    if (ours) // else whoever has it drops it
        drop(leases, lease, ASSAY_EPISODE_STOPPED, "closed by its client");
    return ASSAY_OK;
}

// --- looking ------------------------------------------------------------------------------------

enum assay_status assay_leases_look(struct assay_leases *leases, const char *id,
        struct assay_lease_view *out, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_lease *lease;

    pthread_mutex_lock(&leases->lock);
    lease = find(leases, id);
    if (lease == NULL) {
        status = no_lease(id, err);
    } else {
        fill_view(out, lease);
        lease->touched_ms = assay_clock_ms();
    }
    pthread_mutex_unlock(&leases->lock);
    return status;
}

size_t assay_leases_list(struct assay_leases *leases, struct assay_lease_view *out, size_t max)
{
    size_t count = 0;

    pthread_mutex_lock(&leases->lock);
    for (const struct assay_lease *lease = leases->first; lease != NULL; lease = lease->next) {
        if (count < max)
            fill_view(&out[count], lease);
        count++;
    }
    pthread_mutex_unlock(&leases->lock);
    return count;
}

struct assay_lease_counts assay_leases_count(struct assay_leases *leases)
{
    struct assay_lease_counts counts;

    pthread_mutex_lock(&leases->lock);
    counts = leases->counts;
    pthread_mutex_unlock(&leases->lock);
    return counts;
}

// --- life ---------------------------------------------------------------------------------------

// One that nobody touches any more, or that is held for too long; it is the caller's alone then.
static struct assay_lease *take_due(struct assay_leases *leases, const char **why)
{
    const uint64_t now_ms = assay_clock_ms();

    for (struct assay_lease *lease = leases->first; lease != NULL; lease = lease->next) {
        const uint64_t wall_ms = lease->options.limits.wall_ms_max;

        if (lease->busy)
            continue;
        if (leases->ending)
            *why = "the service stops";
        else if (now_ms - lease->touched_ms >= lease->idle_ms_max)
            *why = "nobody touched it for too long";
        else if (lease->shown.cause == ASSAY_EPISODE_RUNNING &&
                now_ms - lease->opened_ms >= wall_ms)
            *why = "its wall time is over";
        else
            continue;
        lease->busy = lease->closing = true;
        leases->counts.reaped++;
        return lease;
    }
    return NULL;
}

static void reap_due(struct assay_leases *leases)
{
    const char *why = "";
    struct assay_lease *lease;

    pthread_mutex_lock(&leases->lock);
    lease = take_due(leases, &why);
    pthread_mutex_unlock(&leases->lock);
    while (lease != NULL) {
        drop(leases, lease, ASSAY_EPISODE_ACTOR_FAILED, why);
        pthread_mutex_lock(&leases->lock);
        lease = take_due(leases, &why);
        pthread_mutex_unlock(&leases->lock);
    }
}

// Episodes that a service before this one was killed in.
static void end_lost(struct assay_leases *leases)
{
    char number[24];
    struct assay_error err = {0};
    size_t count = 0;

    if (assay_store_end_lost_episodes(assay_context_store(leases->context), ASSAY_LEASE_ACTOR,
                assay_clock_now_ms(), &count, &err) != ASSAY_OK) {
        assay_log(assay_context_log(leases->context), ASSAY_LOG_WARN, "service",
                "lost episodes not ended", "reason", err.message, NULL);
    } else if (count > 0) {
        snprintf(number, sizeof(number), "%zu", count);
        assay_log(assay_context_log(leases->context), ASSAY_LOG_INFO, "service",
                "lost episodes ended", "count", number, NULL);
    }
}

static void *reap(void *user)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    const uint64_t again_ms = assay_clock_ms() + 2 * (uint64_t)ASSAY_CLAIM_MS;
    struct assay_leases *leases = user;
    bool ending = false, looked = false;

    end_lost(leases);
    while (!ending) {
        // Once more when the claims of one that was killed just now have run out.
        if (!looked && assay_clock_left_ms(again_ms) == 0) {
            end_lost(leases);
            looked = true;
        }
        reap_due(leases);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&leases->lock);
        ending = leases->ending;
        pthread_mutex_unlock(&leases->lock);
    }
    return NULL;
}

enum assay_status assay_leases_create(struct assay_leases **out, struct assay_context *context,
        size_t count_max, uint64_t idle_ms_max, struct assay_error *err)
{
    struct assay_leases *leases = calloc(1, sizeof(*leases));

    if (leases == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *leases = (struct assay_leases){
            .context = context, .count_max = count_max, .idle_ms_max = idle_ms_max};
    pthread_mutex_init(&leases->lock, NULL);
    pthread_cond_init(&leases->change, NULL);
    leases->has_reaper = pthread_create(&leases->reaper, NULL, reap, leases) == 0;
    if (!leases->has_reaper) {
        assay_leases_destroy(leases);
        return assay_fail(err, ASSAY_EIO, "no more threads");
    }
    *out = leases;
    return ASSAY_OK;
}

void assay_leases_end(struct assay_leases *leases)
{
    const char *why = "";

    pthread_mutex_lock(&leases->lock);
    leases->ending = true;
    for (struct assay_lease *lease = leases->first; lease != NULL; lease = lease->next)
        cut_off(lease);
    pthread_mutex_unlock(&leases->lock);
    if (leases->has_reaper)
        pthread_join(leases->reaper, NULL);
    leases->has_reaper = false;
    pthread_mutex_lock(&leases->lock);
    while (leases->count > 0) {
        struct assay_lease *lease = take_due(leases, &why);

        if (lease == NULL) {
            pthread_cond_wait(&leases->change, &leases->lock);
            continue;
        }
        pthread_mutex_unlock(&leases->lock);
        drop(leases, lease, ASSAY_EPISODE_ACTOR_FAILED, why);
        pthread_mutex_lock(&leases->lock);
    }
    pthread_mutex_unlock(&leases->lock);
}

void assay_leases_destroy(struct assay_leases *leases)
{
    if (leases == NULL)
        return;
    assay_leases_end(leases);
    pthread_cond_destroy(&leases->change);
    pthread_mutex_destroy(&leases->lock);
    free(leases);
}
