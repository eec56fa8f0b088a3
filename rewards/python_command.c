// SPDX-License-Identifier: MIT
// python_command.c - find `python ... -m MODULE` in an argv and start a trusted file instead.
#include <string.h>

#include "rewards/reader.h"

// "python", "python3", "python3.11", "pypy3", with or without directories.
static bool is_python(const char *word)
{
    const char *slash = strrchr(word, '/');
    const char *name = slash != NULL ? slash + 1 : word;

    if (strncmp(name, "python", 6) == 0)
        name += 6;
    else if (strncmp(name, "pypy", 4) == 0)
        name += 4;
    else
        return false;
    return name[strspn(name, "0123456789.")] == '\0';
}

// "NAME=value", as env(1) takes them.
static bool is_assignment(const char *word)
{
    const char *equals = strchr(word, '=');

    return equals != NULL && equals != word && word[0] != '-' && strchr(word, '/') != word;
}

size_t assay_python_module_at(const struct assay_strings *argv, const char *module)
{
    size_t i = 0;

    if (argv->count > 0 &&
            (strcmp(argv->items[0], "env") == 0 || strcmp(argv->items[0], "/usr/bin/env") == 0))
        for (i = 1; i < argv->count && is_assignment(argv->items[i]); i++)
            ;
    if (i >= argv->count || !is_python(argv->items[i]))
        return 0;
    for (i++; i + 1 < argv->count && argv->items[i][0] == '-'; i++) {
        const char *option = argv->items[i];

        if (strcmp(option, "-m") == 0)
            return strcmp(argv->items[i + 1], module) == 0 ? i : 0;
        if (strcmp(option, "-W") == 0 || strcmp(option, "-X") == 0)
            i++; // its argument
        else if (strcmp(option, "-c") == 0 || strcmp(option, "-") == 0)
            return 0;
    }
    return 0;
}

enum assay_status assay_python_replace_module(const struct assay_strings *argv, const char *module,
        const char *file, struct assay_strings *out, struct assay_arena *arena,
        struct assay_error *err)
{
    const size_t at = assay_python_module_at(argv, module);
    const char **items;
    size_t count = 0;

    if (at == 0) {
        *out = *argv;
        return ASSAY_OK;
    }
    items = assay_arena_array(arena, argv->count, sizeof(*items));
    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for the test command");
    for (size_t i = 0; i < argv->count; i++) {
        if (i == at + 1)
            continue; // "-m MODULE" becomes one word
        items[count++] = i == at ? file : argv->items[i];
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

enum assay_status assay_command_warm_python(const struct assay_strings *argv, const char *workdir,
        struct assay_strings *out, struct assay_arena *arena, struct assay_error *err)
{
    static const char ours[] = ASSAY_TRUSTED_DIR "/python/";
    const char **items = NULL;

    *out = (struct assay_strings){NULL, 0};
    if (argv->count < 2 || argv->items[0][0] != '/' || !is_python(argv->items[0]) ||
            strncmp(argv->items[1], ours, sizeof(ours) - 1) != 0)
        return ASSAY_OK;
    items = assay_arena_array(arena, 4, sizeof(*items));
    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a zygote's command");
    items[0] = argv->items[0];
    items[1] = argv->items[1];
    items[2] = "--assay-zygote";
    items[3] = workdir;
    *out = (struct assay_strings){items, 4};
    return ASSAY_OK;
}
