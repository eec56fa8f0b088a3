// SPDX-License-Identifier: MIT
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES_MIN = 4 * 1024, CHUNK_BYTES_MAX = 64 * 1024 };

struct chunk {
    struct chunk *next;
    size_t used;
    size_t cap;
    _Alignas(max_align_t) unsigned char bytes[];
};

struct assay_arena {
    struct chunk *chunks; // the newest first; only it is filled
    size_t bytes;
    size_t bytes_max;
};

enum assay_status assay_arena_create(
        struct assay_arena **out, size_t bytes_max, struct assay_error *err)
{
    struct assay_arena *arena = NULL;

    if (bytes_max == 0)
        return assay_fail(err, ASSAY_EINVAL, "an arena needs a bound above 0");
    arena = calloc(1, sizeof(*arena));
    if (arena == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for an arena");
    arena->bytes_max = bytes_max;
    *out = arena;
    return ASSAY_OK;
}

static struct chunk *chunk_add(struct assay_arena *arena, size_t size)
{
    // Each twice as large as the one before: what is small, as the plan of each box, touches a
    // page.
    size_t cap = arena->chunks == NULL ? CHUNK_BYTES_MIN : arena->chunks->cap * 2;
    struct chunk *chunk = NULL;

    cap = cap > CHUNK_BYTES_MAX ? CHUNK_BYTES_MAX : cap;
    cap = cap < size ? size : cap;
    chunk = calloc(1, sizeof(*chunk) + cap);
    if (chunk == NULL)
        return NULL;
    chunk->cap = cap;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *assay_arena_alloc(struct assay_arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    struct chunk *chunk = arena->chunks;
    void *bytes = NULL;

    if (size > arena->bytes_max)
        return NULL;
    size = size == 0 ? align : (size + align - 1) / align * align;
    if (size > arena->bytes_max - arena->bytes)
        return NULL;
    if (chunk == NULL || size > chunk->cap - chunk->used)
        chunk = chunk_add(arena, size);
    if (chunk == NULL)
        return NULL;
    bytes = chunk->bytes + chunk->used;
    chunk->used += size;
    arena->bytes += size;
    return bytes;
}

void *assay_arena_array(struct assay_arena *arena, size_t count, size_t size)
{
    size_t total = 0;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return assay_arena_alloc(arena, total);
}

char *assay_arena_memdup(struct assay_arena *arena, const void *bytes, size_t size)
{
    char *copy = size < SIZE_MAX ? assay_arena_alloc(arena, size + 1) : NULL;

    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *assay_arena_strdup(struct assay_arena *arena, const char *text)
{
    return assay_arena_memdup(arena, text, strlen(text));
}

char *assay_arena_printf(struct assay_arena *arena, const char *fmt, ...)
{
    va_list args;
    va_list again;
    char *text = NULL;
    int len = 0;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    if (len >= 0)
        text = assay_arena_alloc(arena, (size_t)len + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}

size_t assay_arena_bytes(const struct assay_arena *arena)
{
    return arena->bytes;
}

void assay_arena_destroy(struct assay_arena *arena)
{
    if (arena == NULL)
        return;
    while (arena->chunks != NULL) {
        struct chunk *next = arena->chunks->next;

        free(arena->chunks);
        arena->chunks = next;
    }
    free(arena);
}
