// SPDX-License-Identifier: MIT
// cpu_attention.h - a tile of queries and the blocks of keys it meets; shared by forward and
// backward.
//
// A tile is `tokens` consecutive tokens of one span with all query heads of one key-value head: row
// t * share + h of a tile. Its keys are taken in blocks of ASSAY_ATTENTION_BLOCK from position 0.
#ifndef ASSAY_KERNELS_CPU_ATTENTION_H
#define ASSAY_KERNELS_CPU_ATTENTION_H

#include <string.h>

#include "kernels/cpu.h"

enum {
    TILE_ROWS = 128, // as many tokens as fit, at least one
    KEYS = ASSAY_ATTENTION_BLOCK,
};

struct cpu_tile {
    const struct assay_attention_args *args;
    const struct assay_span *span;
    size_t group, share;        // key-value head; query heads to it
    size_t first, tokens, rows; // first: place in the span; rows = tokens * share
};

// Element (row of the span, head of the group) in a [T, H, D] tensor.
static inline size_t cpu_tile_row(const struct cpu_tile *tile, size_t row)
{
    const size_t token = tile->span->row + tile->first + row / tile->share;

    return (token * tile->args->H + tile->group * tile->share + row % tile->share) * tile->args->D;
}

// How many of the block's keys row may see; the block begins at position `key`.
static inline size_t cpu_tile_keys(const struct cpu_tile *tile, size_t row, size_t key)
{
    const size_t end = tile->span->position + tile->first + row / tile->share + 1;

    if (end <= key)
        return 0;
    return end - key < KEYS ? end - key : KEYS;
}

// Positions [0, end) are seen by some row.
static inline size_t cpu_tile_end(const struct cpu_tile *tile)
{
    return tile->span->position + tile->first + tile->tokens;
}

// Keys of a block that lie one after another.
struct cpu_run {
    size_t row, count;
};

// The run that begins at position `key`, up to position `end`: a block of keys may begin in a
// parent and end in its child.
static inline struct cpu_run cpu_tile_run(const struct cpu_tile *tile, size_t key, size_t end)
{
    const struct assay_attention_args *args = tile->args;
    const struct assay_span *span;
    size_t span_end;

    if (args->pages != NULL)
        return (struct cpu_run){
                (size_t)args->pages[tile->span->slot * args->pages_per_slot + key / KEYS] * KEYS,
                end - key};
    span = assay_span_of(tile->span, key);
    span_end = (size_t)span->position + span->row_count;
    return (struct cpu_run){
            span->row + (key - span->position), (span_end < end ? span_end : end) - key};
}

static inline size_t cpu_tile_at(const struct cpu_tile *tile, size_t row)
{
    return (row * tile->args->G + tile->group) * tile->args->D;
}

// Keys or values of a block: `at`, row after row, `stride` elements apart.
struct cpu_block {
    const float *at;
    size_t stride;
};

// `count` rows of k or v from position `key` on; brought together in room [KEYS][D] if they must.
static inline struct cpu_block cpu_tile_block(
        const struct cpu_tile *tile, const void *rows, size_t key, size_t count, float *room)
{
    const size_t stride = tile->args->G * tile->args->D, D = tile->args->D, end = key + count;
    struct cpu_run run = cpu_tile_run(tile, key, end);

    if (run.count == count)
        return (struct cpu_block){(const float *)rows + cpu_tile_at(tile, run.row), stride};
    for (size_t p = key; p < end; p += run.count) {
        run = cpu_tile_run(tile, p, end);
        for (size_t i = 0; i < run.count; i++)
            memcpy(room + (p - key + i) * D, (const float *)rows + cpu_tile_at(tile, run.row + i),
                    D * sizeof(float));
    }
    return (struct cpu_block){room, D};
}

static inline size_t cpu_tile_tokens(const struct assay_attention_args *args)
{
    const size_t share = args->H / args->G;

    return share < TILE_ROWS ? TILE_ROWS / share : 1;
}

#endif
