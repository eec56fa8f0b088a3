// SPDX-License-Identifier: MIT
#include "orchestrator/train_histories.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define KEPT_MAX ((size_t)1 << 16)         // then it begins anew
#define SLOTS (2 * KEPT_MAX)               // a power of two
#define TEXTS_BYTES_MAX ((size_t)64 << 20) // likewise

struct kept {
    struct assay_history history; // "": free
    struct assay_bytes text;      // in the arena
    bool over;
};

struct assay_histories {
    struct kept *slots; // [SLOTS], open addressing
    size_t count, bytes;
    struct assay_arena *texts;
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "histories: out of memory");
}

// An arena grows by its texts and by what aligns them.
static enum assay_status begin(struct assay_histories *h, struct assay_error *err)
{
    assay_arena_destroy(h->texts);
    h->texts = NULL;
    h->count = h->bytes = 0;
    memset(h->slots, 0, SLOTS * sizeof(*h->slots));
    return assay_arena_create(&h->texts, 2 * TEXTS_BYTES_MAX, err);
}

enum assay_status assay_histories_create(struct assay_histories **out, struct assay_error *err)
{
    struct assay_histories *h = calloc(1, sizeof(*h));
    enum assay_status status;

    if (h)
        h->slots = malloc(SLOTS * sizeof(*h->slots));
    status = h && h->slots ? begin(h, err) : no_memory(err);
    if (status == ASSAY_OK)
        *out = h;
    else
        assay_histories_destroy(h);
    return status;
}

void assay_histories_destroy(struct assay_histories *histories)
{
    if (!histories)
        return;
    assay_arena_destroy(histories->texts);
    free(histories->slots);
    free(histories);
}

enum assay_status assay_history_add(struct assay_history *history, const char *what,
        struct assay_bytes message, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, history->key);
    assay_sha256_field_text(sha, what);
    assay_sha256_field(sha, message.data, message.len);
    assay_sha256_hex(sha, history->key);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

static struct kept *slot_of(const struct assay_histories *h, const struct assay_history *history)
{
    size_t at = (size_t)assay_hash64(history->key, strlen(history->key)) & (SLOTS - 1);

    while (h->slots[at].history.key[0] && strcmp(h->slots[at].history.key, history->key) != 0)
        at = (at + 1) & (SLOTS - 1);
    return &h->slots[at];
}

bool assay_histories_recall(const struct assay_histories *histories,
        const struct assay_history *history, struct assay_buf *text, bool *over)
{
    const struct kept *slot = slot_of(histories, history);

    if (!slot->history.key[0])
        return false;
    assay_buf_add(text, slot->text.data, slot->text.len);
    *over = slot->over;
    return true;
}

enum assay_status assay_histories_keep(struct assay_histories *histories,
        const struct assay_history *history, struct assay_bytes text, bool over,
        struct assay_error *err)
{
    struct kept *slot;
    char *copy;

    if (histories->count == KEPT_MAX || histories->bytes + text.len > TEXTS_BYTES_MAX) {
        const enum assay_status status = begin(histories, err);

        if (status != ASSAY_OK)
            return status;
    }
    copy = assay_arena_alloc(histories->texts, text.len + 1);
    if (!copy)
        return no_memory(err);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    slot = slot_of(histories, history);
    histories->count += !slot->history.key[0];
    histories->bytes += text.len;
    *slot = (struct kept){*history, {copy, text.len}, over};
    return ASSAY_OK;
}
