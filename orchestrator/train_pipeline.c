// SPDX-License-Identifier: MIT
// train_pipeline.c - sampling and grading run ahead of training.
//
// One thread beside the trainer makes batch after batch: weights -> answers -> rewards. With
// rl.swap: batch, weights change between batches only, and batch b is sampled with those of version
//
//     v(b) = max(b - rl.staleness, the last checkpoint at or before b)
//
// whether newer ones are there or not, so that a run's numbers follow from its settings and not
// from who was faster: killed or not, on many threads or one, it ends in the same bits. Pacing is
// what keeps the bound: batch b is not begun before version v(b) is there, and none is ever too
// old. At a checkpoint nothing is in flight that a continued run would not sample again: the
// batches behind it begin with the checkpoint's weights.
//
// With rl.swap: token, batch b is begun with the newest weights, once version b - rl.staleness is
// there, and answers under way go on with newer ones as soon as those are published: keys, values
// and states stay as the older weights left them. Every token has its version beside its logp. Such
// a run depends on who was faster.
//
// Who waits: the sampler for a version [until_published], the trainer for a batch [until_sampled],
// both for the source, which grades one batch at a time [until_free]. Each wait tells what it waits
// for after TELL_S, and ends the run after rl.wait_s_max. What is graded is watched by
// train_watch.c, and given up when the run ends.
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "orchestrator/train_parts.h"

#define SLICE_MS 200
#define TELL_S 60
#define WORDS_BYTES 96

// One side's door to the source: graded in turn, counted apart.
struct door {
    struct training_pipeline *pipeline;
    struct assay_task_source source;
    struct assay_train_turns turns; // of a source that has them
    struct assay_train_counts counts;
    const char *who;
};

struct batch {
    struct rl_step *step;
    struct training_lead lead;
    bool ready;
};

struct training_pipeline {
    struct training sampler; // as the trainer's, with model, generator and stream of its own
    struct assay_task_source *inner; // borrowed
    struct training *trainer;        // borrowed; only what does not change is read by the thread
    struct door doors[2];            // trainer, sampler
    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    // Under the lock.
    uint64_t published;      // newest version
    bool grading;            // somebody is
    char doing[WORDS_BYTES]; // the sampler
    uint64_t doing_since_ms;
    enum assay_status status; // of the sampler, once it has ended badly
    struct assay_error error;
    struct batch *batches; // [slots], by position
    // Not under it: a slot is written before its version is published and read after.
    void **weights; // [slots], by version
    size_t slots, weight_bytes;
    _Atomic bool stop;
};

// --- waiting -------------------------------------------------------------------------------------

struct wait {
    struct training_pipeline *p;
    bool (*over)(const struct training_pipeline *p, uint64_t number);
    uint64_t number;
    const char *who, *what;
};

static void tell_wait(const struct wait *w, uint64_t waited_ms)
{
    const struct training_pipeline *p = w->p;
    char number[24], seconds[24];

    (void)snprintf(number, sizeof(number), "%" PRIu64, w->number);
    (void)snprintf(seconds, sizeof(seconds), "%" PRIu64, waited_ms / 1000);
    assay_log(assay_context_log(p->trainer->context), ASSAY_LOG_WARN, "train", "waiting", "who",
            w->who, "for", w->what, "number", number, "seconds", seconds, "sampler", p->doing,
            NULL);
}

static uint64_t patience_ms(const struct training_pipeline *p)
{
    return (uint64_t)(p->trainer->config->wait_s_max * 1000);
}

static void wait_slice(struct training_pipeline *p)
{
    const uint64_t slice_ms = patience_ms(p) < SLICE_MS ? patience_ms(p) : SLICE_MS;
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)slice_ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_cond_timedwait(&p->changed, &p->lock, &until);
}

// Under the lock, which is given up while nothing happens. *waited_ms is added to.
static enum assay_status wait_for(
        const struct wait *w, uint64_t *waited_ms, struct assay_error *err)
{
    struct training_pipeline *p = w->p;
    const uint64_t began = assay_clock_ms();
    uint64_t told = 0, waited = 0;
    enum assay_status status = ASSAY_OK;

    while (status == ASSAY_OK && !w->over(p, w->number)) {
        wait_slice(p);
        waited = assay_clock_ms() - began;
        if (p->status != ASSAY_OK) {
            if (err)
                *err = p->error;
            status = p->status;
        } else if (training_interrupted(&p->sampler)) {
            status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        } else if (waited > patience_ms(p)) {
            status = assay_fail(err, ASSAY_ETIMEOUT,
                    "%s waited %" PRIu64 " s for %s %" PRIu64 "; sampler: %s since %" PRIu64 " s",
                    w->who, waited / 1000, w->what, w->number, p->doing,
                    (assay_clock_ms() - p->doing_since_ms) / 1000);
        } else if (waited / 1000 >= (told + 1) * TELL_S) {
            told++;
            tell_wait(w, waited);
        }
    }
    *waited_ms += waited;
    return status;
}

static bool until_published(const struct training_pipeline *p, uint64_t version)
{
    return p->published >= version;
}

static bool until_sampled(const struct training_pipeline *p, uint64_t position)
{
    return p->batches[position % p->slots].ready;
}

static bool until_free(const struct training_pipeline *p, uint64_t nothing)
{
    (void)nothing;
    return !p->grading;
}

static void doing(struct training_pipeline *p, const char *what, uint64_t position)
{
    (void)snprintf(p->doing, sizeof(p->doing), "%s batch %" PRIu64, what, position);
    p->doing_since_ms = assay_clock_ms();
}

// --- the source, shared --------------------------------------------------------------------------

static enum assay_status door_draw(void *user, struct assay_train_task *out,
        enum assay_train_split split, uint64_t index, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct door *d = user;
    struct assay_task_source *inner = d->pipeline->inner;

    return inner->draw(inner->user, out, split, index, arena, err);
}

static enum assay_status door_grade(void *user, struct assay_train_reward *rewards,
        const struct assay_train_answer *answers, size_t count, struct assay_error *err)
{
    struct door *d = user;
    struct training_pipeline *p = d->pipeline;
    struct assay_task_source *inner = p->inner;
    const struct wait w = {p, until_free, 0, d->who, "rewards of the other's batch"};
    uint64_t waited_ms = 0;
    enum assay_status status;

    pthread_mutex_lock(&p->lock);
    status = wait_for(&w, &waited_ms, err);
    p->grading |= status == ASSAY_OK;
    pthread_mutex_unlock(&p->lock);
    if (status != ASSAY_OK)
        return status;
    const struct assay_train_counts before = inner->counts(inner->user);

    status = inner->grade(inner->user, rewards, answers, count, err);
    const struct assay_train_counts after = inner->counts(inner->user);

    d->counts.answers += after.answers - before.answers;
    d->counts.executed += after.executed - before.executed;
    d->counts.remembered += after.remembered - before.remembered;
    d->counts.unscored += after.unscored - before.unscored;
    pthread_mutex_lock(&p->lock);
    p->grading = false;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return status;
}

static struct assay_train_counts door_counts(void *user)
{
    const struct door *d = user;

    return d->counts;
}

static uint64_t door_progress(void *user)
{
    const struct door *d = user;
    struct assay_task_source *inner = d->pipeline->inner;

    return inner->progress(inner->user);
}

static enum assay_status door_patch(void *user, struct assay_bytes *out,
        const struct assay_train_answer *answer, struct assay_arena *arena, struct assay_error *err)
{
    const struct door *d = user;
    struct assay_task_source *inner = d->pipeline->inner;

    return inner->patch(inner->user, out, answer, arena, err);
}

// Episodes of both sides live side by side.
static enum assay_status door_open(
        void *user, void **episode, const struct assay_train_task *task, struct assay_error *err)
{
    const struct door *d = user;
    struct assay_task_source *inner = d->pipeline->inner;

    return inner->turns->open(inner->user, episode, task, err);
}

static void open_door(struct training_pipeline *p, size_t number, const char *who)
{
    struct door *d = &p->doors[number];

    d->pipeline = p;
    d->who = who;
    d->source = *p->inner; // what it says of itself; closing it is not ours
    d->source.user = d;
    d->source.draw = door_draw;
    d->source.grade = door_grade;
    d->source.counts = door_counts;
    d->source.progress = p->inner->progress ? door_progress : NULL;
    d->source.patch = p->inner->patch ? door_patch : NULL;
    if (p->inner->turns) {
        d->turns = *p->inner->turns;
        d->turns.open = door_open;
        d->source.turns = &d->turns;
    }
    d->source.close = NULL;
}

// --- the sampler ---------------------------------------------------------------------------------

static uint64_t version_for(const struct training_pipeline *p, uint64_t position)
{
    const struct assay_train_config *c = p->trainer->config;
    const uint64_t checkpoint = p->sampler.swaps ? 0 : position - position % c->checkpoint_every;
    const uint64_t floor = checkpoint > p->sampler.sft_steps ? checkpoint : p->sampler.sft_steps;

    return position >= floor + c->staleness ? position - c->staleness : floor;
}

static enum assay_status load_weights(
        struct training_pipeline *p, uint64_t version, struct assay_error *err)
{
    struct training *t = &p->sampler;

    t->ops->device.copy(
            t->stream, t->model->params.weights, p->weights[version % p->slots], p->weight_bytes);
    t->position = version;
    return t->ops->device.sync(t->stream, err);
}

static enum assay_status make_batch(
        struct training_pipeline *p, uint64_t position, struct assay_error *err)
{
    const uint64_t swaps = p->sampler.swap_count;
    const struct wait w = {
            p, until_published, version_for(p, position), "sampler", "weights of version"};
    struct batch made = {.lead.version = w.number};
    uint64_t began;
    enum assay_status status;

    pthread_mutex_lock(&p->lock);
    doing(p, "waits for weights for", position);
    status = wait_for(&w, &made.lead.held_back_ms, err);
    doing(p, "samples and grades", position);
    if (p->sampler.swaps)
        made.lead.version = p->published;
    pthread_mutex_unlock(&p->lock);
    began = assay_clock_ms();
    if (status == ASSAY_OK)
        status = load_weights(p, made.lead.version, err);
    if (status == ASSAY_OK)
        status = training_rl_sample(&p->sampler, &made.step, position, err);
    if (status != ASSAY_OK)
        return status;
    made.lead.sampling_ms = assay_clock_ms() - began;
    made.lead.rl_cursor = p->sampler.rl_cursor;
    made.lead.swap_count = p->sampler.swap_count - swaps;
    made.ready = true;
    pthread_mutex_lock(&p->lock);
    p->batches[position % p->slots] = made;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return ASSAY_OK;
}

// A slot that is read here is not written meanwhile: version N + slots follows the training of a
// batch that is sampled after this one.
enum assay_status training_pipeline_swap(struct training *sampler, struct assay_error *err)
{
    struct training_pipeline *p = sampler->pipeline;
    uint64_t newest;

    pthread_mutex_lock(&p->lock);
    newest = p->published;
    pthread_mutex_unlock(&p->lock);
    if (newest == sampler->position)
        return ASSAY_OK;
    sampler->swap_count++;
    return load_weights(p, newest, err);
}

static void *sample_ahead(void *user)
{
    struct training_pipeline *p = user;
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;

    for (uint64_t at = p->sampler.position; at < p->sampler.total && status == ASSAY_OK; at++)
        status = make_batch(p, at, &err);
    pthread_mutex_lock(&p->lock);
    p->status = status;
    p->error = err;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

// --- life ----------------------------------------------------------------------------------------

static enum assay_status make_sampler(
        struct training_pipeline *p, struct training *t, struct assay_error *err)
{
    const struct assay_train_config *c = t->config;
    const struct assay_stream_options stream = {.thread_count = (size_t)c->threads};
    struct training *s = &p->sampler;
    enum assay_status status;

    *s = *t;
    s->stream = NULL;
    s->model = NULL;
    s->generator = NULL;
    s->trainer = NULL;
    s->histories = NULL;
    s->stop = &p->stop;
    s->collective = t->options->ahead; // calls of both threads are in no order
    s->swaps = c->swap == ASSAY_SWAP_TOKEN;
    s->source = &p->doors[1].source;
    s->curriculum = assay_arena_array(t->arena, 1, sizeof(*s->curriculum));
    if (!s->curriculum)
        return assay_fail(err, ASSAY_ENOMEM, "pipeline: out of memory");
    *s->curriculum = *t->curriculum;
    status = t->ops->device.stream_create(&s->stream, &stream, err);
    if (status == ASSAY_OK)
        status = assay_model_create(&s->model, &t->model->config, t->ops, s->stream, err);
    if (status == ASSAY_OK)
        status = training_make_generator(s, err);
    return status;
}

static enum assay_status make_slots(
        struct training_pipeline *p, struct training *t, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    p->slots = (size_t)t->config->staleness + 1;
    p->weight_bytes = (size_t)t->model->params.element_count * assay_dtype_bytes(t->ops->weight);
    p->batches = calloc(p->slots, sizeof(*p->batches));
    p->weights = calloc(p->slots, sizeof(*p->weights));
    if (!p->batches || !p->weights)
        return assay_fail(err, ASSAY_ENOMEM, "pipeline: out of memory");
    for (size_t i = 0; i < p->slots && status == ASSAY_OK; i++)
        status = t->ops->device.alloc(&p->weights[i], p->weight_bytes, err);
    return status;
}

enum assay_status training_pipeline_start(struct training *t, struct assay_error *err)
{
    struct training_pipeline *p = calloc(1, sizeof(*p));
    pthread_condattr_t attributes;
    enum assay_status status;

    if (!p)
        return assay_fail(err, ASSAY_ENOMEM, "pipeline: out of memory");
    p->trainer = t;
    p->inner = t->source;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    open_door(p, 0, "trainer");
    open_door(p, 1, "sampler");
    t->pipeline = p; // from here on stop() takes it down
    t->source = &p->doors[0].source;
    status = make_slots(p, t, err);
    if (status == ASSAY_OK)
        status = make_sampler(p, t, err);
    if (status == ASSAY_OK)
        status = training_pipeline_publish(t, t->position, err);
    doing(p, "has not begun with", t->position);
    if (status == ASSAY_OK && pthread_create(&p->thread, NULL, sample_ahead, p) != 0)
        status = assay_fail(err, ASSAY_ENOMEM, "pipeline: no thread");
    p->running = status == ASSAY_OK;
    return status;
}

enum assay_status training_pipeline_publish(
        struct training *t, uint64_t position, struct assay_error *err)
{
    struct training_pipeline *p = t->pipeline;
    enum assay_status status;

    // Nobody reads this slot: the version in it is older than any batch to come may have.
    t->ops->device.copy(
            t->stream, p->weights[position % p->slots], t->model->params.weights, p->weight_bytes);
    status = t->ops->device.sync(t->stream, err);
    if (status != ASSAY_OK)
        return status;
    pthread_mutex_lock(&p->lock);
    p->published = position;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return ASSAY_OK;
}

enum assay_status training_pipeline_take(struct training *t, struct rl_step **out,
        struct training_lead *lead, struct assay_error *err)
{
    struct training_pipeline *p = t->pipeline;
    const struct wait w = {p, until_sampled, t->position, "trainer", "batch"};
    struct batch *slot = &p->batches[t->position % p->slots];
    uint64_t waited_ms = 0;
    enum assay_status status;

    pthread_mutex_lock(&p->lock);
    status = wait_for(&w, &waited_ms, err);
    if (status == ASSAY_OK) {
        *out = slot->step;
        *lead = slot->lead;
        lead->waited_ms = waited_ms;
        *slot = (struct batch){0};
    }
    pthread_mutex_unlock(&p->lock);
    if (status == ASSAY_OK && t->position - lead->version > t->config->staleness) {
        training_rl_drop(*out);
        *out = NULL;
        status = assay_fail(err, ASSAY_EINVAL,
                "batch %" PRIu64 " is of weights of version %" PRIu64 ": older than rl.staleness",
                t->position, lead->version);
    }
    return status;
}

void training_pipeline_stop(struct training *t)
{
    struct training_pipeline *p = t->pipeline;

    if (!p)
        return;
    atomic_store(&p->stop, true);
    if (p->running)
        training_watch_cancel(t);
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    if (p->running)
        pthread_join(p->thread, NULL);
    for (size_t i = 0; p->batches && i < p->slots; i++)
        training_rl_drop(p->batches[i].step);
    for (size_t i = 0; p->weights && i < p->slots; i++)
        t->ops->device.release(p->weights[i]);
    assay_histories_destroy(p->sampler.histories);
    assay_generator_destroy(p->sampler.generator);
    assay_model_destroy(p->sampler.model);
    if (p->sampler.stream)
        t->ops->device.stream_destroy(p->sampler.stream);
    t->source = p->inner;
    t->pipeline = NULL;
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p->batches);
    free(p->weights);
    free(p);
}
