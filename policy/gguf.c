// SPDX-License-Identifier: MIT
// gguf.c - "GGUF", version, counts, keys, tensor infos, padding, data.
#include "policy/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "policy/weight_read.h"

#define KEYS_MAX 65536
#define ARRAY_MAX ((uint64_t)1 << 26)
#define ALIGNMENT_MAX 65536

struct assay_gguf_values {
    struct assay_gguf_value *items;
    size_t count;
};

// A position in the mapped file that cannot leave it.
struct cursor {
    const unsigned char *at, *end;
    bool failed;
};

static const unsigned char *take(struct cursor *c, uint64_t bytes)
{
    const unsigned char *at = c->at;

    if (c->failed || bytes > (uint64_t)(c->end - c->at)) {
        c->failed = true;
        return NULL;
    }
    c->at += bytes;
    return at;
}

static uint64_t take_u64(struct cursor *c)
{
    const unsigned char *at = take(c, 8);

    return at ? assay_load_le(at, 8) : 0;
}

static uint32_t take_u32(struct cursor *c)
{
    const unsigned char *at = take(c, 4);

    return at ? (uint32_t)assay_load_le(at, 4) : 0;
}

static struct assay_gguf_text take_text(struct cursor *c)
{
    const uint64_t len = take_u64(c);

    return (struct assay_gguf_text){(const char *)take(c, len), c->failed ? 0 : len};
}

static unsigned bytes_of(enum assay_gguf_type type)
{
    static const unsigned bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

    return (unsigned)type < sizeof(bytes) / sizeof(bytes[0]) ? bytes[type] : 0;
}

static enum assay_status read_texts(struct assay_gguf_value *value, struct cursor *c,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_gguf_text *texts;

    // Each has at least its length before it, so a count that lies is found before memory is taken.
    if (value->count > (uint64_t)(c->end - c->at) / 8)
        return assay_fail(err, ASSAY_EINVAL, "key %s: cut short", value->key);
    texts = assay_arena_array(arena, (size_t)value->count, sizeof(*texts));
    if (!texts)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (uint64_t i = 0; i < value->count; i++)
        texts[i] = take_text(c);
    value->texts = texts;
    return ASSAY_OK;
}

static enum assay_status read_value(struct assay_gguf_value *value, struct cursor *c,
        struct assay_arena *arena, struct assay_error *err)
{
    const enum assay_gguf_type type =
            value->type == ASSAY_GGUF_ARRAY ? (enum assay_gguf_type)take_u32(c) : value->type;

    value->element_type = type;
    value->count = value->type == ASSAY_GGUF_ARRAY ? take_u64(c) : 1;
    if (value->count > ARRAY_MAX)
        return assay_fail(err, ASSAY_EINVAL, "key %s: too many elements", value->key);
    if (type == ASSAY_GGUF_STRING)
        return read_texts(value, c, arena, err);
    if (bytes_of(type) == 0) // arrays of arrays have no use in any model
        return assay_fail(err, ASSAY_EINVAL, "key %s: unknown type %u", value->key, (unsigned)type);
    value->data = take(c, value->count * bytes_of(type));
    return ASSAY_OK;
}

static enum assay_status read_keys(struct assay_gguf_values *values, uint64_t count,
        struct cursor *c, struct assay_arena *arena, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (count > KEYS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%llu keys", (unsigned long long)count);
    values->items = assay_arena_array(arena, (size_t)count, sizeof(*values->items));
    if (!values->items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (uint64_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct assay_gguf_text key = take_text(c);
        struct assay_gguf_value *value = &values->items[values->count];

        if (c->failed)
            break;
        value->key = assay_arena_memdup(arena, key.data, key.len);
        if (!value->key)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        if (assay_gguf_find(values, value->key))
            return assay_fail(err, ASSAY_EINVAL, "key %s stands there twice", value->key);
        value->type = (enum assay_gguf_type)take_u32(c);
        status = read_value(value, c, arena, err);
        values->count++;
    }
    if (status == ASSAY_OK && c->failed)
        status = assay_fail(err, ASSAY_EINVAL, "its keys are cut short");
    return status;
}

const struct assay_gguf_value *assay_gguf_find(
        const struct assay_gguf_values *values, const char *key)
{
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->items[i].key, key) == 0)
            return &values->items[i];
    return NULL;
}

bool assay_gguf_number(double *out, const struct assay_gguf_value *value, uint64_t index)
{
    const unsigned char *at;
    unsigned bytes;
    uint64_t bits;
    float single;

    if (!value || index >= value->count || !value->data)
        return false;
    bytes = bytes_of(value->element_type);
    at = value->data + index * bytes;
    bits = assay_load_le(at, bytes);
    switch ((int)value->element_type) {
    case ASSAY_GGUF_F32:
        memcpy(&single, at, sizeof(single));
        *out = (double)single;
        return true;
    case ASSAY_GGUF_F64:
        memcpy(out, at, sizeof(*out));
        return true;
    case ASSAY_GGUF_I8:
        *out = (double)(int8_t)bits;
        return true;
    case ASSAY_GGUF_I16:
        *out = (double)(int16_t)bits;
        return true;
    case ASSAY_GGUF_I32:
        *out = (double)(int32_t)bits;
        return true;
    case ASSAY_GGUF_I64:
        *out = (double)(int64_t)bits;
        return true;
    default:
        *out = (double)bits;
        return true;
    }
}

const char *assay_gguf_text(const struct assay_gguf_value *value, struct assay_arena *arena)
{
    if (!value || value->type != ASSAY_GGUF_STRING ||
            memchr(value->texts->data, '\0', value->texts->len))
        return NULL;
    return assay_arena_memdup(arena, value->texts->data, value->texts->len);
}

// --- tensors ------------------------------------------------------------------------------------

static bool read_type(enum assay_weight_type *out, uint32_t number)
{
    static const struct {
        uint32_t number;
        enum assay_weight_type type;
    } rows[] = {{0, ASSAY_WEIGHT_F32}, {1, ASSAY_WEIGHT_F16}, {2, ASSAY_WEIGHT_Q4_0},
            {8, ASSAY_WEIGHT_Q8_0}, {12, ASSAY_WEIGHT_Q4_K}, {13, ASSAY_WEIGHT_Q5_K},
            {14, ASSAY_WEIGHT_Q6_K}, {24, ASSAY_WEIGHT_I8}, {25, ASSAY_WEIGHT_I16},
            {26, ASSAY_WEIGHT_I32}, {27, ASSAY_WEIGHT_I64}, {28, ASSAY_WEIGHT_F64},
            {30, ASSAY_WEIGHT_BF16}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].number == number) {
            *out = rows[i].type;
            return true;
        }
    return false;
}

// Dimensions are written fastest first; a view has them slowest first.
static enum assay_status read_info(
        struct assay_weight_view *view, uint64_t *offset, struct cursor *c, struct assay_error *err)
{
    const uint32_t count = take_u32(c);
    uint32_t type;

    if (count > ASSAY_WEIGHT_DIMS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "tensor %s: more than %d dimensions", view->name,
                ASSAY_WEIGHT_DIMS_MAX);
    view->dim_count = count;
    for (uint32_t i = 0; i < count; i++)
        view->dims[count - 1 - i] = take_u64(c);
    type = take_u32(c);
    *offset = take_u64(c);
    if (c->failed)
        return assay_fail(err, ASSAY_EINVAL, "tensor %s: cut short", view->name);
    if (!read_type(&view->type, type))
        return assay_fail(err, ASSAY_EINVAL,
                "tensor %s: its type %u is none of F32, F16, BF16, Q4_0, Q8_0, Q4_K, Q5_K, Q6_K",
                view->name, type);
    if (!assay_weight_bytes(&view->bytes, view))
        return assay_fail(err, ASSAY_EINVAL,
                "tensor %s: its sizes overflow, or are no whole "
                "blocks of %s",
                view->name, assay_weight_type_name(view->type));
    return ASSAY_OK;
}

static int compare_places(const void *a, const void *b)
{
    const struct assay_weight_view *x = a, *y = b;

    return (x->data > y->data) - (x->data < y->data);
}

// Offsets count from the data's start, which is known only once all infos are read.
static enum assay_status place(struct assay_weight_view *views, size_t count,
        const uint64_t *offsets, const unsigned char *data, uint64_t data_bytes, uint64_t alignment,
        struct assay_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (offsets[i] % alignment != 0)
            return assay_fail(
                    err, ASSAY_EINVAL, "tensor %s: its offset is not aligned", views[i].name);
        if (offsets[i] > data_bytes || views[i].bytes > data_bytes - offsets[i])
            return assay_fail(err, ASSAY_EINVAL, "tensor %s: its data lie outside of the file",
                    views[i].name);
        views[i].data = data + offsets[i];
    }
    if (count)
        qsort(views, count, sizeof(*views), compare_places);
    for (size_t i = 1; i < count; i++)
        if (views[i - 1].data + views[i - 1].bytes > views[i].data)
            return assay_fail(
                    err, ASSAY_EINVAL, "tensor %s: its data overlap another's", views[i].name);
    return ASSAY_OK;
}

static enum assay_status read_tensors(struct assay_weight_file *file, uint64_t count,
        struct cursor *c, const unsigned char *start, struct assay_error *err)
{
    const size_t first = file->view_count;
    double alignment = 32;
    uint64_t *offsets;
    uint64_t padding;

    (void)assay_gguf_number(&alignment, assay_gguf_find(file->gguf, "general.alignment"), 0);
    if (!(alignment >= 8) || !(alignment <= ALIGNMENT_MAX) ||
            ((uint64_t)alignment & ((uint64_t)alignment - 1)) != 0)
        return assay_fail(err, ASSAY_EINVAL, "general.alignment is no power of two from 8 on");
    if (count > ASSAY_WEIGHT_TENSORS_MAX || count > (uint64_t)(c->end - c->at) / 24)
        return assay_fail(
                err, ASSAY_EINVAL, "%llu tensors in so small a file", (unsigned long long)count);
    offsets = assay_arena_array(file->arena, (size_t)count, sizeof(*offsets));
    if (!offsets)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (uint64_t i = 0; i < count; i++) {
        const struct assay_gguf_text name = take_text(c);
        struct assay_weight_view *view = NULL;
        enum assay_status status;

        if (c->failed)
            return assay_fail(err, ASSAY_EINVAL, "its tensors are cut short");
        status = assay_weight_add(&view, file, name.data, name.len, err);
        if (status == ASSAY_OK)
            status = read_info(view, &offsets[i], c, err);
        if (status != ASSAY_OK)
            return status;
    }
    padding = ((uint64_t)alignment - (uint64_t)(c->at - start) % (uint64_t)alignment) %
            (uint64_t)alignment;
    if (count == 0)
        return ASSAY_OK;
    if (!take(c, padding))
        return assay_fail(err, ASSAY_EINVAL, "no data after the tensors");
    return place(file->views + first, (size_t)count, offsets, c->at, (uint64_t)(c->end - c->at),
            (uint64_t)alignment, err);
}

enum assay_status assay_weight_read_gguf(struct assay_weight_file *file,
        const struct assay_mapping *mapping, const char *source, struct assay_error *err)
{
    struct cursor c = {mapping->data + 4, mapping->data + mapping->bytes, false};
    const uint32_t version = take_u32(&c);
    const uint64_t tensor_count = take_u64(&c), key_count = take_u64(&c);
    enum assay_status status;

    if (c.failed || version < 2 || version > 3)
        return assay_fail(err, ASSAY_EINVAL,
                "%s: GGUF version %u (2 and 3 are read, little-endian), or cut short", source,
                version);
    file->gguf = assay_arena_alloc(file->arena, sizeof(*file->gguf));
    if (!file->gguf)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = read_keys(file->gguf, key_count, &c, file->arena, err);
    if (status == ASSAY_OK)
        status = read_tensors(file, tensor_count, &c, mapping->data, err);
    return status == ASSAY_OK ? status : assay_wrap(err, "%s", source);
}
