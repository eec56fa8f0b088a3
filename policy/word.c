// SPDX-License-Identifier: MIT
// word.c - merging one word: a linked list of symbols, and a heap of the pairs that have a rank.
//
// A pair in the heap goes stale when one of its symbols merges with another neighbour; it is
// recognised by the ids that it was made of and dropped when it comes up.
#include <stdlib.h>

#include "policy/vocabulary.h"

struct assay_word_symbol {
    uint32_t id;
    uint32_t prev, next; // NONE at the ends; `next` is DEAD when merged into its left neighbour
};
struct assay_word_pair {
    uint32_t rank, place; // of the left symbol
    uint32_t left, right, id;
};

#define NONE UINT32_MAX
#define DEAD (UINT32_MAX - 1)

void assay_word_scratch_free(struct assay_word_scratch *scratch)
{
    free(scratch->symbols);
    free(scratch->heap);
    *scratch = (struct assay_word_scratch){0};
}

static bool before(const struct assay_word_pair *a, const struct assay_word_pair *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->place < b->place;
}

static void heap_push(struct assay_word_pair *heap, size_t *count, struct assay_word_pair pair)
{
    size_t at = (*count)++;

    while (at > 0 && before(&pair, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = pair;
}

static struct assay_word_pair heap_pop(struct assay_word_pair *heap, size_t *count)
{
    const struct assay_word_pair top = heap[0];
    const struct assay_word_pair last = heap[--*count];
    size_t at = 0;

    for (;;) {
        size_t child = at * 2 + 1;

        if (child >= *count)
            break;
        if (child + 1 < *count && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

// Each merge pushes at most two pairs, so 3 n is room for all that can ever be pushed.
static bool reserve(struct assay_word_scratch *s, size_t len)
{
    if (s->symbol_capacity < len) {
        struct assay_word_symbol *symbols = realloc(s->symbols, len * 2 * sizeof(*symbols));

        if (!symbols)
            return false;
        s->symbols = symbols;
        s->symbol_capacity = len * 2;
    }
    if (s->heap_capacity < len * 3) {
        struct assay_word_pair *heap = realloc(s->heap, len * 6 * sizeof(*heap));

        if (!heap)
            return false;
        s->heap = heap;
        s->heap_capacity = len * 6;
    }
    return true;
}

static void consider(const struct assay_vocabulary *v, struct assay_word_scratch *s,
        size_t *heap_count, uint32_t place)
{
    const struct assay_word_symbol *symbol = &s->symbols[place];
    uint32_t right;
    const uint64_t *found;

    if (symbol->next == NONE)
        return;
    right = s->symbols[symbol->next].id;
    found = assay_map64_find(&v->merges, (uint64_t)symbol->id << 32 | right);
    if (found)
        heap_push(s->heap, heap_count,
                (struct assay_word_pair){.rank = (uint32_t)(*found >> 32),
                        .place = place,
                        .left = symbol->id,
                        .right = right,
                        .id = (uint32_t)*found});
}

static void merge_all(
        const struct assay_vocabulary *v, struct assay_word_scratch *s, size_t *heap_count)
{
    while (*heap_count > 0) {
        const struct assay_word_pair pair = heap_pop(s->heap, heap_count);
        struct assay_word_symbol *left = &s->symbols[pair.place];
        struct assay_word_symbol *right;

        if (left->next >= DEAD || left->id != pair.left || s->symbols[left->next].id != pair.right)
            continue;
        right = &s->symbols[left->next];
        left->id = pair.id;
        left->next = right->next;
        right->next = DEAD;
        if (left->next != NONE)
            s->symbols[left->next].prev = pair.place;
        if (left->prev != NONE)
            consider(v, s, heap_count, left->prev);
        consider(v, s, heap_count, pair.place);
    }
}

enum assay_status assay_vocabulary_word(const struct assay_vocabulary *v, struct assay_ids *ids,
        const char *bytes, size_t len, struct assay_word_scratch *s, struct assay_error *err)
{
    size_t heap_count = 0;

    if (v->ignore_merges && len > 0) {
        const int64_t id = assay_vocabulary_find(v, bytes, len);

        if (id >= 0)
            return assay_ids_add(ids, (int32_t)id)
                    ? ASSAY_OK
                    : assay_fail(err, ASSAY_ENOMEM, "ids: out of memory");
    }
    if (len >= DEAD / 8 || !reserve(s, len))
        return assay_fail(err, ASSAY_ENOMEM, "a word of %zu bytes: out of memory", len);
    for (size_t i = 0; i < len; i++)
        s->symbols[i] = (struct assay_word_symbol){.id = v->bytes[(unsigned char)bytes[i]],
                .prev = i > 0 ? (uint32_t)i - 1 : NONE,
                .next = i + 1 < len ? (uint32_t)i + 1 : NONE};
    for (size_t i = 0; i + 1 < len; i++)
        consider(v, s, &heap_count, (uint32_t)i);
    merge_all(v, s, &heap_count);
    for (uint32_t at = 0; len > 0 && at != NONE; at = s->symbols[at].next)
        if (!assay_ids_add(ids, (int32_t)s->symbols[at].id))
            return assay_fail(err, ASSAY_ENOMEM, "ids: out of memory");
    return ASSAY_OK;
}
