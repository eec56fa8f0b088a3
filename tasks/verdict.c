// SPDX-License-Identifier: MIT
// verdict.c - the verdict object as JSON and back.
#include "tasks/verdict.h"

#include <string.h>

#include "base/json.h"
#include "tasks/fields.h"
#include "tasks/verdict_kind.h"

static const char *const resolution_names[] = {
        [ASSAY_RESOLUTION_NO] = "NO",
        [ASSAY_RESOLUTION_PARTIAL] = "PARTIAL",
        [ASSAY_RESOLUTION_FULL] = "FULL",
};
static const char *const evidence_names[] = {
        [ASSAY_EVIDENCE_WEAK] = "weak",
        [ASSAY_EVIDENCE_STRONG] = "strong",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// Ids and paths come from logs and file systems: they need not be UTF-8.
static void put_foreign(struct assay_json_writer *w, const char *key, const char *text)
{
    if (text == NULL)
        text = "";
    assay_json_put_bytes(w, key, text, strlen(text));
}

static void put_strings(
        struct assay_json_writer *w, const char *key, const struct assay_strings *strings)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < strings->count; i++)
        put_foreign(w, NULL, strings->items[i]);
    assay_json_end_array(w);
}

static void put_tests(struct assay_json_writer *w, const char *key,
        const struct assay_strings *success, const struct assay_strings *failure)
{
    assay_json_begin_object(w, key);
    put_strings(w, "success", success);
    put_strings(w, "failure", failure);
    assay_json_end_object(w);
}

static void put_patch(struct assay_json_writer *w, const struct assay_verdict *verdict)
{
    assay_json_begin_object(w, "patch");
    assay_json_put_bool(w, "applied", verdict->patch_applied);
    put_strings(w, "dropped", &verdict->patch_dropped);
    assay_json_begin_array(w, "hunks");
    for (size_t i = 0; i < verdict->hunk_count; i++) {
        const struct assay_hunk_record *hunk = &verdict->hunks[i];

        assay_json_begin_object(w, NULL);
        put_foreign(w, "path", hunk->path);
        assay_json_put_u64(w, "hunk", hunk->hunk_index);
        assay_json_put_i64(w, "offset", hunk->offset);
        put_foreign(w, "tolerance", hunk->tolerance);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    assay_json_end_object(w);
}

// No measurement comes near the bound; one that does says "unknown" with ones.
static uint64_t measure(uint64_t value)
{
    return value < ASSAY_JSON_INTEGER_MAX ? value : ASSAY_JSON_INTEGER_MAX;
}

static void put_usage(struct assay_json_writer *w, const struct assay_usage *usage)
{
    assay_json_begin_object(w, "usage");
    assay_json_put_u64(w, "wall_ms", measure(usage->wall_ms));
    assay_json_put_u64(w, "cpu_ms", measure(usage->cpu_ms));
    assay_json_put_u64(w, "memory_bytes_peak", measure(usage->memory_bytes_peak));
    assay_json_put_u64(w, "pids_peak", usage->pids_peak);
    assay_json_end_object(w);
}

static void put_score(struct assay_json_writer *w, bool scored, bool resolved)
{
    if (scored)
        assay_json_put_bool(w, "resolved", resolved);
    else
        assay_json_put_null(w, "resolved");
}

static void put_attempts(struct assay_json_writer *w, const struct assay_verdict *verdict)
{
    assay_json_begin_array(w, "attempts");
    for (size_t i = 0; i < verdict->attempt_count; i++) {
        const struct assay_attempt *attempt = &verdict->attempts[i];

        assay_json_begin_object(w, NULL);
        put_score(w, attempt->scored, attempt->resolved);
        assay_json_put_text(w, "cause", assay_cause_name(attempt->cause));
        put_foreign(w, "reason", attempt->reason);
        assay_json_put_u64(w, "wall_ms", measure(attempt->wall_ms));
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

void assay_verdict_write(
        struct assay_buf *out, const struct assay_verdict *verdict, unsigned indent)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, indent);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    put_foreign(&w, "run_id", verdict->run_id);
    put_foreign(&w, "instance_id", verdict->instance_id);
    put_score(&w, verdict->scored, verdict->resolved);
    if (verdict->scored)
        assay_json_put_double(&w, "reward", verdict->reward);
    else
        assay_json_put_null(&w, "reward");
    put_foreign(&w, "reason", verdict->reason);
    assay_json_put_text(&w, "cause", assay_cause_name(verdict->cause));
    assay_json_put_text(&w, "resolution", resolution_names[verdict->resolution]);
    assay_json_begin_object(&w, "tests");
    put_tests(&w, "FAIL_TO_PASS", &verdict->f2p_success, &verdict->f2p_failure);
    put_tests(&w, "PASS_TO_PASS", &verdict->p2p_success, &verdict->p2p_failure);
    assay_json_end_object(&w);
    put_strings(&w, "tamper", &verdict->tamper);
    put_strings(&w, "denied", &verdict->denied);
    put_patch(&w, verdict);
    put_foreign(&w, "tier", verdict->tier);
    assay_json_put_text(&w, "evidence", evidence_names[verdict->evidence]);
    if (verdict->compat != NULL)
        put_foreign(&w, "compat", verdict->compat);
    put_usage(&w, &verdict->usage);
    put_attempts(&w, verdict);
    put_foreign(&w, "key", verdict->key);
    assay_json_put_bool(&w, "cached", verdict->cached);
    assay_verdict_kind_write(&w, verdict);
    assay_json_end_object(&w);
}

// Index of the text under `key` in names.
static enum assay_status read_name(size_t *out, const struct assay_fields *fields, const char *key,
        const char *const *names, size_t count, struct assay_error *err)
{
    const char *name = NULL;
    const enum assay_status status = assay_fields_text(&name, fields, key, err);

    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = i;
            return ASSAY_OK;
        }
    }
    return assay_fields_fail(fields, key, err, "unknown word \"%.40s\"", name);
}

// resolved and reward are both null, or neither is.
static enum assay_status read_score(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    const struct assay_json *resolved = assay_json_get(fields->object, "resolved");
    const struct assay_json *reward = assay_json_get(fields->object, "reward");

    if (resolved == NULL)
        return assay_fields_fail(fields, "resolved", err, "missing");
    if (reward == NULL)
        return assay_fields_fail(fields, "reward", err, "missing");
    verdict->scored = assay_json_type(resolved) != ASSAY_JSON_NULL;
    if (verdict->scored != (assay_json_type(reward) != ASSAY_JSON_NULL))
        return assay_fields_fail(fields, "reward", err, "null without resolved, or the reverse");
    if (!verdict->scored)
        return ASSAY_OK;
    if (assay_json_type(resolved) != ASSAY_JSON_BOOL)
        return assay_fields_fail(fields, "resolved", err, "expected true, false or null");
    if (assay_json_type(reward) != ASSAY_JSON_NUMBER)
        return assay_fields_fail(fields, "reward", err, "expected a number or null");
    verdict->resolved = assay_json_bool(resolved);
    verdict->reward = assay_json_number(reward);
    return ASSAY_OK;
}

static enum assay_status read_words(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    const char *cause = NULL;
    const char *key = "";
    size_t resolution = 0;
    size_t evidence = 0;
    enum assay_status status;

    status = assay_fields_text(&cause, fields, "cause", err);
    if (status != ASSAY_OK)
        return status;
    if (!assay_cause_from_name(&verdict->cause, cause))
        return assay_fields_fail(fields, "cause", err, "unknown word \"%.40s\"", cause);
    status = read_name(
            &resolution, fields, "resolution", resolution_names, COUNT(resolution_names), err);
    if (status != ASSAY_OK)
        return status;
    status = read_name(&evidence, fields, "evidence", evidence_names, COUNT(evidence_names), err);
    if (status != ASSAY_OK)
        return status;
    verdict->resolution = (enum assay_resolution)resolution;
    verdict->evidence = (enum assay_evidence_kind)evidence;
    status = assay_fields_text(&key, fields, "key", err);
    if (status != ASSAY_OK)
        return status;
    if (strlen(key) >= sizeof(verdict->key))
        return assay_fields_fail(fields, "key", err, "longer than a hash");
    memcpy(verdict->key, key, strlen(key) + 1);
    return assay_fields_bool(&verdict->cached, fields, "cached", err);
}

static enum assay_status read_texts(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"run_id", &verdict->run_id}, {"instance_id", &verdict->instance_id},
            {"reason", &verdict->reason}, {"tier", &verdict->tier}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < COUNT(texts) && status == ASSAY_OK; i++)
        status = assay_fields_text(texts[i].out, fields, texts[i].key, err);
    if (status == ASSAY_OK)
        status = assay_fields_text_or(&verdict->compat, fields, "compat", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings(&verdict->tamper, fields, "tamper", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings(&verdict->denied, fields, "denied", err);
    return status;
}

static enum assay_status read_tests(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    const struct {
        const char *key;
        struct assay_strings *success, *failure;
    } lists[] = {{"FAIL_TO_PASS", &verdict->f2p_success, &verdict->f2p_failure},
            {"PASS_TO_PASS", &verdict->p2p_success, &verdict->p2p_failure}};
    struct assay_fields tests;
    enum assay_status status = assay_fields_object(&tests, fields, "tests", err);

    for (size_t i = 0; i < COUNT(lists) && status == ASSAY_OK; i++) {
        struct assay_fields list;

        status = assay_fields_object(&list, &tests, lists[i].key, err);
        if (status == ASSAY_OK)
            status = assay_fields_strings(lists[i].success, &list, "success", err);
        if (status == ASSAY_OK)
            status = assay_fields_strings(lists[i].failure, &list, "failure", err);
    }
    return status;
}

static enum assay_status read_hunk(
        struct assay_hunk_record *hunk, const struct assay_fields *fields, struct assay_error *err)
{
    const struct assay_json *offset = assay_json_get(fields->object, "offset");
    uint64_t hunk_index = 0;
    enum assay_status status;

    status = assay_fields_text(&hunk->path, fields, "path", err);
    if (status == ASSAY_OK)
        status = assay_fields_text(&hunk->tolerance, fields, "tolerance", err);
    if (status == ASSAY_OK)
        status = assay_fields_u64(&hunk_index, fields, "hunk", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status != ASSAY_OK)
        return status;
    if (offset == NULL || assay_json_type(offset) != ASSAY_JSON_NUMBER ||
            assay_json_number(offset) > 1e15 || assay_json_number(offset) < -1e15)
        return assay_fields_fail(fields, "offset", err, "expected a whole number");
    hunk->hunk_index = (size_t)hunk_index;
    hunk->offset = (int64_t)assay_json_number(offset);
    return ASSAY_OK;
}

static enum assay_status read_patch(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    const struct assay_json *hunks = NULL;
    const struct assay_json *element;
    struct assay_fields patch;
    enum assay_status status = assay_fields_object(&patch, fields, "patch", err);

    if (status == ASSAY_OK)
        status = assay_fields_bool(&verdict->patch_applied, &patch, "applied", err);
    if (status == ASSAY_OK)
        status = assay_fields_strings(&verdict->patch_dropped, &patch, "dropped", err);
    if (status == ASSAY_OK)
        status = assay_fields_array(&hunks, &patch, "hunks", err);
    if (status != ASSAY_OK)
        return status;
    verdict->hunks = assay_arena_array(
            fields->source->arena, assay_json_count(hunks), sizeof(verdict->hunks[0]));
    if (verdict->hunks == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "verdict: larger than the memory bound");
    for (element = assay_json_first(hunks); element != NULL && status == ASSAY_OK;
            element = assay_json_next(element)) {
        struct assay_fields hunk;

        status = assay_fields_element(&hunk, &patch, element, "hunks", err);
        if (status == ASSAY_OK)
            status = read_hunk(&verdict->hunks[verdict->hunk_count++], &hunk, err);
    }
    return status;
}

static enum assay_status read_usage(
        struct assay_usage *usage, const struct assay_fields *fields, struct assay_error *err)
{
    struct assay_fields object;
    uint64_t pids_peak = 0;
    enum assay_status status = assay_fields_object(&object, fields, "usage", err);

    if (status == ASSAY_OK)
        status = assay_fields_u64(
                &usage->wall_ms, &object, "wall_ms", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status =
                assay_fields_u64(&usage->cpu_ms, &object, "cpu_ms", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_fields_u64(&usage->memory_bytes_peak, &object, "memory_bytes_peak", 0,
                ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_fields_u64(&pids_peak, &object, "pids_peak", 0, UINT32_MAX, err);
    usage->pids_peak = (uint32_t)pids_peak;
    return status;
}

static enum assay_status read_attempt(
        struct assay_attempt *attempt, const struct assay_fields *fields, struct assay_error *err)
{
    const struct assay_json *resolved = assay_json_get(fields->object, "resolved");
    const char *cause = NULL;
    enum assay_status status = assay_fields_text(&cause, fields, "cause", err);

    if (status == ASSAY_OK)
        status = assay_fields_text(&attempt->reason, fields, "reason", err);
    if (status == ASSAY_OK)
        status = assay_fields_u64(
                &attempt->wall_ms, fields, "wall_ms", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status != ASSAY_OK)
        return status;
    if (!assay_cause_from_name(&attempt->cause, cause))
        return assay_fields_fail(fields, "cause", err, "unknown word \"%.40s\"", cause);
    attempt->scored = resolved != NULL && assay_json_type(resolved) == ASSAY_JSON_BOOL;
    attempt->resolved = attempt->scored && assay_json_bool(resolved);
    return ASSAY_OK;
}

// Verdicts of earlier versions have none.
static enum assay_status read_attempts(
        struct assay_verdict *verdict, const struct assay_fields *fields, struct assay_error *err)
{
    const struct assay_json *attempts = NULL;
    enum assay_status status;

    if (assay_json_get(fields->object, "attempts") == NULL)
        return ASSAY_OK;
    status = assay_fields_array(&attempts, fields, "attempts", err);
    if (status != ASSAY_OK)
        return status;
    verdict->attempts = assay_arena_array(
            fields->source->arena, assay_json_count(attempts), sizeof(verdict->attempts[0]));
    if (verdict->attempts == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "verdict: larger than the memory bound");
    for (const struct assay_json *element = assay_json_first(attempts);
            element != NULL && status == ASSAY_OK; element = assay_json_next(element)) {
        struct assay_fields attempt;

        status = assay_fields_element(&attempt, fields, element, "attempts", err);
        if (status == ASSAY_OK)
            status = read_attempt(&verdict->attempts[verdict->attempt_count++], &attempt, err);
    }
    return status;
}

enum assay_status assay_verdict_read(struct assay_verdict *out, const char *text, size_t len,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_source source = {
            .file = "verdict", .text = text, .len = len, .first_line = 1, .arena = arena};
    struct assay_verdict verdict = {0};
    struct assay_json *document = NULL;
    struct assay_fields fields;
    enum assay_status status;

    status = assay_fields_parse(&document, &fields, &source, err);
    if (status == ASSAY_OK)
        status = assay_fields_schema(&fields, err);
    if (status == ASSAY_OK)
        status = read_score(&verdict, &fields, err);
    if (status == ASSAY_OK)
        status = read_words(&verdict, &fields, err);
    if (status == ASSAY_OK)
        status = read_texts(&verdict, &fields, err);
    if (status == ASSAY_OK)
        status = read_tests(&verdict, &fields, err);
    if (status == ASSAY_OK)
        status = read_patch(&verdict, &fields, err);
    if (status == ASSAY_OK)
        status = read_usage(&verdict.usage, &fields, err);
    if (status == ASSAY_OK)
        status = read_attempts(&verdict, &fields, err);
    if (status == ASSAY_OK)
        status = assay_verdict_kind_read(&verdict, &fields, err);
    if (status == ASSAY_OK)
        *out = verdict;
    assay_json_free(document);
    return status;
}
