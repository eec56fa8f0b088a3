// SPDX-License-Identifier: MIT
// arena.h - memory with one life: many allocations, one free.
//
// Parse results and per-evaluation data live in an arena. Nothing is freed
// singly. An arena is not thread-safe.
#ifndef ASSAY_BASE_ARENA_H
#define ASSAY_BASE_ARENA_H

#include <stddef.h>

#include "base/error.h"

struct assay_arena; // opaque; owned by whoever called assay_arena_create()

// bytes_max > 0 bounds the sum of all allocations, each rounded up to the alignment.
// Errors: ASSAY_EINVAL (bytes_max is 0), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_arena_create(
        struct assay_arena **out, size_t bytes_max, struct assay_error *err);

// Zeroed memory, aligned for any type; NULL when the bound or memory runs out.
// size 0 returns a valid unique pointer.
void *assay_arena_alloc(struct assay_arena *arena, size_t size);

// count * size with overflow check; otherwise as assay_arena_alloc().
void *assay_arena_array(struct assay_arena *arena, size_t count, size_t size);

// NUL-terminated copies; NULL when memory runs out.
char *assay_arena_strdup(struct assay_arena *arena, const char *text);
char *assay_arena_memdup(struct assay_arena *arena, const void *bytes, size_t size); // adds a NUL
char *assay_arena_printf(struct assay_arena *arena, const char *fmt, ...) ASSAY_PRINTF(2, 3);

// The sum that bytes_max bounds.
size_t assay_arena_bytes(const struct assay_arena *arena);

// NULL is allowed.
void assay_arena_destroy(struct assay_arena *arena);

#endif
