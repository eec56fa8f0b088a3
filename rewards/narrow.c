// SPDX-License-Identifier: MIT
#include "rewards/narrow.h"

#include <string.h>

#include "rewards/reader.h"

static bool is_one_of(const char *word, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

// What an argument of pytest's is.
enum argument { ARGUMENT_PATH, ARGUMENT_FLAG, ARGUMENT_WITH_WORD, ARGUMENT_UNKNOWN };

static enum argument kind_of(const char *word)
{
    static const char *const flags[] = {"-q", "-qq", "-v", "-vv", "-s", "-l",
            "--continue-on-collection-errors", "--no-header", "--no-summary", "--strict-markers",
            "--disable-warnings", "--import-mode=importlib", NULL};
    static const char *const with_word[] = {"-p", "-o", "-W", "-k", "-m", "-c", "--deselect",
            "--ignore", "--rootdir", "--tb", "--override-ini", NULL};

    if (word[0] != '-')
        return strstr(word, "::") ? ARGUMENT_UNKNOWN : ARGUMENT_PATH;
    if (is_one_of(word, with_word))
        return ARGUMENT_WITH_WORD;
    if (is_one_of(word, flags) || strncmp(word, "-r", 2) == 0 ||
            (strncmp(word, "--", 2) == 0 && strchr(word, '=')))
        return ARGUMENT_FLAG;
    return ARGUMENT_UNKNOWN;
}

bool assay_narrow_pytest(struct assay_strings *out, bool *possible,
        const struct assay_strings *argv, const struct assay_strings *files,
        struct assay_arena *arena)
{
    const size_t at = assay_python_module_at(argv, "pytest");
    const char **items = assay_arena_array(arena, argv->count + files->count + 1, sizeof(*items));
    bool rooted = false;
    size_t count = 0;

    *possible = false;
    if (!items)
        return false;
    for (size_t i = 0; i < argv->count; i++) {
        const enum argument kind = i < at + 2 ? ARGUMENT_FLAG : kind_of(argv->items[i]);

        if (at == 0 || kind == ARGUMENT_UNKNOWN)
            return true;
        rooted = rooted || strncmp(argv->items[i], "--rootdir", 9) == 0;
        if (kind != ARGUMENT_PATH)
            items[count++] = argv->items[i];
        if (kind == ARGUMENT_WITH_WORD && i + 1 < argv->count)
            items[count++] = argv->items[++i];
    }
    // Ids begin at the root, which pytest would look for from the files on.
    if (!rooted)
        items[count++] = "--rootdir=.";
    for (size_t i = 0; i < files->count; i++)
        items[count++] = files->items[i];
    *out = (struct assay_strings){items, count};
    *possible = true;
    return true;
}
