// SPDX-License-Identifier: MIT
// cpu_attention.h - a tile of queries and the blocks of keys it meets; shared by forward and
// backward.
//
// A tile is `tokens` consecutive tokens of one span with all query heads of one key-value head: row
// t * share + h of a tile. Its keys are taken in blocks of ASSAY_ATTENTION_BLOCK from position 0.
#ifndef ASSAY_KERNELS_CPU_ATTENTION_H
#define ASSAY_KERNELS_CPU_ATTENTION_H

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

// The block at position `key` of k or v: keys are rows, args->G * args->D elements apart.
static inline const float *cpu_tile_block(const struct cpu_tile *tile, const void *rows, size_t key)
{
    const struct assay_attention_args *args = tile->args;
    size_t row = tile->span->row + key;

    if (args->pages != NULL)
        row = (size_t)args->pages[tile->span->slot * args->pages_per_slot + key / KEYS] * KEYS;
    return (const float *)rows + (row * args->G + tile->group) * args->D;
}

static inline size_t cpu_tile_tokens(const struct assay_attention_args *args)
{
    const size_t share = args->H / args->G;

    return share < TILE_ROWS ? TILE_ROWS / share : 1;
}

#endif
