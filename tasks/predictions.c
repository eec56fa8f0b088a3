// SPDX-License-Identifier: MIT
// predictions.c - rows of a predictions file, each judged by itself.
#include "tasks/predictions.h"

#include <string.h>

#include "tasks/fields.h"
#include "tasks/names.h"
#include "tasks/rows.h"

#define PREDICTIONS_BYTES_MAX ((size_t)8 << 30)

struct predictions_reader {
    struct assay_predictions *predictions;
    const char *file;
    size_t capacity;
    struct assay_names ids; // instance_id -> line of its row
};

static enum assay_status no_memory(const struct predictions_reader *reader, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];

    return assay_fail(err, ASSAY_ENOMEM, "%s: more than %zu bytes of predictions",
            assay_path_short(file, reader->file), PREDICTIONS_BYTES_MAX);
}

static enum assay_status append(struct predictions_reader *reader,
        const struct assay_prediction *prediction, struct assay_error *err)
{
    struct assay_predictions *predictions = reader->predictions;

    if (predictions->count == reader->capacity) {
        const size_t capacity = reader->capacity == 0 ? 64 : reader->capacity * 2;
        struct assay_prediction *items =
                assay_arena_array(predictions->arena, capacity, sizeof(items[0]));

        if (items == NULL)
            return no_memory(reader, err);
        if (predictions->count > 0)
            memcpy(items, predictions->items, predictions->count * sizeof(items[0]));
        predictions->items = items;
        reader->capacity = capacity;
    }
    predictions->items[predictions->count++] = *prediction;
    return ASSAY_OK;
}

static enum assay_status append_bad(struct predictions_reader *reader,
        const struct assay_prediction *prediction, const struct assay_error *reason,
        struct assay_error *err)
{
    struct assay_prediction bad = *prediction;

    bad.state = ASSAY_PREDICTION_BAD_ROW;
    bad.patch = (struct assay_bytes){0};
    bad.error = assay_arena_strdup(reader->predictions->arena, reason->message);
    return bad.error == NULL ? no_memory(reader, err) : append(reader, &bad, err);
}

// --- one row -------------------------------------------------------------------------------------

static enum assay_status read_id(struct assay_prediction *prediction,
        const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    const char *id = key;
    enum assay_status status;

    // In an object by id the row need not repeat it.
    status = key == NULL ? assay_fields_text(&id, fields, "instance_id", err)
                         : assay_fields_text_or(&id, fields, "instance_id", err);
    if (status != ASSAY_OK)
        return status;
    if (!assay_instance_id_valid(id))
        return assay_fields_fail(
                fields, "instance_id", err, "\"%.80s\" is not 1 to 200 of [A-Za-z0-9_.-]", id);
    if (key != NULL && strcmp(id, key) != 0)
        return assay_fields_fail(
                fields, "instance_id", err, "\"%.60s\" stands under the key \"%.60s\"", id, key);
    prediction->instance_id = assay_arena_strdup(fields->source->arena, id);
    if (prediction->instance_id == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return ASSAY_OK;
}

static enum assay_status read_patch(struct assay_prediction *prediction,
        const struct assay_fields *fields, struct assay_error *err)
{
    static const char *const keys[] = {"model_patch", "patch", "prediction"};
    const struct assay_json *member = NULL;
    const char *key = keys[0];
    const char *text;
    size_t len;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && member == NULL; i++) {
        member = assay_json_get(fields->object, keys[i]);
        key = member == NULL ? keys[0] : keys[i];
    }
    if (member == NULL)
        return assay_fields_fail(fields, key, err, "missing");
    text = assay_json_text(member);
    if (text == NULL && assay_json_type(member) != ASSAY_JSON_NULL)
        return assay_fields_fail(fields, key, err, "expected a string or null");
    len = text == NULL ? 0 : strlen(text);
    if (len == 0 || strspn(text, " \t\r\n") == len) {
        prediction->state = ASSAY_PREDICTION_EMPTY;
        return ASSAY_OK;
    }
    if (len > ASSAY_MODEL_PATCH_BYTES_MAX) {
        prediction->state = ASSAY_PREDICTION_TOO_BIG;
        return ASSAY_OK;
    }
    prediction->state = ASSAY_PREDICTION_PATCH;
    prediction->patch.data = assay_arena_memdup(fields->source->arena, text, len);
    prediction->patch.len = len;
    if (prediction->patch.data == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return ASSAY_OK;
}

static enum assay_status read_row(struct assay_prediction *prediction,
        const struct assay_source *source, const char *key, struct assay_error *err)
{
    struct assay_json *document = NULL;
    struct assay_fields fields;
    enum assay_status status = assay_fields_parse(&document, &fields, source, err);

    if (status == ASSAY_OK)
        status = read_id(prediction, &fields, key, err);
    if (status == ASSAY_OK)
        status = assay_fields_text_or(&prediction->model, &fields, "model_name_or_path", err);
    if (status == ASSAY_OK)
        status = read_patch(prediction, &fields, err);
    assay_json_free(document);
    return status;
}

static enum assay_status check_twice(struct predictions_reader *reader,
        const struct assay_prediction *prediction, const char *file, struct assay_error *reason)
{
    size_t line = 0;

    switch (assay_names_put(&reader->ids, prediction->instance_id, prediction->line, &line)) {
    case ASSAY_NAMES_NEW:
        break;
    case ASSAY_NAMES_KNOWN:
        return assay_fail(reason, ASSAY_EINVAL,
                "%s:%zu: instance_id: \"%.80s\" has a row already, in line %zu", file,
                prediction->line, prediction->instance_id, line);
    case ASSAY_NAMES_NO_MEMORY:
        return assay_fail(reason, ASSAY_ENOMEM, "out of memory");
    }
    return ASSAY_OK;
}

static enum assay_status take_row(
        struct predictions_reader *reader, const struct assay_row *row, struct assay_error *err)
{
    const struct assay_source source = {.file = reader->file,
            .text = row->text,
            .len = row->len,
            .first_line = row->line,
            .row = true,
            .arena = reader->predictions->arena};
    struct assay_prediction prediction = {.model = "", .line = row->line};
    struct assay_error reason = {0};
    char file[ASSAY_PATH_SHORT_BYTES];
    enum assay_status status;

    assay_path_short(file, reader->file);
    if (row->too_long)
        status = assay_fail(&reason, ASSAY_EINVAL, "%s:%zu: the row is larger than %zu bytes", file,
                row->line, ASSAY_PREDICTION_LINE_BYTES_MAX);
    else
        status = read_row(&prediction, &source, row->key, &reason);
    if (status == ASSAY_OK)
        status = check_twice(reader, &prediction, file, &reason);
    if (status == ASSAY_ENOMEM)
        return no_memory(reader, err); // ours, not the row's
    if (status != ASSAY_OK)
        return append_bad(reader, &prediction, &reason, err);
    return append(reader, &prediction, err);
}

// --- the file ------------------------------------------------------------------------------------

// Rows until the end, or until what stands between them is broken: that is the last row then.
static enum assay_status take_rows(
        struct predictions_reader *reader, struct assay_rows *rows, struct assay_error *err)
{
    struct assay_row row = {.line = 1};
    bool more = true;
    enum assay_status status = ASSAY_OK;

    while (status == ASSAY_OK && more) {
        struct assay_error reason = {0};
        const enum assay_status next = assay_rows_next(&more, &row, rows, &reason);

        if (next == ASSAY_EINVAL) {
            const struct assay_prediction broken = {.model = "", .line = row.line};

            return append_bad(reader, &broken, &reason, err);
        }
        if (next != ASSAY_OK) {
            if (err != NULL)
                *err = reason;
            return next;
        }
        if (more)
            status = take_row(reader, &row, err);
    }
    return status;
}

enum assay_status assay_predictions_read(
        struct assay_predictions **out, const char *file, struct assay_error *err)
{
    struct predictions_reader reader = {.file = file};
    struct assay_arena *arena = NULL;
    struct assay_rows *rows = NULL;
    enum assay_status status;

    assay_names_init(&reader.ids);
    status = assay_rows_open(&rows, file, ASSAY_PREDICTION_LINE_BYTES_MAX, err);
    if (status != ASSAY_OK)
        goto out;
    status = assay_arena_create(&arena, PREDICTIONS_BYTES_MAX, err);
    if (status != ASSAY_OK)
        goto out;
    reader.predictions = assay_arena_alloc(arena, sizeof(*reader.predictions));
    if (reader.predictions == NULL) {
        status = no_memory(&reader, err);
        goto out;
    }
    reader.predictions->arena = arena;
    status = take_rows(&reader, rows, err);
    if (status == ASSAY_OK)
        status = assay_rows_sha256(reader.predictions->sha256, rows, err);
    if (status == ASSAY_OK) {
        *out = reader.predictions;
        arena = NULL;
    }

out:
    assay_names_free(&reader.ids);
    assay_arena_destroy(arena);
    assay_rows_close(rows);
    return status;
}

void assay_predictions_free(struct assay_predictions *predictions)
{
    if (predictions != NULL)
        assay_arena_destroy(predictions->arena); // it lives in there itself
}
