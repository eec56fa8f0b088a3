// SPDX-License-Identifier: MIT
// instance_json.c - instance.json in and out.
#include <string.h>

#include "base/json.h"
#include "tasks/fields.h"
#include "tasks/suite_read.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIMIT_MS_MAX (UINT64_C(7) * 24 * 3600 * 1000)
#define LIMIT_BYTES_MAX (UINT64_C(1) << 50)

static const char *const instance_keys[] = {"schema", "instance_id", "repo", "base", "recipe",
        "test_cmd", "framework", "FAIL_TO_PASS", "PASS_TO_PASS", "task", "protected_allowed",
        "limits", "network", "hosts", "tags", "rules", "fail_only", "canaries", "log_parser",
        "version", "FAIL_TO_FAIL", "ERROR_TO_ERROR", "NOT_FAIL", "tests_at"};
static const char *const limits_keys[] = {"wall_ms", "cpu_ms", "memory_bytes"};
static const char *const base_keys[] = {
        "git", "commit", "archive", "sha256", "dir", "empty", "patched"};

static enum assay_status base_fields(
        struct assay_base *base, const struct assay_fields *instance, struct assay_error *err)
{
    static const struct {
        const char *where, *with;
        enum assay_base_kind kind;
    } kinds[] = {{"git", "commit", ASSAY_BASE_GIT}, {"archive", "sha256", ASSAY_BASE_ARCHIVE},
            {"dir", NULL, ASSAY_BASE_DIR}};
    struct assay_fields fields;
    bool patched = false;
    enum assay_status status = assay_fields_object(&fields, instance, "base", err);

    if (status == ASSAY_OK)
        status = assay_fields_only(&fields, base_keys, COUNT(base_keys), err);
    if (status != ASSAY_OK)
        return status;
    status = assay_fields_bool_or(&patched, &fields, "patched", err);
    if (status != ASSAY_OK)
        return status;
    if (assay_json_get(fields.object, "empty") != NULL && assay_json_count(fields.object) == 1) {
        bool empty = false;

        base->kind = ASSAY_BASE_EMPTY;
        status = assay_fields_bool(&empty, &fields, "empty", err);
        if (status != ASSAY_OK || empty)
            return status;
    }
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const char **with = kinds[i].kind == ASSAY_BASE_GIT ? &base->commit : &base->sha256;

        if (assay_json_get(fields.object, kinds[i].where) == NULL)
            continue;
        if (assay_json_count(fields.object) != (kinds[i].with == NULL ? 1u : 2u) + patched)
            break;
        base->kind = kinds[i].kind;
        // Whoever reads the instance's folder puts the patch itself in its place.
        if (patched)
            base->patch = (struct assay_bytes){"", 0};
        status = assay_fields_text(&base->where, &fields, kinds[i].where, err);
        if (status == ASSAY_OK && kinds[i].with != NULL)
            status = assay_fields_text(with, &fields, kinds[i].with, err);
        return status;
    }
    return assay_fields_fail(instance, "base", err,
            "expected {\"git\", \"commit\"}, {\"archive\", \"sha256\"}, {\"dir\"} or {\"empty\": true}");
}

enum assay_status assay_limits_fields(struct assay_instance_limits *limits,
        const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_fields object;
    enum assay_status status;

    if (assay_json_get(fields->object, "limits") == NULL)
        return ASSAY_OK;
    status = assay_fields_object(&object, fields, "limits", err);
    if (status == ASSAY_OK)
        status = assay_fields_only(&object, limits_keys, COUNT(limits_keys), err);
    if (status == ASSAY_OK)
        status = assay_fields_u64_or(&limits->wall_ms, &object, "wall_ms", 1, LIMIT_MS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_fields_u64_or(&limits->cpu_ms, &object, "cpu_ms", 1, LIMIT_MS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_fields_u64_or(
                &limits->memory_bytes, &object, "memory_bytes", 1, LIMIT_BYTES_MAX, err);
    return status;
}

static enum assay_status task_field(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char *task = assay_task_kind_name(ASSAY_TASK_REPAIR);
    const enum assay_status status = assay_fields_text_or(&task, fields, "task", err);

    if (status != ASSAY_OK)
        return status;
    if (assay_task_kind_from_name(&instance->task, task))
        return ASSAY_OK;
    return assay_fields_fail(
            fields, "task", err, "expected \"repair\", \"localize\" or \"write_tests\"");
}

// How the lists are to be read: only an exported SWE-bench suite says so.
static enum assay_status rules_fields(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char *rules = assay_rules_name(ASSAY_RULES_NATIVE);
    enum assay_status status = assay_fields_text_or(&rules, fields, "rules", err);

    if (status != ASSAY_OK)
        return status;
    if (!assay_rules_from_name(&instance->rules, rules))
        return assay_fields_fail(fields, "rules", err,
                "expected \"native\", \"swebench\", \"all_passed\", \"whole_map\" or \"three_stage\"");
    status = assay_fields_strings_or(&instance->fail_to_fail, fields, "FAIL_TO_FAIL", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings_or(&instance->error_to_error, fields, "ERROR_TO_ERROR", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings_or(&instance->not_fail, fields, "NOT_FAIL", err);
    if (status == ASSAY_OK)
        status = assay_fields_text_or(&instance->tests_at, fields, "tests_at", err);
    if (status != ASSAY_OK)
        return status;
    status = assay_fields_text_or(&instance->log_parser, fields, "log_parser", err);
    if (status == ASSAY_OK)
        status = assay_fields_text_or(&instance->version, fields, "version", err);
    if (status != ASSAY_OK)
        return status;
    return assay_fields_bool_or(&instance->fail_only, fields, "fail_only", err);
}

static enum assay_status network_fields(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char *network = "none";
    const enum assay_status status = assay_fields_text_or(&network, fields, "network", err);

    if (status != ASSAY_OK)
        return status;
    if (strcmp(network, "none") != 0 && strcmp(network, "allowlist") != 0)
        return assay_fields_fail(fields, "network", err, "expected \"none\" or \"allowlist\"");
    instance->network = network[0] == 'a';
    return assay_fields_strings_or(&instance->hosts, fields, "hosts", err);
}

static enum assay_status canaries_field(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    bool canaries = true;
    const enum assay_status status = assay_fields_bool_or(&canaries, fields, "canaries", err);

    instance->no_canaries = !canaries;
    return status;
}

static enum assay_status text_fields(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"instance_id", &instance->instance_id}, {"repo", &instance->repo},
            {"recipe", &instance->recipe}, {"framework", &instance->framework}};
    const struct {
        const char *key;
        struct assay_strings *out;
    } lists[] = {{"test_cmd", &instance->test_cmd}, {"FAIL_TO_PASS", &instance->fail_to_pass},
            {"PASS_TO_PASS", &instance->pass_to_pass}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < COUNT(texts) && status == ASSAY_OK; i++)
        status = assay_fields_text(texts[i].out, fields, texts[i].key, err);
    for (size_t i = 0; i < COUNT(lists) && status == ASSAY_OK; i++)
        status = assay_fields_strings(lists[i].out, fields, lists[i].key, err);
    if (status == ASSAY_OK)
        status = assay_fields_strings_or(
                &instance->protected_allowed, fields, "protected_allowed", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings_or(&instance->tags, fields, "tags", err);
    return status;
}

enum assay_status assay_instance_fields(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    enum assay_status status;

    instance->limits = (struct assay_instance_limits){.wall_ms = ASSAY_INSTANCE_WALL_MS,
            .cpu_ms = ASSAY_INSTANCE_WALL_MS,
            .memory_bytes = ASSAY_INSTANCE_MEMORY_BYTES};
    status = assay_fields_only(fields, instance_keys, COUNT(instance_keys), err);
    if (status == ASSAY_OK)
        status = assay_fields_schema(fields, err);
    if (status == ASSAY_OK)
        status = text_fields(instance, fields, err);
    if (status == ASSAY_OK)
        status = base_fields(&instance->base, fields, err);
    if (status == ASSAY_OK)
        status = task_field(instance, fields, err);
    if (status == ASSAY_OK)
        status = rules_fields(instance, fields, err);
    if (status == ASSAY_OK)
        status = network_fields(instance, fields, err);
    if (status == ASSAY_OK)
        status = canaries_field(instance, fields, err);
    if (status == ASSAY_OK)
        status = assay_limits_fields(&instance->limits, fields, err);
    return status;
}

enum assay_status assay_instance_read(struct assay_instance *out, const char *text, size_t len,
        const char *file, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_source source = {
            .file = file, .text = text, .len = len, .first_line = 1, .arena = arena};
    struct assay_instance instance = {0};
    struct assay_json *document = NULL;
    struct assay_fields fields;
    struct assay_fault fault = {.field = ""};
    enum assay_status status;

    status = assay_fields_parse(&document, &fields, &source, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_instance_fields(&instance, &fields, err);
    if (status == ASSAY_OK && assay_instance_fault(&fault, &instance))
        status = assay_fields_fail(&fields, fault.field, err, "%s", fault.reason);
    if (status == ASSAY_OK)
        *out = instance;
    assay_json_free(document);
    return status;
}

static void put_strings(
        struct assay_json_writer *w, const char *key, const struct assay_strings *strings)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < strings->count; i++)
        assay_json_put_bytes(w, NULL, strings->items[i], strlen(strings->items[i]));
    assay_json_end_array(w);
}

static void put_strings_if_any(
        struct assay_json_writer *w, const char *key, const struct assay_strings *strings)
{
    if (strings->count > 0)
        put_strings(w, key, strings);
}

static void put_base(struct assay_json_writer *w, const struct assay_base *base)
{
    assay_json_begin_object(w, "base");
    switch (base->kind) {
    case ASSAY_BASE_GIT:
        assay_json_put_text(w, "git", base->where);
        assay_json_put_text(w, "commit", base->commit);
        break;
    case ASSAY_BASE_ARCHIVE:
        assay_json_put_text(w, "archive", base->where);
        assay_json_put_text(w, "sha256", base->sha256);
        break;
    case ASSAY_BASE_DIR:
        assay_json_put_text(w, "dir", base->where);
        break;
    case ASSAY_BASE_EMPTY:
        assay_json_put_bool(w, "empty", true);
        break;
    }
    if (base->patch.data != NULL)
        assay_json_put_bool(w, "patched", true);
    assay_json_end_object(w);
}

void assay_instance_write(struct assay_buf *out, const struct assay_instance *instance)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "instance_id", instance->instance_id);
    assay_json_put_text(&w, "repo", instance->repo);
    put_base(&w, &instance->base);
    assay_json_put_text(&w, "recipe", instance->recipe);
    put_strings(&w, "test_cmd", &instance->test_cmd);
    assay_json_put_text(&w, "framework", instance->framework);
    put_strings(&w, "FAIL_TO_PASS", &instance->fail_to_pass);
    put_strings(&w, "PASS_TO_PASS", &instance->pass_to_pass);
    assay_json_put_text(&w, "task", assay_task_kind_name(instance->task));
    put_strings(&w, "protected_allowed", &instance->protected_allowed);
    assay_json_begin_object(&w, "limits");
    assay_json_put_u64(&w, "wall_ms", instance->limits.wall_ms);
    assay_json_put_u64(&w, "cpu_ms", instance->limits.cpu_ms);
    assay_json_put_u64(&w, "memory_bytes", instance->limits.memory_bytes);
    assay_json_end_object(&w);
    if (instance->network) {
        assay_json_put_text(&w, "network", "allowlist");
        put_strings(&w, "hosts", &instance->hosts);
    }
    put_strings(&w, "tags", &instance->tags);
    if (instance->rules != ASSAY_RULES_NATIVE)
        assay_json_put_text(&w, "rules", assay_rules_name(instance->rules));
    put_strings_if_any(&w, "FAIL_TO_FAIL", &instance->fail_to_fail);
    put_strings_if_any(&w, "ERROR_TO_ERROR", &instance->error_to_error);
    put_strings_if_any(&w, "NOT_FAIL", &instance->not_fail);
    if (instance->tests_at != NULL)
        assay_json_put_text(&w, "tests_at", instance->tests_at);
    if (instance->fail_only)
        assay_json_put_bool(&w, "fail_only", true);
    if (instance->log_parser != NULL)
        assay_json_put_text(&w, "log_parser", instance->log_parser);
    if (instance->version != NULL)
        assay_json_put_text(&w, "version", instance->version);
    if (instance->no_canaries)
        assay_json_put_bool(&w, "canaries", false);
    assay_json_end_object(&w);
}
