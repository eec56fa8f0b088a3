// SPDX-License-Identifier: MIT
// apply_paths.c - the table of paths, and the tree that comes out.
#include "envs/apply_paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { DEPTH_MAX = 256 };

struct paths {
    struct path_entry **slots; // open addressing by hash of the path
    size_t slot_mask, count;
    struct path_entry **order; // [slot_count] as they were made
    assay_file_read read;
    void *read_user;
    const struct assay_apply_options *options;
    struct assay_arena *arena;
};

static size_t slot_of(const struct paths *paths, const char *path)
{
    size_t at = (size_t)assay_hash64(path, strlen(path)) & paths->slot_mask;

    while (paths->slots[at] != NULL && strcmp(paths->slots[at]->path, path) != 0)
        at = (at + 1) & paths->slot_mask;
    return at;
}

static enum assay_status grow(struct paths *paths, struct assay_error *err)
{
    const size_t slot_count = paths->slots == NULL ? 64 : 4 * (paths->slot_mask + 1);
    struct path_entry **slots =
            assay_arena_array(paths->arena, slot_count, sizeof(struct path_entry *));
    struct path_entry **order =
            assay_arena_array(paths->arena, slot_count, sizeof(struct path_entry *));

    if (slots == NULL || order == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for %zu paths", slot_count);
    paths->slots = slots;
    paths->slot_mask = slot_count - 1;
    for (size_t i = 0; i < paths->count; i++) {
        order[i] = paths->order[i];
        slots[slot_of(paths, order[i]->path)] = order[i];
    }
    paths->order = order;
    return ASSAY_OK;
}

enum assay_status paths_create(struct paths **out, assay_file_read read, void *read_user,
        const struct assay_apply_options *options, struct assay_arena *arena,
        struct assay_error *err)
{
    struct paths *paths = assay_arena_alloc(arena, sizeof(*paths));
    enum assay_status status = ASSAY_OK;

    if (paths == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for paths");
    paths->read = read;
    paths->read_user = read_user;
    paths->options = options;
    paths->arena = arena;
    status = grow(paths, err);
    if (status == ASSAY_OK)
        *out = paths;
    return status;
}

enum assay_status paths_get(
        struct path_entry **out, struct paths *paths, const char *path, struct assay_error *err)
{
    size_t at = slot_of(paths, path);
    struct path_entry *entry = paths->slots[at];

    if (entry != NULL) {
        *out = entry;
        return ASSAY_OK;
    }
    if (2 * (paths->count + 1) > paths->slot_mask) {
        const enum assay_status status = grow(paths, err);

        if (status != ASSAY_OK)
            return status;
        at = slot_of(paths, path);
    }
    entry = assay_arena_alloc(paths->arena, sizeof(*entry));
    if (entry != NULL)
        entry->path = assay_arena_strdup(paths->arena, path);
    if (entry == NULL || entry->path == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a path");
    paths->slots[at] = entry;
    paths->order[paths->count++] = entry;
    *out = entry;
    return ASSAY_OK;
}

static bool takes_away(const struct path_entry *entry)
{
    return entry != NULL && (entry->state == PATH_GOING || entry->removed);
}

// Does the patch take away a file or link that `path` would lie below?
static bool is_below_removed(const struct paths *paths, const char *path)
{
    char parent[ASSAY_PATH_BYTES_MAX + 1];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        memcpy(parent, path, (size_t)(slash - path));
        parent[slash - path] = '\0';
        if (takes_away(paths->slots[slot_of(paths, parent)]))
            return true;
    }
    return false;
}

enum assay_status paths_probe(
        struct path_entry **out, struct paths *paths, const char *path, struct assay_error *err)
{
    struct path_entry *entry = NULL;
    enum assay_status status = paths_get(&entry, paths, path, err);

    if (status == ASSAY_OK && !entry->probed) {
        struct assay_file file = {.kind = ASSAY_FILE_NONE};

        if (!is_below_removed(paths, path))
            status = paths->read(paths->read_user, path, paths->arena, &file, err);
        if (status != ASSAY_OK)
            return status;
        if (file.content.data == NULL)
            file.content = (struct assay_bytes){.data = "", .len = 0};
        entry->tree = file;
        entry->probed = true;
    }
    if (status == ASSAY_OK)
        *out = entry;
    return status;
}

// Is everything in the directory `path` removed, and nothing written there? Empty
// directories in it stay, as they do with git, so they count as something.
static enum assay_status is_emptied(bool *emptied, struct paths *paths, const char *path,
        unsigned depth, struct assay_error *err)
{
    struct assay_strings names = {0};
    enum assay_status status = ASSAY_OK;
    bool all_gone = true;

    *emptied = false;
    // What cannot be listed is no directory.
    if (paths->options->list == NULL || depth > DEPTH_MAX ||
            paths->options->list(paths->read_user, path, paths->arena, &names, NULL) != ASSAY_OK)
        return ASSAY_OK;
    for (size_t i = 0; i < names.count && all_gone && status == ASSAY_OK; i++) {
        const char *child = assay_arena_printf(paths->arena, "%s/%s", path, names.items[i]);
        const struct path_entry *entry = NULL;

        if (child == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "no memory for a path");
        entry = paths->slots[slot_of(paths, child)];
        if (entry != NULL && (entry->written || entry->holds_written))
            return ASSAY_OK;
        if (entry == NULL || !entry->removed)
            status = is_emptied(&all_gone, paths, child, depth + 1, err);
    }
    *emptied = status == ASSAY_OK && all_gone && names.count > 0;
    return status;
}

static enum assay_status refuse(
        const struct path_entry *entry, const char *reason, struct assay_error *err)
{
    return assay_fail(
            err, ASSAY_EPATCH, "line %zu: %.150s: %s", entry->patch_line, entry->path, reason);
}

static enum assay_status check_directory_in_the_way(
        struct paths *paths, const struct path_entry *entry, struct assay_error *err)
{
    struct assay_strings names = {0};
    enum assay_status status = ASSAY_OK;
    bool gone = false;

    if (paths->options->list != NULL) {
        status = paths->options->list(paths->read_user, entry->path, paths->arena, &names, err);
        gone = names.count == 0;
    }
    if (status == ASSAY_OK && !gone)
        status = is_emptied(&gone, paths, entry->path, 0, err);
    if (status == ASSAY_OK && !gone)
        status = refuse(entry, "a directory is in the way", err);
    return status;
}

// Every directory that `entry` lies in must be one, or missing.
static enum assay_status check_parents(
        struct paths *paths, const struct path_entry *entry, struct assay_error *err)
{
    char parent[ASSAY_PATH_BYTES_MAX + 1];
    enum assay_status status = ASSAY_OK;

    for (const char *slash = strchr(entry->path, '/'); slash != NULL && status == ASSAY_OK;
            slash = strchr(slash + 1, '/')) {
        struct path_entry *above = NULL;

        memcpy(parent, entry->path, (size_t)(slash - entry->path));
        parent[slash - entry->path] = '\0';
        status = paths_probe(&above, paths, parent, err);
        if (status != ASSAY_OK)
            break;
        above->holds_written = true;
        if (above->written)
            return assay_fail(err, ASSAY_EPATCH, "line %zu: %.140s: the patch makes %.50s a %s",
                    entry->patch_line, entry->path, parent,
                    above->final.kind == ASSAY_FILE_LINK ? "symbolic link" : "file");
        if (above->removed || above->tree.kind == ASSAY_FILE_NONE)
            return ASSAY_OK; // and what is below it is new
        if (above->tree.kind == ASSAY_FILE_LINK)
            return assay_fail(err, ASSAY_EPATCH,
                    "line %zu: %.140s is below the symbolic link %.50s", entry->patch_line,
                    entry->path, parent);
        if (above->tree.kind != ASSAY_FILE_DIR)
            return assay_fail(err, ASSAY_EPATCH,
                    "line %zu: %.140s: %.50s is a file, not a directory", entry->patch_line,
                    entry->path, parent);
    }
    return status;
}

bool assay_apply_link_allowed(const char *path, struct assay_bytes target)
{
    char rest[ASSAY_PATH_BYTES_MAX + 1];
    const char *p = rest;
    size_t depth = 0;

    if (target.len == 0 || target.len > ASSAY_PATH_BYTES_MAX ||
            memchr(target.data, '\0', target.len) != NULL)
        return false;
    memcpy(rest, target.data, target.len);
    rest[target.len] = '\0';
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
        depth++;
    for (; strncmp(p, "../", 3) == 0 || strcmp(p, "..") == 0; p += p[2] == '/' ? 3 : 2) {
        if (depth-- == 0)
            return false;
    }
    return *p == '\0' || assay_patch_path_allowed(p);
}

static enum assay_status check_outcome(struct paths *paths, struct assay_error *err)
{
    const size_t count = paths->count; // probing parents adds entries, but none that is written
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct path_entry *entry = paths->order[i];

        if (!entry->written)
            continue;
        status = check_parents(paths, entry, err);
        if (status == ASSAY_OK && entry->final.kind == ASSAY_FILE_LINK &&
                !assay_apply_link_allowed(entry->path, entry->final.content))
            status = refuse(entry, "a symbolic link may only lead to a place inside the tree", err);
        if (status == ASSAY_OK && entry->tree.kind == ASSAY_FILE_DIR)
            status = check_directory_in_the_way(paths, entry, err);
        if (status == ASSAY_OK && entry->tree.kind == ASSAY_FILE_OTHER)
            status = refuse(entry, "not a regular file", err);
    }
    return status;
}

static bool same_file(const struct assay_file *a, const struct assay_file *b)
{
    return a->kind == b->kind && a->executable == b->executable &&
            a->content.len == b->content.len &&
            memcmp(a->content.data, b->content.data, a->content.len) == 0;
}

// git removes a directory with its last file.
static enum assay_status remove_emptied(
        struct paths *paths, const struct path_entry *entry, struct assay_error *err)
{
    char parent[ASSAY_PATH_BYTES_MAX + 1];
    enum assay_status status = ASSAY_OK;
    char *slash = NULL;

    memcpy(parent, entry->path, strlen(entry->path) + 1);
    while (status == ASSAY_OK && (slash = strrchr(parent, '/')) != NULL) {
        struct path_entry *above = NULL;
        bool emptied = false;

        *slash = '\0';
        status = paths_probe(&above, paths, parent, err);
        if (status != ASSAY_OK || above->removed || above->holds_written ||
                above->tree.kind != ASSAY_FILE_DIR)
            break;
        status = is_emptied(&emptied, paths, parent, 0, err);
        if (!emptied)
            break;
        above->removed = true;
    }
    return status;
}

static int by_path(const void *a, const void *b)
{
    const struct assay_edit *x = a, *y = b;

    return strcmp(x->path, y->path);
}

// Is there a removed or replaced directory above?
static bool is_covered(const struct paths *paths, const char *path)
{
    char parent[ASSAY_PATH_BYTES_MAX + 1];

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        const struct path_entry *above = NULL;

        memcpy(parent, path, (size_t)(slash - path));
        parent[slash - path] = '\0';
        above = paths->slots[slot_of(paths, parent)];
        if (above != NULL && (above->written || above->removed) &&
                above->tree.kind == ASSAY_FILE_DIR)
            return true;
    }
    return false;
}

// Forget what was done to paths that the caller wants left alone.
static enum assay_status drop_skipped(
        struct assay_edits *out, struct paths *paths, struct assay_error *err)
{
    const char **dropped = NULL;

    if (paths->options->skip == NULL)
        return ASSAY_OK;
    dropped = assay_arena_array(paths->arena, paths->count, sizeof(*dropped));
    if (dropped == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for %zu paths", paths->count);
    out->dropped.items = dropped;
    for (size_t i = 0; i < paths->count; i++) {
        struct path_entry *entry = paths->order[i];

        if (!(entry->written || entry->removed || entry->skipped) ||
                !paths->options->skip(paths->options->user, entry->path))
            continue;
        entry->written = false;
        entry->removed = false;
        dropped[out->dropped.count++] = entry->path;
    }
    return ASSAY_OK;
}

static enum assay_status remove_all_emptied(struct paths *paths, struct assay_error *err)
{
    const size_t count = paths->count;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct path_entry *entry = paths->order[i];

        if (entry->removed && !entry->written && !entry->keeps_folder &&
                entry->tree.kind != ASSAY_FILE_NONE)
            status = remove_emptied(paths, entry, err);
    }
    return status;
}

enum assay_status paths_edits(struct assay_edits *out, struct paths *paths, struct assay_error *err)
{
    enum assay_status status = drop_skipped(out, paths, err);

    if (status == ASSAY_OK)
        status = check_outcome(paths, err);
    if (status == ASSAY_OK)
        status = remove_all_emptied(paths, err);
    if (status != ASSAY_OK)
        return status;
    out->items = assay_arena_array(paths->arena, paths->count, sizeof(*out->items));
    if (out->items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for %zu edits", paths->count);
    for (size_t i = 0; i < paths->count; i++) {
        const struct path_entry *entry = paths->order[i];
        struct assay_edit *edit = &out->items[out->count];

        edit->path = entry->path;
        if (entry->written && !same_file(&entry->final, &entry->tree)) {
            edit->kind = entry->final.kind;
            edit->executable = entry->final.executable;
            edit->content = entry->final.content;
            out->count++;
        } else if (!entry->written && entry->removed && entry->tree.kind != ASSAY_FILE_NONE &&
                !is_covered(paths, entry->path)) {
            edit->kind = ASSAY_FILE_NONE;
            out->count++;
        }
    }
    qsort(out->items, out->count, sizeof(*out->items), by_path);
    return ASSAY_OK;
}
