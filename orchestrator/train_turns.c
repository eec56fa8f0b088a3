// SPDX-License-Identifier: MIT
// train_turns.c - tasks that are worked on in turns: message -> what it shows -> next message.
//
// All rollouts of a wave speak in one batch, then all episodes move at once, a box each where one
// is needed: what was said before in the same task showed the same (train_histories.h). The record
// is the ids as they were sampled and what was shown, encoded once, behind them:
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

// Who moves: by a box, by what is known, or as one of its group that has said the same.
enum move { NOT, IN_BOX, KNOWN, AS_LEADER };

// A rollout under way.
struct player {
    const struct training *t;
    struct rollout *rollout;
    const struct assay_train_task *task;
    void *episode;            // owned; NULL: no box was needed yet
    size_t played;            // messages that the box was told
    struct assay_bytes *said; // [turns_max] messages, in the arena; the last one may be cut off
    uint64_t turns;           // of them
    struct assay_history history;
    enum move move;
    struct player *leader;
    int32_t *ids; // [tokens_max], as mask and logp
    uint8_t *mask;
    double *logp;
    size_t message_at;       // where the last message begins
    bool over, broken;       // broken: by trouble of ours
    struct assay_buf seen;   // owned: what the last message showed
    struct assay_buf answer; // owned: what is graded
};

struct wave {
    struct training *t;
    const struct sample_request *request;
    struct assay_arena *arena;
    struct group *const *groups;
    size_t group_count;
    struct player *players; // [count], a group's together
    struct player **asked;  // [count] those whose messages are being sampled
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

// The player's box, told its first `count` messages; what they show is in p->seen.
static enum assay_status play_to(
        const struct wave *w, struct player *p, size_t count, bool *over, struct assay_error *err)
{
    const struct assay_task_source *source = w->t->source;
    struct training_wait wait = {
            .who = training_name(w->t), .what = "an episode's box", .count = 1};
    enum assay_status status = ASSAY_OK;

    training_watch_begin(w->t, &wait);
    if (!p->episode)
        status = source->turns->open(source->user, &p->episode, p->task, err);
    for (; p->played < count && status == ASSAY_OK && !*over; p->played++) {
        assay_buf_clear(&p->seen);
        status = source->turns->step(p->episode, p->said[p->played], &p->seen, over, err);
    }
    training_watch_end(w->t, &wait);
    if (status == ASSAY_OK && p->played < count)
        status = assay_fail(err, ASSAY_EIO, "an episode ended earlier than it had before");
    return status;
}

static enum assay_status step_one(void *user, size_t index, struct assay_error *err)
{
    const struct wave *w = user;
    struct player *p = &w->players[index];
    bool over = false;
    enum assay_status status;

    if (p->move != IN_BOX)
        return ASSAY_OK;
    status = play_to(w, p, (size_t)p->turns, &over, err);
    p->over = over;
    return take(p, status);
}

static enum assay_status answer_one(void *user, size_t index, struct assay_error *err)
{
    const struct wave *w = user;
    struct player *p = &w->players[index];
    bool over = false;
    enum assay_status status;

    if (p->move != IN_BOX)
        return ASSAY_OK;
    status = play_to(w, p, (size_t)p->turns, &over, err);
    if (status == ASSAY_OK)
        status = w->t->source->turns->answer(p->episode, &p->answer, err);
    return take(p, status);
}

// What is known needs no box, and of a group's equals one is enough.
static void choose_moves(struct wave *w, bool answers)
{
    for (size_t i = 0; i < w->count; i++) {
        struct player *p = &w->players[i];
        const size_t first = i - i % w->request->group_size;
        bool over = false;

        p->move = NOT;
        p->leader = NULL;
        if (p->broken || (p->over && !answers))
            continue;
        if (assay_histories_recall(
                    w->t->histories, &p->history, answers ? &p->answer : &p->seen, &over)) {
            p->move = KNOWN;
            p->over |= over;
        }
        for (size_t k = first; k < i && p->move == NOT; k++)
            if (w->players[k].move == IN_BOX &&
                    strcmp(w->players[k].history.key, p->history.key) == 0) {
                p->move = AS_LEADER;
                p->leader = &w->players[k];
            }
        if (p->move == NOT)
            p->move = IN_BOX;
    }
}

// Keep what boxes showed, and tell it to the others.
static enum assay_status spread(struct wave *w, bool answers, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < w->count && status == ASSAY_OK; i++) {
        struct player *p = &w->players[i];
        struct assay_buf *text = answers ? &p->answer : &p->seen;

        w->t->boxed += p->move == IN_BOX;
        w->t->known += p->move == KNOWN || p->move == AS_LEADER;
        if (p->move == IN_BOX && !p->broken)
            status = assay_histories_keep(w->t->histories, &p->history,
                    (struct assay_bytes){text->data, text->len}, p->over, err);
        if (p->move != AS_LEADER)
            continue;
        p->over = p->leader->over;
        p->broken = p->leader->broken;
        text = answers ? &p->leader->answer : &p->leader->seen;
        assay_buf_add(answers ? &p->answer : &p->seen, text->data, text->len);
    }
    return status;
}

static enum assay_status move_all(struct wave *w, bool answers, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < w->count && status == ASSAY_OK; i++) {
        struct player *p = &w->players[i];
        const struct assay_bytes last =
                answers ? (struct assay_bytes){"", 0} : p->said[p->turns > 0 ? p->turns - 1 : 0];

        if (answers || !p->over) {
            assay_buf_clear(&p->seen);
            status = assay_history_add(&p->history, answers ? "answer" : "message", last, err);
        }
    }
    if (status == ASSAY_OK) {
        choose_moves(w, answers);
        status = assay_jobs_run(assay_jobs_default_threads(), w->count,
                answers ? answer_one : step_one, w, assay_context_interrupted(w->t->context), err);
    }
    return status == ASSAY_OK ? spread(w, answers, err) : status;
}

// --- a wave --------------------------------------------------------------------------------------

static enum assay_status seat(struct player *p, const struct training *t,
        const struct assay_tokens *prompt, struct assay_arena *arena, struct assay_error *err)
{
    const size_t most = (size_t)t->config->tokens_max;

    p->ids = assay_arena_array(arena, most, sizeof(*p->ids));
    p->mask = assay_arena_array(arena, most, sizeof(*p->mask));
    p->logp = assay_arena_array(arena, most, sizeof(*p->logp));
    p->said = assay_arena_array(arena, (size_t)t->config->turns_max, sizeof(*p->said));
    p->rollout->newer = assay_arena_array(arena, most, sizeof(uint8_t));
    p->t = t;
    assay_buf_init(&p->seen, TEXT_BYTES_MAX);
    assay_buf_init(&p->answer, TEXT_BYTES_MAX);
    if (!p->ids || !p->mask || !p->logp || !p->said || !p->rollout->newer)
        return no_memory(err);
    memcpy(p->ids, prompt->ids, prompt->count * sizeof(*p->ids));
    p->message_at = prompt->count;
    return assay_history_add(
            &p->history, "task", (struct assay_bytes){p->task->id, strlen(p->task->id)}, err);
}

static enum assay_status begin_group(struct wave *w, size_t index, struct assay_error *err)
{
    struct group *g = w->groups[index];
    enum assay_status status = ASSAY_OK;

    g->rollouts = assay_arena_array(w->arena, g->size, sizeof(*g->rollouts));
    if (!g->rollouts)
        return no_memory(err);
    for (size_t i = 0; i < g->size && status == ASSAY_OK; i++) {
        struct player *p = &w->players[index * g->size + i];

        p->rollout = &g->rollouts[i];
        p->task = &g->task;
        status = seat(p, w->t, &g->prompt, w->arena, err);
        g->rollouts[i].prompt_count = g->prompt.count;
        g->rollouts[i].trajectory = (struct assay_trajectory){.ids = p->ids,
                .mask = p->mask,
                .logp_old = p->logp,
                .count = g->prompt.count,
                .group = g->number};
    }
    return status;
}

static bool on_token(void *user, const struct assay_generated *token)
{
    struct player *p = ((struct player **)user)[token->sample];
    const struct sampled_place place = {p->ids, p->mask, p->logp};

    assert(p->rollout->trajectory.count == p->message_at + token->index);
    training_put_token(p->t, p->rollout, &place, token);
    return true;
}

// What these have said and seen so far is the same, and is read once.
static enum assay_status ask(struct wave *w, struct group *g, struct player **players, size_t count,
        struct assay_error *err)
{
    const struct training *t = w->t;
    struct assay_rng *rng = training_draws_apart(t) ? &g->rng : w->request->rng;
    struct assay_generation generation = {.prompt = players[0]->ids,
            .prompt_count = players[0]->rollout->trajectory.count,
            .sample_count = count,
            .token_count_max = room_of(t),
            .sampling = ASSAY_SAMPLING_PLAIN,
            .seed = assay_rng_next(rng),
            .stop_ids = &t->end_id,
            .stop_id_count = 1,
            .certain_count_max = (size_t)t->config->certain_count_max,
            .certain_probability = t->config->certain_probability,
            .on_token = on_token,
            .user = players};

    generation.sampling.temperature = w->request->temperature;
    return assay_generator_add(t->generator, &generation, err);
}

static bool is_alike(const struct player *a, const struct player *b)
{
    const size_t count = a->rollout->trajectory.count;

    return count == b->rollout->trajectory.count &&
            memcmp(a->ids, b->ids, count * sizeof(*a->ids)) == 0;
}

// Everybody of a group who is not over, those who stand alike together.
static enum assay_status ask_group(
        struct wave *w, size_t index, size_t *asked, struct assay_error *err)
{
    struct player *group = &w->players[index * w->request->group_size];
    const size_t size = w->request->group_size, before = *asked;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < size && status == ASSAY_OK; i++) {
        const size_t first = *asked;
        bool already = group[i].over;

        for (size_t k = before; k < first && !already; k++)
            already = w->asked[k] == &group[i];
        if (already)
            continue;
        for (size_t k = i; k < size; k++)
            if (!group[k].over && is_alike(&group[i], &group[k]))
                w->asked[(*asked)++] = &group[k];
        status = ask(w, w->groups[index], w->asked + first, *asked - first, err);
    }
    return status;
}

static enum assay_status speak(struct wave *w, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    size_t asked = 0, left;

    for (size_t g = 0; g < w->group_count && status == ASSAY_OK; g++)
        status = ask_group(w, g, &asked, err);
    left = asked;
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
        if (p->rollout->finish != ASSAY_FINISH_STOP_ID)
            p->over = p->rollout->truncated = true;
        else
            status = decode(&p->said[p->turns++], w->t, p->ids + p->message_at,
                    p->rollout->trajectory.count - p->message_at - 1, w->arena, err);
    }
    return status;
}

// Append what was seen; false: no more than `most` with a message behind it.
static enum assay_status append(bool *fits, struct training *t, struct assay_bytes seen,
        int32_t *ids, uint8_t *mask, size_t *count, struct assay_error *err)
{
    const size_t most = (size_t)t->config->tokens_max;
    struct assay_ids more = {0};
    enum assay_status status = ASSAY_OK;

    if (t->start_id >= 0 && !assay_ids_add(&more, t->start_id))
        status = no_memory(err);
    if (status == ASSAY_OK)
        status = assay_tokenizer_encode_plain(t->tokenizer, &more, seen.data, seen.len, err);
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
            status = append(&fits, w->t, (struct assay_bytes){p->seen.data, p->seen.len}, p->ids,
                    p->mask, &p->rollout->trajectory.count, err);
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
    enum assay_status status = ASSAY_OK;

    while (status == ASSAY_OK && playing > 0) {
        now = assay_clock_ms();
        *grade_ms += now - at;
        status = speak(w, err);
        if (status == ASSAY_OK)
            status = listen(w, err);
        at = assay_clock_ms();
        *sample_ms += at - now;
        if (status == ASSAY_OK)
            status = move_all(w, false, err);
        if (status == ASSAY_OK)
            status = go_on(w, &playing, err);
    }
    if (status == ASSAY_OK)
        status = move_all(w, true, err);
    *grade_ms += assay_clock_ms() - at;
    return status;
}

static enum assay_status grade(struct wave *w, uint64_t *grade_ms, struct assay_error *err)
{
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
        status = training_grade(w->t, rewards, answers, w->count, err);
    for (size_t i = 0; i < w->count && status == ASSAY_OK; i++) {
        struct player *p = &w->players[i];

        rewards[i].scored &= !p->broken;
        p->rollout->verdict = rewards[i];
        p->rollout->reward = rewards[i].reward;
        w->groups[i / w->request->group_size]->unscored |= !rewards[i].scored;
    }
    *grade_ms += assay_clock_ms() - began;
    return status;
}

static void leave(struct wave *w)
{
    for (size_t i = 0; w->players && i < w->count; i++) {
        if (w->players[i].episode)
            w->t->source->turns->close(w->players[i].episode);
        assay_buf_free(&w->players[i].seen);
        assay_buf_free(&w->players[i].answer);
    }
}

enum assay_status training_play(struct training *t, struct group *const *groups, size_t count,
        const struct sample_request *request, struct assay_arena *arena, struct sample_times times,
        struct assay_error *err)
{
    const size_t size = request->group_size;
    const size_t most = size < PLAYERS_MAX ? PLAYERS_MAX / size : 1;
    enum assay_status status = ASSAY_OK;

    if (!t->histories)
        status = assay_histories_create(&t->histories, err);
    for (size_t from = 0; from < count && status == ASSAY_OK; from += most) {
        const size_t left = count - from;
        struct wave w = {.t = t,
                .request = request,
                .arena = arena,
                .groups = groups + from,
                .group_count = left < most ? left : most};

        w.count = w.group_count * size;
        w.players = assay_arena_array(arena, w.count, sizeof(*w.players));
        w.asked = assay_arena_array(arena, w.count, sizeof(struct player *));
        if (!w.players || !w.asked)
            return no_memory(err);
        for (size_t g = 0; g < w.group_count && status == ASSAY_OK; g++)
            status = begin_group(&w, g, err);
        if (status == ASSAY_OK)
            status = play(&w, times.sample_ms, times.grade_ms, err);
        if (status == ASSAY_OK)
            status = grade(&w, times.grade_ms, err);
        leave(&w);
    }
    return status;
}

// --- demonstrations ------------------------------------------------------------------------------

// A message and the end token: what is learned.
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

enum assay_status training_encode_talk(struct training *t, struct assay_trajectory *out,
        const struct assay_train_task *task, const struct assay_train_talk *talk,
        struct assay_arena *arena, struct assay_error *err)
{
    const size_t most = (size_t)t->config->tokens_max;
    struct assay_tokens prompt = {0};
    uint8_t *mask = NULL;
    bool fits = true;
    enum assay_status status = training_encode_prompt(t, &prompt, task, most, arena, err);

    if (status == ASSAY_OK)
        mask = assay_arena_array(arena, prompt.count + most, sizeof(*mask));
    if (status == ASSAY_OK && !mask)
        status = no_memory(err);
    *out = (struct assay_trajectory){
            .ids = prompt.ids, .mask = mask, .count = prompt.count, .advantage = 1};
    fits = prompt.count + room_of(t) <= most;
    for (size_t i = 0; i < talk->count && status == ASSAY_OK && fits; i++) {
        if (i > 0)
            status = append(&fits, t, talk->shown[i - 1], prompt.ids, mask, &out->count, err);
        if (status == ASSAY_OK && fits)
            status = add_message(t, talk->said[i], out, prompt.ids, mask, &fits, err);
    }
    if (!fits)
        out->count = most + 1;
    return status;
}
