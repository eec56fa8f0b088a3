// SPDX-License-Identifier: MIT
#include "orchestrator/train_group.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "kernels/collective.h"

#define FILE_BYTES_MAX ((size_t)1 << 30)
#define COUNTS_MAX 16
#define CAUSE_BYTES 32

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "ranks: out of memory");
}

// --- from rank 0 ---------------------------------------------------------------------------------

enum assay_status training_tell(
        struct training *t, void *bytes, size_t size, struct assay_error *err)
{
    uint64_t bounds[ASSAY_RANKS_MAX + 1] = {0}; // all of it is rank 0's

    if (!t->collective)
        return ASSAY_OK;
    for (uint32_t r = 1; r <= t->ranks.world; r++)
        bounds[r] = size;
    return assay_collective_gather(t->collective, bytes, bounds, err);
}

enum assay_status training_tell_text(
        struct training *t, const char **out, const char *text, struct assay_error *err)
{
    uint64_t size = t->ranks.rank == 0 ? strlen(text) + 1 : 0;
    char *copy = NULL;
    enum assay_status status = training_tell(t, &size, sizeof(size), err);

    if (status != ASSAY_OK)
        return status;
    copy = size > 0 && size <= FILE_BYTES_MAX ? assay_arena_alloc(t->arena, (size_t)size) : NULL;
    if (!copy)
        return no_memory(err);
    if (t->ranks.rank == 0)
        memcpy(copy, text, (size_t)size);
    status = training_tell(t, copy, (size_t)size, err);
    copy[size - 1] = 0;
    if (status == ASSAY_OK)
        *out = copy;
    return status;
}

enum assay_status training_tell_file(struct training *t, const char *path, struct assay_error *err)
{
    const char *text = NULL;
    struct assay_buf file;
    enum assay_status status = ASSAY_OK;

    if (!t->collective)
        return ASSAY_OK;
    assay_buf_init(&file, FILE_BYTES_MAX);
    if (t->ranks.rank == 0)
        status = assay_fs_read_file(&file, path, err);
    if (status == ASSAY_OK)
        status = training_tell_text(t, &text, file.data, err);
    if (status == ASSAY_OK && t->ranks.rank > 0)
        status = assay_fs_replace_file(path, text, strlen(text), 0644, err);
    assay_buf_free(&file);
    return status;
}

// --- between all ---------------------------------------------------------------------------------

enum assay_status training_compare(
        struct training *t, const char identity[65], struct assay_error *err)
{
    char all[ASSAY_RANKS_MAX][65];
    enum assay_status status = ASSAY_OK;

    if (!t->collective)
        return ASSAY_OK;
    status = assay_collective_share(t->collective, all, identity, sizeof(all[0]), err);
    for (uint32_t r = 1; r < t->ranks.world && status == ASSAY_OK; r++)
        if (memcmp(all[r], all[0], sizeof(all[0])) != 0)
            status = assay_fail(err, ASSAY_EINVAL,
                    "rank %u of %u has other settings, tasks or another version than rank 0: all "
                    "ranks train the same",
                    r, t->ranks.world);
    return status;
}

enum assay_status training_sum_counts(
        struct training *t, uint64_t *values, size_t count, size_t maxima, struct assay_error *err)
{
    uint64_t all[ASSAY_RANKS_MAX * COUNTS_MAX];
    enum assay_status status;

    if (!t->collective)
        return ASSAY_OK;
    if (count > COUNTS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%zu counts of ranks", count);
    status = assay_collective_share(t->collective, all, values, count * sizeof(*values), err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        values[i] = 0;
        for (uint32_t r = 0; r < t->ranks.world; r++) {
            const uint64_t value = all[r * count + i];

            if (i < maxima)
                values[i] += value;
            else if (value > values[i])
                values[i] = value;
        }
    }
    return status;
}

enum assay_status training_ask_all(struct training *t, bool *any, struct assay_error *err)
{
    uint64_t count = *any;
    enum assay_status status = training_sum_counts(t, &count, 1, 1, err);

    if (status == ASSAY_OK)
        *any = count > 0;
    return status;
}

// --- rollouts ------------------------------------------------------------------------------------

// A rollout on its way, before its ids, mask, newer, logp, text and patch.
struct sent {
    uint64_t version, count, prompt_count, answer_tokens, text_bytes, patch_bytes;
    double reward, verdict;
    uint32_t finish, fault;
    uint8_t truncated, scored, solved, has_patch;
    char cause[CAUSE_BYTES], reason[ASSAY_TRAIN_REASON_BYTES];
};

static void send_rollout(struct assay_buf *out, const struct rollout *r)
{
    const struct assay_trajectory *from = &r->trajectory;
    struct sent s = {.version = r->version,
            .count = from->count,
            .prompt_count = r->prompt_count,
            .answer_tokens = r->answer_tokens,
            .text_bytes = r->text.len,
            .patch_bytes = r->patch.len,
            .reward = r->reward,
            .verdict = r->verdict.reward,
            .finish = (uint32_t)r->finish,
            .fault = (uint32_t)r->verdict.fault,
            .truncated = r->truncated,
            .scored = r->verdict.scored,
            .solved = r->verdict.solved,
            .has_patch = r->patch.data != NULL};

    if (r->verdict.cause)
        (void)strncat(s.cause, r->verdict.cause, sizeof(s.cause) - 1);
    memcpy(s.reason, r->verdict.reason, sizeof(s.reason));
    (void)assay_buf_add(out, &s, sizeof(s));
    (void)assay_buf_add(out, from->ids, from->count * sizeof(*from->ids));
    (void)assay_buf_add(out, from->mask, from->count);
    (void)assay_buf_add(out, r->newer, from->count);
    (void)assay_buf_add(out, from->logp_old, from->count * sizeof(*from->logp_old));
    (void)assay_buf_add(out, r->text.data, r->text.len);
    (void)assay_buf_add(out, r->patch.data, r->patch.len);
}

// What is left of what a rank has sent.
struct received {
    const char *at;
    size_t left;
    struct assay_arena *arena;
};

// A copy of the next bytes, aligned; NULL: there are not so many.
static void *take(struct received *in, uint64_t bytes)
{
    void *copy = NULL;

    if (bytes > in->left)
        return NULL;
    copy = assay_arena_memdup(in->arena, in->at, (size_t)bytes);
    in->at += bytes;
    in->left -= (size_t)bytes;
    return copy;
}

static bool receive_rollout(struct rollout *out, struct received *in, uint32_t group)
{
    const struct sent *s = take(in, sizeof(*s));
    struct rollout r = {0};
    int32_t *ids;
    uint8_t *mask;
    double *logp;

    if (!s || s->count > in->left)
        return false;
    ids = take(in, s->count * sizeof(*ids));
    mask = take(in, s->count);
    r.newer = take(in, s->count);
    logp = take(in, s->count * sizeof(*logp));
    r.text = (struct assay_bytes){take(in, s->text_bytes), (size_t)s->text_bytes};
    r.patch = (struct assay_bytes){take(in, s->patch_bytes), (size_t)s->patch_bytes};
    if (!ids || !mask || !r.newer || !logp || !r.text.data || !r.patch.data)
        return false;
    if (!s->has_patch)
        r.patch.data = NULL;
    r.trajectory = (struct assay_trajectory){
            .ids = ids, .mask = mask, .logp_old = logp, .count = (size_t)s->count, .group = group};
    r.version = s->version;
    r.prompt_count = (size_t)s->prompt_count;
    r.answer_tokens = (size_t)s->answer_tokens;
    r.finish = (enum assay_finish)s->finish;
    r.truncated = s->truncated != 0;
    r.reward = s->reward;
    r.verdict = (struct assay_train_reward){.reward = s->verdict,
            .cause = s->cause,
            .fault = (enum assay_train_fault)s->fault,
            .scored = s->scored != 0,
            .solved = s->solved != 0};
    memcpy(r.verdict.reason, s->reason, sizeof(r.verdict.reason));
    *out = r;
    return true;
}

static enum assay_status receive_groups(struct training *t, uint32_t rank, struct group *groups,
        size_t count, struct received *in, struct assay_error *err)
{
    for (size_t g = rank; g < count; g += t->ranks.world) {
        groups[g].rollouts = assay_arena_array(in->arena, groups[g].size, sizeof(struct rollout));
        if (!groups[g].rollouts)
            return no_memory(err);
        for (size_t i = 0; i < groups[g].size; i++) {
            if (!receive_rollout(&groups[g].rollouts[i], in, (uint32_t)g))
                return assay_fail(err, ASSAY_EIO, "what rank %u has sent are no rollouts", rank);
            groups[g].unscored |= !groups[g].rollouts[i].verdict.scored;
        }
    }
    return ASSAY_OK;
}

enum assay_status training_exchange(struct training *t, struct group *groups, size_t count,
        struct assay_arena *arena, struct assay_error *err)
{
    uint64_t sizes[ASSAY_RANKS_MAX], bounds[ASSAY_RANKS_MAX + 1] = {0};
    struct assay_buf mine;
    uint64_t size = 0;
    char *all = NULL;
    enum assay_status status = ASSAY_OK;

    if (!t->collective)
        return ASSAY_OK;
    assay_buf_init(&mine, ASSAY_STEP_ARENA_BYTES / 4);
    for (size_t g = t->ranks.rank; g < count; g += t->ranks.world)
        for (size_t i = 0; i < groups[g].size; i++)
            send_rollout(&mine, &groups[g].rollouts[i]);
    status = assay_buf_check(&mine, "rollouts of a rank", err);
    size = mine.len;
    if (status == ASSAY_OK)
        status = assay_collective_share(t->collective, sizes, &size, sizeof(size), err);
    for (uint32_t r = 0; r < t->ranks.world && status == ASSAY_OK; r++)
        bounds[r + 1] = bounds[r] + sizes[r];
    if (status == ASSAY_OK) {
        all = assay_arena_alloc(arena, (size_t)bounds[t->ranks.world]);
        status = all ? ASSAY_OK : no_memory(err);
    }
    if (status == ASSAY_OK) {
        memcpy(all + bounds[t->ranks.rank], mine.data, mine.len);
        status = assay_collective_gather(t->collective, all, bounds, err);
    }
    assay_buf_free(&mine);
    for (uint32_t r = 0; r < t->ranks.world && status == ASSAY_OK; r++) {
        struct received in = {all + bounds[r], (size_t)(bounds[r + 1] - bounds[r]), arena};

        if (r != t->ranks.rank)
            status = receive_groups(t, r, groups, count, &in, err);
    }
    return status;
}
