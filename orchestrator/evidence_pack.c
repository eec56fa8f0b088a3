// SPDX-License-Identifier: MIT
// evidence_pack.c - evidence as bytes: one line of JSON, then log, report, canaries and files, a
// NUL after each.
#include <string.h>

#include "base/json.h"
#include "orchestrator/evidence.h"
#include "rewards/canary.h"

#define RAW_BYTES_MAX ((size_t)256 << 20)
#define HEAD_BYTES_MAX ((size_t)16 << 20)
#define HEAD_DEPTH_MAX 8
#define SCHEMA 1

// --- writing -------------------------------------------------------------------------------------

static void put_text(struct assay_json_writer *w, const char *key, const char *text)
{
    assay_json_put_bytes(w, key, text ? text : "", text ? strlen(text) : 0);
}

static void put_strings(
        struct assay_json_writer *w, const char *key, const struct assay_strings *strings)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < strings->count; i++)
        put_text(w, NULL, strings->items[i]);
    assay_json_end_array(w);
}

// No measurement comes near the bound; one that does says "unknown" with ones.
static void put_measure(struct assay_json_writer *w, const char *key, uint64_t value)
{
    assay_json_put_u64(w, key, value < ASSAY_JSON_INTEGER_MAX ? value : ASSAY_JSON_INTEGER_MAX);
}

static void put_head(struct assay_json_writer *w, const struct assay_run_evidence *evidence,
        const struct assay_buf *canaries)
{
    const struct assay_evidence *judged = &evidence->judged;

    assay_json_begin_object(w, NULL);
    assay_json_put_u64(w, "schema", SCHEMA);
    assay_json_put_text(w, "run_hash", evidence->run_hash);
    assay_json_put_text(w, "run_key", evidence->run_key);
    if (evidence->role)
        put_text(w, "role", evidence->role);
    put_strings(w, "command", &evidence->command);
    put_strings(w, "env", &evidence->env);
    assay_json_put_text(w, "cause", assay_cause_name(judged->box_cause));
    assay_json_put_i64(w, "exit_code", judged->exit_code);
    if (evidence->trouble)
        put_text(w, "trouble", evidence->trouble);
    put_text(w, "tier", evidence->tier);
    put_measure(w, "wall_ms", evidence->usage.wall_ms);
    put_measure(w, "cpu_ms", evidence->usage.cpu_ms);
    put_measure(w, "memory_bytes_peak", evidence->usage.memory_bytes_peak);
    put_measure(w, "pids_peak", evidence->usage.pids_peak);
    put_strings(w, "denied", &evidence->denied);
    assay_json_put_bool(w, "log_truncated", judged->log_truncated);
    assay_json_put_u64(w, "log_bytes", judged->log.len);
    assay_json_put_u64(w, "report_bytes", judged->report.len);
    assay_json_put_u64(w, "canaries_bytes", canaries->len);
    assay_json_begin_array(w, "files");
    for (size_t i = 0; i < judged->file_count; i++) {
        assay_json_begin_object(w, NULL);
        put_text(w, "name", judged->files[i].name);
        assay_json_put_u64(w, "bytes", judged->files[i].content.len);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    assay_json_end_object(w);
}

static void put_bytes(struct assay_buf *raw, struct assay_bytes bytes)
{
    assay_buf_add(raw, bytes.data, bytes.len);
    assay_buf_addc(raw, '\0'); // as every struct assay_bytes has one
}

static enum assay_status copy_frame(struct assay_frame *out, const struct assay_buf *frame,
        size_t raw_bytes, struct assay_arena *arena, struct assay_error *err)
{
    const char *copy = assay_arena_memdup(arena, frame->data, frame->len);

    if (!copy)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *out = (struct assay_frame){.data = copy, .len = frame->len, .raw_bytes = raw_bytes};
    return ASSAY_OK;
}

enum assay_status assay_evidence_pack(struct assay_frame *out,
        const struct assay_run_evidence *evidence, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct assay_evidence *judged = &evidence->judged;
    struct assay_json_writer w;
    struct assay_buf raw, frame, canaries;
    enum assay_status status;

    assay_buf_init(&raw, RAW_BYTES_MAX);
    assay_buf_init(&frame, RAW_BYTES_MAX + (RAW_BYTES_MAX >> 4)); // zstd's worst case
    assay_json_writer_init(&w, &raw, 0);
    assay_buf_init(&canaries, HEAD_BYTES_MAX);
    if (judged->canaries)
        assay_canary_plan_write(&canaries, judged->canaries);
    put_head(&w, evidence, &canaries);
    assay_buf_addc(&raw, '\n');
    put_bytes(&raw, judged->log);
    put_bytes(&raw, judged->report);
    put_bytes(&raw, (struct assay_bytes){canaries.data, canaries.len});
    for (size_t i = 0; i < judged->file_count; i++)
        put_bytes(&raw, judged->files[i].content);
    status = assay_buf_check(&canaries, "canaries", err);
    if (status == ASSAY_OK)
        status = assay_buf_check(&raw, "evidence", err);
    if (status == ASSAY_OK)
        status = assay_frame_pack(&frame, raw.data, raw.len, "evidence", err);
    if (status == ASSAY_OK)
        status = copy_frame(out, &frame, raw.len, arena, err);
    assay_buf_free(&frame);
    assay_buf_free(&raw);
    assay_buf_free(&canaries);
    return status;
}

// --- reading -------------------------------------------------------------------------------------

// The head, and what is left of the bytes behind it.
struct reading {
    const struct assay_json *head;
    struct assay_arena *arena;
    const char *at;
    size_t left;
};

static enum assay_status read_text(
        const char **out, struct reading *r, const char *key, struct assay_error *err)
{
    const char *text = NULL;
    enum assay_status status = assay_json_read_text(&text, r->head, key, err);

    if (status == ASSAY_OK) {
        *out = assay_arena_strdup(r->arena, text);
        if (!*out)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    return status;
}

static enum assay_status read_hash(
        char out[65], struct reading *r, const char *key, struct assay_error *err)
{
    const char *text = NULL;
    enum assay_status status = assay_json_read_text(&text, r->head, key, err);

    if (status == ASSAY_OK && strlen(text) > 64)
        status = assay_fail(err, ASSAY_EINVAL, "evidence: %s is longer than a hash", key);
    if (status == ASSAY_OK)
        memcpy(out, text, strlen(text) + 1);
    return status;
}

static enum assay_status read_strings(
        struct assay_strings *out, struct reading *r, const char *key, struct assay_error *err)
{
    const struct assay_json *array = NULL;
    const char **items = NULL;
    size_t count = 0;
    enum assay_status status = assay_json_read_array(&array, r->head, key, err);

    if (status != ASSAY_OK)
        return status;
    items = assay_arena_array(r->arena, assay_json_count(array), sizeof(*items));
    if (!items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (const struct assay_json *at = assay_json_first(array); at; at = assay_json_next(at)) {
        const char *text = assay_json_text(at);

        if (!text)
            return assay_fail(err, ASSAY_EINVAL, "evidence: %s holds what is no text", key);
        items[count] = assay_arena_strdup(r->arena, text);
        if (!items[count++])
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

// The next bytes behind the head, as many as `key` of `object` says.
static enum assay_status take_bytes(struct assay_bytes *out, struct reading *r,
        const struct assay_json *object, const char *key, struct assay_error *err)
{
    uint64_t len = 0;
    enum assay_status status = assay_json_read_u64(&len, object, key, 0, r->left, err);

    if (status != ASSAY_OK)
        return status;
    if (len == r->left || r->at[len] != '\0')
        return assay_fail(err, ASSAY_EINVAL, "evidence: %s does not fit", key);
    *out = (struct assay_bytes){r->at, (size_t)len};
    r->at += len + 1;
    r->left -= (size_t)len + 1;
    return ASSAY_OK;
}

static enum assay_status read_files(
        struct assay_evidence *out, struct reading *r, struct assay_error *err)
{
    const struct assay_json *array = NULL;
    struct assay_out_file *files = NULL;
    enum assay_status status = assay_json_read_array(&array, r->head, "files", err);

    if (status != ASSAY_OK)
        return status;
    files = assay_arena_array(r->arena, assay_json_count(array), sizeof(*files));
    if (!files)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    out->files = files;
    for (const struct assay_json *at = assay_json_first(array); at && status == ASSAY_OK;
            at = assay_json_next(at)) {
        struct assay_out_file *file = &files[out->file_count++];
        const char *name = NULL;

        status = assay_json_read_text(&name, at, "name", err);
        if (status == ASSAY_OK)
            status = take_bytes(&file->content, r, at, "bytes", err);
        if (status == ASSAY_OK && !(file->name = assay_arena_strdup(r->arena, name)))
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    return status;
}

// The plan of the run's canaries; a run without one has no bytes of it.
static enum assay_status read_canaries(
        struct assay_evidence *out, struct reading *r, struct assay_error *err)
{
    struct assay_canary_plan *plan;
    struct assay_bytes text;
    enum assay_status status = take_bytes(&text, r, r->head, "canaries_bytes", err);

    if (status != ASSAY_OK || text.len == 0)
        return status;
    plan = assay_arena_alloc(r->arena, sizeof(*plan));
    if (!plan)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_canary_plan_read(plan, text.data, text.len, r->arena, err);
    if (status == ASSAY_OK)
        out->canaries = plan;
    return status;
}

static enum assay_status read_judged(
        struct assay_evidence *out, struct reading *r, struct assay_error *err)
{
    const double exit_code = assay_json_number(assay_json_get(r->head, "exit_code"));
    const char *cause = NULL;
    enum assay_status status = assay_json_read_text(&cause, r->head, "cause", err);

    if (status == ASSAY_OK && !assay_cause_from_name(&out->box_cause, cause))
        status = assay_fail(err, ASSAY_EINVAL, "evidence: unknown cause");
    if (status == ASSAY_OK && !(exit_code >= 0 && exit_code <= 255)) // NAN is neither
        status = assay_fail(err, ASSAY_EINVAL, "evidence: exit_code is none");
    if (status != ASSAY_OK)
        return status;
    out->exit_code = (int)exit_code;
    status = assay_json_read_bool(&out->log_truncated, r->head, "log_truncated", err);
    if (status == ASSAY_OK)
        status = take_bytes(&out->log, r, r->head, "log_bytes", err);
    if (status == ASSAY_OK)
        status = take_bytes(&out->report, r, r->head, "report_bytes", err);
    if (status == ASSAY_OK)
        status = read_canaries(out, r, err);
    if (status == ASSAY_OK)
        status = read_files(out, r, err);
    if (status == ASSAY_OK && r->left > 0)
        status = assay_fail(err, ASSAY_EINVAL, "evidence: bytes are left over");
    return status;
}

static enum assay_status read_usage(
        struct assay_usage *usage, const struct reading *r, struct assay_error *err)
{
    uint64_t pids_peak = 0;
    const struct {
        const char *key;
        uint64_t *out;
    } numbers[] = {{"wall_ms", &usage->wall_ms}, {"cpu_ms", &usage->cpu_ms},
            {"memory_bytes_peak", &usage->memory_bytes_peak}, {"pids_peak", &pids_peak}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && status == ASSAY_OK; i++)
        status = assay_json_read_u64(
                numbers[i].out, r->head, numbers[i].key, 0, ASSAY_JSON_INTEGER_MAX, err);
    usage->pids_peak = (uint32_t)pids_peak;
    return status;
}

static enum assay_status read_head(
        struct assay_run_evidence *out, struct reading *r, struct assay_error *err)
{
    uint64_t schema = 0;
    enum assay_status status = assay_json_read_u64(&schema, r->head, "schema", SCHEMA, SCHEMA, err);

    if (status == ASSAY_OK)
        status = read_hash(out->run_hash, r, "run_hash", err);
    if (status == ASSAY_OK)
        status = read_hash(out->run_key, r, "run_key", err);
    if (status == ASSAY_OK)
        status = read_strings(&out->command, r, "command", err);
    if (status == ASSAY_OK)
        status = read_strings(&out->env, r, "env", err);
    if (status == ASSAY_OK)
        status = read_strings(&out->denied, r, "denied", err);
    if (status == ASSAY_OK)
        status = read_text(&out->tier, r, "tier", err);
    if (status == ASSAY_OK && assay_json_get(r->head, "trouble"))
        status = read_text(&out->trouble, r, "trouble", err);
    if (status == ASSAY_OK && assay_json_get(r->head, "role"))
        status = read_text(&out->role, r, "role", err);
    if (status == ASSAY_OK)
        status = read_usage(&out->usage, r, err);
    if (status == ASSAY_OK)
        status = read_judged(&out->judged, r, err);
    return status;
}

enum assay_status assay_evidence_read(struct assay_run_evidence *out, const char *text, size_t len,
        struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_json_limits limits = {HEAD_BYTES_MAX, HEAD_DEPTH_MAX};
    const char *end = memchr(text, '\n', len);
    struct assay_run_evidence evidence = {0};
    struct reading r = {.arena = arena};
    struct assay_json *head = NULL;
    enum assay_status status;

    if (!end)
        return assay_fail(err, ASSAY_EINVAL, "evidence: no head");
    r.at = end + 1;
    r.left = len - (size_t)(end + 1 - text);
    status = assay_json_parse(&head, text, (size_t)(end - text), limits, "evidence", 1, err);
    r.head = head;
    if (status == ASSAY_OK)
        status = read_head(&evidence, &r, err);
    if (status == ASSAY_OK)
        *out = evidence;
    assay_json_free(head);
    return status;
}

enum assay_status assay_evidence_unpack(struct assay_run_evidence *out, struct assay_buf *raw,
        const struct assay_frame *frame, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status;

    assay_buf_init(raw, RAW_BYTES_MAX);
    status = assay_frame_unpack(
            raw, (struct assay_bytes){frame->data, frame->len}, frame->raw_bytes, "evidence", err);
    return status == ASSAY_OK ? assay_evidence_read(out, raw->data, raw->len, arena, err) : status;
}
