// SPDX-License-Identifier: MIT
// suite_harbor_toml.c - task.toml: what a Harbor task is called, may use and may reach.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/suite_harbor_parts.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TIMEOUT_SEC 600.0
#define TIMEOUT_SEC_MAX (7 * 24 * 3600.0)

static enum assay_status ASSAY_PRINTF(4, 5) wrong(const struct harbor *h,
        const struct assay_toml_entry *entry, struct assay_error *err, const char *fmt, ...)
{
    char file[ASSAY_PATH_SHORT_BYTES], reason[160];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    return assay_fail(err, ASSAY_EINVAL, "%s:%zu: %.60s: %s",
            assay_path_short(file, harbor_shown(h, "task.toml")), entry->line, entry->key, reason);
}

static const struct assay_toml_entry *find(const struct harbor *h, const char *key)
{
    for (size_t i = 0; i < h->entry_count; i++)
        if (strcmp(h->entries[i].key, key) == 0)
            return &h->entries[i];
    return NULL;
}

enum assay_status harbor_text_or(
        const struct harbor *h, const char *key, const char **out, struct assay_error *err)
{
    const struct assay_toml_entry *entry = find(h, key);

    if (entry == NULL)
        return ASSAY_OK;
    if (entry->kind != ASSAY_TOML_TEXT || strlen(entry->value) != entry->len)
        return wrong(h, entry, err, "expected a text");
    *out = entry->value;
    return ASSAY_OK;
}

// A number in (0, max]; *out stays where there is none.
static enum assay_status number_or(
        const struct harbor *h, const char *key, double max, double *out, struct assay_error *err)
{
    const struct assay_toml_entry *entry = find(h, key);

    if (entry == NULL)
        return ASSAY_OK;
    if ((entry->kind != ASSAY_TOML_INTEGER && entry->kind != ASSAY_TOML_FLOAT) ||
            !(entry->number > 0.0 && entry->number <= max))
        return wrong(h, entry, err, "expected a number above 0, at most %g", max);
    *out = entry->number;
    return ASSAY_OK;
}

// What assay has no place for: another task would come of it.
static enum assay_status refuse_foreign(const struct harbor *h, struct assay_error *err)
{
    static const struct {
        const char *key, *why;
    } keys[] = {{"steps", "tasks of several steps are not read"},
            {"verifier.environment", "tests in an image of their own are not read"},
            {"environment.gpus", "boxes have no GPU"}};
    const char *os = "linux";
    enum assay_status status = harbor_text_or(h, "environment.os", &os, err);

    for (size_t i = 0; i < COUNT(keys) && status == ASSAY_OK; i++) {
        const struct assay_toml_entry *entry = find(h, keys[i].key);

        if (entry != NULL && !(entry->kind == ASSAY_TOML_INTEGER && entry->number <= 0.0))
            status = wrong(h, entry, err, "%s", keys[i].why);
    }
    if (status == ASSAY_OK && strcmp(os, "linux") != 0)
        status = wrong(h, find(h, "environment.os"), err, "boxes have Linux");
    return status;
}

// "2G" and the like, as older files have it.
static enum assay_status old_memory(struct harbor *h, double *megabytes, struct assay_error *err)
{
    const struct assay_toml_entry *entry = find(h, "environment.memory");
    const char *text = "";
    char *unit = NULL;
    double number;
    enum assay_status status = harbor_text_or(h, "environment.memory", &text, err);

    if (status != ASSAY_OK || entry == NULL)
        return status;
    number = strtod(text, &unit);
    if (!(number > 0.0 && number < 1e6) || unit[0] == '\0' || strchr("KMG", unit[0]) == NULL ||
            (unit[1] != '\0' && strcmp(unit + 1, "B") != 0 && strcmp(unit + 1, "i") != 0 &&
                    strcmp(unit + 1, "iB") != 0))
        return wrong(h, entry, err, "expected an amount like \"2G\"");
    *megabytes = unit[0] == 'G' ? number * 1024 : unit[0] == 'M' ? number : number / 1024;
    return ASSAY_OK;
}

static enum assay_status read_limits(struct harbor *h, struct assay_error *err)
{
    double seconds = TIMEOUT_SEC, cpus = 1.0;
    double megabytes = (double)(ASSAY_INSTANCE_MEMORY_BYTES >> 20);
    enum assay_status status = number_or(h, "verifier.timeout_sec", TIMEOUT_SEC_MAX, &seconds, err);

    if (status == ASSAY_OK)
        status = number_or(h, "environment.cpus", 1024, &cpus, err);
    if (status == ASSAY_OK)
        status = number_or(h, "environment.memory_mb", 1e9, &megabytes, err);
    if (status == ASSAY_OK && find(h, "environment.memory_mb") == NULL)
        status = old_memory(h, &megabytes, err);
    h->instance.limits = (struct assay_instance_limits){.wall_ms = (uint64_t)(seconds * 1000),
            .cpu_ms = (uint64_t)(seconds * 1000 * (cpus < 1.0 ? 1.0 : cpus)),
            .memory_bytes = (uint64_t)(megabytes * 1048576)};
    return status;
}

enum assay_status harbor_read_env(
        struct harbor *h, const char *table, struct assay_strings *out, struct assay_error *err)
{
    const size_t len = strlen(table);
    const char **items = assay_arena_array(h->suite->arena, h->entry_count + 1, sizeof(items[0]));
    size_t count = 0;

    if (items == NULL)
        return harbor_no_memory(h, err);
    for (size_t i = 0; i < h->entry_count; i++) {
        const struct assay_toml_entry *entry = &h->entries[i];

        if (strncmp(entry->key, table, len) != 0 || entry->key[len] != '.')
            continue;
        if (entry->kind != ASSAY_TOML_TEXT || strlen(entry->value) != entry->len)
            return wrong(h, entry, err, "expected a text");
        if (strstr(entry->value, "${") != NULL)
            continue;
        items[count] =
                assay_arena_printf(h->suite->arena, "%s=%s", entry->key + len + 1, entry->value);
        if (items[count++] == NULL)
            return harbor_no_memory(h, err);
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

static enum assay_status read_hosts(struct harbor *h, struct assay_error *err)
{
    const struct assay_toml_entry *list = find(h, "environment.allowed_hosts");
    const char **items;
    const char *mode = "no-network";
    size_t count = 0;
    enum assay_status status = harbor_text_or(h, "environment.network_mode", &mode, err);

    if (status == ASSAY_OK)
        status = harbor_text_or(h, "verifier.network_mode", &mode, err);
    // A box reaches what its list names and its user allows, and nothing else: "public" is no list.
    if (status != ASSAY_OK || strcmp(mode, "allowlist") != 0 || list == NULL)
        return status;
    items = assay_arena_array(h->suite->arena, h->entry_count + 1, sizeof(items[0]));
    if (items == NULL)
        return harbor_no_memory(h, err);
    for (size_t i = 0; i < h->entry_count && status == ASSAY_OK; i++)
        if (strncmp(h->entries[i].key, "environment.allowed_hosts[", 26) == 0)
            status = harbor_text_or(h, h->entries[i].key, &items[count++], err);
    h->instance.hosts = (struct assay_strings){items, count};
    h->instance.network = count > 0;
    return status;
}

// "org/name" is the repository, and with "__" for the slash the instance.
static enum assay_status read_name(struct harbor *h, struct assay_error *err)
{
    const char *name = strcmp(h->folder, ".") == 0 ? "task" : h->folder;
    struct assay_arena *arena = h->suite->arena;
    const char *slash;
    enum assay_status status = harbor_text_or(h, "task.name", &name, err);

    if (status != ASSAY_OK)
        return status;
    slash = strchr(name, '/');
    h->instance.repo = slash == NULL ? assay_arena_printf(arena, "harbor/%s", name) : name;
    h->instance.instance_id = slash == NULL
            ? name
            : assay_arena_printf(arena, "%.*s__%s", (int)(slash - name), name, slash + 1);
    return h->instance.repo == NULL || h->instance.instance_id == NULL ? harbor_no_memory(h, err)
                                                                       : ASSAY_OK;
}

enum assay_status harbor_read_toml(struct harbor *h, struct assay_error *err)
{
    struct assay_bytes text = {NULL, 0};
    const char *file = harbor_shown(h, "task.toml");
    enum assay_status status = assay_suite_file(
            &text, h->task_fd, "task.toml", file, ASSAY_SUITE_JSON_BYTES_MAX, h->suite->arena, err);

    if (status == ASSAY_OK)
        status = assay_toml_flatten(
                &h->entries, &h->entry_count, text.data, text.len, file, h->suite->arena, err);
    if (status == ASSAY_OK)
        status = refuse_foreign(h, err);
    if (status == ASSAY_OK)
        status = read_name(h, err);
    if (status == ASSAY_OK)
        status = read_limits(h, err);
    if (status == ASSAY_OK)
        status = read_hosts(h, err);
    return status;
}
