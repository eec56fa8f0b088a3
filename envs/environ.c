// SPDX-License-Identifier: MIT
#include "envs/environ.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 32

static const char *const base_items[] = {"HOME=/home/box", "PATH=/usr/bin:/bin", "TZ=UTC",
        "LC_ALL=C.UTF-8", "PYTHONHASHSEED=0", "PYTHONDONTWRITEBYTECODE=1"};

enum assay_status assay_environ_init(
        struct assay_environ *out, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_environ){.arena = arena, .cap = FIRST_CAP};
    out->items = assay_arena_array(arena, FIRST_CAP, sizeof(char *));
    if (out->items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "environment");
    for (size_t i = 0; status == ASSAY_OK && i < sizeof(base_items) / sizeof(base_items[0]); i++)
        status = assay_environ_set(out, base_items[i], err);
    return status;
}

// Where a variable of this name stands, or count.
static size_t find(const struct assay_environ *vars, const char *name, size_t len)
{
    size_t i = 0;

    while (i < vars->count &&
            (strncmp(vars->items[i], name, len) != 0 || vars->items[i][len] != '='))
        i++;
    return i;
}

const char *assay_environ_get(const struct assay_environ *vars, const char *name)
{
    const size_t len = strlen(name);
    const size_t i = find(vars, name, len);

    return i == vars->count ? NULL : vars->items[i] + len + 1;
}

enum assay_status assay_environ_set(
        struct assay_environ *vars, const char *pair, struct assay_error *err)
{
    const char *equals = strchr(pair, '=');
    size_t at = 0;
    char *copy = NULL;

    if (equals == NULL || equals == pair)
        return assay_fail(err, ASSAY_EINVAL, "not NAME=value: '%.100s'", pair);
    at = find(vars, pair, (size_t)(equals - pair));
    if (at == vars->count && vars->count + 1 == vars->cap) {
        const char **items = assay_arena_array(vars->arena, vars->cap * 2, sizeof(char *));

        if (items == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "environment");
        memcpy(items, vars->items, vars->count * sizeof(char *));
        vars->items = items;
        vars->cap *= 2;
    }
    copy = assay_arena_strdup(vars->arena, pair);
    if (copy == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "environment");
    vars->items[at] = copy;
    if (at == vars->count)
        vars->count++;
    return ASSAY_OK;
}

enum assay_status assay_environ_setf(
        struct assay_environ *vars, struct assay_error *err, const char *fmt, ...)
{
    enum assay_status status = ASSAY_OK;
    char *pair = NULL;
    va_list args;
    int n = 0;

    va_start(args, fmt);
    n = vasprintf(&pair, fmt, args);
    va_end(args);
    if (n < 0)
        return assay_fail(err, ASSAY_ENOMEM, "environment");
    status = assay_environ_set(vars, pair, err);
    free(pair);
    return status;
}

enum assay_status assay_environ_prepend(
        struct assay_environ *vars, const char *pair, struct assay_error *err)
{
    const char *equals = strchr(pair, '=');
    size_t len = 0, at = 0;

    if (equals == NULL)
        return assay_environ_set(vars, pair, err);
    len = (size_t)(equals - pair);
    at = find(vars, pair, len);
    if (at == vars->count || vars->items[at][len + 1] == '\0')
        return assay_environ_set(vars, pair, err);
    return assay_environ_setf(vars, err, "%s:%s", pair, vars->items[at] + len + 1);
}
