// SPDX-License-Identifier: MIT
#include "tasks/select.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY_BYTES_MAX 100
#define ROW_BYTES_MAX ((size_t)256 << 20)

static const char *const split_names[] = {"train", "validation", "held-out"};

const char *assay_split_name(enum assay_split split)
{
    return split_names[split];
}

bool assay_split_find(enum assay_split *out, const char *name)
{
    for (size_t i = 0; i < COUNT(split_names); i++) {
        if (strcmp(split_names[i], name) == 0) {
            *out = (enum assay_split)i;
            return true;
        }
    }
    return false;
}

// --- groups -------------------------------------------------------------------------------------

// ".1a2b3c4d" behind a name is a commit of it.
static size_t without_commit(const char *name, size_t len)
{
    const char *dot = memrchr(name, '.', len);
    const size_t hex = dot == NULL ? 0 : len - (size_t)(dot + 1 - name);

    return (hex == 8 || hex == 40) && strspn(dot + 1, "0123456789abcdef") >= hex
            ? (size_t)(dot - name)
            : len;
}

static bool cut_front(const char **name, size_t *len, const char *front)
{
    const size_t cut = strlen(front);

    if (*len <= cut || strncmp(*name, front, cut) != 0)
        return false;
    *name += cut;
    *len -= cut;
    return true;
}

void assay_split_group(char group[ASSAY_GROUP_BYTES], const struct assay_instance *instance)
{
    // What Debian puts before the names of libraries of a language.
    static const char *const fronts[] = {"python-", "ruby-", "node-"};
    const char *slash = strrchr(instance->repo, '/');
    const char *name = slash == NULL ? instance->repo : slash + 1;
    const char *owner = strstr(name, "__"); // "owner__name"
    size_t len;

    for (size_t i = 0; i < instance->tags.count; i++) {
        if (strncmp(instance->tags.items[i], "family:", 7) == 0) {
            (void)snprintf(group, ASSAY_GROUP_BYTES, "%s", instance->tags.items[i]);
            return;
        }
    }
    if (owner != NULL && owner[2] != '\0')
        name = owner + 2;
    len = without_commit(name, strlen(name));
    for (size_t i = 0; i < COUNT(fronts); i++)
        if (cut_front(&name, &len, fronts[i]))
            break;
    if (len >= ASSAY_GROUP_BYTES)
        len = ASSAY_GROUP_BYTES - 1;
    for (size_t i = 0; i < len; i++) // as PyPI has names: case and these three mean nothing
        group[i] = (char)(strchr("-_.", name[i]) != NULL ? '-' : tolower((unsigned char)name[i]));
    group[len] = '\0';
}

enum assay_split assay_split_of(const struct assay_instance *instance)
{
    char group[ASSAY_GROUP_BYTES];
    uint64_t tenth;

    assay_split_group(group, instance);
    tenth = assay_hash64(group, strlen(group)) % 10;
    return tenth < 8     ? ASSAY_SPLIT_TRAIN
            : tenth == 8 ? ASSAY_SPLIT_VALIDATION
                         : ASSAY_SPLIT_HELD_OUT;
}

// --- filters ------------------------------------------------------------------------------------

struct filter {
    char key[KEY_BYTES_MAX];
    const char *glob;
    bool wanted; // "=", not "!="
};

static enum assay_status read_filter(struct filter *out, const char *text, struct assay_error *err)
{
    static const char *const keys[] = {"id", "repo", "group", "framework", "recipe", "rules",
            "task", "version", "split", "tag"};
    const char *equals = strchr(text, '=');
    size_t len = equals == NULL ? 0 : (size_t)(equals - text);

    if (len > 0 && text[len - 1] == '!')
        len--;
    if (len == 0 || len >= KEY_BYTES_MAX)
        return assay_fail(
                err, ASSAY_EUSAGE, "--filter: '%.80s' is neither KEY=GLOB nor KEY!=GLOB", text);
    memcpy(out->key, text, len);
    out->key[len] = '\0';
    out->wanted = equals[-1] != '!';
    out->glob = equals + 1;
    if (strncmp(out->key, "row.", 4) == 0 && out->key[4] != '\0')
        return ASSAY_OK;
    for (size_t i = 0; i < COUNT(keys); i++)
        if (strcmp(keys[i], out->key) == 0)
            return ASSAY_OK;
    return assay_fail(err, ASSAY_EUSAGE,
            "--filter: '%.40s' is not id, repo, group, framework, recipe, rules, task, version, "
            "split, tag or row.NAME",
            out->key);
}

static bool matches(const char *glob, const char *text)
{
    return text != NULL && assay_glob_match(glob, text);
}

static bool any_matches(const char *glob, const struct assay_strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (matches(glob, list->items[i]))
            return true;
    return false;
}

// A text, number or bool of the row, as it would be written; of a list, any of its texts.
static bool row_matches(const char *glob, const struct assay_instance *instance, const char *key)
{
    const struct assay_json_limits limits = {.bytes_max = ROW_BYTES_MAX, .depth_max = 64};
    struct assay_json *row = NULL;
    const struct assay_json *value;
    bool found = false;
    char text[32];

    if (instance->row.data == NULL ||
            assay_json_parse(&row, instance->row.data, instance->row.len, limits, "row", 1, NULL) !=
                    ASSAY_OK)
        return false;
    value = assay_json_get(row, key);
    switch (value == NULL ? ASSAY_JSON_NULL : assay_json_type(value)) {
    case ASSAY_JSON_STRING:
        found = matches(glob, assay_json_text(value));
        break;
    case ASSAY_JSON_NUMBER:
        (void)snprintf(text, sizeof(text), "%.17g", assay_json_number(value));
        found = matches(glob, text);
        break;
    case ASSAY_JSON_BOOL:
        found = matches(glob, assay_json_bool(value) ? "true" : "false");
        break;
    case ASSAY_JSON_ARRAY:
        for (value = assay_json_first(value); value != NULL && !found;
                value = assay_json_next(value))
            found = matches(glob, assay_json_text(value));
        break;
    case ASSAY_JSON_NULL:
    case ASSAY_JSON_OBJECT:
        break;
    }
    assay_json_free(row);
    return found;
}

static bool key_matches(const struct filter *filter, const struct assay_instance *instance)
{
    static const char *const tasks[] = {"repair", "localize", "write_tests"};
    const struct {
        const char *key, *text;
    } texts[] = {{"id", instance->instance_id}, {"repo", instance->repo},
            {"framework", instance->framework}, {"recipe", instance->recipe},
            {"rules", assay_rules_name(instance->rules)}, {"task", tasks[instance->task]},
            {"version", instance->version}, {"split", assay_split_name(assay_split_of(instance))}};

    for (size_t i = 0; i < COUNT(texts); i++)
        if (strcmp(texts[i].key, filter->key) == 0)
            return matches(filter->glob, texts[i].text);
    if (strcmp(filter->key, "tag") == 0)
        return any_matches(filter->glob, &instance->tags);
    if (strcmp(filter->key, "group") == 0) {
        char group[ASSAY_GROUP_BYTES];

        assay_split_group(group, instance);
        return matches(filter->glob, group);
    }
    return row_matches(filter->glob, instance, filter->key + 4);
}

// --- selecting ----------------------------------------------------------------------------------

static bool listed(const struct assay_strings *ids, const char *id)
{
    for (size_t i = 0; i < ids->count; i++)
        if (strcmp(ids->items[i], id) == 0)
            return true;
    return ids->count == 0;
}

static int compare_text(const void *id, const void *item)
{
    return strcmp(id, *(const char *const *)item);
}

static bool is_meant(const struct assay_select *select, const struct filter *filters,
        const struct assay_instance *instance)
{
    if (!listed(&select->ids, instance->instance_id) ||
            (select->split_only && assay_split_of(instance) != select->split))
        return false;
    if (select->rated_only &&
            (select->rated.count == 0 ||
                    bsearch(instance->instance_id, select->rated.items, select->rated.count,
                            sizeof(*select->rated.items), compare_text) == NULL))
        return false;
    for (size_t i = 0; i < select->filters.count; i++)
        if (key_matches(&filters[i], instance) != filters[i].wanted)
            return false;
    return true;
}

// Fisher and Yates, by one seed on every host.
static void shuffle(const char **ids, size_t count, uint64_t seed)
{
    struct assay_rng rng;

    assay_rng_seed(&rng, seed, 0);
    for (size_t i = count; i > 1; i--) {
        const size_t j = (size_t)assay_rng_below(&rng, i);
        const char *held = ids[i - 1];

        ids[i - 1] = ids[j];
        ids[j] = held;
    }
}

enum assay_status assay_select(struct assay_strings *ids, const struct assay_suite *suite,
        const struct assay_select *select, struct assay_arena *arena, struct assay_error *err)
{
    struct filter *filters = assay_arena_array(arena, select->filters.count + 1, sizeof(*filters));
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    const char **found = assay_arena_array(arena, suite->instance_count + 1, sizeof(*found));
    size_t count = 0, begin = 0;
    enum assay_status status = ASSAY_OK;

    if (filters == NULL || found == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < select->ids.count; i++)
        if (assay_suite_find(suite, select->ids.items[i]) == NULL)
            return assay_fail(err, ASSAY_ENOTFOUND, "suite %.60s has no instance '%.100s'",
                    suite->name, select->ids.items[i]);
    for (size_t i = 0; i < select->filters.count && status == ASSAY_OK; i++)
        status = read_filter(&filters[i], select->filters.items[i], err);
    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < suite->instance_count; i++)
        if (is_meant(select, filters, &suite->instances[i]))
            found[count++] = suite->instances[i].instance_id;
    if (select->shuffle)
        shuffle(found, count, select->seed);
    if (select->sliced) {
        begin = select->begin < count ? select->begin : count;
        count = (select->end < count ? select->end : count) - begin;
    }
    if (count == 0)
        return assay_fail(
                err, ASSAY_ENOTFOUND, "suite %.60s: no instance is selected", suite->name);
    *ids = (struct assay_strings){found + begin, count};
    return ASSAY_OK;
}
