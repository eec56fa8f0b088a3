// SPDX-License-Identifier: MIT
// answer_fuzz.c - a model's answer to a localization: what is read is bounded and plain, and its
// score is a score; and the symbol readers stand any text.
#include <stdlib.h>
#include <string.h>

#include "rewards/localize.h"
#include "rewards/symbols.h"
#include "tasks/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_level(const struct assay_localize_level *level)
{
    must(level->right <= level->answered && level->right <= level->gold);
    must(level->precision >= 0 && level->precision <= 1);
    must(level->recall >= 0 && level->recall <= 1);
}

static void judge(
        const struct assay_locations *answer, struct assay_bytes text, struct assay_arena *arena)
{
    static const char fixed[] = "def f():\n    return 2\n";
    const struct assay_localize_file files[] = {
            {"a.py", true, true, text, {fixed, sizeof(fixed) - 1}},
            {"b.c", true, false, text, text}, {"c.sh", false, true, {NULL, 0}, text}};
    struct assay_localize_result result;

    must(assay_localize_judge(&result, answer, files, 3, arena, NULL) == ASSAY_OK);
    check_level(&result.score.files);
    check_level(&result.score.functions);
    check_level(&result.score.lines);
    must(result.score.rank <= answer->count);
}

static void find_symbols(const char *path, struct assay_bytes text, struct assay_arena *arena)
{
    struct assay_symbols symbols;
    size_t lines = 1;

    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    must(assay_symbols_find(&symbols, path, text, arena, NULL) == ASSAY_OK);
    for (size_t i = 0; i < symbols.count; i++)
        must(symbols.items[i].first >= 1 && symbols.items[i].first <= symbols.items[i].last &&
                symbols.items[i].last <= lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct assay_bytes text = {(const char *)data, size};
    struct assay_locations answer = {0};
    struct assay_arena *arena = NULL;

    if (size > 1 << 16 || assay_arena_create(&arena, (size_t)1 << 30, NULL) != ASSAY_OK)
        return 0;
    if (assay_locations_read(&answer, text.data, text.len, arena, NULL) == ASSAY_OK) {
        must(answer.count > 0 && answer.count <= ASSAY_LOCATIONS_MAX);
        for (size_t i = 0; i < answer.count; i++) {
            must(assay_patch_path_allowed(answer.items[i].path));
            must(answer.items[i].last - answer.items[i].first <= ASSAY_LOCATION_LINES_MAX);
        }
        judge(&answer, text, arena);
    }
    find_symbols("a.py", text, arena);
    find_symbols("a.c", text, arena);
    find_symbols("a.sh", text, arena);
    assay_arena_destroy(arena);
    return 0;
}
