// SPDX-License-Identifier: MIT
// instance.c - names and globs of instances, and what must hold of every one of them.
#include "tasks/instance.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "tasks/hosts.h"
#include "tasks/names.h"
#include "tasks/outcome.h"
#include "tasks/suite_read.h"

#define INSTANCE_ID_BYTES_MAX 200
#define NAME_BYTES_MAX 100
#define GLOB_PATH_BYTES_MAX 4096

enum assay_status assay_bytes_keep(struct assay_bytes *out, struct assay_buf *text,
        const char *what, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = assay_buf_check(text, what, err);

    if (status == ASSAY_OK) {
        *out = (struct assay_bytes){assay_arena_memdup(arena, text->data, text->len), text->len};
        if (out->data == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", what);
    }
    assay_buf_free(text);
    return status;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
            c == '.' || c == '-';
}

static bool plain_name(const char *name, size_t len_max)
{
    const size_t len = strnlen(name, len_max + 1);

    if (len == 0 || len > len_max || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!name_char(name[i]))
            return false;
    }
    return true;
}

bool assay_instance_id_valid(const char *id)
{
    return plain_name(id, INSTANCE_ID_BYTES_MAX);
}

bool assay_name_valid(const char *name)
{
    return plain_name(name, NAME_BYTES_MAX);
}

bool assay_hex_valid(const char *hex, size_t len)
{
    return strlen(hex) == len && strspn(hex, "0123456789abcdef") == len;
}

bool assay_commit_valid(const char *commit)
{
    const size_t len = strlen(commit);
    const size_t digits = len > 0 && commit[len - 1] == '^' ? len - 1 : len;

    return (digits == 40 || digits == 64) && strspn(commit, "0123456789abcdef") == digits;
}

const char *assay_task_kind_name(enum assay_task_kind kind)
{
    switch (kind) {
    case ASSAY_TASK_REPAIR:
        return "repair";
    case ASSAY_TASK_LOCALIZE:
        return "localize";
    case ASSAY_TASK_WRITE_TESTS:
        return "write_tests";
    }
    return "";
}

static const char *const rules_names[] = {
        [ASSAY_RULES_NATIVE] = "native",
        [ASSAY_RULES_SWEBENCH] = "swebench",
        [ASSAY_RULES_ALL_PASSED] = "all_passed",
        [ASSAY_RULES_WHOLE_MAP] = "whole_map",
        [ASSAY_RULES_THREE_STAGE] = "three_stage",
};

const char *assay_rules_name(enum assay_rules rules)
{
    return rules_names[rules];
}

bool assay_rules_from_name(enum assay_rules *out, const char *name)
{
    for (size_t i = 0; i < sizeof(rules_names) / sizeof(rules_names[0]); i++) {
        if (strcmp(name, rules_names[i]) == 0) {
            *out = (enum assay_rules)i;
            return true;
        }
    }
    return false;
}

bool assay_task_kind_from_name(enum assay_task_kind *out, const char *name)
{
    static const enum assay_task_kind kinds[] = {
            ASSAY_TASK_REPAIR, ASSAY_TASK_LOCALIZE, ASSAY_TASK_WRITE_TESTS};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(name, assay_task_kind_name(kinds[i])) == 0) {
            *out = kinds[i];
            return true;
        }
    }
    return false;
}

// One step of the matcher below: reach[j] says whether the glob up to here can
// end at path[j]; `glob` stands at the next token. Returns the token's length.
static size_t glob_step(bool *reach, const char *glob, bool at_start, const char *path, size_t len)
{
    const bool stars = glob[0] == '*' && glob[1] == '*';

    if (stars && at_start && glob[2] == '/') { // any number of whole components, also none
        bool seen = false;

        for (size_t j = 0; j <= len; j++) {
            const bool here = reach[j];

            reach[j] = here || (seen && path[j - 1] == '/');
            seen = seen || here;
        }
        return 3;
    }
    if (glob[0] == '*') {
        for (size_t j = 1; j <= len; j++)
            reach[j] = reach[j] || (reach[j - 1] && (stars || path[j - 1] != '/'));
        return stars ? 2 : 1;
    }
    for (size_t j = len; j > 0; j--)
        reach[j] = reach[j - 1] && (glob[0] == '?' ? path[j - 1] != '/' : path[j - 1] == glob[0]);
    reach[0] = false;
    return 1;
}

// All ways to match are followed at once: time is |glob| x |path| whatever the
// glob, where backtracking would be exponential.
bool assay_glob_match(const char *glob, const char *path)
{
    const size_t len = strlen(path);
    bool reach[GLOB_PATH_BYTES_MAX + 1] = {true};
    bool at_start = true;

    if (len > GLOB_PATH_BYTES_MAX)
        return false;
    while (*glob != '\0') {
        const size_t token = glob_step(reach, glob, at_start, path, len);

        at_start = glob[token - 1] == '/';
        glob += token;
    }
    return reach[len];
}

// --- what must hold ------------------------------------------------------------------------------

// Always true, so that a check reads `return fault(...)`.
static bool ASSAY_PRINTF(3, 4)
        fault(struct assay_fault *out, const char *field, const char *fmt, ...)
{
    va_list args;

    snprintf(out->field, sizeof(out->field), "%s", field);
    va_start(args, fmt);
    vsnprintf(out->reason, sizeof(out->reason), fmt, args);
    va_end(args);
    return true;
}

static bool env_fault(struct assay_fault *out, const struct assay_strings *env)
{
    for (size_t i = 0; i < env->count; i++) {
        const char *equals = strchr(env->items[i], '=');
        const size_t name_len = equals == NULL ? 0 : (size_t)(equals - env->items[i]);

        if (name_len == 0 || (env->items[i][0] >= '0' && env->items[i][0] <= '9'))
            return fault(out, "env", "\"%.60s\" is not NAME=value", env->items[i]);
        for (size_t j = 0; j < name_len; j++) {
            if (!name_char(env->items[i][j]) || strchr(".-", env->items[i][j]) != NULL)
                return fault(out, "env", "\"%.60s\" is not NAME=value", env->items[i]);
        }
    }
    return false;
}

static bool hosts_fault(struct assay_fault *out, const struct assay_strings *hosts)
{
    struct assay_error err;
    char field[32];
    size_t index = 0;

    if (assay_hosts_check(hosts, &index, &err) == ASSAY_OK)
        return false;
    snprintf(field, sizeof(field), "hosts[%zu]", index);
    return fault(out, field, "%s", err.message);
}

bool assay_recipe_fault(struct assay_fault *out, const struct assay_recipe *recipe)
{
    if (!assay_name_valid(recipe->name))
        return fault(out, "", "a recipe's name is 1 to 100 of [A-Za-z0-9_.-]");
    if (strcmp(recipe->base, "host") != 0 && strncmp(recipe->base, "oci:/", 5) != 0 &&
            strncmp(recipe->base, "dir:/", 5) != 0 &&
            (strncmp(recipe->base, "image:", 6) != 0 || !assay_name_valid(recipe->base + 6)))
        return fault(
                out, "base", "expected \"host\", \"image:NAME\", \"oci:PATH\" or \"dir:PATH\"");
    if (recipe->workdir[0] != '/' || strstr(recipe->workdir, "/..") != NULL)
        return fault(out, "workdir", "must be an absolute path without \"..\"");
    return env_fault(out, &recipe->env) || hosts_fault(out, &recipe->hosts);
}

// What is looked up in order to say where an id stands already.
struct listed_tests {
    const char *field;
    const struct assay_strings *tests;
};
#define LISTS_MAX 4

// One list: no empty id, none twice, none that an earlier list holds.
static bool tests_fault(struct assay_fault *out, const struct listed_tests *lists, size_t index,
        size_t number_first, struct assay_names *names)
{
    const struct assay_strings *tests = lists[index].tests;

    for (size_t i = 0; i < tests->count; i++) {
        char path[sizeof(out->field)];
        size_t known = 0, at = 0;

        snprintf(path, sizeof(path), "%s[%zu]", lists[index].field, i);
        if (tests->items[i][0] == '\0')
            return fault(out, path, "must not be empty");
        switch (assay_names_put(names, tests->items[i], number_first + i, &known)) {
        case ASSAY_NAMES_NEW:
            break;
        case ASSAY_NAMES_KNOWN:
            while (at < index && known >= lists[at].tests->count)
                known -= lists[at++].tests->count;
            return fault(out, path, "\"%.80s\" stands in %s already", tests->items[i],
                    at < index ? lists[at].field : "this list");
        case ASSAY_NAMES_NO_MEMORY:
            return fault(out, path, "out of memory");
        }
    }
    return false;
}

static bool lists_fault(struct assay_fault *out, const struct assay_instance *instance)
{
    const struct listed_tests lists[LISTS_MAX] = {{"FAIL_TO_PASS", &instance->fail_to_pass},
            {"PASS_TO_PASS", &instance->pass_to_pass}, {"FAIL_TO_FAIL", &instance->fail_to_fail},
            {"ERROR_TO_ERROR", &instance->error_to_error}};
    struct assay_names names;
    size_t count = 0;
    bool found = false;

    for (size_t i = 0; i < LISTS_MAX; i++)
        count += lists[i].tests->count;
    if (count + instance->not_fail.count > ASSAY_OUTCOME_TESTS_MAX)
        return fault(out, "PASS_TO_PASS", "more than %zu tests", ASSAY_OUTCOME_TESTS_MAX);
    if (instance->rules != ASSAY_RULES_WHOLE_MAP &&
            instance->fail_to_fail.count + instance->error_to_error.count > 0)
        return fault(out, "FAIL_TO_FAIL", "goes with \"rules\": \"whole_map\"");
    if (instance->rules != ASSAY_RULES_THREE_STAGE && instance->not_fail.count > 0)
        return fault(out, "NOT_FAIL", "goes with \"rules\": \"three_stage\"");
    // SWE-bench's rule that an empty list is a full success would resolve
    // anything here; a plain exit status needs no ids.
    if (instance->fail_to_pass.count + instance->pass_to_pass.count == 0 &&
            instance->rules != ASSAY_RULES_SWEBENCH && instance->task == ASSAY_TASK_REPAIR &&
            strcmp(instance->framework, "exit") != 0)
        return fault(out, "FAIL_TO_PASS", "empty, as PASS_TO_PASS is: nothing would be judged");
    assay_names_init(&names);
    count = 0;
    for (size_t i = 0; i < LISTS_MAX && !found; i++) {
        found = tests_fault(out, lists, i, count, &names);
        count += lists[i].tests->count;
    }
    assay_names_free(&names);
    return found;
}

bool assay_repo_valid(const char *repo)
{
    const char *slash = strchr(repo, '/');
    char owner[NAME_BYTES_MAX + 2];

    if (slash == NULL)
        return assay_name_valid(repo);
    snprintf(owner, sizeof(owner), "%.*s", (int)(slash - repo), repo);
    return (size_t)(slash - repo) <= NAME_BYTES_MAX && assay_name_valid(owner) &&
            assay_name_valid(slash + 1);
}

static bool base_fault(struct assay_fault *out, const struct assay_base *base)
{
    if (base->kind == ASSAY_BASE_EMPTY)
        return false;
    if (base->where == NULL || base->where[0] == '\0')
        return fault(out, "base", "names no place");
    if (base->kind == ASSAY_BASE_GIT && (base->commit == NULL || !assay_commit_valid(base->commit)))
        return fault(out, "base.commit", "expected 40 or 64 lower-case hex digits");
    if (base->kind == ASSAY_BASE_ARCHIVE &&
            (base->sha256 == NULL || !assay_hex_valid(base->sha256, 64)))
        return fault(out, "base.sha256", "expected 64 lower-case hex digits");
    return false;
}

bool assay_instance_fault(struct assay_fault *out, const struct assay_instance *instance)
{
    if (!assay_instance_id_valid(instance->instance_id))
        return fault(out, "instance_id", "must be 1 to 200 of [A-Za-z0-9_.-]");
    if (!assay_repo_valid(instance->repo))
        return fault(out, "repo", "expected \"owner/name\"");
    if (base_fault(out, &instance->base))
        return true;
    if (instance->test_cmd.count == 0)
        return fault(out, "test_cmd", "must not be empty");
    if (!assay_name_valid(instance->framework))
        return fault(out, "framework", "must not be empty");
    if (instance->limits.wall_ms == 0 || instance->limits.cpu_ms == 0 ||
            instance->limits.memory_bytes == 0)
        return fault(out, "limits", "must be greater than 0");
    if (instance->network != (instance->hosts.count > 0))
        return fault(out, "hosts", "goes with \"network\": \"allowlist\", and is not empty then");
    if (hosts_fault(out, &instance->hosts))
        return true;
    if (instance->tests_at != NULL &&
            (instance->tests_at[0] != '/' || instance->tests_at[1] == '\0' ||
                    strstr(instance->tests_at, "/..") != NULL))
        return fault(out, "tests_at", "must be an absolute path without \"..\"");
    return lists_fault(out, instance);
}

void assay_strings_write(
        struct assay_json_writer *w, const char *key, const struct assay_strings *strings)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < strings->count; i++)
        assay_json_put_text(w, NULL, strings->items[i]);
    assay_json_end_array(w);
}
