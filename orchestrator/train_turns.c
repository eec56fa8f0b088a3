// SPDX-License-Identifier: MIT
// train_turns.c - tasks that are worked on in turns: message -> what it shows -> next message.
//
// All rollouts of a wave speak in one batch, then all episodes move at once, one box each. The
// record is the ids as they were sampled and what was shown, encoded once, behind them:
//
//     <start> prompt | message <end> | <start> seen | message <end> | ...
//                      mask 1                         mask 1
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/pool.h"
#include "orchestrator/train_parts.h"

#define PLAYERS_MAX 128 // episodes open at once, of one group at least
#define TEXT_BYTES_MAX ((size_t)1 << 20)

// A rollout under way.
struct player {
    const struct training *t;
    struct rollout *rollout;
    const struct assay_train_task *task;
    void *episode; // owned
    int32_t *ids;  // [tokens_max], as mask and logp
    uint8_t *mask;
    double *logp;
    size_t message_at; // where the last message begins
    uint64_t turns;
    bool over, broken;          // broken: by trouble of ours
    struct assay_bytes message; // the last one, in the arena
    struct assay_buf seen;      // owned: what it showed
    struct assay_buf answer;    // owned: what is graded
};

struct wave {
    struct training *t;
    const struct sample_request *request;
    struct assay_arena *arena;
    struct group *groups;
    size_t group_count;
    struct player *players; // [count], a group's together
    size_t count;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "turns: out of memory");
}

static size_t room_of(const struct training *t)
{
    return (size_t)t->config->answer_tokens_max;
}

// --- all episodes at once ------------------------------------------------------------------------

// Trouble of ours costs an episode its reward; anything else ends the step.
static enum assay_status take(struct player *p, enum assay_status status)
{
    if (status != ASSAY_EIO && status != ASSAY_ENOTFOUND && status != ASSAY_EINVAL)
        return status;
    p->over = p->broken = true;
    return ASSAY_OK;
}

static enum assay_status open_one(void *user, size_t index, struct assay_error *err)
{
    const struct wave *w = user;
    const struct assay_task_source *source = w->t->source;
    struct player *p = &w->players[index];

    return take(p, source->turns->open(source->user, &p->episode, p->task, err));
}

static enum assay_status step_one(void *user, size_t index, struct assay_error *err)
{
    const struct wave *w = user;
    struct player *p = &w->players[index];
    bool over = false;
    enum assay_status status;

    if (p->over)
        return ASSAY_OK;
    assay_buf_clear(&p->seen);
    status = w->t->source->turns->step(p->episode, p->message, &p->seen, &over, err);
    p->over = over;
    return take(p, status);
}

static enum assay_status answer_one(void *user, size_t index, struct assay_error *err)
{
    const struct wave *w = user;
    struct player *p = &w->players[index];

    return p->broken ? ASSAY_OK : take(p, w->t->source->turns->answer(p->episode, &p->answer, err));
}

static enum assay_status for_all(struct wave *w, assay_jobs_work work, struct assay_error *err)
{
    return assay_jobs_run(assay_jobs_default_threads(), w->count, work, w,
            assay_context_interrupted(w->t->context), err);
}

// --- a wave --------------------------------------------------------------------------------------

static enum assay_status seat(struct player *p, const struct training *t,
        const struct assay_tokens *prompt, struct assay_arena *arena, struct assay_error *err)
{
    const size_t most = (size_t)t->config->tokens_max;

    p->ids = assay_arena_array(arena, most, sizeof(*p->ids));
    p->mask = assay_arena_array(arena, most, sizeof(*p->mask));
    p->logp = assay_arena_array(arena, most, sizeof(*p->logp));
    p->rollout->newer = assay_arena_array(arena, most, sizeof(uint8_t));
    p->t = t;
    assay_buf_init(&p->seen, TEXT_BYTES_MAX);
    assay_buf_init(&p->answer, TEXT_BYTES_MAX);
    if (!p->ids || !p->mask || !p->logp || !p->rollout->newer)
        return no_memory(err);
    memcpy(p->ids, prompt->ids, prompt->count * sizeof(*p->ids));
    p->message_at = prompt->count;
    return ASSAY_OK;
}

static enum assay_status begin_group(
        struct wave *w, size_t index, uint32_t number, struct assay_error *err)
{
    const struct sample_request *request = w->request;
    struct group *g = &w->groups[index];
    struct assay_tokens prompt = {0};
    enum assay_status status =
            training_draw(w->t, &g->task, &prompt, &request->from, room_of(w->t), w->arena, err);

    g->size = request->group_size;
    g->rollouts = assay_arena_array(w->arena, g->size, sizeof(*g->rollouts));
    if (status == ASSAY_OK && !g->rollouts)
        status = no_memory(err);
    for (size_t i = 0; i < g->size && status == ASSAY_OK; i++) {
        struct player *p = &w->players[index * g->size + i];

        p->rollout = &g->rollouts[i];
        p->task = &g->task;
        status = seat(p, w->t, &prompt, w->arena, err);
        g->rollouts[i].prompt_count = prompt.count;
        g->rollouts[i].trajectory = (struct assay_trajectory){.ids = p->ids,
                .mask = p->mask,
                .logp_old = p->logp,
                .count = prompt.count,
                .group = number};
    }
    return status;
}

static bool on_token(void *user, const struct assay_generated *token)
{
    struct player *p = (struct player *)user + token->sample;
    const struct sampled_place place = {p->ids, p->mask, p->logp};

    assert(p->rollout->trajectory.count == p->message_at + token->index);
    training_put_token(p->t, p->rollout, &place, token);
    return true;
}

// Who begins has the prompt in common with its group, which is read once.
static enum assay_status ask(
        struct wave *w, size_t index, size_t sample_count, struct assay_error *err)
{
    struct player *p = &w->players[index];
    const struct training *t = w->t;
    struct assay_generation generation = {.prompt = p->ids,
            .prompt_count = p->rollout->trajectory.count,
            .sample_count = sample_count,
            .token_count_max = room_of(t),
            .sampling = ASSAY_SAMPLING_PLAIN,
            .seed = assay_rng_next(w->request->rng),
            .stop_ids = &t->end_id,
            .stop_id_count = 1,
            .certain_count_max = (size_t)t->config->certain_count_max,
            .certain_probability = t->config->certain_probability,
            .on_token = on_token,
            .user = p};

    generation.sampling.temperature = w->request->temperature;
    return assay_generator_add(t->generator, &generation, err);
}

static enum assay_status speak(struct wave *w, bool first, struct assay_error *err)
{
    const size_t stride = first ? w->request->group_size : 1;
    enum assay_status status = ASSAY_OK;
    size_t left = 0;

    for (size_t i = 0; i < w->count && status == ASSAY_OK; i += stride)
        if (first || !w->players[i].over) {
            status = ask(w, i, stride, err);
            left = 1;
        }
    while (status == ASSAY_OK && left > 0)
        status = training_pass(w->t, &left, err);
    return status;
}

static enum assay_status decode(struct assay_bytes *out, struct training *t, const int32_t *ids,
        size_t count, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    status = assay_tokenizer_decode(t->tokenizer, &text, ids, count, false, err);
    if (status == ASSAY_OK)
        status = assay_bytes_keep(out, &text, "what was said", arena, err);
    assay_buf_free(&text);
    return status;
}

// A message that was cut off is not carried out.
static enum assay_status listen(struct wave *w, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < w->count && status == ASSAY_OK; i++) {
        struct player *p = &w->players[i];

        if (p->over)
            continue;
        p->turns++;
        if (p->rollout->finish != ASSAY_FINISH_STOP_ID)
            p->over = p->rollout->truncated = true;
        else
            status = decode(&p->message, w->t, p->ids + p->message_at,
                    p->rollout->trajectory.count - p->message_at - 1, w->arena, err);
    }
    return status;
}

// Append what was seen; false: no more than `most` with a message behind it.
static enum assay_status append(bool *fits, struct training *t, const struct assay_buf *seen,
        int32_t *ids, uint8_t *mask, size_t *count, struct assay_error *err)
{
    const size_t most = (size_t)t->config->tokens_max;
    struct assay_ids more = {0};
    enum assay_status status = ASSAY_OK;

    if (t->start_id >= 0 && !assay_ids_add(&more, t->start_id))
        status = no_memory(err);
    if (status == ASSAY_OK)
        status = assay_tokenizer_encode_plain(t->tokenizer, &more, seen->data, seen->len, err);
    *fits = status == ASSAY_OK && *count + more.count + room_of(t) <= most;
    if (*fits) {
        memcpy(ids + *count, more.items, more.count * sizeof(*ids));
        memset(mask + *count, 0, more.count);
        *count += more.count;
    }
    free(more.items);
    return status;
}

static enum assay_status go_on(struct wave *w, size_t *playing, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    *playing = 0;
    for (size_t i = 0; i < w->count && status == ASSAY_OK; i++) {
        struct player *p = &w->players[i];
        bool fits = false;

        if (p->over)
            continue;
        if (p->turns < w->t->config->turns_max)
            status = append(
                    &fits, w->t, &p->seen, p->ids, p->mask, &p->rollout->trajectory.count, err);
        p->over = p->rollout->truncated = !fits;
        p->message_at = p->rollout->trajectory.count;
        *playing += fits;
    }
    return status;
}

static enum assay_status play(
        struct wave *w, uint64_t *sample_ms, uint64_t *grade_ms, struct assay_error *err)
{
    uint64_t at = assay_clock_ms(), now;
    size_t playing = w->count;
    enum assay_status status = for_all(w, open_one, err);

    for (bool first = true; status == ASSAY_OK && playing > 0; first = false) {
        now = assay_clock_ms();
        *grade_ms += now - at;
        status = speak(w, first, err);
        if (status == ASSAY_OK)
            status = listen(w, err);
        at = assay_clock_ms();
        *sample_ms += at - now;
        if (status == ASSAY_OK)
            status = for_all(w, step_one, err);
        if (status == ASSAY_OK)
            status = go_on(w, &playing, err);
    }
    if (status == ASSAY_OK)
        status = for_all(w, answer_one, err);
    *grade_ms += assay_clock_ms() - at;
    return status;
}

static enum assay_status grade(struct wave *w, uint64_t *grade_ms, struct assay_error *err)
{
    const struct assay_task_source *source = w->t->source;
    const uint64_t began = assay_clock_ms();
    struct assay_train_answer *answers = assay_arena_array(w->arena, w->count, sizeof(*answers));
    struct assay_train_reward *rewards = assay_arena_array(w->arena, w->count, sizeof(*rewards));
    enum assay_status status = answers && rewards ? ASSAY_OK : no_memory(err);

    for (size_t i = 0; i < w->count && status == ASSAY_OK; i++) {
        struct player *p = &w->players[i];

        status = assay_bytes_keep(
                &p->rollout->patch, &p->answer, "an episode's patch", w->arena, err);
        answers[i] = (struct assay_train_answer){p->task, p->rollout->patch};
        if (status == ASSAY_OK)
            status = decode(&p->rollout->text, w->t, p->ids + p->rollout->prompt_count,
                    p->rollout->trajectory.count - p->rollout->prompt_count, w->arena, err);
    }
    if (status == ASSAY_OK)
        status = source->grade(source->user, rewards, answers, w->count, err);
    for (size_t i = 0; i < w->count && status == ASSAY_OK; i++) {
        struct player *p = &w->players[i];

        rewards[i].scored &= !p->broken;
        p->rollout->verdict = rewards[i];
        p->rollout->reward = rewards[i].reward;
        w->groups[i / w->request->group_size].unscored |= !rewards[i].scored;
    }
    *grade_ms += assay_clock_ms() - began;
    return status;
}

static void leave(struct wave *w)
{
    for (size_t i = 0; w->players && i < w->count; i++) {
        w->t->source->turns->close(w->players[i].episode);
        assay_buf_free(&w->players[i].seen);
        assay_buf_free(&w->players[i].answer);
    }
}

enum assay_status training_sample_turns(struct training *t, struct group **out,
        const struct sample_request *request, struct assay_arena *arena, uint64_t *sample_ms,
        uint64_t *grade_ms, struct assay_error *err)
{
    const size_t size = request->group_size;
    const size_t most = size < PLAYERS_MAX ? PLAYERS_MAX / size : 1;
    struct group *groups = assay_arena_array(arena, request->group_count, sizeof(*groups));
    enum assay_status status = groups ? ASSAY_OK : no_memory(err);

    for (size_t from = 0; from < request->group_count && status == ASSAY_OK; from += most) {
        const size_t left = request->group_count - from;
        struct wave w = {.t = t,
                .request = request,
                .arena = arena,
                .groups = groups + from,
                .group_count = left < most ? left : most};

        w.count = w.group_count * size;
        w.players = assay_arena_array(arena, w.count, sizeof(*w.players));
        if (!w.players)
            return no_memory(err);
        for (size_t g = 0; g < w.group_count && status == ASSAY_OK; g++)
            status = begin_group(&w, g, (uint32_t)(from + g), err);
        if (status == ASSAY_OK)
            status = play(&w, sample_ms, grade_ms, err);
        if (status == ASSAY_OK)
            status = grade(&w, grade_ms, err);
        leave(&w);
    }
    if (status == ASSAY_OK)
        *out = groups;
    return status;
}

// --- demonstrations ------------------------------------------------------------------------------

#define MESSAGES_MAX 16

// One that is being played.
struct showing {
    const struct assay_train_task *task;
    size_t kept_index;
    struct assay_buf seen[MESSAGES_MAX]; // owned: behind each message but the last
};

struct showings {
    struct training *t;
    struct showing *items;
    size_t count;
};

static enum assay_status show_one(void *user, size_t index, struct assay_error *err)
{
    const struct showings *all = user;
    struct showing *s = &all->items[index];
    const struct assay_task_source *source = all->t->source;
    void *episode = NULL;
    bool over = false;
    enum assay_status status = source->turns->open(source->user, &episode, s->task, err);

    for (size_t i = 0; i + 1 < s->task->message_count && status == ASSAY_OK; i++) {
        status = source->turns->step(episode, s->task->messages[i], &s->seen[i], &over, err);
        if (status == ASSAY_OK && over)
            status = assay_fail(err, ASSAY_EINVAL,
                    "the demonstration of %s is over after message %zu", s->task->id, i + 1);
    }
    source->turns->close(episode);
    return status;
}

static enum assay_status add_message(struct training *t, struct assay_bytes message,
        struct assay_trajectory *to, int32_t *ids, uint8_t *mask, bool *fits,
        struct assay_error *err)
{
    struct assay_ids said = {0};
    enum assay_status status =
            assay_tokenizer_encode_plain(t->tokenizer, &said, message.data, message.len, err);

    if (status == ASSAY_OK && !assay_ids_add(&said, t->end_id))
        status = no_memory(err);
    *fits = status == ASSAY_OK && said.count <= room_of(t);
    if (*fits) {
        memcpy(ids + to->count, said.items, said.count * sizeof(*ids));
        memset(mask + to->count, 1, said.count);
        to->count += said.count;
    }
    free(said.items);
    return status;
}

// Into the run's memory; nothing is kept of one that is too long.
static enum assay_status keep(struct training *t, const struct showing *s, struct assay_error *err)
{
    const size_t most = (size_t)t->config->tokens_max;
    struct assay_trajectory *kept = &t->demonstrations[s->kept_index];
    struct assay_tokens prompt = {0};
    uint8_t *mask = assay_arena_array(t->arena, most, sizeof(*mask));
    bool fits = true;
    enum assay_status status = mask ? ASSAY_OK : no_memory(err);

    if (status == ASSAY_OK)
        status = training_encode_prompt(t, &prompt, s->task, most, t->arena, err);
    *kept = (struct assay_trajectory){
            .ids = prompt.ids, .mask = mask, .count = prompt.count, .advantage = 1};
    for (size_t i = 0; i < s->task->message_count && status == ASSAY_OK && fits; i++) {
        if (i > 0)
            status = append(&fits, t, &s->seen[i - 1], prompt.ids, mask, &kept->count, err);
        if (status == ASSAY_OK && fits)
            status = add_message(t, s->task->messages[i], kept, prompt.ids, mask, &fits, err);
    }
    if (!fits)
        kept->count = most + 1;
    return status;
}

// Draw one; if it is not known yet, it is to be shown. *place: where it is kept.
static enum assay_status choose(
        struct showings *all, size_t *place, struct assay_arena *arena, struct assay_error *err)
{
    struct training *t = all->t;
    const uint64_t distinct = t->config->demonstrations;
    const struct draw_from from = {ASSAY_TRAIN_SFT, &t->sft_cursor, distinct, NULL};
    struct assay_train_task *task = assay_arena_array(arena, 1, sizeof(*task));
    struct showing *showing = &all->items[all->count];
    struct assay_tokens prompt;
    enum assay_status status =
            task ? training_draw(t, task, &prompt, &from, room_of(t), arena, err) : no_memory(err);

    *place = (size_t)((t->sft_cursor - 1) % distinct);
    if (status != ASSAY_OK || t->demonstrations[*place].count > 0)
        return status;
    assert(task->message_count <= MESSAGES_MAX);
    *showing = (struct showing){.task = task, .kept_index = *place};
    for (size_t k = 0; k < MESSAGES_MAX; k++)
        assay_buf_init(&showing->seen[k], TEXT_BYTES_MAX);
    all->count++;
    return ASSAY_OK;
}

// Play all that were chosen, and keep them.
static enum assay_status show(struct showings *all, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (all->count > 0)
        status = assay_jobs_run(assay_jobs_default_threads(), all->count, show_one, all,
                assay_context_interrupted(all->t->context), err);
    for (size_t i = 0; i < all->count && status == ASSAY_OK; i++)
        status = keep(all->t, &all->items[i], err);
    return status;
}

static void forget(struct showings *all)
{
    for (size_t i = 0; i < all->count; i++)
        for (size_t k = 0; k < MESSAGES_MAX; k++)
            assay_buf_free(&all->items[i].seen[k]);
}

enum assay_status training_demonstrate_turns(struct training *t, struct assay_trajectory *batch,
        size_t count, struct assay_arena *arena, struct assay_error *err)
{
    struct showings all = {
            .t = t, .items = assay_arena_array(arena, count, sizeof(struct showing))};
    size_t *places = assay_arena_array(arena, count, sizeof(*places));
    enum assay_status status = all.items && places ? ASSAY_OK : no_memory(err);

    if (status == ASSAY_OK && !t->demonstrations) {
        t->demonstrations =
                assay_arena_array(t->arena, t->config->demonstrations, sizeof(*t->demonstrations));
        status = t->demonstrations ? ASSAY_OK : no_memory(err);
    }
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = choose(&all, &places[i], arena, err);
    if (status == ASSAY_OK)
        status = show(&all, err);
    forget(&all);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        batch[i] = t->demonstrations[places[i]];
    return status;
}
