// SPDX-License-Identifier: MIT
#include "tasks/overlap.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define LETTERS_MIN 3
#define LINE_BYTES_MAX 4096 // of a longer line the beginning
#define OVERLAPS_MAX 1000000

// Hashes of a patch's lines, sorted, each once.
struct prints {
    uint64_t *items;
    size_t count;
};

static int by_value(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return a < b ? -1 : a > b;
}

// Does the line say anything? Its hash then, of sign and text.
static bool line_print(uint64_t *out, const char *line, size_t len)
{
    char text[LINE_BYTES_MAX];
    size_t used = 1, letters = 0;

    if (len < 2 || (line[0] != '+' && line[0] != '-'))
        return false;
    if (len >= 4 && (strncmp(line, "+++ ", 4) == 0 || strncmp(line, "--- ", 4) == 0))
        return false; // a name of a file, or a line that looks like one
    text[0] = line[0];
    for (size_t i = 1; i < len && used < sizeof(text); i++) {
        if (isspace((unsigned char)line[i]))
            continue;
        text[used++] = line[i];
        letters += isalnum((unsigned char)line[i]) != 0;
    }
    *out = assay_hash64(text, used);
    return letters >= LETTERS_MIN;
}

static bool patch_prints(
        struct prints *out, const struct assay_bytes *patch, struct assay_arena *arena)
{
    const char *at = patch->data, *end = at + patch->len;
    size_t lines = 1, kept = 0;

    *out = (struct prints){NULL, 0};
    for (const char *c = at; patch->len > 0 && (c = memchr(c, '\n', (size_t)(end - c))); c++)
        lines++;
    out->items = assay_arena_array(arena, lines, sizeof(out->items[0]));
    if (out->items == NULL)
        return false;
    while (patch->len > 0 && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t len = (size_t)((stop == NULL ? end : stop) - at);

        out->count += line_print(&out->items[out->count], at, len);
        at += len + 1;
    }
    if (out->count > 1)
        qsort(out->items, out->count, sizeof(out->items[0]), by_value);
    for (size_t i = 0; i < out->count; i++)
        if (kept == 0 || out->items[kept - 1] != out->items[i])
            out->items[kept++] = out->items[i];
    out->count = kept;
    return true;
}

static double jaccard(const struct prints *a, const struct prints *b)
{
    size_t common = 0, i = 0, j = 0;

    while (i < a->count && j < b->count) {
        common += a->items[i] == b->items[j];
        if (a->items[i] <= b->items[j]) {
            j += a->items[i] == b->items[j];
            i++;
        } else {
            j++;
        }
    }
    return common == 0 ? 0 : (double)common / (double)(a->count + b->count - common);
}

static struct prints *suite_prints(const struct assay_suite *suite, struct assay_arena *arena)
{
    struct prints *prints = assay_arena_array(arena, suite->instance_count + 1, sizeof(*prints));

    for (size_t i = 0; prints != NULL && i < suite->instance_count; i++)
        if (!patch_prints(&prints[i], &suite->instances[i].gold_patch, arena))
            return NULL;
    return prints;
}

// Room for one more, in doubling steps; the arena keeps the old ones.
static bool make_room(
        struct assay_overlap **list, size_t *cap, size_t count, struct assay_arena *arena)
{
    struct assay_overlap *larger;

    if (count < *cap)
        return true;
    *cap = *cap == 0 ? 64 : *cap * 2;
    larger = assay_arena_array(arena, *cap, sizeof(*larger));
    if (larger == NULL)
        return false;
    if (count > 0)
        memcpy(larger, *list, count * sizeof(*larger));
    *list = larger;
    return true;
}

enum assay_status assay_overlaps(struct assay_overlap **out, size_t *count,
        const struct assay_suite *left, const struct assay_suite *right, double similar,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct prints *a = suite_prints(left, arena);
    const struct prints *b = left == right ? a : suite_prints(right, arena);
    struct assay_overlap *list = NULL;
    size_t cap = 0, found = 0;

    if (a == NULL || b == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < left->instance_count; i++) {
        for (size_t j = left == right ? i + 1 : 0; j < right->instance_count; j++) {
            const struct assay_instance *x = &left->instances[i], *y = &right->instances[j];
            const double similarity = jaccard(&a[i], &b[j]);
            const bool same = left != right && strcmp(x->tree, y->tree) == 0;

            if (!same && similarity < similar)
                continue;
            if (found == OVERLAPS_MAX || !make_room(&list, &cap, found, arena))
                return assay_fail(err, ASSAY_ENOMEM, "more overlaps than fit");
            list[found++] = (struct assay_overlap){x, y, same, similarity};
        }
    }
    *out = list;
    *count = found;
    return ASSAY_OK;
}
