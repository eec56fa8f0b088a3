// SPDX-License-Identifier: MIT
// train_record.c - which of a step's rollouts are kept for people, and what of them.
//
// Every cause among them is there, as far as record.rollouts reaches: places go round the causes,
// and each takes its next one, of groups that teach first, of another group each time. Nothing is
// drawn: the same step keeps the same ones.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/train_parts.h"

#define KINDS_MAX 32                      // causes told apart
#define TEXT_BYTES_MAX ((size_t)64 << 10) // of a prompt, an answer, a patch
#define TOKENS_MAX ((size_t)4096)
#define RECORD_ARENA_BYTES ((size_t)1 << 30)
#define TOKEN_BYTES_MAX ((size_t)64 << 10)

struct kind {
    const char *cause;
    bool truncated;
    size_t next; // candidate from which the next one is looked for
};

// The candidates of a step in the order in which they are taken.
struct candidates {
    struct candidate {
        const struct group *group;
        size_t group_number, sample, kind;
    } * items;
    size_t count;
    struct kind kinds[KINDS_MAX];
    size_t kind_count;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "record: out of memory");
}

// With no place left for another kind, the last one takes it in.
static size_t find_kind(struct candidates *c, const struct rollout *r)
{
    const char *cause = r->verdict.cause ? r->verdict.cause : "";

    for (size_t k = 0; k < c->kind_count; k++)
        if (strcmp(c->kinds[k].cause, cause) == 0 && c->kinds[k].truncated == r->truncated)
            return k;
    if (c->kind_count == KINDS_MAX)
        return KINDS_MAX - 1;
    c->kinds[c->kind_count] = (struct kind){.cause = cause, .truncated = r->truncated};
    return c->kind_count++;
}

static enum assay_status list_candidates(struct candidates *c, struct group *const *groups,
        size_t group_count, struct assay_arena *arena, struct assay_error *err)
{
    size_t total = 0, size_max = 0;

    for (size_t g = 0; g < group_count; g++) {
        total += groups[g]->size;
        size_max = groups[g]->size > size_max ? groups[g]->size : size_max;
    }
    c->items = assay_arena_array(arena, total, sizeof(*c->items));
    if (!c->items)
        return no_memory(err);
    for (int dead = 0; dead < 2; dead++) {
        for (size_t i = 0; i < size_max; i++) {
            for (size_t g = 0; g < group_count; g++) {
                const bool live = groups[g]->state == ASSAY_GROUP_LIVE && !groups[g]->unscored;

                if (i >= groups[g]->size || live == (dead != 0))
                    continue;
                c->items[c->count++] =
                        (struct candidate){groups[g], g, i, find_kind(c, &groups[g]->rollouts[i])};
            }
        }
    }
    return ASSAY_OK;
}

static enum assay_status keep_bytes(struct assay_bytes *out, struct assay_bytes bytes,
        struct assay_arena *arena, struct assay_error *err)
{
    const size_t len = bytes.len < TEXT_BYTES_MAX ? bytes.len : TEXT_BYTES_MAX;

    *out = (struct assay_bytes){NULL, len};
    if (len == 0)
        return ASSAY_OK;
    out->data = assay_arena_memdup(arena, bytes.data, len);
    return out->data ? ASSAY_OK : no_memory(err);
}

// Ids of the answer with their logp, and how many bytes of its text each is.
static enum assay_status keep_tokens(struct training *t, struct assay_training_rollout *out,
        const struct rollout *r, struct assay_error *err)
{
    const struct assay_trajectory *from = &r->trajectory;
    const size_t all = from->count - r->prompt_count;
    const size_t count = TOKENS_MAX < all ? TOKENS_MAX : all;
    const size_t end = r->finish == ASSAY_FINISH_STOP_ID ? 1 : 0; // which is no text
    struct assay_rollout_token *tokens = assay_arena_array(t->record_arena, count, sizeof(*tokens));
    struct assay_buf text;
    enum assay_status status = tokens ? ASSAY_OK : no_memory(err);

    assay_buf_init(&text, TOKEN_BYTES_MAX);
    // cppcheck-suppress knownConditionTrueFalse; it takes the smaller of two for 0
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const size_t at = r->prompt_count + i;

        tokens[i].id = from->ids[at];
        tokens[i].logp = (float)from->logp_old[at];
        tokens[i].newer = r->newer[at];
        if (i + end == all)
            continue;
        assay_buf_clear(&text);
        status = assay_tokenizer_decode(t->tokenizer, &text, &from->ids[at], 1, false, err);
        tokens[i].bytes = (uint32_t)text.len;
    }
    assay_buf_free(&text);
    out->token_count = all;
    out->tokens = tokens;
    out->tokens_kept = count;
    return status;
}

static enum assay_status keep_patch(struct training *t, struct assay_training_rollout *out,
        const struct group *g, const struct rollout *r, struct assay_error *err)
{
    const struct assay_train_answer answer = {&g->task, r->text};
    struct assay_bytes patch = {NULL, 0};
    enum assay_status status = ASSAY_OK;

    if (r->patch.data)
        patch = r->patch;
    else if (t->source->patch)
        status = t->source->patch(t->source->user, &patch, &answer, t->record_arena, err);
    return status == ASSAY_OK ? keep_bytes(&out->patch, patch, t->record_arena, err) : status;
}

static enum assay_status keep(struct training *t, const char *phase, uint32_t place,
        const struct candidate *c, struct assay_error *err)
{
    const struct rollout *r = &c->group->rollouts[c->sample];
    const struct assay_train_task *task = &c->group->task;
    struct assay_arena *arena = t->record_arena;
    struct assay_training_rollout *out = &t->rollouts[t->rollout_count];
    enum assay_status status;

    *out = (struct assay_training_rollout){.position = t->position,
            .phase = phase,
            .place = place,
            .group = (uint32_t)c->group_number,
            .version = r->version,
            .task = assay_arena_strdup(arena, task->id ? task->id : ""),
            .family = assay_arena_strdup(arena, task->family ? task->family : ""),
            .cause = assay_arena_strdup(arena, r->verdict.cause ? r->verdict.cause : ""),
            .reason = assay_arena_strdup(arena, r->verdict.reason),
            .finish = assay_finish_name(r->finish),
            .solved = r->verdict.scored && r->verdict.solved,
            .reward = r->verdict.scored ? r->reward : (double)NAN,
            .advantage = r->trained ? r->advantage : (double)NAN};
    if (!out->task || !out->family || !out->cause || !out->reason)
        return no_memory(err);
    status = keep_bytes(&out->prompt, task->prompt, arena, err);
    if (status == ASSAY_OK)
        status = keep_bytes(&out->answer, r->text, arena, err);
    if (status == ASSAY_OK)
        status = keep_patch(t, out, c->group, r, err);
    if (status == ASSAY_OK)
        status = keep_tokens(t, out, r, err);
    if (status == ASSAY_OK)
        t->rollout_count++;
    return status;
}

// The next candidate of a kind, or NULL.
static const struct candidate *take(struct candidates *c, size_t kind)
{
    struct kind *k = &c->kinds[kind];

    while (k->next < c->count) {
        const struct candidate *item = &c->items[k->next++];

        if (item->kind == kind)
            return item;
    }
    return NULL;
}

static enum assay_status begin_record(struct training *t, struct assay_error *err)
{
    enum assay_status status;

    if (t->record_arena)
        return ASSAY_OK;
    status = assay_arena_create(&t->record_arena, RECORD_ARENA_BYTES, err);
    if (status != ASSAY_OK)
        return status;
    // Of a step, and of each split that the evaluation behind it goes through.
    t->rollout_room = (1 + ASSAY_TRAIN_SPLITS) * (size_t)t->config->record_rollouts;
    t->rollouts = assay_arena_array(t->record_arena, t->rollout_room, sizeof(*t->rollouts));
    return t->rollouts ? ASSAY_OK : no_memory(err);
}

enum assay_status training_keep_rollouts(struct training *t, const char *phase,
        struct group *const *groups, size_t group_count, uint32_t *place, struct assay_error *err)
{
    const size_t wanted = (size_t)t->config->record_rollouts;
    struct assay_arena *arena = NULL;
    struct candidates c = {0};
    size_t kept = 0;
    bool more = true;
    enum assay_status status;

    if (wanted == 0 || group_count == 0 || t->ranks.rank > 0)
        return ASSAY_OK;
    status = begin_record(t, err);
    if (status == ASSAY_OK)
        status = assay_arena_create(&arena, RECORD_ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = list_candidates(&c, groups, group_count, arena, err);
    while (status == ASSAY_OK && more) {
        more = false;
        for (size_t k = 0; k < c.kind_count && kept < wanted && status == ASSAY_OK; k++) {
            const struct candidate *item = t->rollout_count < t->rollout_room ? take(&c, k) : NULL;

            if (!item)
                continue;
            status = keep(t, phase, (*place)++, item, err);
            kept++;
            more = true;
        }
    }
    assay_arena_destroy(arena);
    return status;
}

void training_forget_rollouts(struct training *t)
{
    assay_arena_destroy(t->record_arena);
    t->record_arena = NULL;
    t->rollouts = NULL;
    t->rollout_count = 0;
}
