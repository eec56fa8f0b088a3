// SPDX-License-Identifier: MIT
// fields.h - typed reads of JSON objects whose errors say "file:line: field: reason". Internal to
// tasks/.
//
// What is read is copied into the source's arena, so the document may be freed.
// In the *_or forms a missing or null member leaves *out as it is.
#ifndef ASSAY_TASKS_FIELDS_H
#define ASSAY_TASKS_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/json.h"
#include "tasks/instance.h"

// One JSON text and where it came from.
struct assay_source {
    const char *file; // as messages name it
    const char *text;
    size_t len;
    size_t first_line;
    bool row;                  // a row of a larger file: every message names its first line
    struct assay_arena *arena; // borrowed
};

struct assay_fields {
    const struct assay_source *source;
    const struct assay_json *object;
    const char *prefix; // of this object in the document: "" or "recipes.plain."
};

// The last 100 bytes of a path, "..." before them when some were left out: the
// reason must fit behind it in an error.
#define ASSAY_PATH_SHORT_BYTES 104
const char *assay_path_short(char out[ASSAY_PATH_SHORT_BYTES], const char *path);

// "file:line: key: reason" as ASSAY_EINVAL. key "" names no field; "list[3]" is allowed.
enum assay_status assay_fields_fail(const struct assay_fields *fields, const char *key,
        struct assay_error *err, const char *fmt, ...) ASSAY_PRINTF(4, 5);
size_t assay_fields_line(const struct assay_fields *fields, const char *key);

// Parse source->text and check that it is an object. *document is owned.
ASSAY_MUST_USE enum assay_status assay_fields_parse(struct assay_json **document,
        struct assay_fields *fields, const struct assay_source *source, struct assay_error *err);

ASSAY_MUST_USE enum assay_status assay_fields_only(const struct assay_fields *fields,
        const char *const *keys, size_t count, struct assay_error *err);
// "schema" must be there and be 1.
ASSAY_MUST_USE enum assay_status assay_fields_schema(
        const struct assay_fields *fields, struct assay_error *err);

ASSAY_MUST_USE enum assay_status assay_fields_text(const char **out,
        const struct assay_fields *fields, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fields_text_or(const char **out,
        const struct assay_fields *fields, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fields_u64(uint64_t *out, const struct assay_fields *fields,
        const char *key, uint64_t min, uint64_t max, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fields_u64_or(uint64_t *out,
        const struct assay_fields *fields, const char *key, uint64_t min, uint64_t max,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fields_bool(
        bool *out, const struct assay_fields *fields, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fields_bool_or(
        bool *out, const struct assay_fields *fields, const char *key, struct assay_error *err);
// An array of texts, none of them empty.
ASSAY_MUST_USE enum assay_status assay_fields_strings(struct assay_strings *out,
        const struct assay_fields *fields, const char *key, struct assay_error *err);
// The list `element` as one that stands under `key`.
ASSAY_MUST_USE enum assay_status assay_fields_list(struct assay_strings *out,
        const struct assay_fields *fields, const char *key, const struct assay_json *element,
        struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fields_strings_or(struct assay_strings *out,
        const struct assay_fields *fields, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fields_object(struct assay_fields *out,
        const struct assay_fields *fields, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_fields_array(const struct assay_json **out,
        const struct assay_fields *fields, const char *key, struct assay_error *err);

// The object `element`, which stands at `path` ("pairs[3]") below these fields.
ASSAY_MUST_USE enum assay_status assay_fields_element(struct assay_fields *out,
        const struct assay_fields *fields, const struct assay_json *element, const char *path,
        struct assay_error *err);

#endif
