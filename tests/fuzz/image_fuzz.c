// SPDX-License-Identifier: MIT
// image_fuzz.c - foreign images (PART: 0 a layer, 1 a layout's JSON, 2 a whole archive).
//
// Whatever comes in: within the bounds, and what is laid out is files, folders and links below the
// folder that was handed in. In a layout's JSON "@M", "@C" and "@L" stand for the digests of the
// manifest, the configuration and an empty layer, so that a fuzzer gets past the digests.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/image_parts.h"

#define ENTRIES_MAX ((size_t)2000)
#define BYTES_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// One depot and one folder of inputs for the life of the process.
static struct assay_depot *depot;
static char home[PATH_MAX], input[PATH_MAX];

static void check(bool good)
{
    if (!good)
        abort();
}

// What lies below /tmp.
static void remove_below(const char *path)
{
    const int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)!assay_fs_remove_tree(fd, path + strlen("/tmp/"), NULL);
    close(fd);
}

static void remove_home(void)
{
    assay_depot_close(depot);
    remove_below(home);
    remove_below(input);
}

static void begin(void)
{
    if (depot)
        return;
    (void)snprintf(home, sizeof(home), "/tmp/assay-image-fuzz.XXXXXX");
    check(mkdtemp(home) != NULL);
    (void)snprintf(input, sizeof(input), "%.64s-in", home);
    check(mkdir(input, 0700) == 0);
    check(assay_depot_open(&depot, home, getuid(), getgid(), NULL) == ASSAY_OK);
    (void)atexit(remove_home);
}

// Without waiting for the disk, as the helpers of base/ would.
static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[PATH_MAX];
    int fd;

    (void)snprintf(path, sizeof(path), "%.128s/%.128s", input, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && assay_fs_write_all(fd, bytes, size, NULL) == ASSAY_OK);
    close(fd);
}

static enum assay_status look(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    size_t *count = user;

    (void)err;
    check(S_ISREG(entry->stat.st_mode) || S_ISDIR(entry->stat.st_mode) ||
            S_ISLNK(entry->stat.st_mode));
    check(++*count <= ENTRIES_MAX * 64);
    return ASSAY_OK;
}

#if PART == 0
static void lay_out(const struct assay_image_tree *tree, const struct assay_image_store *store)
{
    char scratch[PATH_MAX];
    size_t count = 0;
    int fd;

    check(assay_depot_tmp(depot, scratch, NULL) == ASSAY_OK);
    fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(fd >= 0);
    if (assay_image_lay_out(tree, store, fd, NULL) == ASSAY_OK)
        check(assay_fs_walk(fd, 4096, look, &count, NULL) == ASSAY_OK);
    close(fd);
    assay_depot_drop_tmp(depot, scratch);
}

static void fuzz(const uint8_t *data, size_t size, struct assay_arena *arena)
{
    const struct assay_image_bounds bounds = {BYTES_MAX, ENTRIES_MAX};
    struct assay_image_layer layers[2] = {{.path = "layer"}, {.path = "layer2"}};
    struct assay_image_source source = {.layers = layers, .layer_count = 2};
    struct assay_image_store store = {.depot = depot};
    struct assay_image_tree tree = {.count = 0};
    // What stands behind the mark is the upper layer.
    const uint8_t *cut = size > 4 ? memmem(data, size, "|LAYER|", 7) : NULL;
    const size_t first = cut ? (size_t)(cut - data) : size;

    write_file("layer", data, first);
    write_file("layer2", cut ? cut + 7 : data, cut ? size - first - 7 : size);
    source.dir_fd = open(input, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    store.blobs_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(assay_image_tree_begin(&tree, &bounds, arena, NULL) == ASSAY_OK);
    if (assay_image_read_layer(&tree, &store, &source, 0, NULL) == ASSAY_OK &&
            assay_image_read_layer(&tree, &store, &source, 1, NULL) == ASSAY_OK) {
        check(store.bytes <= BYTES_MAX && store.entry_count <= ENTRIES_MAX);
        lay_out(&tree, &store);
    }
    assay_image_tree_end(&tree);
    close(store.blobs_fd);
    close(source.dir_fd);
}
#else
static void import(const char *path, struct assay_arena *arena)
{
    const struct assay_image_bounds bounds = {BYTES_MAX, ENTRIES_MAX};
    struct assay_image image;
    char rootfs[PATH_MAX], id[65];
    size_t count = 0;
    int fd;

    if (assay_image_import(&image, depot, path, NULL, NULL, &bounds, arena, NULL) != ASSAY_OK)
        return;
    check(strlen(image.id) == 64 && image.workdir != NULL);
    check(assay_image_find(depot, image.id, rootfs, id, NULL) == ASSAY_OK);
    fd = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check(fd >= 0 && assay_fs_walk(fd, 4096, look, &count, NULL) == ASSAY_OK);
    close(fd);
}
#endif

#if PART == 1
// A part of the input with its placeholders filled in, by its digest.
static void put_blob(char hex[65], const uint8_t *data, size_t size, const char *const digests[3])
{
    static const char marks[] = "MCL";
    struct assay_buf text;
    char name[96];

    assay_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < size; i++) {
        const char *mark = i + 1 < size && data[i] == '@' ? memchr(marks, data[i + 1], 3) : NULL;

        if (mark && digests[mark - marks]) {
            assay_buf_addf(&text, "sha256:%s", digests[mark - marks]);
            i++;
        } else {
            assay_buf_addc(&text, (char)data[i]);
        }
    }
    check(assay_sha256_bytes(hex, text.data, text.len, NULL) == ASSAY_OK);
    (void)snprintf(name, sizeof(name), "blobs/sha256/%s", hex);
    write_file(digests[0] ? "index.json" : name, text.data, text.len);
    assay_buf_free(&text);
}

// Index, manifest and configuration, a NUL between.
static void fuzz(const uint8_t *data, size_t size, struct assay_arena *arena)
{
    static const char layer[1024], version[] = "{\"imageLayoutVersion\": \"1.0.0\"}";
    const uint8_t *parts[3];
    size_t sizes[3], at = 0;
    char hexes[3][65], rest[65], path[PATH_MAX];

    for (size_t i = 0; i < 3; i++) {
        const uint8_t *end = at < size ? memchr(data + at, 0, size - at) : NULL;

        parts[i] = data + at;
        sizes[i] = (end ? (size_t)(end - data) : size) - at;
        at += sizes[i] + (end != NULL);
    }
    (void)snprintf(path, sizeof(path), "%.128s/blobs", input);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof(path), "%.128s/blobs/sha256", input);
    (void)mkdir(path, 0700);
    write_file("oci-layout", version, strlen(version));
    put_blob(hexes[2], (const uint8_t *)layer, sizeof(layer), (const char *const[3]){NULL});
    put_blob(hexes[1], parts[2], sizes[2], (const char *const[3]){NULL, NULL, hexes[2]});
    put_blob(hexes[0], parts[1], sizes[1], (const char *const[3]){NULL, hexes[1], hexes[2]});
    put_blob(rest, parts[0], sizes[0], (const char *const[3]){hexes[0], hexes[1], hexes[2]});
    import(input, arena);
    remove_below(path);
}
#elif PART == 2
static void fuzz(const uint8_t *data, size_t size, struct assay_arena *arena)
{
    char path[PATH_MAX];

    write_file("image.tar", data, size);
    (void)snprintf(path, sizeof(path), "%.128s/image.tar", input);
    import(path, arena);
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_arena *arena = NULL;

    if (size > 262144 || assay_arena_create(&arena, (size_t)256 << 20, NULL) != ASSAY_OK)
        return 0;
    begin();
    fuzz(data, size, arena);
    assay_arena_destroy(arena);
    return 0;
}
