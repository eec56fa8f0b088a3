// SPDX-License-Identifier: MIT
// depot_tree.c - from a list of entries to a directory that appears all at once.
#include "envs/depot_tree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"

#define ARENA_BYTES_MAX ((size_t)1 << 30)
#define HARD_LINKS_MAX 16 // from one to the next until a file
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum assay_status assay_tree_begin(
        struct assay_tree_builder *builder, struct assay_depot *depot, struct assay_error *err)
{
    *builder = (struct assay_tree_builder){.depot = depot};
    return assay_arena_create(&builder->arena, ARENA_BYTES_MAX, err);
}

void assay_tree_end(struct assay_tree_builder *builder)
{
    assay_arena_destroy(builder->arena);
    free(builder->items);
    *builder = (struct assay_tree_builder){0};
}

// Not assay_fs_path_is_plain(): real trees have names with control bytes
// ("Icon\r"), and the paths here are only ever used below our own scratch.
static bool path_is_sound(const char *path)
{
    size_t len = 0;

    if (strlen(path) >= PATH_MAX - 256)
        return false;
    for (const char *part = path;; part += len + 1) {
        len = strcspn(part, "/");
        // Empty, too long, "." or "..".
        if (len == 0 || len > NAME_MAX || (len <= 2 && strspn(part, ".") == len))
            return false;
        if (part[len] == '\0')
            return true;
    }
}

// Does a link at `path` point inside the tree? By its text alone: links through
// links are not chased, since nothing on the host ever follows one.
static bool link_stays_inside(const char *path, const char *target)
{
    size_t depth = 0;

    for (const char *c = path; *c != '\0'; c++)
        depth += *c == '/';
    if (target[0] == '/' || target[0] == '\0' || strlen(target) >= PATH_MAX)
        return false;
    while (*target != '\0') {
        const size_t len = strcspn(target, "/");

        if (len == 2 && memcmp(target, "..", 2) == 0) {
            if (depth == 0)
                return false;
            depth--;
        } else if (len > 0 && !(len == 1 && target[0] == '.')) {
            depth++;
        }
        target += len;
        target += strspn(target, "/");
    }
    return true;
}

static enum assay_status new_entry(struct assay_tree_builder *builder, const char *path,
        enum assay_tree_kind kind, struct assay_tree_entry **out, struct assay_error *err)
{
    struct assay_tree_entry *entry = NULL;

    if (!path_is_sound(path))
        return assay_fail(err, ASSAY_EINVAL, "path not allowed in a tree: '%.150s'", path);
    if (builder->count >= builder->depot->bounds.entries_max)
        return assay_fail(
                err, ASSAY_ENOMEM, "more than %zu entries", builder->depot->bounds.entries_max);
    if (builder->count == builder->cap) {
        const size_t cap = builder->cap == 0 ? 256 : builder->cap * 2;
        struct assay_tree_entry *items = realloc(builder->items, cap * sizeof(*items));

        if (items == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "entries");
        builder->items = items;
        builder->cap = cap;
    }
    entry = &builder->items[builder->count];
    *entry = (struct assay_tree_entry){.kind = kind, .order = builder->count};
    entry->path = assay_arena_strdup(builder->arena, path);
    if (entry->path == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "entries");
    builder->count++;
    *out = entry;
    return ASSAY_OK;
}

enum assay_status assay_tree_add_dir(
        struct assay_tree_builder *builder, const char *path, struct assay_error *err)
{
    struct assay_tree_entry *entry = NULL;

    return new_entry(builder, path, ASSAY_TREE_DIR, &entry, err);
}

enum assay_status assay_tree_add_link(struct assay_tree_builder *builder, const char *path,
        const char *target, struct assay_error *err)
{
    struct assay_tree_entry *entry = NULL;
    enum assay_status status = ASSAY_OK;

    status = new_entry(builder, path, ASSAY_TREE_LINK, &entry, err);
    if (status != ASSAY_OK)
        return status;
    entry->target = assay_arena_strdup(builder->arena, target);
    if (entry->target == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "entries");
    return ASSAY_OK;
}

enum assay_status assay_tree_add_hard_link(struct assay_tree_builder *builder, const char *path,
        const char *target, struct assay_error *err)
{
    struct assay_tree_entry *entry = NULL;
    const enum assay_status status = new_entry(builder, path, ASSAY_TREE_HARD_LINK, &entry, err);

    if (status != ASSAY_OK)
        return status;
    entry->target = assay_arena_strdup(builder->arena, target);
    if (entry->target == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "entries");
    return ASSAY_OK;
}

static enum assay_status add_blob(struct assay_tree_builder *builder, const char *path,
        bool executable, const char *hash, uint64_t size, struct assay_error *err)
{
    struct assay_tree_entry *entry = NULL;
    const enum assay_status status = new_entry(builder, path, ASSAY_TREE_FILE, &entry, err);

    if (status != ASSAY_OK)
        return status;
    entry->executable = executable;
    entry->size = size;
    memcpy(entry->blob, hash, sizeof(entry->blob));
    builder->bytes += size;
    return ASSAY_OK;
}

enum assay_status assay_tree_add_bytes(struct assay_tree_builder *builder, const char *path,
        bool executable, const void *bytes, size_t size, struct assay_error *err)
{
    char hash[ASSAY_SHA256_HEX_BYTES];
    enum assay_status status = ASSAY_OK;

    status = assay_blob_bound(builder->depot, builder->bytes, size, err);
    if (status == ASSAY_OK)
        status = assay_sha256_bytes(hash, bytes, size, err);
    if (status == ASSAY_OK && size > 0)
        status = assay_blob_store(builder->depot, hash, executable, bytes, size, err);
    if (status != ASSAY_OK)
        return status;
    return add_blob(builder, path, executable, hash, size, err);
}

enum assay_status assay_tree_add_file(struct assay_tree_builder *builder, const char *path,
        bool executable, assay_tree_source source, void *user, struct assay_error *err)
{
    char hash[ASSAY_SHA256_HEX_BYTES];
    uint64_t size = 0;
    const enum assay_status status = assay_blob_spool(
            builder->depot, executable, source, user, builder->bytes, hash, &size, err);

    if (status != ASSAY_OK)
        return status;
    return add_blob(builder, path, executable, hash, size, err);
}

// '/' sorts before every other byte, so a directory's content follows it directly.
static int compare_paths(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    if (*a == *b)
        return 0;
    if (*a == '\0' || *b == '\0')
        return *a == '\0' ? -1 : 1;
    if (*a == '/' || *b == '/')
        return *a == '/' ? -1 : 1;
    return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int compare_entries(const void *a, const void *b)
{
    const struct assay_tree_entry *x = a, *y = b;
    const int by_path = compare_paths(x->path, y->path);

    if (by_path != 0)
        return by_path;
    return x->order < y->order ? -1 : 1;
}

static void sort_and_dedupe(struct assay_tree_builder *builder)
{
    size_t kept = 0;

    if (builder->count == 0)
        return;
    qsort(builder->items, builder->count, sizeof(builder->items[0]), compare_entries);
    for (size_t i = 1; i < builder->count; i++) {
        if (strcmp(builder->items[i].path, builder->items[kept].path) != 0)
            kept++;
        builder->items[kept] = builder->items[i];
    }
    builder->count = kept + 1;
}

// Add the directories that `path` needs and that do not stand between it and
// `previous`, the entry before it.
static enum assay_status add_parents(struct assay_tree_builder *builder, const char *path,
        const char *previous, struct assay_error *err)
{
    char parent[PATH_MAX];
    size_t shared = 0;

    for (size_t i = 0; path[i] != '\0' && path[i] == previous[i]; i++)
        if (path[i] == '/')
            shared = i + 1;
    for (size_t i = shared; path[i] != '\0'; i++) {
        enum assay_status status = ASSAY_OK;

        if (path[i] != '/')
            continue;
        memcpy(parent, path, i);
        parent[i] = '\0';
        if (strcmp(parent, previous) == 0)
            continue; // there, of whatever kind: settle looks at that
        status = assay_tree_add_dir(builder, parent, err);
        if (status != ASSAY_OK)
            return status;
    }
    return ASSAY_OK;
}

bool assay_tree_below(const char *path, const char *dir)
{
    const size_t len = strlen(dir);

    return len > 0 && strncmp(path, dir, len) == 0 && path[len] == '/';
}

static int compare_to_path(const void *path, const void *entry)
{
    return compare_paths(path, ((const struct assay_tree_entry *)entry)->path);
}

const struct assay_tree_entry *assay_tree_find(
        const struct assay_tree_builder *builder, const char *path)
{
    if (builder->count == 0)
        return NULL;
    return bsearch(
            path, builder->items, builder->count, sizeof(builder->items[0]), compare_to_path);
}

// A hard link becomes one more file of the same content.
static enum assay_status resolve_hard_link(
        struct assay_tree_builder *builder, struct assay_tree_entry *entry, struct assay_error *err)
{
    const struct assay_tree_entry *first = entry;
    enum assay_status status = ASSAY_OK;

    for (int i = 0; first != NULL && first->kind == ASSAY_TREE_HARD_LINK && i < HARD_LINKS_MAX; i++)
        first = assay_tree_find(builder, first->target);
    if (first == NULL || first->kind != ASSAY_TREE_FILE)
        return assay_fail(err, ASSAY_EINVAL, "%.120s: hard link to what is no file here: '%.80s'",
                entry->path, entry->target);
    status = assay_blob_bound(builder->depot, builder->bytes, first->size, err);
    if (status != ASSAY_OK) {
        (void)assay_wrap(err, "%.120s", entry->path);
        return status;
    }
    entry->kind = ASSAY_TREE_FILE;
    entry->executable = first->executable;
    entry->size = first->size;
    memcpy(entry->blob, first->blob, sizeof(entry->blob));
    builder->bytes += first->size;
    return ASSAY_OK;
}

// Sorted, a non-directory with something below it is directly followed by that.
static enum assay_status check_entries(struct assay_tree_builder *builder, struct assay_error *err)
{
    for (size_t i = 0; i < builder->count; i++) {
        struct assay_tree_entry *entry = &builder->items[i];

        if (entry->kind == ASSAY_TREE_HARD_LINK) {
            const enum assay_status status = resolve_hard_link(builder, entry, err);

            if (status != ASSAY_OK)
                return status;
        }
        if (i > 0 && entry[-1].kind != ASSAY_TREE_DIR &&
                assay_tree_below(entry->path, entry[-1].path))
            return assay_fail(err, ASSAY_EINVAL,
                    "%.150s is not a directory but has entries below it", entry[-1].path);
    }
    return ASSAY_OK;
}

enum assay_status assay_tree_settle(struct assay_tree_builder *builder, struct assay_error *err)
{
    size_t count = 0;

    sort_and_dedupe(builder);
    count = builder->count;
    for (size_t i = 0; i < count; i++) {
        const enum assay_status status = add_parents(
                builder, builder->items[i].path, i == 0 ? "" : builder->items[i - 1].path, err);

        if (status != ASSAY_OK)
            return status;
    }
    if (builder->count != count)
        sort_and_dedupe(builder);
    return check_entries(builder, err);
}

void assay_tree_strip_top(struct assay_tree_builder *builder)
{
    size_t len = 0;

    if (builder->count < 2 || builder->items[0].kind != ASSAY_TREE_DIR)
        return;
    len = strlen(builder->items[0].path);
    for (size_t i = 1; i < builder->count; i++)
        if (strncmp(builder->items[i].path, builder->items[0].path, len) != 0 ||
                builder->items[i].path[len] != '/')
            return;
    for (size_t i = 1; i < builder->count; i++) {
        builder->items[i - 1] = builder->items[i];
        builder->items[i - 1].path += len + 1;
    }
    builder->count--;
}

bool assay_tree_ignored(const char *path, const struct assay_strings *ignore)
{
    for (size_t i = 0; ignore != NULL && i < ignore->count; i++)
        if (assay_glob_match(ignore->items[i], path))
            return true;
    return false;
}

static bool is_git(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strcmp(slash == NULL ? path : slash + 1, ".git") == 0;
}

void assay_tree_ignore(struct assay_tree_builder *builder, const struct assay_strings *ignore)
{
    const char *cut = "";
    size_t kept = 0;

    for (size_t i = 0; i < builder->count; i++) {
        const char *path = builder->items[i].path;

        if (assay_tree_below(path, cut))
            continue;
        if (is_git(path) || assay_tree_ignored(path, ignore)) {
            cut = path;
            continue;
        }
        builder->items[kept++] = builder->items[i];
    }
    builder->count = kept;
}

// --- into place ---------------------------------------------------------------------------------

static enum assay_status lay_empty(const struct assay_tree_builder *builder,
        const struct assay_tree_entry *entry, int dir_fd, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    const int fd = openat(dir_fd, entry->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return assay_fail_errno(err, errno, "create %.150s", entry->path);
    status = assay_depot_own(builder->depot, fd, entry->executable ? 0755 : 0644, err);
    close(fd);
    return status;
}

static enum assay_status lay_link(const struct assay_depot *depot,
        const struct assay_tree_entry *entry, int dir_fd, struct assay_error *err)
{
    const struct timespec times[2] = {
            {.tv_sec = ASSAY_DEPOT_TIME_S}, {.tv_sec = ASSAY_DEPOT_TIME_S}};

    // Here and not when it was added: an archive's top folder may have gone since.
    if (!link_stays_inside(entry->path, entry->target))
        return assay_fail(err, ASSAY_EINVAL, "%.120s: link leaves the tree: '%.80s'", entry->path,
                entry->target);
    if (symlinkat(entry->target, dir_fd, entry->path) != 0 ||
            fchownat(dir_fd, entry->path, depot->uid, depot->gid, AT_SYMLINK_NOFOLLOW) != 0 ||
            utimensat(dir_fd, entry->path, times, AT_SYMLINK_NOFOLLOW) != 0)
        return assay_fail_errno(err, errno, "link %.150s", entry->path);
    return ASSAY_OK;
}

static enum assay_status lay_entry(const struct assay_tree_builder *builder,
        const struct assay_tree_entry *entry, int dir_fd, struct assay_error *err)
{
    switch (entry->kind) {
    case ASSAY_TREE_DIR:
        return assay_depot_mkdir(builder->depot, dir_fd, entry->path, err);
    case ASSAY_TREE_LINK:
        return lay_link(builder->depot, entry, dir_fd, err);
    case ASSAY_TREE_FILE:
        // Every project has many empty files: they would use up the links of one blob.
        if (entry->size == 0)
            return lay_empty(builder, entry, dir_fd, err);
        return assay_blob_link(
                builder->depot, entry->blob, entry->executable, dir_fd, entry->path, err);
    case ASSAY_TREE_HARD_LINK: // settle made files of them
    default:
        assert(false);
        return assay_fail(err, ASSAY_EINVAL, "%.150s: not settled", entry->path);
    }
}

enum assay_status assay_tree_lay_out(
        const struct assay_tree_builder *builder, int dir_fd, struct assay_error *err)
{
    const struct timespec times[2] = {
            {.tv_sec = ASSAY_DEPOT_TIME_S}, {.tv_sec = ASSAY_DEPOT_TIME_S}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < builder->count; i++) {
        status = lay_entry(builder, &builder->items[i], dir_fd, err);
        if (status != ASSAY_OK)
            return status;
    }
    // What was put into a directory moved its time.
    for (size_t i = builder->count; i > 0; i--)
        if (builder->items[i - 1].kind == ASSAY_TREE_DIR &&
                utimensat(dir_fd, builder->items[i - 1].path, times, AT_SYMLINK_NOFOLLOW) != 0)
            return assay_fail_errno(err, errno, "set times of %.150s", builder->items[i - 1].path);
    return assay_depot_own(builder->depot, dir_fd, 0755, err);
}

enum assay_status assay_tree_hash(
        const struct assay_tree_builder *builder, char hash[65], struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay tree 1");
    for (size_t i = 0; i < builder->count; i++) {
        const struct assay_tree_entry *entry = &builder->items[i];
        const char kind[2] = {(char)entry->kind, '\0'};

        assay_sha256_field_text(sha, entry->path);
        assay_sha256_field_text(sha, entry->executable ? "x" : kind);
        if (entry->kind == ASSAY_TREE_FILE)
            assay_sha256_field_text(sha, entry->size == 0 ? EMPTY_SHA256 : entry->blob);
        else
            assay_sha256_field_text(sha, entry->target);
    }
    assay_sha256_hex(sha, hash);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

static enum assay_status place_tree(
        struct assay_tree_builder *builder, const char *hash, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_depot *depot = builder->depot;
    char scratch[PATH_MAX] = "", target[80];
    bool moved = false;
    int fd = -1;

    status = assay_depot_tmp(depot, scratch, err);
    if (status != ASSAY_OK)
        return status;
    fd = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        status = assay_fail_errno(err, errno, "open %.150s", scratch);
        goto out;
    }
    status = assay_tree_lay_out(builder, fd, err);
    if (status != ASSAY_OK)
        goto out;
    // A tree that survives a crash of the host has to have its contents, too.
    if (syncfs(fd) != 0) {
        status = assay_fail_errno(err, errno, "sync tree");
        goto out;
    }
    snprintf(target, sizeof(target), "trees/%s", hash);
    status = assay_depot_publish(depot, scratch, target, &moved, err);

out:
    if (!moved)
        assay_depot_drop_tmp(depot, scratch);
    if (fd >= 0)
        close(fd);
    return status;
}

enum assay_status assay_tree_commit(
        struct assay_tree_builder *builder, char hash[65], struct assay_error *err)
{
    char found[ASSAY_SHA256_HEX_BYTES], path[PATH_MAX];
    enum assay_status status = assay_tree_settle(builder, err);

    if (status == ASSAY_OK)
        status = assay_tree_hash(builder, found, err);
    if (status == ASSAY_OK && assay_depot_tree(builder->depot, found, path, NULL) != ASSAY_OK)
        status = place_tree(builder, found, err);
    if (status == ASSAY_OK)
        memcpy(hash, found, sizeof(found));
    return status;
}
