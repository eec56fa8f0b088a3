// SPDX-License-Identifier: MIT
// image_layer.c - one layer: unpacked by tasks/unpack.h, hashed as it passes, read by libarchive.
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/image_parts.h"
#include "tasks/unpack.h"

#define CHUNK_BYTES ((size_t)256 << 10)
#define ATTRIBUTES_MAX 32
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
#define MODE_BITS 07777

struct layer {
    struct assay_image_tree *tree;
    struct assay_image_store *store;
    size_t number;               // from 1
    struct assay_unpack *unpack; // owned
    struct assay_sha256 *sha;    // owned: of what the layer holds
    struct assay_error read_err;
    enum assay_status read_status;
    char chunk[CHUNK_BYTES];
};

// --- bytes ---------------------------------------------------------------------------------------

static la_ssize_t feed(struct archive *archive, void *user, const void **bytes)
{
    struct layer *layer = user;
    size_t got = 0;

    layer->read_status =
            assay_unpack_read(layer->unpack, layer->chunk, CHUNK_BYTES, &got, &layer->read_err);
    if (layer->read_status != ASSAY_OK) {
        archive_set_error(archive, EIO, "%s", layer->read_err.message);
        return -1;
    }
    assay_sha256_add(layer->sha, layer->chunk, got);
    *bytes = layer->chunk;
    return (la_ssize_t)got;
}

static const char *reason(struct archive *archive)
{
    const char *text = archive_error_string(archive);

    return text == NULL ? "unreadable" : text;
}

// --- contents ------------------------------------------------------------------------------------

// user.* of an entry, as name and value in hex. overlayfs's own would change what the layers mean.
static enum assay_status read_attributes(struct layer *layer, struct archive_entry *entry,
        struct assay_strings *out, struct assay_error *err)
{
    struct assay_arena *arena = layer->tree->arena;
    const char **items = NULL;
    const char *name;
    const void *value;
    size_t size, count = 0;

    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
        char *hex;

        if (name == NULL || strncmp(name, "user.", 5) != 0)
            continue;
        if (strncmp(name, "user.overlay.", 13) == 0)
            return assay_fail(err, ASSAY_EINVAL, "an attribute of overlayfs: %.60s", name);
        if (items == NULL)
            items = assay_arena_array(arena, ATTRIBUTES_MAX, 2 * sizeof(*items));
        if (count == ATTRIBUTES_MAX || size > ASSAY_IMAGE_ATTRIBUTE_BYTES_MAX)
            return assay_fail(err, ASSAY_EINVAL, "too many or too large attributes");
        hex = assay_arena_alloc(arena, 2 * size + 1);
        if (items == NULL || hex == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "image");
        for (size_t i = 0; i < size; i++)
            (void)snprintf(hex + 2 * i, 3, "%02x", ((const unsigned char *)value)[i]);
        items[2 * count] = assay_arena_strdup(arena, name);
        items[2 * count + 1] = hex;
        if (items[2 * count++] == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "image");
    }
    *out = (struct assay_strings){items, 2 * count};
    return ASSAY_OK;
}

static enum assay_status take_bytes(struct layer *layer, uint64_t size, struct assay_error *err)
{
    if (size > layer->tree->bounds.bytes_max - layer->store->bytes)
        return assay_fail(err, ASSAY_EINVAL, "more than %llu bytes of files",
                (unsigned long long)layer->tree->bounds.bytes_max);
    layer->store->bytes += size;
    return ASSAY_OK;
}

// The content of the entry that libarchive stands on, into a scratch file; its hash comes out.
static enum assay_status spool(struct layer *layer, struct archive *archive, int fd, char hash[65],
        uint64_t *size, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    char *bytes = malloc(CHUNK_BYTES);
    enum assay_status status =
            bytes == NULL ? assay_fail(err, ASSAY_ENOMEM, "image") : assay_sha256_create(&sha, err);

    *size = 0;
    while (status == ASSAY_OK) {
        const la_ssize_t got = archive_read_data(archive, bytes, CHUNK_BYTES);

        if (got == ARCHIVE_RETRY)
            continue;
        if (got < 0)
            status = assay_fail(err, ASSAY_EINVAL, "%.150s", reason(archive));
        if (got <= 0)
            break;
        status = take_bytes(layer, (uint64_t)got, err);
        if (status == ASSAY_OK)
            status = assay_fs_write_all(fd, bytes, (size_t)got, err);
        assay_sha256_add(sha, bytes, (size_t)got);
        *size += (uint64_t)got;
    }
    if (status == ASSAY_OK)
        assay_sha256_hex(sha, hash);
    assay_sha256_destroy(sha);
    free(bytes);
    return status;
}

// Owner, mode, attributes and time: all that names of one inode share.
static enum assay_status finish_blob(const struct layer *layer, int fd,
        const struct assay_image_node *node, struct assay_error *err)
{
    const struct timespec times[2] = {{.tv_sec = node->time}, {.tv_sec = node->time}};
    enum assay_status status = assay_depot_own(layer->store->depot, fd, 0600, err);

    if (status == ASSAY_OK)
        status = assay_image_set_attributes(fd, &node->attributes, err);
    if (status == ASSAY_OK && (fchmod(fd, node->mode) != 0 || futimens(fd, times) != 0))
        status = assay_fail_errno(err, errno, "mode and time of a file");
    return status;
}

static enum assay_status blob_key(struct layer *layer, struct assay_image_node *node,
        const char hash[65], struct assay_error *err)
{
    char marks[ASSAY_SHA256_HEX_BYTES] = "";
    struct assay_sha256 *sha = NULL;
    enum assay_status status = ASSAY_OK;

    if (node->attributes.count > 0) {
        status = assay_sha256_create(&sha, err);
        for (size_t i = 0; status == ASSAY_OK && i < node->attributes.count; i++)
            assay_sha256_field_text(sha, node->attributes.items[i]);
        if (status == ASSAY_OK)
            assay_sha256_hex(sha, marks);
        assay_sha256_destroy(sha);
    }
    node->key = assay_arena_printf(layer->tree->arena, "%.2s/%.64s-%o-%llx%s%.16s", hash, hash,
            (unsigned)node->mode, (unsigned long long)node->time, marks[0] == '\0' ? "" : "-",
            marks);
    if (status == ASSAY_OK && node->key == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "image");
    return status;
}

// Under its key, unless a whole one is there.
static enum assay_status publish(struct layer *layer, const char *scratch, int fd,
        const struct assay_image_node *node, struct assay_error *err)
{
    char prefix[3] = {node->key[0], node->key[1], '\0'};
    struct assay_image_store *store = layer->store;
    struct stat st;
    enum assay_status status;

    if (fstatat(store->blobs_fd, node->key, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            (uint64_t)st.st_size == node->size)
        return unlinkat(store->depot->tmp_fd, scratch, 0) == 0
                ? ASSAY_OK
                : assay_fail_errno(err, errno, "remove scratch");
    status = finish_blob(layer, fd, node, err);
    if (status != ASSAY_OK)
        return status;
    if (mkdirat(store->blobs_fd, prefix, 0755) != 0 && errno != EEXIST)
        return assay_fail_errno(err, errno, "make images/blobs/%s", prefix);
    if (renameat(store->depot->tmp_fd, scratch, store->blobs_fd, node->key) != 0)
        return assay_fail_errno(err, errno, "name a blob");
    store->new_bytes += node->size;
    return ASSAY_OK;
}

static enum assay_status read_file(struct layer *layer, struct archive *archive,
        struct assay_image_node *node, struct assay_error *err)
{
    struct assay_depot *depot = layer->store->depot;
    char scratch[32], hash[ASSAY_SHA256_HEX_BYTES];
    int fd;
    enum assay_status status;

    (void)snprintf(scratch, sizeof(scratch), "i%llu",
            (unsigned long long)atomic_fetch_add(&depot->tmp_next, 1));
    fd = openat(depot->tmp_fd, scratch, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return assay_fail_errno(err, errno, "create scratch for a blob");
    status = spool(layer, archive, fd, hash, &node->size, err);
    if (status == ASSAY_OK)
        status = blob_key(layer, node, hash, err);
    if (status == ASSAY_OK)
        status = publish(layer, scratch, fd, node, err);
    if (status != ASSAY_OK)
        (void)unlinkat(depot->tmp_fd, scratch, 0);
    close(fd);
    return status;
}

// --- entries -------------------------------------------------------------------------------------

static enum assay_status add_hard_link(struct layer *layer, size_t parent, const char *name,
        const char *target, struct assay_error *err)
{
    struct assay_image_node node;
    const char *last = NULL;
    size_t dir = 0, found = 0;
    enum assay_status status =
            assay_image_tree_place(layer->tree, target, layer->number, &dir, &last, err);

    if (status == ASSAY_OK)
        found = assay_image_tree_look(layer->tree, dir, last);
    if (status == ASSAY_OK && (found == 0 || layer->tree->nodes[found].kind == 'd'))
        status = assay_fail(err, ASSAY_EINVAL, "a hard link to what is no file: '%.100s'", target);
    if (status != ASSAY_OK)
        return status;
    node = layer->tree->nodes[found]; // the same blob: the same inode
    node.layer = layer->number;
    return assay_image_tree_put(layer->tree, parent, name, &node, err);
}

static enum assay_status add_typed(struct layer *layer, struct archive *archive,
        struct archive_entry *entry, size_t parent, const char *name, struct assay_error *err)
{
    struct assay_image_node node = {.layer = layer->number,
            .mode = archive_entry_perm(entry) & MODE_BITS,
            .time = archive_entry_mtime_is_set(entry) ? archive_entry_mtime(entry) : 0};
    const char *target = archive_entry_symlink(entry);
    enum assay_status status = read_attributes(layer, entry, &node.attributes, err);

    if (status != ASSAY_OK)
        return status;
    switch (archive_entry_filetype(entry)) {
    case AE_IFDIR:
        node.kind = 'd';
        break;
    case AE_IFLNK:
        node.kind = 'l';
        if (target == NULL || target[0] == '\0' || strlen(target) >= PATH_MAX)
            return assay_fail(err, ASSAY_EINVAL, "a link without a target, or with too long a one");
        node.target = assay_arena_strdup(layer->tree->arena, target);
        if (node.target == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "image");
        break;
    case AE_IFREG:
        node.kind = 'f';
        // Said before it is read: a hole of an exabyte takes no room in the archive.
        if (archive_entry_size_is_set(entry) &&
                (archive_entry_size(entry) < 0 ||
                        (uint64_t)archive_entry_size(entry) >
                                layer->tree->bounds.bytes_max - layer->store->bytes))
            return assay_fail(err, ASSAY_EINVAL, "more than %llu bytes of files",
                    (unsigned long long)layer->tree->bounds.bytes_max);
        status = read_file(layer, archive, &node, err);
        if (status != ASSAY_OK)
            return status;
        break;
    default:
        return assay_fail(err, ASSAY_EINVAL, "neither file, folder nor link");
    }
    return assay_image_tree_put(layer->tree, parent, name, &node, err);
}

// A whiteout. What it lies in need not be there, and is not made.
static enum assay_status take_away(struct layer *layer, const char *path, struct assay_error *err)
{
    const char *name = NULL;
    size_t parent = 0;
    const enum assay_status status =
            assay_image_tree_place(layer->tree, path, 0, &parent, &name, err);

    if (status != ASSAY_OK || parent == ASSAY_IMAGE_NOWHERE)
        return status;
    if (strcmp(name, OPAQUE) == 0)
        assay_image_tree_clear(layer->tree, parent, layer->number);
    // ".wh..wh.x" are a layer's own notes.
    else if (strncmp(name + strlen(WHITEOUT), WHITEOUT, strlen(WHITEOUT)) != 0)
        assay_image_tree_take(layer->tree, parent, name + strlen(WHITEOUT), layer->number);
    return ASSAY_OK;
}

static enum assay_status add_entry(struct layer *layer, struct archive *archive,
        struct archive_entry *entry, struct assay_error *err)
{
    const char *path = archive_entry_pathname(entry);
    const char *hard = archive_entry_hardlink(entry);
    const char *name = NULL, *last;
    size_t parent = 0;
    enum assay_status status;

    if (++layer->store->entry_count > layer->tree->bounds.entries_max)
        return assay_fail(
                err, ASSAY_EINVAL, "more than %zu entries", layer->tree->bounds.entries_max);
    if (path == NULL)
        return assay_fail(err, ASSAY_EINVAL, "an entry has no readable name");
    last = strrchr(path, '/');
    if (strncmp(last == NULL ? path : last + 1, WHITEOUT, strlen(WHITEOUT)) == 0) {
        status = take_away(layer, path, err);
    } else {
        status = assay_image_tree_place(layer->tree, path, layer->number, &parent, &name, err);
        if (status == ASSAY_OK)
            status = hard != NULL ? add_hard_link(layer, parent, name, hard, err)
                                  : add_typed(layer, archive, entry, parent, name, err);
    }
    return status == ASSAY_OK ? ASSAY_OK : assay_wrap(err, "%.100s", path);
}

static enum assay_status read_entries(
        struct layer *layer, struct archive *archive, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    size_t got = 1;

    while (status == ASSAY_OK) {
        struct archive_entry *entry = NULL;
        const int result = archive_read_next_header(archive, &entry);

        if (result == ARCHIVE_EOF)
            break;
        if (assay_depot_cancelled(layer->store->depot))
            status = assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        else if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            status = assay_fail(err, ASSAY_EINVAL, "%.200s", reason(archive));
        else
            status = add_entry(layer, archive, entry, err);
    }
    // What stands behind the tar's end is part of its digest.
    while (status == ASSAY_OK && got > 0) {
        status = assay_unpack_read(layer->unpack, layer->chunk, CHUNK_BYTES, &got, err);
        if (status == ASSAY_OK)
            assay_sha256_add(layer->sha, layer->chunk, got);
    }
    return status;
}

// --- a layer -------------------------------------------------------------------------------------

static enum assay_status check_digest(
        const char *hex, const char *expected, const char *what, struct assay_error *err)
{
    if (expected == NULL || strcmp(hex, expected) == 0)
        return ASSAY_OK;
    return assay_fail(
            err, ASSAY_EINVAL, "%s: its SHA-256 is %.12s..., not %.12s...", what, hex, expected);
}

// Tar alone, and no filter: what is packed was unpacked before.
static enum assay_status open_tar(
        struct archive **out, struct layer *layer, struct assay_error *err)
{
    struct archive *archive = archive_read_new();

    *out = archive;
    if (archive == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "image");
    // A layer without any entry is a tar of nothing.
    if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
            archive_read_support_format_gnutar(archive) != ARCHIVE_OK ||
            archive_read_support_format_empty(archive) != ARCHIVE_OK ||
            archive_read_open(archive, layer, NULL, feed, NULL) != ARCHIVE_OK)
        return assay_fail(err, ASSAY_EINVAL, "no tar: %.150s", reason(archive));
    return ASSAY_OK;
}

static enum assay_status read_layer(struct layer *layer, int fd,
        const struct assay_image_layer *wanted, struct assay_error *err)
{
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const locale_t before = utf8 == (locale_t)0 ? (locale_t)0 : uselocale(utf8);
    char hex[ASSAY_SHA256_HEX_BYTES];
    struct archive *archive = NULL;
    enum assay_status status = ASSAY_OK;

    if (wanted->digest != NULL) {
        status = assay_sha256_fd(hex, fd, err);
        if (status == ASSAY_OK)
            status = check_digest(hex, wanted->digest, "the layer's file", err);
        if (status == ASSAY_OK && lseek(fd, 0, SEEK_SET) != 0)
            status = assay_fail_errno(err, errno, "read");
    }
    if (status == ASSAY_OK)
        status = assay_unpack_open(&layer->unpack, fd, err);
    if (status == ASSAY_OK)
        status = assay_sha256_create(&layer->sha, err);
    if (status == ASSAY_OK)
        status = open_tar(&archive, layer, err);
    if (status == ASSAY_OK)
        status = read_entries(layer, archive, err);
    if (status == ASSAY_OK) {
        assay_sha256_hex(layer->sha, hex);
        status = check_digest(hex, wanted->diff_id, "what the layer holds", err);
    }
    if (archive != NULL)
        (void)archive_read_free(archive);
    assay_sha256_destroy(layer->sha);
    assay_unpack_close(layer->unpack);
    if (utf8 != (locale_t)0) {
        uselocale(before);
        freelocale(utf8);
    }
    return status;
}

enum assay_status assay_image_read_layer(struct assay_image_tree *tree,
        struct assay_image_store *store, const struct assay_image_source *source, size_t index,
        struct assay_error *err)
{
    const struct assay_image_layer *wanted = &source->layers[index];
    struct layer *layer = calloc(1, sizeof(*layer));
    int fd = -1;
    enum assay_status status = ASSAY_OK;

    if (layer == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "image");
    layer->tree = tree;
    layer->store = store;
    layer->number = index + 1;
    fd = assay_fs_open_beneath(
            source->dir_fd, wanted->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (fd < 0)
        status = assay_fail_errno(err, errno, "open %.100s", wanted->path);
    if (status == ASSAY_OK)
        status = read_layer(layer, fd, wanted, err);
    if (fd >= 0)
        close(fd);
    free(layer);
    return status == ASSAY_OK ? ASSAY_OK : assay_wrap(err, "layer %zu", index + 1);
}
