// SPDX-License-Identifier: MIT
// save.c - header first, then tensor after tensor, converted piece by piece.
#include "policy/save.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "policy/convert.h"

#define CHUNK ((uint64_t)1 << 18)
#define NAME_BYTES_MAX 256
#define TEXT_BYTES_MAX ((size_t)100 << 20)

// One tensor of a file: a whole tensor of the model, or one of its experts.
struct piece {
    size_t index;   // into the params
    uint64_t first; // element
    uint64_t count;
    uint32_t rows, cols; // rows 1: a vector
    enum assay_weight_type type;
    char name[NAME_BYTES_MAX];
    size_t shard;
};

struct saving {
    const struct assay_model *model;
    struct assay_stream *stream;
    const char *dir;
    const struct assay_save_options *options;
    struct piece *pieces;
    size_t piece_count, shard_count;
    double *values;         // [CHUNK]
    unsigned char *encoded; // [CHUNK * 4]
};

// --- which tensors ------------------------------------------------------------------------------

static const char *pattern_of(const struct assay_tensor_names *names, enum assay_tensor_role role)
{
    for (size_t i = 0; i < names->row_count; i++)
        if (names->rows[i].role == role)
            return names->rows[i].pattern;
    return NULL;
}

static enum assay_status add_tensor(struct saving *s, const struct assay_tensor_names *names,
        size_t index, struct assay_error *err)
{
    const struct assay_tensor_spec *spec = &s->model->params.specs[index];
    const char *pattern = pattern_of(names, spec->role);
    const bool router = spec->role == ASSAY_TENSOR_ROUTER && strcmp(names->family, "minimax") == 0;

    for (uint32_t e = 0; pattern && e < spec->expert_count; e++) {
        struct piece *piece = &s->pieces[s->piece_count++];

        *piece = (struct piece){.index = index,
                .count = (uint64_t)spec->rows * spec->cols,
                .rows = spec->rows,
                .cols = spec->cols,
                .type = router ? ASSAY_WEIGHT_F32 : s->options->type};
        piece->first = e * piece->count;
        if (!assay_tensor_name_write(piece->name, sizeof(piece->name), pattern, spec->layer, e))
            return assay_fail(err, ASSAY_EINVAL, "a tensor's name is too long");
    }
    return pattern ? ASSAY_OK
                   : assay_fail(err, ASSAY_EINVAL, "files of %s have no name for %s", names->family,
                             assay_tensor_role_name(spec->role));
}

static enum assay_status list_pieces(
        struct saving *s, const struct assay_tensor_names *names, struct assay_error *err)
{
    const struct assay_params *params = &s->model->params;
    enum assay_status status = ASSAY_OK;
    uint64_t bytes = 0;
    size_t count = 0;

    for (size_t i = 0; i < params->count; i++)
        count += params->specs[i].expert_count;
    assert(count > 0);
    s->pieces = calloc(count, sizeof(*s->pieces));
    if (!s->pieces)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < params->count && status == ASSAY_OK; i++)
        status = add_tensor(s, names, i, err);
    s->shard_count = 1;
    for (size_t i = 0; i < s->piece_count; i++) {
        const uint64_t more = s->pieces[i].count * assay_weight_block_bytes(s->pieces[i].type);

        if (s->options->shard_bytes_max && bytes > 0 &&
                bytes + more > s->options->shard_bytes_max) {
            s->shard_count++;
            bytes = 0;
        }
        s->pieces[i].shard = s->shard_count - 1;
        bytes += more;
    }
    return status;
}

// --- one file -----------------------------------------------------------------------------------

// Round to nearest, ties to even, for F16; false: too large for it.
static bool to_f16(uint16_t *out, double value)
{
    const double size = fabs(value);
    int exponent;
    double mantissa;

    *out = signbit(value) ? 0x8000 : 0;
    if (!(size < 65520))
        return false;
    if (size == 0)
        return true;
    (void)frexp(size, &exponent);
    exponent = exponent < -13 ? -13 : exponent; // subnormal below 2^-14
    mantissa = nearbyint(ldexp(size, 11 - exponent));
    // A mantissa that rounded up to 2048 carries into the exponent by itself.
    *out = (uint16_t)(*out | (uint16_t)(((exponent + 13) << 10) + (int)mantissa));
    return true;
}

static enum assay_status encode(
        struct saving *s, const struct piece *piece, uint64_t count, struct assay_error *err)
{
    if (piece->type == ASSAY_WEIGHT_F32)
        assay_convert_from_double(s->encoded, ASSAY_DTYPE_F32, s->values, count);
    else if (piece->type == ASSAY_WEIGHT_BF16)
        assay_convert_from_double(s->encoded, ASSAY_DTYPE_BF16, s->values, count);
    for (uint64_t i = 0; piece->type == ASSAY_WEIGHT_F16 && i < count; i++) {
        uint16_t half;

        if (!to_f16(&half, s->values[i]))
            return assay_fail(err, ASSAY_EINVAL, "tensor %s holds %g, which F16 cannot",
                    piece->name, s->values[i]);
        memcpy(s->encoded + 2 * i, &half, sizeof(half));
    }
    return ASSAY_OK;
}

static enum assay_status write_piece(
        struct saving *s, int fd, const struct piece *piece, struct assay_error *err)
{
    const struct assay_params *params = &s->model->params;
    enum assay_status status = ASSAY_OK;

    for (uint64_t at = 0; at < piece->count && status == ASSAY_OK; at += CHUNK) {
        const uint64_t count = piece->count - at < CHUNK ? piece->count - at : CHUNK;

        status = assay_params_read(params, s->stream, params->weights, s->model->ops->weight,
                piece->index, piece->first + at, s->values, count, err);
        if (status == ASSAY_OK)
            status = encode(s, piece, count, err);
        if (status == ASSAY_OK)
            status = assay_fs_write_all(
                    fd, s->encoded, count * assay_weight_block_bytes(piece->type), err);
    }
    return status;
}

static void put_header(struct assay_buf *text, const struct saving *s, size_t shard)
{
    struct assay_json_writer w;
    uint64_t at = 0;

    assay_json_writer_init(&w, text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_begin_object(&w, "__metadata__");
    assay_json_put_text(&w, "format", "pt"); // transformers asks for it
    assay_json_end_object(&w);
    for (size_t i = 0; i < s->piece_count; i++) {
        const struct piece *piece = &s->pieces[i];
        const uint64_t bytes = piece->count * assay_weight_block_bytes(piece->type);

        if (piece->shard != shard)
            continue;
        assay_json_begin_object(&w, piece->name);
        assay_json_put_text(&w, "dtype", assay_weight_type_name(piece->type));
        assay_json_begin_array(&w, "shape");
        if (piece->rows > 1 || !strstr(piece->name, "norm"))
            assay_json_put_u64(&w, NULL, piece->rows);
        assay_json_put_u64(&w, NULL, piece->cols);
        assay_json_end_array(&w);
        assay_json_begin_array(&w, "data_offsets");
        assay_json_put_u64(&w, NULL, at);
        assay_json_put_u64(&w, NULL, at + bytes);
        assay_json_end_array(&w);
        assay_json_end_object(&w);
        at += bytes;
    }
    assay_json_end_object(&w);
    while (text->len % 8 != 0) // data aligned
        (void)assay_buf_addc(text, ' ');
}

static enum assay_status write_shard(
        struct saving *s, int fd, size_t shard, struct assay_error *err)
{
    unsigned char length[8];
    struct assay_buf header;
    enum assay_status status;

    assay_buf_init(&header, TEXT_BYTES_MAX);
    put_header(&header, s, shard);
    for (unsigned i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)header.len >> (8 * i));
    status = assay_buf_check(&header, "header", err);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(fd, length, sizeof(length), err);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(fd, header.data, header.len, err);
    assay_buf_free(&header);
    for (size_t i = 0; i < s->piece_count && status == ASSAY_OK; i++)
        if (s->pieces[i].shard == shard)
            status = write_piece(s, fd, &s->pieces[i], err);
    if (status == ASSAY_OK && fsync(fd) != 0)
        status = assay_fail_errno(err, errno, "fsync");
    return status;
}

static void shard_name(char out[64], const struct saving *s, size_t shard)
{
    if (s->shard_count == 1)
        (void)snprintf(out, 64, "model.safetensors");
    else
        (void)snprintf(out, 64, "model-%05zu-of-%05zu.safetensors", shard + 1, s->shard_count);
}

// Under another name until it is whole.
static enum assay_status save_shard(
        struct saving *s, int dir_fd, size_t shard, struct assay_error *err)
{
    char name[64], partial[80];
    enum assay_status status;
    int fd;

    shard_name(name, s, shard);
    (void)snprintf(partial, sizeof(partial), "%s.partial", name);
    fd = openat(dir_fd, partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return assay_fail_errno(err, errno, "%s/%s", s->dir, partial);
    status = write_shard(s, fd, shard, err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "%s/%s", s->dir, partial);
    close(fd);
    if (status == ASSAY_OK && renameat(dir_fd, partial, dir_fd, name) != 0)
        status = assay_fail_errno(err, errno, "%s/%s", s->dir, name);
    if (status != ASSAY_OK)
        (void)unlinkat(dir_fd, partial, 0);
    return status;
}

// --- beside it ----------------------------------------------------------------------------------

static enum assay_status replace(const struct saving *s, const char *name,
        const struct assay_buf *text, struct assay_error *err)
{
    char path[4096];
    enum assay_status status = assay_buf_check(text, name, err);

    if (status != ASSAY_OK)
        return status;
    if (snprintf(path, sizeof(path), "%s/%s", s->dir, name) >= (int)sizeof(path))
        return assay_fail(err, ASSAY_EINVAL, "%s: too long", s->dir);
    return assay_fs_replace_file(path, text->data, text->len, 0644, err);
}

static enum assay_status save_index(const struct saving *s, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;
    uint64_t total = 0;
    enum assay_status status;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < s->piece_count; i++)
        total += s->pieces[i].count * assay_weight_block_bytes(s->pieces[i].type);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_begin_object(&w, "metadata");
    assay_json_put_u64(&w, "total_size", total);
    assay_json_end_object(&w);
    assay_json_begin_object(&w, "weight_map");
    for (size_t i = 0; i < s->piece_count; i++) {
        char name[64];

        shard_name(name, s, s->pieces[i].shard);
        assay_json_put_text(&w, s->pieces[i].name, name);
    }
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    (void)assay_buf_addc(&text, '\n');
    status = replace(s, "model.safetensors.index.json", &text, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status save_config(
        const struct saving *s, const char *model_type, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct assay_buf text;
    char *config = NULL;
    enum assay_status status = assay_arena_create(&arena, (size_t)64 << 20, err);

    assay_buf_init(&text, TEXT_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_model_config_write(&config, &s->model->config, model_type, arena, err);
    if (status == ASSAY_OK) {
        (void)assay_buf_adds(&text, config);
        status = replace(s, "config.json", &text, err);
    }
    assay_buf_free(&text);
    assay_arena_destroy(arena);
    return status;
}

enum assay_status assay_model_save(const struct assay_model *model, struct assay_stream *stream,
        const char *dir, const struct assay_save_options *options, struct assay_error *err)
{
    const char *model_type = options->model_type ? options->model_type : model->config.model_type;
    struct saving s = {.model = model, .stream = stream, .dir = dir, .options = options};
    enum assay_status status = ASSAY_OK;
    int dir_fd = -1;

    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return assay_fail_errno(err, errno, "%s", dir);
    dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return assay_fail_errno(err, errno, "%s", dir);
    s.values = malloc(CHUNK * sizeof(*s.values));
    s.encoded = malloc(CHUNK * 4);
    if (!s.values || !s.encoded)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status == ASSAY_OK)
        status = list_pieces(&s, assay_tensor_names_of(model_type), err);
    if (status == ASSAY_OK)
        status = save_config(&s, model_type, err);
    for (size_t i = 0; i < s.shard_count && status == ASSAY_OK; i++)
        status = save_shard(&s, dir_fd, i, err);
    if (status == ASSAY_OK && s.shard_count > 1)
        status = save_index(&s, err);
    free(s.pieces);
    free(s.values);
    free(s.encoded);
    close(dir_fd);
    return status;
}
