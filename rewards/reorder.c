// SPDX-License-Identifier: MIT
// reorder.c - the same tests in another order: what each framework's command needs for it.
//
// pytest's plugin, unittest's runner and the wrappers of ctest and go read ASSAY_ORDER themselves;
// prove is told on its command line. ctest and prove draw their own random order. cargo's is for
// nightly compilers only.
#include <string.h>

#include "rewards/reader.h"

static bool is_program(const char *word, const char *name)
{
    const char *slash = strrchr(word, '/');

    return strcmp(slash != NULL ? slash + 1 : word, name) == 0;
}

static enum assay_status as_it_is(
        const struct assay_strings *argv, struct assay_strings *out, bool *possible, bool is)
{
    *out = *argv;
    *possible = is;
    return ASSAY_OK;
}

enum assay_status assay_reorder_wrapped(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    (void)order;
    (void)arena;
    (void)err;
    return as_it_is(argv, out, possible, true);
}

// xdist's workers, which order what they run, do not load our plugin.
enum assay_status assay_reorder_pytest(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    (void)order;
    (void)arena;
    (void)err;
    for (size_t i = 0; i < argv->count; i++)
        if (strncmp(argv->items[i], "-n", 2) == 0 ||
                strncmp(argv->items[i], "--numprocesses", 14) == 0)
            return as_it_is(argv, out, possible, false);
    return as_it_is(argv, out, possible, true);
}

enum assay_status assay_reorder_unittest(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    (void)order;
    (void)arena;
    (void)err;
    return as_it_is(argv, out, possible, assay_command_is_unittest(argv));
}

enum assay_status assay_reorder_prove(const struct assay_strings *argv, const char *order,
        struct assay_strings *out, bool *possible, struct assay_arena *arena,
        struct assay_error *err)
{
    const char **items;

    if (argv->count == 0 || !is_program(argv->items[0], "prove"))
        return as_it_is(argv, out, possible, false);
    items = assay_arena_array(arena, argv->count + 1, sizeof(*items));
    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for the test command");
    items[0] = argv->items[0];
    items[1] = strcmp(order, "reverse") == 0 ? "--reverse" : "--shuffle";
    for (size_t i = 1; i < argv->count; i++)
        items[i + 1] = argv->items[i];
    *out = (struct assay_strings){items, argv->count + 1};
    *possible = true;
    return ASSAY_OK;
}
