// SPDX-License-Identifier: MIT
#include "rewards/similarity.h"

#include <string.h>

#include "rewards/difflib.h"
#include "rewards/lines.h"

#define ARENA_BYTES ((size_t)1 << 30)

static bool same(struct assay_bytes a, struct assay_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

enum assay_status assay_similarity_texts(
        double *out, struct assay_bytes a, struct assay_bytes b, struct assay_error *err)
{
    struct assay_sequence left, right;
    struct assay_arena *arena = NULL;
    enum assay_status status;

    if (same(a, b)) {
        *out = 1; // 2.0 * n / (2 * n), and Python's answer for two empty texts
        return ASSAY_OK;
    }
    status = assay_arena_create(&arena, ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = assay_text_points(&left, a, arena, err);
    if (status == ASSAY_OK)
        status = assay_text_points(&right, b, arena, err);
    if (status == ASSAY_OK)
        status = assay_difflib_ratio(out, left, right, err);
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status compare_file(
        double *out, const struct assay_similarity_file *file, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_buf model, gold;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, err);

    assay_buf_init(&model, ASSAY_SIMILARITY_BYTES_MAX);
    assay_buf_init(&gold, ASSAY_SIMILARITY_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_unified_diff(&model, file->base, file->model, arena, err);
    if (status == ASSAY_OK)
        status = assay_unified_diff(&gold, file->base, file->gold, arena, err);
    if (status == ASSAY_OK)
        status = assay_buf_check(&model, "diff", err);
    if (status == ASSAY_OK)
        status = assay_buf_check(&gold, "diff", err);
    *out = 0;
    if (status == ASSAY_OK && model.len > 0 && gold.len > 0)
        status = assay_similarity_texts(out, (struct assay_bytes){model.data, model.len},
                (struct assay_bytes){gold.data, gold.len}, err);
    assay_buf_free(&gold);
    assay_buf_free(&model);
    assay_arena_destroy(arena);
    return status;
}

enum assay_status assay_similarity(double *out, const struct assay_similarity_file *files,
        size_t count, struct assay_error *err)
{
    size_t changed = 0;
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double ratio = 0;
        enum assay_status status;

        if (same(files[i].base, files[i].model) && same(files[i].base, files[i].gold))
            continue;
        status = compare_file(&ratio, &files[i], err);
        if (status != ASSAY_OK)
            return status;
        sum += ratio;
        changed++;
    }
    *out = changed ? sum / (double)changed : 0;
    return ASSAY_OK;
}
