// SPDX-License-Identifier: MIT
// json.h - strict, bounded, typed JSON over cJSON. The only door to cJSON.
//
// Reading refuses what cJSON lets pass: duplicate keys, \u0000, invalid UTF-8,
// 007, "1.", a BOM, trailing bytes, too deep, too big. Keys are case-sensitive.
// Integers beyond 2^53 cannot be read or written as numbers: 64-bit ids and seeds
// are strings. Errors name `source` and the line ("preds.jsonl:3: ...").
#ifndef ASSAY_BASE_JSON_H
#define ASSAY_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct assay_json; // one value inside a document (borrowed) or a whole document (owned)

struct assay_json_limits {
    size_t bytes_max;   // > 0
    unsigned depth_max; // > 0: arrays and objects inside each other; at most ASSAY_JSON_DEPTH_MAX
};

#define ASSAY_JSON_DEPTH_MAX 512
// The largest integer that a JSON number carries exactly, 2^53 - 1.
#define ASSAY_JSON_INTEGER_MAX UINT64_C(9007199254740991)

enum assay_json_type {
    ASSAY_JSON_NULL,
    ASSAY_JSON_BOOL,
    ASSAY_JSON_NUMBER,
    ASSAY_JSON_STRING,
    ASSAY_JSON_ARRAY,
    ASSAY_JSON_OBJECT,
};

// Parse text[0..len). `first_line` is the number of its first line in the
// source, for messages. *out is owned: assay_json_free().
// Errors: ASSAY_EINVAL ("source:line: reason"), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_json_parse(struct assay_json **out, const char *text,
        size_t len, struct assay_json_limits limits, const char *source, size_t first_line,
        struct assay_error *err);
void assay_json_free(struct assay_json *json); // a whole document; NULL is allowed

enum assay_json_type assay_json_type(const struct assay_json *json);
size_t assay_json_count(const struct assay_json *json); // members or elements; 0 for others

// Borrowed members, or NULL. Iterate with first/next; key is NULL in arrays.
const struct assay_json *assay_json_get(const struct assay_json *object, const char *key);
const struct assay_json *assay_json_first(const struct assay_json *container);
const struct assay_json *assay_json_next(const struct assay_json *element);
const char *assay_json_key(const struct assay_json *member);

// Borrowed text of a string, or NULL for any other type.
const char *assay_json_text(const struct assay_json *json);
bool assay_json_bool(const struct assay_json *json);     // false for other types
double assay_json_number(const struct assay_json *json); // NAN for other types

// Typed reads of a member. A missing member or a wrong type is ASSAY_EINVAL
// whose message names the field; the optional forms leave *out alone when the
// member is missing or null.
ASSAY_MUST_USE enum assay_status assay_json_read_text(const char **out,
        const struct assay_json *object, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_json_read_u64(uint64_t *out, const struct assay_json *object,
        const char *key, uint64_t min, uint64_t max, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_json_read_bool(
        bool *out, const struct assay_json *object, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_json_read_array(const struct assay_json **out,
        const struct assay_json *object, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_json_read_object(const struct assay_json **out,
        const struct assay_json *object, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_json_opt_text(const char **out,
        const struct assay_json *object, const char *key, struct assay_error *err);
ASSAY_MUST_USE enum assay_status assay_json_opt_u64(uint64_t *out, const struct assay_json *object,
        const char *key, uint64_t min, uint64_t max, struct assay_error *err);

// ASSAY_EINVAL naming the first member whose key is not in keys[0..count).
ASSAY_MUST_USE enum assay_status assay_json_only_keys(const struct assay_json *object,
        const char *const *keys, size_t count, struct assay_error *err);

// Line (from first_line) on which the member at `path` ("recipes.plain.base",
// "FAIL_TO_PASS[3]") stands in the text, or first_line when it is not there.
size_t assay_json_line(const char *text, size_t len, size_t first_line, const char *path);

// Writing: straight into a buffer, commas and indentation kept by the writer.
// One object or array a call; the caller balances begin and end (asserted).
// After the outermost value the writer is ready for the next document; what
// stands between two (a line feed) is the caller's.
struct assay_json_writer {
    struct assay_buf *buf; // borrowed
    unsigned depth;
    unsigned indent; // spaces a level; 0 writes one line
    bool comma;      // a value stands before on this level
};

void assay_json_writer_init(struct assay_json_writer *w, struct assay_buf *buf, unsigned indent);
// key is NULL inside arrays and for the outermost value.
void assay_json_begin_object(struct assay_json_writer *w, const char *key);
void assay_json_end_object(struct assay_json_writer *w);
void assay_json_begin_array(struct assay_json_writer *w, const char *key);
void assay_json_end_array(struct assay_json_writer *w);
void assay_json_put_text(
        struct assay_json_writer *w, const char *key, const char *text); // NULL: null
// Bytes that may not be UTF-8: a NUL, and each byte that is no part of a
// character, become U+FFFD. put_text does the same.
void assay_json_put_bytes(
        struct assay_json_writer *w, const char *key, const char *bytes, size_t len);
// Beyond ASSAY_JSON_INTEGER_MAX either way is a bug (asserted): such values are text.
void assay_json_put_u64(struct assay_json_writer *w, const char *key, uint64_t value);
void assay_json_put_i64(struct assay_json_writer *w, const char *key, int64_t value);
void assay_json_put_double(
        struct assay_json_writer *w, const char *key, double value); // finite; else null
void assay_json_put_bool(struct assay_json_writer *w, const char *key, bool value);
void assay_json_put_null(struct assay_json_writer *w, const char *key);
// One whole value that a writer has written before; it stands as it is, whatever the indentation.
void assay_json_put_written(struct assay_json_writer *w, const char *key, const char *json);
// A value that was read, with all that is in it.
void assay_json_put_copy(
        struct assay_json_writer *w, const char *key, const struct assay_json *json);

#endif
