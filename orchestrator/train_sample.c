// SPDX-License-Identifier: MIT
// train_sample.c - tasks -> answers, token by token as they were drawn -> text -> rewards.
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/train_group.h"

#define ANSWER_BYTES_MAX ((size_t)1 << 20)

// The samples of a group while they come: each writes into its rollout.
struct writer {
    const struct training *t;
    struct rollout *rollouts;
    struct sampled_place *places; // [size]
};

// The only place that marks an id as sampled.
void training_put_token(const struct training *t, struct rollout *r, const struct sampled_place *to,
        const struct assay_generated *token)
{
    const size_t at = r->trajectory.count++;

    if (r->answer_tokens++ == 0)
        r->version = t->position;
    to->ids[at] = token->id;
    to->mask[at] = 1;
    to->logp[at] = token->logp;
    r->newer[at] = (uint8_t)(t->position - r->version); // <= rl.staleness
    r->finish = token->finish;
}

static bool on_token(void *user, const struct assay_generated *token)
{
    struct writer *w = user;
    struct rollout *r = &w->rollouts[token->sample];

    assert(r->trajectory.count == r->prompt_count + token->index);
    training_put_token(w->t, r, &w->places[token->sample], token);
    return true;
}

enum assay_status training_pass(struct training *t, size_t *left, struct assay_error *err)
{
    enum assay_status status = t->swaps ? training_pipeline_swap(t, err) : ASSAY_OK;

    if (status == ASSAY_OK)
        status = assay_generator_step(t->generator, left, err);
    if (status == ASSAY_OK && training_interrupted(t))
        status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    return status;
}

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "rollouts: out of memory");
}

static enum assay_status make_rollouts(struct group *g, struct writer *w, uint32_t number,
        const struct assay_tokens *prompt, size_t room, struct assay_arena *arena,
        struct assay_error *err)
{
    const size_t length = prompt->count + room;

    g->rollouts = assay_arena_array(arena, g->size, sizeof(*g->rollouts));
    w->places = assay_arena_array(arena, g->size, sizeof(*w->places));
    w->rollouts = g->rollouts;
    if (!g->rollouts || !w->places)
        return no_memory(err);
    for (size_t i = 0; i < g->size; i++) {
        struct sampled_place *to = &w->places[i];

        to->ids = assay_arena_array(arena, length, sizeof(*to->ids));
        to->mask = assay_arena_array(arena, length, sizeof(*to->mask));
        to->logp = assay_arena_array(arena, length, sizeof(*to->logp));
        g->rollouts[i].newer = assay_arena_array(arena, length, sizeof(uint8_t));
        if (!to->ids || !to->mask || !to->logp || !g->rollouts[i].newer)
            return no_memory(err);
        memcpy(to->ids, prompt->ids, prompt->count * sizeof(*to->ids));
        g->rollouts[i].prompt_count = prompt->count;
        g->rollouts[i].trajectory = (struct assay_trajectory){.ids = to->ids,
                .mask = to->mask,
                .logp_old = to->logp,
                .count = prompt->count,
                .group = number};
    }
    return ASSAY_OK;
}

// All tasks of a batch, whoever samples their answers.
static enum assay_status draw_groups(struct training *t, struct group *groups,
        const struct sample_request *request, struct assay_arena *arena, struct assay_error *err)
{
    const size_t room = (size_t)t->config->answer_tokens_max;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < request->group_count && status == ASSAY_OK; i++) {
        struct group *g = &groups[i];

        g->number = (uint32_t)i;
        g->size = request->group_size;
        // With turns, alone, each message draws a seed of its own from the batch's.
        if (!t->source->turns || training_draws_apart(t))
            g->seed = assay_rng_next(request->rng);
        if (t->source->turns && training_draws_apart(t))
            assay_rng_seed(&g->rng, g->seed, 0);
        status = training_draw(t, &g->task, &g->prompt, &request->from, room, arena, err);
    }
    return status;
}

static enum assay_status begin_group(struct training *t, struct group *g,
        const struct sample_request *request, struct assay_arena *arena, struct assay_error *err)
{
    const size_t room = (size_t)t->config->answer_tokens_max;
    struct writer *w = assay_arena_array(arena, 1, sizeof(*w));
    struct assay_generation generation = {.prompt = g->prompt.ids,
            .prompt_count = g->prompt.count,
            .sample_count = g->size,
            .token_count_max = room,
            .sampling = ASSAY_SAMPLING_PLAIN,
            .seed = g->seed,
            .stop_ids = &t->end_id,
            .stop_id_count = 1,
            .certain_count_max = (size_t)t->config->certain_count_max,
            .certain_probability = t->config->certain_probability,
            .on_token = on_token,
            .user = w};
    enum assay_status status = w ? ASSAY_OK : no_memory(err);

    if (w)
        w->t = t;
    if (status == ASSAY_OK)
        status = make_rollouts(g, w, g->number, &g->prompt, room, arena, err);
    if (status != ASSAY_OK)
        return status;
    generation.sampling.temperature = request->temperature;
    return assay_generator_add(t->generator, &generation, err);
}

static enum assay_status decode(
        struct training *t, struct rollout *r, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_trajectory *trajectory = &r->trajectory;
    const size_t end = r->finish == ASSAY_FINISH_STOP_ID ? 1 : 0;
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, ANSWER_BYTES_MAX);
    status = assay_tokenizer_decode(t->tokenizer, &text, trajectory->ids + r->prompt_count,
            trajectory->count - r->prompt_count - end, false, err);
    r->truncated = r->finish != ASSAY_FINISH_STOP_ID;
    if (status == ASSAY_OK)
        status = assay_bytes_keep(&r->text, &text, "an answer", arena, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status training_grade(struct training *t, struct assay_train_reward *rewards,
        const struct assay_train_answer *answers, size_t count, struct assay_error *err)
{
    struct training_wait wait = {
            .who = training_name(t), .what = "rewards of answers", .count = count};
    enum assay_status status;

    training_watch_begin(t, &wait);
    status = t->source->grade(t->source->user, rewards, answers, count, err);
    training_watch_end(t, &wait);
    return status;
}

static enum assay_status grade(struct training *t, struct group *const *groups, size_t group_count,
        struct assay_arena *arena, struct assay_error *err)
{
    const size_t size = group_count > 0 ? groups[0]->size : 0, count = group_count * size;
    struct assay_train_answer *answers = assay_arena_array(arena, count, sizeof(*answers));
    struct assay_train_reward *rewards = assay_arena_array(arena, count, sizeof(*rewards));
    enum assay_status status = answers && rewards ? ASSAY_OK : no_memory(err);

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        struct group *g = groups[i / size];

        status = decode(t, &g->rollouts[i % size], arena, err);
        answers[i] = (struct assay_train_answer){&g->task, g->rollouts[i % size].text};
    }
    if (status == ASSAY_OK && count > 0)
        status = training_grade(t, rewards, answers, count, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        struct group *g = groups[i / size];
        struct rollout *r = &g->rollouts[i % size];

        r->verdict = rewards[i];
        r->reward = rewards[i].reward +
                assay_overlong_penalty(r->answer_tokens, (size_t)t->config->answer_tokens_max,
                        (size_t)t->config->overlong_margin);
        g->unscored |= !rewards[i].scored;
    }
    return status;
}

static enum assay_status answer_all(struct training *t, struct group *const *groups, size_t count,
        const struct sample_request *request, struct assay_arena *arena, struct sample_times times,
        struct assay_error *err)
{
    const uint64_t began = assay_clock_ms();
    uint64_t sampled;
    size_t left = count;
    enum assay_status status = ASSAY_OK;

    for (size_t g = 0; g < count && status == ASSAY_OK; g++)
        status = begin_group(t, groups[g], request, arena, err);
    while (status == ASSAY_OK && left > 0)
        status = training_pass(t, &left, err);
    sampled = assay_clock_ms();
    if (status == ASSAY_OK)
        status = grade(t, groups, count, arena, err);
    *times.sample_ms += sampled - began;
    *times.grade_ms += assay_clock_ms() - sampled;
    return status;
}

enum assay_status training_sample(struct training *t, struct group **out,
        const struct sample_request *request, struct assay_arena *arena, struct sample_times times,
        struct assay_error *err)
{
    struct group *groups = assay_arena_array(arena, request->group_count, sizeof(*groups));
    struct group **mine = assay_arena_array(arena, request->group_count, sizeof(struct group *));
    size_t count = 0;
    enum assay_status status = groups && mine ? ASSAY_OK : no_memory(err);

    if (status == ASSAY_OK)
        status = draw_groups(t, groups, request, arena, err);
    for (size_t g = 0; g < request->group_count && status == ASSAY_OK; g++)
        if (training_is_mine(t, g))
            mine[count++] = &groups[g];
    if (status == ASSAY_OK)
        status = t->source->turns ? training_play(t, mine, count, request, arena, times, err)
                                  : answer_all(t, mine, count, request, arena, times, err);
    if (status == ASSAY_OK)
        status = training_exchange(t, groups, request->group_count, arena, err);
    if (status == ASSAY_OK)
        *out = groups;
    return status;
}
