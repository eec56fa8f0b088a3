// SPDX-License-Identifier: MIT
// reorder.c - the same tests in another order: what each framework's command needs for it.
//
// pytest's plugin and unittest's runner read ASSAY_ORDER themselves. prove and ctest draw their own
// random order; go's is drawn from the seed. cargo's is for nightly compilers only.
#include <string.h>

#include "rewards/reader.h"

static bool is_program(const char *word, const char *name)
{
    const char *slash = strrchr(word, '/');

    return strcmp(slash != NULL ? slash + 1 : word, name) == 0;
}

// argv with one word more, at `at`.
static enum assay_status insert(const struct assay_strings *argv, size_t at, const char *word,
        struct assay_strings *out, struct assay_arena *arena, struct assay_error *err)
{
    const char **items = assay_arena_array(arena, argv->count + 1, sizeof(*items));
    size_t count = 0;

    if (items == NULL || word == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for the test command");
    for (size_t i = 0; i <= argv->count; i++) {
        if (i == at)
            items[count++] = word;
        if (i < argv->count)
            items[count++] = argv->items[i];
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

// xdist's workers, which order what they run, do not load our plugin.
enum assay_status assay_reorder_pytest(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    (void)order;
    (void)arena;
    (void)err;
    *possible = true;
    for (size_t i = 0; i < argv->count; i++)
        if (strncmp(argv->items[i], "-n", 2) == 0 ||
                strncmp(argv->items[i], "--numprocesses", 14) == 0)
            *possible = false;
    *out = *argv;
    return ASSAY_OK;
}

enum assay_status assay_reorder_unittest(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    (void)order;
    (void)arena;
    (void)err;
    *possible = assay_command_is_unittest(argv);
    *out = *argv;
    return ASSAY_OK;
}

enum assay_status assay_reorder_prove(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    *possible = argv->count > 0 && is_program(argv->items[0], "prove");
    if (!*possible) {
        *out = *argv;
        return ASSAY_OK;
    }
    return insert(
            argv, 1, strcmp(order, "reverse") == 0 ? "--reverse" : "--shuffle", out, arena, err);
}

enum assay_status assay_reorder_ctest(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    (void)order;
    *possible = argv->count > 0 && is_program(argv->items[0], "ctest");
    if (!*possible) {
        *out = *argv;
        return ASSAY_OK;
    }
    return insert(argv, 1, "--schedule-random", out, arena, err);
}

enum assay_status assay_reorder_go(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    *possible = argv->count > 1 && is_program(argv->items[0], "go") &&
            strcmp(argv->items[1], "test") == 0;
    if (!*possible) {
        *out = *argv;
        return ASSAY_OK;
    }
    return insert(argv, 2,
            assay_arena_printf(arena, "-shuffle=%s", strcmp(order, "reverse") == 0 ? "1" : order),
            out, arena, err);
}
