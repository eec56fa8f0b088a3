// SPDX-License-Identifier: MIT
// shared_generator.c - a question: waiting -> under way [take_in] -> done [settle], or refused.
#include "policy/shared_generator.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

#define LOOK_MS 50 // how often who waits looks at what may end its wait

// Of one thread that waits; on its stack.
struct question {
    struct question *next; // of those waiting, or under way
    const struct assay_generation *request;
    const struct assay_shared_limits *limits;
    bool ended;              // the driver's
    enum assay_status limit; // likewise: why it was ended
    bool done;
    enum assay_status status;
    struct assay_error err;
};

struct assay_shared_generator {
    const struct assay_model *model;
    struct assay_stream *stream;
    struct assay_shared_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool driven; // a thread is in a pass; it alone has the generator and who is under way
    struct assay_generator *generator; // NULL: none yet
    size_t positions_max, answers_max; // the generator's
    struct question *waiting, *under_way;
    size_t under_way_count;
    struct assay_shared_counts counts;
};

// --- life ----------------------------------------------------------------------------------------

enum assay_status assay_shared_generator_create(struct assay_shared_generator **out,
        const struct assay_model *model, const struct assay_shared_options *options,
        struct assay_stream *stream, struct assay_error *err)
{
    struct assay_shared_generator *g = calloc(1, sizeof(*g));
    pthread_condattr_t attributes;

    assert(options->answers_max > 0 && options->rows_max >= options->answers_max);
    if (g == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *g = (struct assay_shared_generator){.model = model, .stream = stream, .options = *options};
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    *out = g;
    return ASSAY_OK;
}

void assay_shared_generator_destroy(struct assay_shared_generator *shared)
{
    if (shared == NULL)
        return;
    assay_generator_destroy(shared->generator);
    pthread_cond_destroy(&shared->changed);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}

struct assay_shared_counts assay_shared_generator_count(struct assay_shared_generator *shared)
{
    struct assay_shared_counts counts;

    pthread_mutex_lock(&shared->lock);
    counts = shared->counts;
    pthread_mutex_unlock(&shared->lock);
    return counts;
}

// --- room ----------------------------------------------------------------------------------------

static size_t positions_of(const struct assay_generation *request)
{
    return request->prompt_count + request->token_count_max;
}

// On the device, of one answer of so many positions.
static uint64_t bytes_of(const struct assay_model *model, size_t positions)
{
    const struct assay_model_config *c = &model->config;
    const uint64_t key =
            (uint64_t)assay_model_kv_width(c) * assay_dtype_bytes(model->ops->activation);
    const uint64_t state =
            (uint64_t)assay_model_q_width(c) * c->head_dim * assay_dtype_bytes(model->ops->sum);
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < c->layer_count; i++)
        bytes += c->layer_kinds[i] == ASSAY_LAYER_SOFTMAX ? 2 * key * positions : state;
    return bytes;
}

// Another generator where this one is too small; nobody is under way.
static enum assay_status make_room(
        struct assay_shared_generator *g, size_t positions, struct assay_error *err)
{
    struct assay_generator_options options = {
            .sequences_max = g->options.answers_max, .rows_max = g->options.rows_max};
    uint64_t fit = 0;

    if (g->generator != NULL && positions <= g->positions_max)
        return ASSAY_OK;
    assay_generator_destroy(g->generator);
    g->generator = NULL;
    // Half as much again, since conversations grow: not a new one for each turn of theirs.
    options.positions_max = positions + positions / 2;
    fit = g->options.bytes_max / (bytes_of(g->model, options.positions_max) + 1);
    if (fit < options.sequences_max)
        options.sequences_max = fit > 0 ? (size_t)fit : 1;
    if (fit == 0)
        options.positions_max = positions;
    g->positions_max = options.positions_max;
    g->answers_max = options.sequences_max;
    return assay_generator_create(&g->generator, g->model, &options, g->stream, err);
}

// --- driving -------------------------------------------------------------------------------------

static enum assay_status look_at_limits(
        const struct assay_shared_limits *limits, struct assay_error *err)
{
    if (__atomic_load_n(limits->cancel, __ATOMIC_RELAXED))
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (assay_clock_left_ms(limits->deadline_ms) == 0)
        return assay_fail(err, ASSAY_ETIMEOUT, "the time for an answer is over");
    return ASSAY_OK;
}

static bool hear(void *user, const struct assay_generated *token)
{
    struct question *q = user;
    const bool wanted = q->request->on_token(q->request->user, token);
    const bool last = !wanted || token->finish != ASSAY_FINISH_NONE;

    q->limit = last ? ASSAY_OK : look_at_limits(q->limits, &q->err);
    q->ended = last || q->limit != ASSAY_OK;
    return !q->ended;
}

static void fail(struct question *q, enum assay_status status, const struct assay_error *err)
{
    q->status = status;
    q->err = *err;
    q->done = true;
}

// Those that wait begin in their order, as long as there is room. The lock is held.
static void take_in(struct assay_shared_generator *g)
{
    while (g->waiting != NULL) {
        struct question *q = g->waiting;
        struct assay_generation request = *q->request;
        struct assay_error err = {0};
        enum assay_status status = ASSAY_OK;

        if (g->under_way_count > 0 &&
                (g->under_way_count >= g->answers_max || positions_of(&request) > g->positions_max))
            return;
        if (g->under_way_count == 0)
            status = make_room(g, positions_of(&request), &err);
        request.on_token = hear;
        request.user = q;
        if (status == ASSAY_OK)
            status = assay_generator_add(g->generator, &request, &err);
        g->waiting = q->next;
        if (status != ASSAY_OK) {
            fail(q, status, &err);
            continue;
        }
        q->next = g->under_way;
        g->under_way = q;
        g->under_way_count++;
        g->counts.answers++;
    }
}

// After a pass. One that failed is everybody's, and nobody knows what the device has now.
static void settle(
        struct assay_shared_generator *g, enum assay_status status, const struct assay_error *err)
{
    struct question **at = &g->under_way;

    while (*at != NULL) {
        struct question *q = *at;

        if (status == ASSAY_OK && !q->ended) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        g->under_way_count--;
        if (!q->ended) {
            fail(q, status, err);
            continue;
        }
        q->status = q->limit;
        q->done = true;
    }
    if (status == ASSAY_OK)
        return;
    assay_generator_destroy(g->generator);
    g->generator = NULL;
}

// One pass for all. The lock is held, and given up meanwhile.
static void drive(struct assay_shared_generator *g)
{
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;
    size_t left = 0;

    take_in(g);
    if (g->under_way_count == 0)
        return;
    if (g->under_way_count > g->counts.together_max)
        g->counts.together_max = g->under_way_count;
    g->counts.passes++;
    g->driven = true;
    pthread_mutex_unlock(&g->lock);
    status = assay_generator_step(g->generator, &left, &err);
    pthread_mutex_lock(&g->lock);
    g->driven = false;
    settle(g, status, &err);
}

// --- asking --------------------------------------------------------------------------------------

static bool is_waiting(const struct assay_shared_generator *g, const struct question *q)
{
    const struct question *at = g->waiting;

    while (at != NULL && at != q)
        at = at->next;
    return at != NULL;
}

static void withdraw(struct assay_shared_generator *g, const struct question *q)
{
    struct question **at = &g->waiting;

    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
}

static void wait_a_moment(struct assay_shared_generator *g)
{
    const uint64_t until_ms = assay_clock_ms() + LOOK_MS;
    const struct timespec until = {
            .tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000};

    (void)pthread_cond_timedwait(&g->changed, &g->lock, &until);
}

enum assay_status assay_shared_generator_ask(struct assay_shared_generator *shared,
        const struct assay_generation *request, const struct assay_shared_limits *limits,
        struct assay_error *err)
{
    struct question q = {.request = request, .limits = limits};
    struct question **end = NULL;

    assert(request->sample_count == 1);
    pthread_mutex_lock(&shared->lock);
    for (end = &shared->waiting; *end != NULL;)
        end = &(*end)->next;
    *end = &q;
    while (!q.done) {
        q.status = is_waiting(shared, &q) ? look_at_limits(limits, &q.err) : ASSAY_OK;
        if (q.status != ASSAY_OK) {
            withdraw(shared, &q);
            break;
        }
        if (shared->driven) {
            wait_a_moment(shared);
        } else {
            drive(shared);
            pthread_cond_broadcast(&shared->changed);
        }
    }
    pthread_mutex_unlock(&shared->lock);
    if (q.status != ASSAY_OK && err != NULL)
        *err = q.err;
    return q.status;
}
