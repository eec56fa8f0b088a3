// SPDX-License-Identifier: MIT
// vocabulary.c - the tables of a vocabulary. Merging is in word.c.
#include "policy/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"

bool assay_ids_add(struct assay_ids *ids, int32_t id)
{
    if (ids->count == ids->capacity) {
        const size_t capacity = ids->capacity ? ids->capacity * 2 : 64;
        int32_t *items = realloc(ids->items, capacity * sizeof(*items));

        if (!items)
            return false;
        ids->items = items;
        ids->capacity = capacity;
    }
    ids->items[ids->count++] = id;
    return true;
}

enum assay_status assay_vocabulary_create(struct assay_vocabulary *out, uint32_t count,
        struct assay_arena *arena, struct assay_error *err)
{
    size_t slot_count = 64;

    if (count == 0 || count > ASSAY_VOCABULARY_IDS_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "%u ids: not 1 to %u", count, ASSAY_VOCABULARY_IDS_MAX);
    while (slot_count < (size_t)count * 2)
        slot_count *= 2;
    *out = (struct assay_vocabulary){.arena = arena, .count = count, .slot_count = slot_count};
    out->tokens = assay_arena_array(arena, count, sizeof(*out->tokens));
    out->slots = assay_arena_array(arena, slot_count, sizeof(*out->slots));
    if (!out->tokens || !out->slots)
        return assay_fail(err, ASSAY_ENOMEM, "vocabulary: out of memory");
    return ASSAY_OK;
}

void assay_vocabulary_release(struct assay_vocabulary *vocabulary)
{
    assay_map64_free(&vocabulary->merges);
}

// The slot where a token of these bytes is, or would be.
static uint32_t *slot_of(const struct assay_vocabulary *v, const char *bytes, size_t len)
{
    size_t slot = (size_t)assay_hash64(bytes, len) & (v->slot_count - 1);

    while (v->slots[slot]) {
        const struct assay_token *token = &v->tokens[v->slots[slot] - 1];

        if (token->len == len && memcmp(token->bytes, bytes, len) == 0)
            break;
        slot = (slot + 1) & (v->slot_count - 1);
    }
    return &v->slots[slot];
}

int64_t assay_vocabulary_find(const struct assay_vocabulary *v, const char *bytes, size_t len)
{
    return (int64_t)*slot_of(v, bytes, len) - 1;
}

enum assay_status assay_vocabulary_add(struct assay_vocabulary *v, uint32_t id, const char *bytes,
        size_t len, bool findable, struct assay_error *err)
{
    uint32_t *slot;

    if (id >= v->count)
        return assay_fail(err, ASSAY_EINVAL, "id %u is not below %u", id, v->count);
    if (v->tokens[id].bytes)
        return assay_fail(err, ASSAY_EINVAL, "id %u stands for two tokens", id);
    if (len == 0 || len > ASSAY_TOKEN_BYTES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "id %u: a token of %zu bytes", id, len);
    slot = findable ? slot_of(v, bytes, len) : NULL;
    if (slot && *slot)
        return assay_fail(
                err, ASSAY_EINVAL, "ids %u and %u stand for the same bytes", *slot - 1, id);
    v->tokens[id].bytes = assay_arena_memdup(v->arena, bytes, len);
    if (!v->tokens[id].bytes)
        return assay_fail(err, ASSAY_ENOMEM, "vocabulary: out of memory");
    v->tokens[id].len = (uint32_t)len;
    if (slot)
        *slot = id + 1;
    return ASSAY_OK;
}

enum assay_status assay_vocabulary_merge(struct assay_vocabulary *v, const char *left,
        size_t left_len, const char *right, size_t right_len, uint32_t rank,
        struct assay_error *err)
{
    const int64_t a = assay_vocabulary_find(v, left, left_len);
    const int64_t b = assay_vocabulary_find(v, right, right_len);
    char *both;
    int64_t id;

    if (a < 0 || b < 0)
        return assay_fail(err, ASSAY_EINVAL, "merge %u: its %s part is no token", rank,
                a < 0 ? "left" : "right");
    both = malloc(left_len + right_len);
    if (!both)
        return assay_fail(err, ASSAY_ENOMEM, "vocabulary: out of memory");
    memcpy(both, left, left_len);
    memcpy(both + left_len, right, right_len);
    id = assay_vocabulary_find(v, both, left_len + right_len);
    free(both);
    if (id < 0)
        return assay_fail(err, ASSAY_EINVAL, "merge %u makes no token", rank);
    // A pair that is listed twice has its last rank, as in HF tokenizers.
    if (!assay_map64_put(
                &v->merges, (uint64_t)a << 32 | (uint64_t)b, (uint64_t)rank << 32 | (uint64_t)id))
        return assay_fail(err, ASSAY_ENOMEM, "vocabulary: out of memory");
    return ASSAY_OK;
}

enum assay_status assay_vocabulary_finish(struct assay_vocabulary *v, struct assay_error *err)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        const char c = (char)byte;
        const int64_t id = assay_vocabulary_find(v, &c, 1);

        if (id < 0)
            return assay_fail(err, ASSAY_EINVAL, "no token stands for byte 0x%02x", byte);
        v->bytes[byte] = (uint32_t)id;
    }
    return ASSAY_OK;
}

// --- the alphabet --------------------------------------------------------------------------------

bool assay_byte_is_itself(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

// The bytes that are not themselves, in order: 0x00-0x20, 0x7f-0xa0, 0xad.
static unsigned rank_of(unsigned byte)
{
    if (byte <= 0x20)
        return byte;
    return byte == 0xad ? 67 : byte - 0x7f + 33;
}

static int byte_at_rank(unsigned rank)
{
    if (rank < 33)
        return (int)rank;
    return rank < 67 ? (int)(rank - 33 + 0x7f) : rank == 67 ? 0xad : -1;
}

void assay_byte_spell(struct assay_buf *buf, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned byte = (unsigned char)bytes[i];
        const unsigned code = assay_byte_is_itself(byte) ? byte : 0x100 + rank_of(byte);

        if (code >= 0x80)
            (void)assay_buf_addc(buf, (char)(0xc0 | code >> 6));
        (void)assay_buf_addc(buf, (char)(code < 0x80 ? code : 0x80 | (code & 0x3f)));
    }
}

bool assay_byte_unspell(struct assay_buf *buf, const char *text, size_t len)
{
    const size_t before = buf->len;

    for (size_t i = 0; i < len;) {
        const size_t n = assay_utf8_length(text + i, len - i);
        unsigned code = (unsigned char)text[i];
        int byte = -1;

        if (n == 2)
            code = (code & 0x1f) << 6 | ((unsigned char)text[i + 1] & 0x3f);
        if (n == 1 || n == 2)
            byte = code >= 0x100                 ? byte_at_rank(code - 0x100)
                    : assay_byte_is_itself(code) ? (int)code
                                                 : -1;
        if (byte < 0 || !assay_buf_addc(buf, (char)byte)) {
            assay_buf_truncate(buf, before);
            return false;
        }
        i += n;
    }
    return true;
}
