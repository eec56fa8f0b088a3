// SPDX-License-Identifier: MIT
#include "policy/weight_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "policy/weight_read.h"

#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define INDEX_LIMITS ((struct assay_json_limits){.bytes_max = (size_t)100 << 20, .depth_max = 8})

enum assay_status assay_weight_map(struct assay_mapping *out, struct assay_weight_file *file,
        const char *path, struct assay_error *err)
{
    struct assay_mapping mapping = {NULL, 0};
    struct stat st;
    enum assay_status status = ASSAY_OK;
    void *data;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return assay_fail(err, errno == ENOENT ? ASSAY_ENOTFOUND : ASSAY_EIO, "%s: %s", path,
                strerrordesc_np(errno));
    if (fstat(fd, &st) != 0)
        status = assay_fail_errno(err, errno, "%s", path);
    else if (!S_ISREG(st.st_mode))
        status = assay_fail(err, ASSAY_EINVAL, "%s: not a regular file", path);
    else if (file->mapping_count == ASSAY_WEIGHT_FILES_MAX)
        status = assay_fail(
                err, ASSAY_EINVAL, "%s: more than %d files", path, ASSAY_WEIGHT_FILES_MAX);
    else if (st.st_size > 0) {
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = assay_fail_errno(err, errno, "%s", path);
        else
            mapping = (struct assay_mapping){data, (uint64_t)st.st_size};
    }
    close(fd);
    if (status != ASSAY_OK)
        return status;
    file->mappings[file->mapping_count++] = mapping;
    *out = mapping;
    return ASSAY_OK;
}

enum assay_status assay_weight_add(struct assay_weight_view **out, struct assay_weight_file *file,
        const char *name, size_t name_len, struct assay_error *err)
{
    struct assay_weight_view *views = file->views;

    if (file->view_count == ASSAY_WEIGHT_TENSORS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "more than %zu tensors", ASSAY_WEIGHT_TENSORS_MAX);
    if (file->view_count == file->view_capacity) {
        const size_t capacity = file->view_capacity ? 2 * file->view_capacity : 256;

        views = realloc(views, capacity * sizeof(*views));
        if (!views)
            return assay_fail(err, ASSAY_ENOMEM, "out of memory");
        file->views = views;
        file->view_capacity = capacity;
    }
    if (name_len == 0 || memchr(name, '\0', name_len))
        return assay_fail(err, ASSAY_EINVAL, "a tensor has an empty name, or a NUL in it");
    *out = &views[file->view_count];
    **out = (struct assay_weight_view){.name = assay_arena_memdup(file->arena, name, name_len)};
    if (!(*out)->name)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    file->view_count++;
    return ASSAY_OK;
}

bool assay_weight_bytes(uint64_t *out, const struct assay_weight_view *view)
{
    const uint64_t block = assay_weight_block_elements(view->type);
    const uint64_t row = view->dim_count ? view->dims[view->dim_count - 1] : 1;
    uint64_t count = 1;

    for (uint32_t i = 0; i < view->dim_count; i++)
        if (__builtin_mul_overflow(count, view->dims[i], &count))
            return false;
    return row % block == 0 &&
            !__builtin_mul_overflow(
                    count / block, (uint64_t)assay_weight_block_bytes(view->type), out);
}

// --- opening ------------------------------------------------------------------------------------

static enum assay_status read_one(
        struct assay_weight_file *file, const char *path, struct assay_error *err)
{
    struct assay_mapping mapping;
    enum assay_status status = assay_weight_map(&mapping, file, path, err);

    if (status != ASSAY_OK)
        return status;
    if (mapping.bytes >= 4 && memcmp(mapping.data, "GGUF", 4) == 0)
        return assay_weight_read_gguf(file, &mapping, path, err);
    if (mapping.bytes >= 4 && memcmp(mapping.data, "PK\3\4", 4) == 0)
        return assay_weight_read_torch(file, &mapping, path, err);
    return assay_weight_read_safetensors(file, &mapping, path, err);
}

// The shards that an index names, each once, in the order in which they first appear.
static enum assay_status read_shards(struct assay_weight_file *file, const char *dir,
        const struct assay_json *map, struct assay_error *err)
{
    const char **shards = assay_arena_array(file->arena, ASSAY_WEIGHT_FILES_MAX, sizeof(*shards));
    enum assay_status status = ASSAY_OK;
    size_t count = 0;

    if (!shards)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (const struct assay_json *item = assay_json_first(map); item && status == ASSAY_OK;
            item = assay_json_next(item)) {
        const char *name = assay_json_text(item);
        char *path;
        size_t i = 0;

        if (!name || !assay_fs_path_is_plain(name) || strchr(name, '/'))
            return assay_fail(err, ASSAY_EINVAL, "weight_map.%s: not a file beside the index",
                    assay_json_key(item));
        while (i < count && strcmp(shards[i], name) != 0)
            i++;
        if (i < count)
            continue;
        path = assay_arena_printf(file->arena, "%s/%s", dir, name);
        if (!path || count == ASSAY_WEIGHT_FILES_MAX)
            return assay_fail(err, ASSAY_ENOMEM, "too many shards");
        shards[count++] = name;
        status = read_one(file, path, err);
    }
    return status;
}

static int compare_views(const void *a, const void *b)
{
    return strcmp(((const struct assay_weight_view *)a)->name,
            ((const struct assay_weight_view *)b)->name);
}

static enum assay_status sort_views(struct assay_weight_file *file, struct assay_error *err)
{
    if (file->view_count)
        qsort(file->views, file->view_count, sizeof(*file->views), compare_views);
    for (size_t i = 1; i < file->view_count; i++)
        if (strcmp(file->views[i - 1].name, file->views[i].name) == 0)
            return assay_fail(
                    err, ASSAY_EINVAL, "tensor %s stands there twice", file->views[i].name);
    return ASSAY_OK;
}

// Each name of the index is a tensor of one of its files.
static enum assay_status check_index(
        const struct assay_weight_file *file, const struct assay_json *map, struct assay_error *err)
{
    for (const struct assay_json *item = assay_json_first(map); item; item = assay_json_next(item))
        if (!assay_weight_file_find(file, assay_json_key(item)))
            return assay_fail(err, ASSAY_EINVAL, "weight_map.%s: no shard has that tensor",
                    assay_json_key(item));
    return ASSAY_OK;
}

static enum assay_status read_index(
        struct assay_weight_file *file, const char *dir, const char *path, struct assay_error *err)
{
    struct assay_json *json = NULL;
    const struct assay_json *map = NULL;
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, INDEX_LIMITS.bytes_max);
    status = assay_fs_read_file(&text, path, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(&json, text.data, text.len, INDEX_LIMITS, path, 1, err);
    if (status == ASSAY_OK)
        status = assay_json_read_object(&map, json, "weight_map", err);
    if (status == ASSAY_OK)
        status = read_shards(file, dir, map, err);
    if (status == ASSAY_OK)
        status = sort_views(file, err);
    if (status == ASSAY_OK)
        status = check_index(file, map, err);
    assay_json_free(json);
    assay_buf_free(&text);
    return status;
}

static enum assay_status read_dir(
        struct assay_weight_file *file, const char *dir, struct assay_error *err)
{
    const char *index = assay_arena_printf(file->arena, "%s/model.safetensors.index.json", dir);
    const char *single = assay_arena_printf(file->arena, "%s/model.safetensors", dir);

    if (!index || !single)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (access(index, F_OK) == 0)
        return read_index(file, dir, index, err);
    if (access(single, F_OK) != 0)
        return assay_fail(err, ASSAY_ENOTFOUND,
                "%s has neither model.safetensors nor model.safetensors.index.json", dir);
    return read_one(file, single, err);
}

enum assay_status assay_weight_file_open(
        struct assay_weight_file **out, const char *path, struct assay_error *err)
{
    struct assay_weight_file *file = calloc(1, sizeof(*file));
    struct stat st;
    enum assay_status status;

    if (!file)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_arena_create(&file->arena, ARENA_BYTES_MAX, err);
    if (status != ASSAY_OK)
        goto out;
    file->mappings =
            assay_arena_array(file->arena, ASSAY_WEIGHT_FILES_MAX, sizeof(*file->mappings));
    if (!file->mappings) {
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        goto out;
    }
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        status = read_dir(file, path, err);
    else
        status = read_one(file, path, err);
    if (status == ASSAY_OK)
        status = sort_views(file, err);
    if (status != ASSAY_OK && status != ASSAY_ENOTFOUND && err && !strstr(err->message, path))
        (void)assay_wrap(err, "%s", path);

out:
    if (status == ASSAY_OK)
        *out = file;
    else
        assay_weight_file_close(file);
    return status;
}

void assay_weight_file_close(struct assay_weight_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; file->mappings && i < file->mapping_count; i++)
        if (file->mappings[i].data)
            munmap(file->mappings[i].data, file->mappings[i].bytes);
    free(file->views);
    assay_arena_destroy(file->arena);
    free(file);
}

size_t assay_weight_file_count(const struct assay_weight_file *file)
{
    return file->view_count;
}

const struct assay_weight_view *assay_weight_file_at(
        const struct assay_weight_file *file, size_t index)
{
    return &file->views[index];
}

const struct assay_weight_view *assay_weight_file_find(
        const struct assay_weight_file *file, const char *name)
{
    const struct assay_weight_view key = {.name = name};

    return file->view_count
            ? bsearch(&key, file->views, file->view_count, sizeof(key), compare_views)
            : NULL;
}

const struct assay_gguf_values *assay_weight_file_gguf(const struct assay_weight_file *file)
{
    return file->gguf;
}
