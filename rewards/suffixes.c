// SPDX-License-Identifier: MIT
// suffixes.c - prefix doubling with counting sorts (Manber and Myers), agreement by Kasai's walk,
// least agreement over a run of ranks from a table of powers of two.
#include "rewards/suffixes.h"

#include <stdbool.h>
#include <string.h>

#define DIGIT_BITS 11
#define DIGITS (1u << DIGIT_BITS)

// What one sort needs beside its result; all [count].
struct sorting {
    const uint32_t *items;
    uint32_t count;
    uint32_t *at, *rank, *next, *counts;
};

// One stable pass over the digit at `shift` of each suffix's first item.
static void pass_by_digit(struct sorting *s, unsigned shift)
{
    uint32_t sum = 0;

    memset(s->counts, 0, DIGITS * sizeof(*s->counts));
    for (uint32_t i = 0; i < s->count; i++)
        s->counts[s->items[i] >> shift & (DIGITS - 1)]++;
    for (uint32_t d = 0; d < DIGITS; d++) {
        const uint32_t here = s->counts[d];

        s->counts[d] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < s->count; i++) {
        const uint32_t p = s->at[i];

        s->next[s->counts[s->items[p] >> shift & (DIGITS - 1)]++] = p;
    }
    memcpy(s->at, s->next, s->count * sizeof(*s->at));
}

// Order by the first item; the number of different ranks.
static uint32_t sort_first(struct sorting *s)
{
    uint32_t any = 0, ranks = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        any |= s->items[i];
        s->at[i] = i;
    }
    for (unsigned shift = 0; shift < 32 && any >> shift; shift += DIGIT_BITS)
        pass_by_digit(s, shift);
    for (uint32_t i = 0; i < s->count; i++) {
        if (i > 0 && s->items[s->at[i]] != s->items[s->at[i - 1]])
            ranks++;
        s->rank[s->at[i]] = ranks;
    }
    return ranks + 1;
}

// From an order by the first `step` items to one by the first 2 * step.
static uint32_t double_step(struct sorting *s, uint32_t step, uint32_t ranks)
{
    uint32_t filled = 0, sum = 0;

    // By the second half: those without one come first, the others as their halves are ordered.
    for (uint32_t p = s->count - step; p < s->count; p++)
        s->next[filled++] = p;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->at[i] >= step)
            s->next[filled++] = s->at[i] - step;
    }
    memset(s->counts, 0, ranks * sizeof(*s->counts));
    for (uint32_t p = 0; p < s->count; p++)
        s->counts[s->rank[p]]++;
    for (uint32_t r = 0; r < ranks; r++) {
        const uint32_t here = s->counts[r];

        s->counts[r] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < s->count; i++)
        s->at[s->counts[s->rank[s->next[i]]]++] = s->next[i];
    ranks = 0;
    s->next[s->at[0]] = 0;
    for (uint32_t i = 1; i < s->count; i++) {
        const uint32_t p = s->at[i - 1], q = s->at[i];
        const bool same = s->rank[p] == s->rank[q] && p + step < s->count && q + step < s->count &&
                s->rank[p + step] == s->rank[q + step];

        ranks += !same;
        s->next[q] = ranks;
    }
    memcpy(s->rank, s->next, s->count * sizeof(*s->rank));
    return ranks + 1;
}

// common[0][r]: agreement of ranks r and r + 1; the last is 0.
static void fill_common(struct suffixes *out, const struct sorting *s)
{
    uint32_t agree = 0;

    for (uint32_t p = 0; p < s->count; p++) {
        const uint32_t rank = s->rank[p];
        uint32_t other;

        if (rank + 1 == s->count) {
            out->common[0][rank] = agree = 0;
            continue;
        }
        other = s->at[rank + 1];
        while (p + agree < s->count && other + agree < s->count &&
                s->items[p + agree] == s->items[other + agree])
            agree++;
        out->common[0][rank] = agree;
        agree -= agree > 0;
    }
    for (unsigned k = 1; k < SUFFIXES_LEVELS && out->common[k]; k++) {
        const uint32_t half = 1u << (k - 1);

        for (uint32_t r = 0; r + 2 * half <= s->count; r++) {
            const uint32_t a = out->common[k - 1][r], b = out->common[k - 1][r + half];

            out->common[k][r] = a < b ? a : b;
        }
    }
}

enum assay_status suffixes_sort(struct suffixes *out, const uint32_t *items, size_t count,
        struct assay_arena *arena, struct assay_error *err)
{
    struct sorting s = {.items = items, .count = (uint32_t)count};
    uint32_t ranks;

    memset(out, 0, sizeof(*out));
    if (count == 0 || count >> SUFFIXES_LEVELS)
        return count ? assay_fail(err, ASSAY_ENOMEM, "too long to sort") : ASSAY_OK;
    s.at = assay_arena_array(arena, count, sizeof(*s.at));
    s.rank = assay_arena_array(arena, count, sizeof(*s.rank));
    s.next = assay_arena_array(arena, count, sizeof(*s.next));
    s.counts = assay_arena_array(arena, count > DIGITS ? count : DIGITS, sizeof(*s.counts));
    if (!s.at || !s.rank || !s.next || !s.counts)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (unsigned k = 0; k < SUFFIXES_LEVELS && (k == 0 || count >> k); k++) {
        out->common[k] = assay_arena_array(arena, count, sizeof(**out->common));
        if (!out->common[k])
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    ranks = sort_first(&s);
    for (uint32_t step = 1; ranks < s.count && step < s.count; step *= 2)
        ranks = double_step(&s, step, ranks);
    out->at = s.at;
    out->count = s.count;
    fill_common(out, &s);
    return ASSAY_OK;
}

uint32_t suffixes_common(const struct suffixes *suffixes, uint32_t left, uint32_t right)
{
    const uint32_t width = right - left;
    const unsigned k = 31u - (unsigned)__builtin_clz(width);
    const uint32_t a = suffixes->common[k][left];
    const uint32_t b = suffixes->common[k][right - (1u << k)];

    return a < b ? a : b;
}
