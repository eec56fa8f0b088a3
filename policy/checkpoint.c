// SPDX-License-Identifier: MIT
#include "policy/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "policy/save.h"

#define PATH_BYTES 4096
#define HEADER_BYTES_MAX 4096
static const char *const model_name = "model.safetensors";
static const char *const optimizer_name = "optimizer.safetensors";

// One tensor of optimizer.safetensors, in host memory.
struct part {
    const char *name;
    enum assay_weight_type type;
    uint64_t count;
    void *data;
    uint64_t bytes;
};
enum { FIRST, SECOND, NORMS, COUNTS, MASTER, PART_COUNT };

struct parts {
    struct part part[PART_COUNT];
    size_t count;       // of them; MASTER only where weights are rounded
    uint64_t counts[3]; // updates, applied, skipped
};

static enum assay_status make_parts(struct parts *p, const struct assay_model *model,
        struct assay_trainer *trainer, struct assay_error *err)
{
    const uint64_t count = model->params.element_count;
    const size_t s = assay_dtype_bytes(model->ops->sum);
    const enum assay_weight_type type =
            model->ops->sum == ASSAY_DTYPE_F64 ? ASSAY_WEIGHT_F64 : ASSAY_WEIGHT_F32;

    p->part[FIRST] = (struct part){"first_moment", type, count, malloc(count * s), count * s};
    p->part[SECOND] = (struct part){"second_moment", type, count, malloc(count * s), count * s};
    p->part[NORMS] = (struct part){"norms", ASSAY_WEIGHT_F64, ASSAY_NORM_WINDOW,
            assay_trainer_counts(trainer)->norms, sizeof(assay_trainer_counts(trainer)->norms)};
    p->part[COUNTS] = (struct part){"counts", ASSAY_WEIGHT_I64, 3, p->counts, sizeof(p->counts)};
    p->count = MASTER;
    if (assay_trainer_has(trainer, ASSAY_MOMENT_MASTER))
        p->part[p->count++] =
                (struct part){"master_weights", type, count, malloc(count * s), count * s};
    if (!p->part[FIRST].data || !p->part[SECOND].data ||
            (p->count > MASTER && !p->part[MASTER].data))
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return ASSAY_OK;
}

static void free_parts(struct parts *p)
{
    free(p->part[FIRST].data);
    free(p->part[SECOND].data);
    free(p->part[MASTER].data);
}

// Which of the trainer's buffers a part is.
static const struct {
    size_t part;
    enum assay_moment which;
} buffers[] = {
        {FIRST, ASSAY_MOMENT_FIRST}, {SECOND, ASSAY_MOMENT_SECOND}, {MASTER, ASSAY_MOMENT_MASTER}};

static enum assay_status collect(
        const struct parts *p, struct assay_trainer *trainer, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]) && status == ASSAY_OK; i++)
        if (buffers[i].part < p->count)
            status = assay_trainer_collect(
                    trainer, buffers[i].which, p->part[buffers[i].part].data, err);
    return status;
}

static enum assay_status spread(
        const struct parts *p, struct assay_trainer *trainer, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]) && status == ASSAY_OK; i++)
        if (buffers[i].part < p->count)
            status = assay_trainer_spread(
                    trainer, buffers[i].which, p->part[buffers[i].part].data, err);
    return status;
}

static enum assay_status join(
        char out[PATH_BYTES], const char *dir, const char *name, struct assay_error *err)
{
    if (snprintf(out, PATH_BYTES, "%s/%s", dir, name) >= PATH_BYTES)
        return assay_fail(err, ASSAY_EINVAL, "%s: too long", dir);
    return ASSAY_OK;
}

// --- writing -------------------------------------------------------------------------------------

static void put_header(struct assay_buf *text, const struct parts *p)
{
    struct assay_json_writer w;
    uint64_t at = 0;

    assay_json_writer_init(&w, text, 0);
    assay_json_begin_object(&w, NULL);
    for (size_t i = 0; i < p->count; i++) {
        assay_json_begin_object(&w, p->part[i].name);
        assay_json_put_text(&w, "dtype", assay_weight_type_name(p->part[i].type));
        assay_json_begin_array(&w, "shape");
        assay_json_put_u64(&w, NULL, p->part[i].count);
        assay_json_end_array(&w);
        assay_json_begin_array(&w, "data_offsets");
        assay_json_put_u64(&w, NULL, at);
        assay_json_put_u64(&w, NULL, at + p->part[i].bytes);
        assay_json_end_array(&w);
        assay_json_end_object(&w);
        at += p->part[i].bytes;
    }
    assay_json_end_object(&w);
    while (text->len % 8 != 0) // data aligned
        (void)assay_buf_addc(text, ' ');
}

static enum assay_status write_parts(int fd, const struct parts *p, struct assay_error *err)
{
    unsigned char length[8];
    struct assay_buf header;
    enum assay_status status;

    assay_buf_init(&header, HEADER_BYTES_MAX);
    put_header(&header, p);
    for (unsigned i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)header.len >> (8 * i));
    status = assay_buf_check(&header, "header", err);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(fd, length, sizeof(length), err);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(fd, header.data, header.len, err);
    for (size_t i = 0; i < p->count && status == ASSAY_OK; i++)
        status = assay_fs_write_all(fd, p->part[i].data, (size_t)p->part[i].bytes, err);
    if (status == ASSAY_OK && fsync(fd) != 0)
        status = assay_fail_errno(err, errno, "fsync");
    assay_buf_free(&header);
    return status;
}

static enum assay_status write_optimizer(
        const char *path, const struct parts *p, struct assay_error *err)
{
    enum assay_status status;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0)
        return assay_fail_errno(err, errno, "%s", path);
    status = write_parts(fd, p, err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "%s", path);
    if (close(fd) != 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "%s", path);
    if (status != ASSAY_OK)
        (void)unlink(path);
    return status;
}

static enum assay_status hash_file(
        char out[ASSAY_SHA256_HEX_BYTES], const char *path, struct assay_error *err)
{
    enum assay_status status;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return assay_fail(err, ASSAY_ENOTFOUND, "%s: no such file", path);
    if (fd < 0)
        return assay_fail_errno(err, errno, "%s", path);
    status = assay_sha256_fd(out, fd, err);
    close(fd);
    return status;
}

// The directory's entries, too, must outlive a power cut.
static enum assay_status sync_directory(const char *dir, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        status = assay_fail_errno(err, errno, "%s", dir);
    if (fd >= 0)
        close(fd);
    return status;
}

enum assay_status assay_checkpoint_write(struct assay_checkpoint *out,
        const struct assay_model *model, struct assay_trainer *trainer, struct assay_stream *stream,
        const char *dir, struct assay_error *err)
{
    const struct assay_save_options save = {.type = ASSAY_WEIGHT_F32};
    const struct assay_trainer_counts *counts = assay_trainer_counts(trainer);
    struct assay_checkpoint made;
    char weights[PATH_BYTES], optimizer[PATH_BYTES];
    struct parts p = {.counts = {counts->updates, counts->applied, counts->skipped}};
    enum assay_status status = make_parts(&p, model, trainer, err);

    if (status == ASSAY_OK)
        status = collect(&p, trainer, err);
    if (status != ASSAY_OK || !dir)
        goto out;
    status = join(weights, dir, model_name, err);
    if (status == ASSAY_OK)
        status = join(optimizer, dir, optimizer_name, err);
    if (status == ASSAY_OK)
        status = assay_model_save(model, stream, dir, &save, err);
    if (status == ASSAY_OK)
        status = write_optimizer(optimizer, &p, err);
    if (status == ASSAY_OK)
        status = hash_file(made.model_hash, weights, err);
    if (status == ASSAY_OK)
        status = hash_file(made.optimizer_hash, optimizer, err);
    if (status == ASSAY_OK)
        status = sync_directory(dir, err);
    if (status == ASSAY_OK)
        *out = made;

out:
    free_parts(&p);
    return status;
}

// --- reading -------------------------------------------------------------------------------------

static enum assay_status check_hash(const char *path, const char *wanted, struct assay_error *err)
{
    char hash[ASSAY_SHA256_HEX_BYTES];
    enum assay_status status = hash_file(hash, path, err);

    if (status == ASSAY_OK && strcmp(hash, wanted) != 0)
        status = assay_fail(err, ASSAY_EINVAL,
                "%s is not the file that was written: it was cut short or changed", path);
    return status;
}

static enum assay_status read_part(const struct assay_weight_file *file, struct part *part,
        const char *path, struct assay_error *err)
{
    const struct assay_weight_view *view = assay_weight_file_find(file, part->name);

    if (!view || view->type != part->type || view->bytes != part->bytes)
        return assay_fail(err, ASSAY_EINVAL, "%s: tensor %s is not this model's", path, part->name);
    memcpy(part->data, view->data, (size_t)part->bytes);
    return ASSAY_OK;
}

static enum assay_status read_weights(struct assay_model *model, struct assay_stream *stream,
        const char *path, struct assay_error *err)
{
    static const struct assay_quantization none = {0}; // a checkpoint's weights are never packed
    struct assay_weight_file *file = NULL;
    enum assay_status status = assay_weight_file_open(&file, path, err);

    if (status == ASSAY_OK)
        status = assay_params_load(&model->params, stream, &model->config, file,
                assay_tensor_names_of(model->config.model_type), &none, err);
    assay_weight_file_close(file);
    return status;
}

static enum assay_status read_optimizer(struct parts *p, const char *path, struct assay_error *err)
{
    struct assay_weight_file *file = NULL;
    enum assay_status status = assay_weight_file_open(&file, path, err);

    for (size_t i = 0; i < p->count && status == ASSAY_OK; i++)
        status = read_part(file, &p->part[i], path, err);
    assay_weight_file_close(file);
    return status;
}

enum assay_status assay_checkpoint_check(
        const char *dir, const struct assay_checkpoint *wanted, struct assay_error *err)
{
    char path[PATH_BYTES];
    enum assay_status status = join(path, dir, model_name, err);

    if (status == ASSAY_OK)
        status = check_hash(path, wanted->model_hash, err);
    if (status == ASSAY_OK)
        status = join(path, dir, optimizer_name, err);
    return status == ASSAY_OK ? check_hash(path, wanted->optimizer_hash, err) : status;
}

static enum assay_status read_files(struct assay_model *model, struct parts *p,
        struct assay_stream *stream, const char *dir, const struct assay_checkpoint *wanted,
        struct assay_error *err)
{
    char weights[PATH_BYTES], optimizer[PATH_BYTES];
    enum assay_status status = join(weights, dir, model_name, err);

    if (status == ASSAY_OK)
        status = join(optimizer, dir, optimizer_name, err);
    if (status == ASSAY_OK)
        status = assay_checkpoint_check(dir, wanted, err);
    if (status == ASSAY_OK)
        status = read_weights(model, stream, weights, err);
    if (status == ASSAY_OK)
        status = read_optimizer(p, optimizer, err);
    return status;
}

enum assay_status assay_checkpoint_read(struct assay_model *model, struct assay_trainer *trainer,
        struct assay_stream *stream, const char *dir, const struct assay_checkpoint *wanted,
        struct assay_error *err)
{
    struct assay_trainer_counts *counts = assay_trainer_counts(trainer);
    struct parts p = {0};
    enum assay_status status = make_parts(&p, model, trainer, err);

    if (status == ASSAY_OK && dir)
        status = read_files(model, &p, stream, dir, wanted, err);
    if (status == ASSAY_OK) {
        counts->updates = p.counts[0];
        counts->applied = p.counts[1];
        counts->skipped = p.counts[2];
        status = spread(&p, trainer, err);
    }
    if (status == ASSAY_OK)
        status = assay_trainer_follow(trainer, err);
    free_parts(&p);
    return status;
}
