// SPDX-License-Identifier: MIT
// depot_diff.c - the difference of two trees, in git's patch format.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/depot_tree.h"
#include "envs/patch_text.h"

#define LIST_BYTES_MAX ((size_t)1 << 30)
#define CONTENT_BYTES_MAX ((size_t)256 << 20) // of one file
#define FIRST_CAP 1024

// --- both trees as sorted lists -----------------------------------------------------------------

struct item {
    const char *path;
    mode_t mode; // as git writes it: 0100644, 0100755, 0120000
    dev_t dev;   // and ino: one blob has one inode
    ino_t ino;
};

struct list {
    struct assay_arena *arena; // borrowed
    int dir_fd;
    struct item *items;
    size_t count, cap;
};

static enum assay_status list_entry(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct list *list = user;
    struct item *item = NULL;

    if (S_ISDIR(entry->stat.st_mode))
        return ASSAY_OK;
    if (list->count == list->cap) {
        const size_t cap = list->cap == 0 ? FIRST_CAP : list->cap * 2;
        struct item *items = assay_arena_array(list->arena, cap, sizeof(struct item));

        if (items == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "list of a tree");
        if (list->count > 0)
            memcpy(items, list->items, list->count * sizeof(struct item));
        list->items = items;
        list->cap = cap;
    }
    item = &list->items[list->count];
    *item = (struct item){.path = assay_arena_strdup(list->arena, entry->path),
            .mode = assay_patch_mode(&entry->stat),
            .dev = entry->stat.st_dev,
            .ino = entry->stat.st_ino};
    if (item->path == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "list of a tree");
    list->count++;
    return ASSAY_OK;
}

static int compare_items(const void *a, const void *b)
{
    return strcmp(((const struct item *)a)->path, ((const struct item *)b)->path);
}

static enum assay_status list_tree(
        struct list *list, struct assay_depot *depot, const char *hash, struct assay_error *err)
{
    char path[PATH_MAX];
    enum assay_status status = assay_depot_tree(depot, hash, path, err);

    if (status != ASSAY_OK)
        return status;
    list->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (list->dir_fd < 0)
        return assay_fail_errno(err, errno, "open tree %s", hash);
    status = assay_fs_walk(list->dir_fd, 4096, list_entry, list, err);
    // By whole paths, as git orders them.
    if (status == ASSAY_OK && list->count > 0)
        qsort(list->items, list->count, sizeof(struct item), compare_items);
    return status;
}

static enum assay_status read_content(const struct list *list, const struct item *item,
        struct assay_buf *out, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    char target[PATH_MAX];
    ssize_t n = 0;
    int fd = -1;

    assay_buf_clear(out);
    if (item == NULL)
        return ASSAY_OK;
    if (S_ISLNK(item->mode)) {
        n = readlinkat(list->dir_fd, item->path, target, sizeof(target));
        if (n < 0)
            return assay_fail_errno(err, errno, "readlink %.150s", item->path);
        assay_buf_add(out, target, (size_t)n);
        return assay_buf_check(out, item->path, err);
    }
    fd = assay_fs_open_beneath(list->dir_fd, item->path, O_RDONLY, 0);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", item->path);
    status = assay_fs_read_fd(out, fd, err);
    close(fd);
    return status;
}

// --- all files ----------------------------------------------------------------------------------

struct diff {
    struct list old_list, new_list;
    size_t old_next, new_next; // where next_pair() is
    struct assay_patch_side old_side, new_side;
    struct assay_buf *out;
};

static enum assay_status diff_pair(struct diff *diff, const struct item *old_item,
        const struct item *new_item, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    // One blob under both names: nothing to read. What makes the diff of two commits quick.
    if (old_item != NULL && new_item != NULL && old_item->ino == new_item->ino &&
            old_item->dev == new_item->dev)
        return ASSAY_OK;
    diff->old_side.mode = old_item != NULL ? old_item->mode : 0;
    diff->new_side.mode = new_item != NULL ? new_item->mode : 0;
    status = read_content(&diff->old_list, old_item, &diff->old_side.content, err);
    if (status == ASSAY_OK)
        status = read_content(&diff->new_list, new_item, &diff->new_side.content, err);
    if (status == ASSAY_OK)
        status = assay_patch_text_add(diff->out, (old_item != NULL ? old_item : new_item)->path,
                &diff->old_side, &diff->new_side, err);
    return status;
}

// The next path of either list: what each has there, NULL where it has nothing. false: the end.
static bool next_pair(struct diff *diff, const struct item **old_item, const struct item **new_item)
{
    const struct list *old_list = &diff->old_list, *new_list = &diff->new_list;

    *old_item = diff->old_next < old_list->count ? &old_list->items[diff->old_next] : NULL;
    *new_item = diff->new_next < new_list->count ? &new_list->items[diff->new_next] : NULL;
    if (*old_item != NULL && *new_item != NULL) {
        const int order = strcmp((*old_item)->path, (*new_item)->path);

        if (order > 0)
            *old_item = NULL;
        else if (order < 0)
            *new_item = NULL;
    }
    diff->old_next += *old_item != NULL;
    diff->new_next += *new_item != NULL;
    return *old_item != NULL || *new_item != NULL;
}

static enum assay_status diff_lists(struct diff *diff, bool (*only)(void *user, const char *path),
        void *user, struct assay_error *err)
{
    const struct item *old_item = NULL, *new_item = NULL;
    enum assay_status status = ASSAY_OK;

    while (status == ASSAY_OK && next_pair(diff, &old_item, &new_item)) {
        const struct item *there = old_item != NULL ? old_item : new_item;

        if (there == NULL) // next_pair() gives one of them
            break;
        if (only != NULL && !only(user, there->path))
            continue;
        status = diff_pair(diff, old_item, new_item, err);
    }
    return status;
}

enum assay_status assay_depot_diff(struct assay_depot *depot, const char *old_hash,
        const char *new_hash, bool (*only)(void *user, const char *path), void *user,
        struct assay_buf *out, struct assay_error *err)
{
    struct assay_arena *arena = NULL;
    struct diff diff = {.old_list.dir_fd = -1, .new_list.dir_fd = -1, .out = out};
    enum assay_status status = assay_arena_create(&arena, LIST_BYTES_MAX, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&diff.old_side.content, CONTENT_BYTES_MAX);
    assay_buf_init(&diff.new_side.content, CONTENT_BYTES_MAX);
    diff.old_list.arena = diff.new_list.arena = arena;
    status = list_tree(&diff.old_list, depot, old_hash, err);
    if (status == ASSAY_OK)
        status = list_tree(&diff.new_list, depot, new_hash, err);
    if (status == ASSAY_OK)
        status = diff_lists(&diff, only, user, err);
    if (status == ASSAY_OK)
        status = assay_buf_check(out, "diff", err);
    assay_buf_free(&diff.old_side.content);
    assay_buf_free(&diff.new_side.content);
    if (diff.old_list.dir_fd >= 0)
        close(diff.old_list.dir_fd);
    if (diff.new_list.dir_fd >= 0)
        close(diff.new_list.dir_fd);
    assay_arena_destroy(arena);
    return status;
}
