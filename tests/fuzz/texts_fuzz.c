// SPDX-License-Identifier: MIT
// texts_fuzz.c - similarity, diffs and mutants of two texts, which a NUL parts.
#include <stdlib.h>
#include <string.h>

#include "rewards/lines.h"
#include "rewards/mutants.h"
#include "rewards/similarity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void compare(struct assay_bytes a, struct assay_bytes b, struct assay_arena *arena)
{
    struct assay_similarity_file file = {a, b, b};
    struct assay_buf diff;
    double ratio = -1;

    assay_buf_init(&diff, (size_t)1 << 24);
    must(assay_similarity_texts(&ratio, a, b, NULL) == ASSAY_OK && ratio >= 0 && ratio <= 1);
    must(assay_unified_diff(&diff, a, b, arena, NULL) == ASSAY_OK);
    // The same change twice is either nothing at all or wholly alike.
    must(assay_similarity(&ratio, &file, 1, NULL) == ASSAY_OK);
    must(ratio == (diff.len > 0 ? 1.0 : 0.0));
    assay_buf_free(&diff);
}

static void mutate(struct assay_bytes a, struct assay_bytes b, struct assay_arena *arena)
{
    static const char *const paths[] = {"a.py", "a.c", "a.sh"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const struct assay_mutant_source source = {paths[i], a, b};
        struct assay_mutant *mutants = NULL;
        struct assay_bytes respaced;
        size_t count = 0;

        must(assay_mutants_make(&mutants, &count, &source, 1, ASSAY_MUTANTS_ALL, 3, 16, arena,
                     NULL) == ASSAY_OK);
        must(count <= 16);
        must(assay_respace(&respaced, paths[i], b, arena, NULL) == ASSAY_OK);
        must(respaced.len >= b.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *part = size ? memchr(text, '\0', size) : NULL;
    const size_t len = part ? (size_t)(part - text) : size;
    const struct assay_bytes a = {text, len};
    const struct assay_bytes b = {part ? part + 1 : text, part ? size - len - 1 : size};
    struct assay_arena *arena = NULL;

    if (size > 1 << 14 || assay_arena_create(&arena, (size_t)1 << 30, NULL) != ASSAY_OK)
        return 0;
    compare(a, b, arena);
    mutate(a, b, arena);
    assay_arena_destroy(arena);
    return 0;
}
