// SPDX-License-Identifier: MIT
// safetensors.c - u64 header length, JSON header, data. Ranges must fill the data: no gap, no
// overlap.
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "policy/weight_read.h"

#define HEADER_LIMITS                                                                              \
    ((struct assay_json_limits){.bytes_max = ASSAY_WEIGHT_HEADER_BYTES_MAX, .depth_max = 4})

static const struct {
    const char *name;
    enum assay_weight_type type;
} dtypes[] = {
        {"F64", ASSAY_WEIGHT_F64},
        {"F32", ASSAY_WEIGHT_F32},
        {"F16", ASSAY_WEIGHT_F16},
        {"BF16", ASSAY_WEIGHT_BF16},
        {"I64", ASSAY_WEIGHT_I64},
        {"I32", ASSAY_WEIGHT_I32},
        {"I16", ASSAY_WEIGHT_I16},
        {"I8", ASSAY_WEIGHT_I8},
        {"U8", ASSAY_WEIGHT_U8},
        {"BOOL", ASSAY_WEIGHT_BOOL},
        {"F8_E4M3", ASSAY_WEIGHT_F8_E4M3},
        {"F8_E5M2", ASSAY_WEIGHT_F8_E5M2},
};

static bool read_whole(uint64_t *out, const struct assay_json *json)
{
    const double number = assay_json_number(json);

    if (!(number >= 0) || number > (double)ASSAY_JSON_INTEGER_MAX ||
            number != (double)(uint64_t)number)
        return false;
    *out = (uint64_t)number;
    return true;
}

static bool read_dtype(enum assay_weight_type *out, const char *name)
{
    for (size_t i = 0; name && i < sizeof(dtypes) / sizeof(dtypes[0]); i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = dtypes[i].type;
            return true;
        }
    return false;
}

static const char *read_shape(struct assay_weight_view *view, const struct assay_json *shape)
{
    if (!shape || assay_json_type(shape) != ASSAY_JSON_ARRAY)
        return "shape is missing";
    if (assay_json_count(shape) > ASSAY_WEIGHT_DIMS_MAX)
        return "more than 8 dimensions";
    for (const struct assay_json *item = assay_json_first(shape); item;
            item = assay_json_next(item))
        if (!read_whole(&view->dims[view->dim_count++], item))
            return "shape holds what is no size";
    return NULL;
}

// NULL, or what is wrong with one entry of the header.
static const char *read_entry(struct assay_weight_view *view, const struct assay_json *entry,
        const unsigned char *data, uint64_t data_bytes)
{
    const struct assay_json *offsets = assay_json_get(entry, "data_offsets");
    const struct assay_json *first, *last;
    uint64_t begin, end, bytes;
    const char *why;

    if (assay_json_type(entry) != ASSAY_JSON_OBJECT)
        return "not an object";
    if (!read_dtype(&view->type, assay_json_text(assay_json_get(entry, "dtype"))))
        return "unknown dtype";
    why = read_shape(view, assay_json_get(entry, "shape"));
    if (why)
        return why;
    first = offsets && assay_json_count(offsets) == 2 ? assay_json_first(offsets) : NULL;
    last = first ? assay_json_next(first) : NULL;
    if (!last || !read_whole(&begin, first) || !read_whole(&end, last))
        return "data_offsets are not two offsets";
    if (begin > end || end > data_bytes)
        return "data_offsets lie outside of the file";
    if (!assay_weight_bytes(&bytes, view) || bytes != end - begin)
        return "data_offsets do not fit dtype and shape";
    view->data = data + begin;
    view->bytes = bytes;
    return NULL;
}

// By place; of two at one place, the empty one first.
static int compare_places(const void *a, const void *b)
{
    const struct assay_weight_view *x = a, *y = b;

    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static enum assay_status check_places(struct assay_weight_view *views, size_t count,
        const unsigned char *data, uint64_t data_bytes, const char *source, struct assay_error *err)
{
    const unsigned char *at = data;

    if (count)
        qsort(views, count, sizeof(*views), compare_places);
    for (size_t i = 0; i < count; i++) {
        if (views[i].data != at)
            return assay_fail(err, ASSAY_EINVAL, "%s: tensor %s: its data %s", source,
                    views[i].name,
                    views[i].data < at ? "overlap another's" : "leave a gap before them");
        at += views[i].bytes;
    }
    if (at != data + data_bytes)
        return assay_fail(err, ASSAY_EINVAL, "%s: %llu bytes after the last tensor", source,
                (unsigned long long)(uint64_t)(data + data_bytes - at));
    return ASSAY_OK;
}

static enum assay_status read_header(struct assay_weight_file *file,
        const struct assay_json *header, const unsigned char *data, uint64_t data_bytes,
        const char *source, struct assay_error *err)
{
    const size_t first = file->view_count;

    for (const struct assay_json *item = assay_json_first(header); item;
            item = assay_json_next(item)) {
        const char *name = assay_json_key(item);
        struct assay_weight_view *view = NULL;
        const char *why;
        enum assay_status status;

        if (strcmp(name, "__metadata__") == 0)
            continue;
        status = assay_weight_add(&view, file, name, strlen(name), err);
        if (status != ASSAY_OK)
            return status;
        why = read_entry(view, item, data, data_bytes);
        if (why)
            return assay_fail(err, ASSAY_EINVAL, "%s: tensor %s: %s", source, name, why);
    }
    return check_places(
            file->views + first, file->view_count - first, data, data_bytes, source, err);
}

enum assay_status assay_weight_read_safetensors(struct assay_weight_file *file,
        const struct assay_mapping *mapping, const char *source, struct assay_error *err)
{
    struct assay_json *header = NULL;
    uint64_t header_bytes;
    enum assay_status status;

    if (mapping->bytes < 8)
        return assay_fail(err, ASSAY_EINVAL,
                "%s: neither safetensors nor GGUF nor a torch file: %llu bytes", source,
                (unsigned long long)mapping->bytes);
    header_bytes = assay_load_le(mapping->data, 8);
    if (header_bytes > mapping->bytes - 8 || header_bytes > ASSAY_WEIGHT_HEADER_BYTES_MAX)
        return assay_fail(err, ASSAY_EINVAL,
                "%s: not safetensors, or cut short: a header of %llu bytes in a file of %llu",
                source, (unsigned long long)header_bytes, (unsigned long long)mapping->bytes);
    // Writers pad the header with spaces.
    status = assay_json_parse(
            &header, (const char *)mapping->data + 8, header_bytes, HEADER_LIMITS, source, 1, err);
    if (status != ASSAY_OK)
        return status;
    if (assay_json_type(header) != ASSAY_JSON_OBJECT)
        status = assay_fail(err, ASSAY_EINVAL, "%s: its header is not an object", source);
    else
        status = read_header(file, header, mapping->data + 8 + header_bytes,
                mapping->bytes - 8 - header_bytes, source, err);
    assay_json_free(header);
    return status;
}
