// SPDX-License-Identifier: MIT
#include "envs/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "envs/image_parts.h"

#define BYTES_MAX (UINT64_C(64) << 30)
#define ENTRIES_MAX ((size_t)4000000)
#define TREE_BYTES_MAX ((size_t)8 << 30)
#define JSON_BYTES_MAX ((size_t)64 << 20)

struct importing {
    struct assay_depot *depot;
    struct assay_image *image;
    struct assay_image_bounds bounds;
    struct assay_image_source source;
    struct assay_image_store store;
};

static bool name_valid(const char *name)
{
    return name[0] != '\0' && strlen(name) <= 100 && name[0] != '.' &&
            name[strspn(name,
                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0';
}

// What it is made of: its settings and what its layers hold.
static enum assay_status set_id(struct importing *im, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay image 2");
    assay_sha256_field_text(sha, im->source.config_digest);
    for (size_t i = 0; i < im->source.layer_count; i++)
        assay_sha256_field_text(sha, im->source.layers[i].diff_id);
    assay_sha256_hex(sha, im->image->id);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

static enum assay_status image_path(char out[PATH_MAX], const struct assay_depot *depot,
        const char *middle, const char *last, struct assay_error *err)
{
    char below[160];

    (void)snprintf(below, sizeof(below), "images/%s%s", middle, last);
    return assay_depot_path(out, depot->home, below, err);
}

static enum assay_status make_places(struct importing *im, struct assay_error *err)
{
    static const char *const places[] = {"images", "images/blobs", "images/names"};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (mkdirat(im->depot->home_fd, places[i], 0755) != 0 && errno != EEXIST)
            return assay_fail_errno(err, errno, "make %s", places[i]);
    im->store = (struct assay_image_store){.depot = im->depot};
    im->store.blobs_fd = openat(
            im->depot->home_fd, "images/blobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return im->store.blobs_fd < 0 ? assay_fail_errno(err, errno, "open images/blobs") : ASSAY_OK;
}

// --- image.json ----------------------------------------------------------------------------------

static enum assay_status write_record(
        const struct assay_image *image, const char *dir, struct assay_error *err)
{
    char path[PATH_MAX];
    struct assay_json_writer w;
    struct assay_buf text;
    enum assay_status status = assay_depot_path(path, dir, "image.json", err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "id", image->id);
    assay_json_put_text(&w, "workdir", image->workdir);
    assay_strings_write(&w, "env", &image->env);
    assay_strings_write(&w, "layers", &image->layers);
    assay_json_put_u64(&w, "bytes", image->bytes);
    assay_json_put_u64(&w, "entry_count", image->entry_count);
    assay_json_end_object(&w);
    assay_buf_addc(&text, '\n');
    status = assay_buf_check(&text, "image.json", err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(path, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    return status;
}

// --- making it -----------------------------------------------------------------------------------

static enum assay_status read_layers(
        struct importing *im, struct assay_image_tree *tree, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < im->source.layer_count && status == ASSAY_OK; i++)
        status = assay_image_read_layer(tree, &im->store, &im->source, i, err);
    im->image->bytes = im->store.bytes;
    im->image->new_bytes = im->store.new_bytes;
    im->image->entry_count = im->store.entry_count;
    return status;
}

// In scratch, and then by rename.
static enum assay_status lay_out(
        struct importing *im, const struct assay_image_tree *tree, struct assay_error *err)
{
    char scratch[PATH_MAX], rootfs[PATH_MAX], target[80];
    bool moved = false;
    int fd = -1;
    enum assay_status status = assay_depot_tmp(im->depot, scratch, err);

    if (status != ASSAY_OK)
        return status;
    status = assay_depot_path(rootfs, scratch, "rootfs", err);
    if (status == ASSAY_OK)
        status = assay_depot_mkdir(im->depot, AT_FDCWD, rootfs, err);
    if (status == ASSAY_OK) {
        fd = open(rootfs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        status = fd < 0 ? assay_fail_errno(err, errno, "open scratch")
                        : assay_image_lay_out(tree, &im->store, fd, err);
    }
    if (status == ASSAY_OK)
        status = write_record(im->image, scratch, err);
    if (status == ASSAY_OK && syncfs(fd) != 0)
        status = assay_fail_errno(err, errno, "sync an image");
    (void)snprintf(target, sizeof(target), "images/%s", im->image->id);
    if (status == ASSAY_OK)
        status = assay_depot_publish(im->depot, scratch, target, &moved, err);
    if (fd >= 0)
        close(fd);
    if (!moved)
        assay_depot_drop_tmp(im->depot, scratch);
    return status;
}

static enum assay_status make(struct importing *im, struct assay_error *err)
{
    struct assay_image_tree tree = {.count = 0};
    struct assay_arena *arena = NULL;
    char path[PATH_MAX];
    enum assay_status status = image_path(path, im->depot, im->image->id, "/image.json", err);

    // Its id says all that it holds: what is there is this image.
    if (status != ASSAY_OK || access(path, F_OK) == 0)
        return status;
    status = assay_arena_create(&arena, TREE_BYTES_MAX, err);
    if (status == ASSAY_OK)
        status = assay_image_tree_begin(&tree, &im->bounds, arena, err);
    if (status == ASSAY_OK)
        status = read_layers(im, &tree, err);
    if (status == ASSAY_OK)
        status = lay_out(im, &tree, err);
    assay_image_tree_end(&tree);
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status give_name(
        const struct importing *im, const char *name, struct assay_error *err)
{
    char path[PATH_MAX];
    const enum assay_status status = image_path(path, im->depot, "names/", name, err);

    return status == ASSAY_OK ? assay_fs_replace_file(path, im->image->id, 64, 0644, err) : status;
}

enum assay_status assay_image_import(struct assay_image *out, struct assay_depot *depot,
        const char *path, const char *ref, const char *name,
        const struct assay_image_bounds *bounds, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_image image = {.name = "", .workdir = ""};
    struct importing im = {.depot = depot,
            .image = &image,
            .bounds = *bounds,
            .source = {.dir_fd = -1},
            .store = {.blobs_fd = -1}};
    enum assay_status status = ASSAY_OK;

    if (im.bounds.bytes_max == 0)
        im.bounds.bytes_max = BYTES_MAX;
    if (im.bounds.entries_max == 0)
        im.bounds.entries_max = ENTRIES_MAX;
    if (name != NULL && !name_valid(name))
        return assay_fail(err, ASSAY_EINVAL,
                "'%.110s': an image's name is 1 to 100 of [A-Za-z0-9_.-], '.' not in front", name);
    status = make_places(&im, err);
    if (status == ASSAY_OK)
        status = assay_image_source_open(&im.source, depot, path, ref, &image, arena, err);
    if (status == ASSAY_OK)
        status = set_id(&im, err);
    if (status == ASSAY_OK)
        status = make(&im, err);
    if (status == ASSAY_OK && name != NULL) {
        image.name = name;
        status = give_name(&im, name, err);
    }
    assay_image_source_close(&im.source, depot);
    if (im.store.blobs_fd >= 0)
        close(im.store.blobs_fd);
    if (status == ASSAY_OK)
        *out = image;
    else
        (void)assay_wrap(err, "%.60s", path);
    return status;
}

enum assay_status assay_image_find(struct assay_depot *depot, const char *name,
        char rootfs[PATH_MAX], char id[65], struct assay_error *err)
{
    char path[PATH_MAX], text[65] = "";
    int fd = -1;
    enum assay_status status = ASSAY_OK;

    if (strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64) {
        memcpy(text, name, 65);
    } else if (name_valid(name)) {
        status = image_path(path, depot, "names/", name, err);
        if (status != ASSAY_OK)
            return status;
        fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && (read(fd, text, 64) != 64 || strspn(text, "0123456789abcdef") != 64))
            text[0] = '\0';
        if (fd >= 0)
            close(fd);
    }
    if (text[0] != '\0')
        status = image_path(path, depot, text, "/rootfs", err);
    if (status != ASSAY_OK)
        return status;
    if (text[0] == '\0' || access(path, F_OK) != 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no image %.110s: assay image import", name);
    memcpy(rootfs, path, PATH_MAX);
    memcpy(id, text, 65);
    return ASSAY_OK;
}
