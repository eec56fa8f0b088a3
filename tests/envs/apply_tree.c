// SPDX-License-Identifier: MIT
#include "envs/apply_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"

static void must(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        abort();
    }
}

// Is path in the directory `above` ("" is the root), at any depth?
static bool lies_below(const char *path, const char *above)
{
    const size_t len = strlen(above);

    return len == 0 || (strncmp(path, above, len) == 0 && path[len] == '/');
}

static void remove_node(struct tree *tree, size_t index)
{
    tree->count--;
    memmove(&tree->nodes[index], &tree->nodes[index + 1],
            (tree->count - index) * sizeof(tree->nodes[0]));
}

// The node at `path`, everything below it and empty directories above it.
static void clear(struct tree *tree, const char *path)
{
    for (size_t i = tree->count; i-- > 0;) {
        const struct tree_node *node = &tree->nodes[i];

        if (strcmp(node->path, path) == 0 || lies_below(node->path, path) ||
                (node->file.kind == ASSAY_FILE_DIR && lies_below(path, node->path)))
            remove_node(tree, i);
    }
}

void tree_put(struct tree *tree, const char *path, enum assay_file_kind kind, bool executable,
        const char *content, size_t len)
{
    size_t at = 0;

    clear(tree, path);
    must(tree->count < TREE_NODES_MAX, "too many nodes");
    while (at < tree->count && strcmp(tree->nodes[at].path, path) < 0)
        at++;
    memmove(&tree->nodes[at + 1], &tree->nodes[at], (tree->count - at) * sizeof(tree->nodes[0]));
    tree->count++;
    tree->nodes[at].path = assay_arena_strdup(tree->arena, path);
    tree->nodes[at].file = (struct assay_file){.kind = kind,
            .executable = executable,
            .content = {.data = assay_arena_memdup(tree->arena, content, len), .len = len}};
    must(tree->nodes[at].path != NULL && tree->nodes[at].file.content.data != NULL, "memory");
}

const struct tree_node *tree_find(const struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->count; i++) {
        if (strcmp(tree->nodes[i].path, path) == 0)
            return &tree->nodes[i];
    }
    return NULL;
}

static bool is_directory(const struct tree *tree, const char *path)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_node *node = &tree->nodes[i];

        if (lies_below(node->path, path) ||
                (strcmp(node->path, path) == 0 && node->file.kind == ASSAY_FILE_DIR))
            return true;
    }
    return false;
}

enum assay_status tree_read(void *user, const char *path, struct assay_arena *arena,
        struct assay_file *out, struct assay_error *err)
{
    const struct tree *tree = user;
    const struct tree_node *node = tree_find(tree, path);

    (void)arena;
    *out = (struct assay_file){.kind = ASSAY_FILE_NONE};
    for (size_t i = 0; i < tree->count; i++) {
        if (tree->nodes[i].file.kind == ASSAY_FILE_LINK && lies_below(path, tree->nodes[i].path))
            return assay_fail(err, ASSAY_EREFUSED, "%s is below a symbolic link", path);
    }
    if (node != NULL)
        *out = node->file;
    else if (is_directory(tree, path))
        out->kind = ASSAY_FILE_DIR;
    return ASSAY_OK;
}

enum assay_status tree_list(void *user, const char *path, struct assay_arena *arena,
        struct assay_strings *out, struct assay_error *err)
{
    const struct tree *tree = user;
    const char **names = assay_arena_array(arena, tree->count, sizeof(*names));
    const size_t skip = path[0] != '\0' ? strlen(path) + 1 : 0;
    size_t count = 0;

    must(names != NULL, "memory");
    if (!is_directory(tree, path))
        return assay_fail(err, ASSAY_ENOTFOUND, "%s is no directory", path);
    for (size_t i = 0; i < tree->count; i++) {
        const char *below = tree->nodes[i].path + skip;
        char *name = NULL;

        if (!lies_below(tree->nodes[i].path, path))
            continue;
        name = assay_arena_memdup(arena, below, strcspn(below, "/"));
        must(name != NULL, "memory");
        if (count == 0 || strcmp(names[count - 1], name) != 0)
            names[count++] = name;
    }
    *out = (struct assay_strings){.items = names, .count = count};
    return ASSAY_OK;
}

void tree_edit(struct tree *after, const struct tree *before, const struct assay_edits *edits)
{
    *after = *before;
    for (size_t i = 0; i < edits->count; i++) {
        const struct assay_edit *edit = &edits->items[i];

        if (edit->kind == ASSAY_FILE_NONE) {
            const char *slash = strrchr(edit->path, '/');

            clear(after, edit->path);
            // What has become empty is still there.
            if (slash != NULL) {
                char *parent =
                        assay_arena_memdup(after->arena, edit->path, (size_t)(slash - edit->path));

                if (!is_directory(after, parent))
                    tree_put(after, parent, ASSAY_FILE_DIR, false, "", 0);
            }
        }
    }
    for (size_t i = 0; i < edits->count; i++) {
        const struct assay_edit *edit = &edits->items[i];

        if (edit->kind != ASSAY_FILE_NONE)
            tree_put(after, edit->path, edit->kind, edit->executable, edit->content.data,
                    edit->content.len);
    }
}

static bool same_node(const struct tree_node *a, const struct tree_node *b)
{
    return strcmp(a->path, b->path) == 0 && a->file.kind == b->file.kind &&
            a->file.executable == b->file.executable &&
            a->file.content.len == b->file.content.len &&
            memcmp(a->file.content.data, b->file.content.data, a->file.content.len) == 0;
}

const char *tree_difference(const struct tree *a, const struct tree *b)
{
    for (size_t i = 0; i < a->count || i < b->count; i++) {
        if (i == b->count)
            return a->nodes[i].path;
        if (i == a->count || !same_node(&a->nodes[i], &b->nodes[i]))
            return b->nodes[i].path;
    }
    return NULL;
}

void tree_write_dir(const struct tree *tree, int dir_fd)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_node *node = &tree->nodes[i];
        const char *slash = strrchr(node->path, '/');
        int fd = -1;

        if (slash != NULL) {
            const char *parent =
                    assay_arena_memdup(tree->arena, node->path, (size_t)(slash - node->path));

            must(assay_fs_mkdirs(dir_fd, parent, 0755, NULL) == ASSAY_OK, parent);
        }
        if (node->file.kind == ASSAY_FILE_DIR) {
            must(assay_fs_mkdirs(dir_fd, node->path, 0755, NULL) == ASSAY_OK, node->path);
            continue;
        }
        if (node->file.kind == ASSAY_FILE_LINK) {
            must(symlinkat(node->file.content.data, dir_fd, node->path) == 0, node->path);
            continue;
        }
        fd = openat(dir_fd, node->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                node->file.executable ? 0755 : 0644);
        must(fd >= 0, node->path);
        must(assay_fs_write_all(fd, node->file.content.data, node->file.content.len, NULL) ==
                        ASSAY_OK,
                node->path);
        close(fd);
    }
}

struct reading {
    struct tree *tree;
    int dir_fd;
};

static enum assay_status read_entry(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct reading *reading = user;
    struct assay_file file = {0};
    enum assay_status status = ASSAY_OK;

    status = assay_file_read_dir(&reading->dir_fd, entry->path, reading->tree->arena, &file, err);
    if (status == ASSAY_OK) // a directory gives way to what lies in it
        tree_put(reading->tree, entry->path, file.kind, file.executable,
                file.content.data != NULL ? file.content.data : "", file.content.len);
    return status;
}

void tree_read_dir(struct tree *tree, int dir_fd, struct assay_arena *arena)
{
    struct reading reading = {.tree = tree, .dir_fd = dir_fd};
    struct assay_error err = {0};

    tree->count = 0;
    tree->arena = arena;
    must(assay_fs_walk(dir_fd, 64, read_entry, &reading, &err) == ASSAY_OK, err.message);
}
