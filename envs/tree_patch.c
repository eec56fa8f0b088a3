// SPDX-License-Identifier: MIT
// tree_patch.c - walks two stacks of layers that share their lower part.
//
// The tree is all layers, the base is the lowers. A folder under way knows in which layers it is
// to be seen, once for each of the two; where both sets are the same nothing can have changed and
// it is not entered. Names come from the uppers, and from the lowers where the tree no longer
// shows them (a removed or replaced directory), which a patch has to list. Folders are a list,
// not a recursion, and are opened by their whole path: a deep tree costs neither stack nor
// descriptors.
#include "envs/tree_patch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/apply.h"
#include "envs/patch_text.h"
#include "tasks/patch.h"

#define FILE_BYTES_MAX ((size_t)64 << 20)
#define TOTAL_BYTES_MAX ((size_t)512 << 20)
#define ENTRY_COUNT_MAX 1000000
#define FIRST_CAP 256
#define LAYER_WORDS (ASSAY_TREE_LAYERS_MAX / 64)

// Layers by their place in the whole stack.
struct layer_set {
    uint64_t words[LAYER_WORDS];
};

struct folder {
    struct folder *next;
    const char *path;            // "" is the root
    struct layer_set tree, base; // where it can be seen
};

struct change {
    const char *path;
    mode_t old_mode, new_mode; // as git writes it; 0: nothing there
    size_t old_layer, new_layer;
};

// The names of one folder.
struct names {
    struct assay_buf text; // one after the other, each with its NUL
    const char **items;    // owned
    size_t count, cap;
};

struct walk {
    int fds[ASSAY_TREE_LAYERS_MAX]; // borrowed; uppers, then lowers
    size_t upper_count, count;
    struct assay_tree_patch_options options; // with the defaults filled in
    struct assay_tree_patch_report *report;
    struct assay_arena *arena; // borrowed
    struct folder *pending;
    struct names names;
    size_t entry_count;
    size_t total_bytes;
    struct change *changes; // in the arena
    size_t change_count, change_cap;
    int folder_fds[ASSAY_TREE_LAYERS_MAX]; // of the folder at hand; -1: not there
};

static bool has(const struct layer_set *set, size_t layer)
{
    return (set->words[layer / 64] >> (layer % 64) & 1) != 0;
}

static void add(struct layer_set *set, size_t layer)
{
    set->words[layer / 64] |= (uint64_t)1 << (layer % 64);
}

static bool same(const struct layer_set *a, const struct layer_set *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "the list of changes is too long");
}

static enum assay_status skip(
        struct walk *walk, const char *path, const char *reason, struct assay_error *err)
{
    struct assay_tree_patch_report *report = walk->report;
    struct assay_buf text;
    const char *copy = NULL;

    if (report->skipped_count++ >= ASSAY_TREE_SKIPS_MAX)
        return ASSAY_OK;
    assay_buf_init(&text, (size_t)PATH_MAX * 8);
    assay_patch_text_path(&text, "", path);
    copy = assay_arena_strdup(walk->arena, text.data);
    assay_buf_free(&text);
    if (copy == NULL)
        return no_memory(err);
    report->skips[report->skipped_count - 1] =
            (struct assay_tree_patch_skip){.path = copy, .reason = reason};
    return ASSAY_OK;
}

// --- names ---------------------------------------------------------------------------------------

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum assay_status list_layer(struct walk *walk, int folder_fd, struct assay_error *err)
{
    const int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    enum assay_status status = ASSAY_OK;

    if (dir == NULL) {
        status = assay_fail_errno(err, errno, "list a layer");
        if (fd >= 0)
            close(fd);
        return status;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread reads the stream that it opened
    while (status == ASSAY_OK && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (++walk->entry_count > walk->options.entry_count_max)
            status = assay_fail(err, ASSAY_EREFUSED, "more than %zu entries were changed",
                    walk->options.entry_count_max);
        else if (!assay_buf_add(&walk->names.text, entry->d_name, strlen(entry->d_name) + 1))
            status = no_memory(err);
        else
            walk->names.count++;
    }
    closedir(dir);
    return status;
}

static enum assay_status sort_names(struct names *names, struct assay_error *err)
{
    const char *at = names->text.data;
    size_t kept = 0;

    if (names->count == 0)
        return ASSAY_OK;
    if (names->count > names->cap) {
        const char **items = realloc(names->items, names->count * sizeof(*items));

        if (items == NULL)
            return no_memory(err);
        names->items = items;
        names->cap = names->count;
    }
    for (size_t i = 0; i < names->count; i++, at += strlen(at) + 1)
        names->items[i] = at;
    qsort(names->items, names->count, sizeof(*names->items), compare_names);
    for (size_t i = 0; i < names->count; i++)
        if (kept == 0 || strcmp(names->items[kept - 1], names->items[i]) != 0)
            names->items[kept++] = names->items[i];
    names->count = kept;
    return ASSAY_OK;
}

// --- one name ------------------------------------------------------------------------------------

enum entry_kind { ENTRY_NONE, ENTRY_FOLDER, ENTRY_FILE, ENTRY_OTHER, ENTRY_HIDDEN };

// What a stack of layers shows under one name.
struct entry {
    enum entry_kind kind; // FILE: or a link; HIDDEN: it cannot be told
    struct stat stat;
    size_t layer;            // FILE: where it is
    struct layer_set layers; // FOLDER: where it can be seen
};

// 1, 0, or -1: it cannot be told.
static int is_opaque(int folder_fd, const char *name)
{
    char value[2];
    const int fd = openat(folder_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t len = 0;

    if (fd < 0)
        return -1;
    len = fgetxattr(fd, "user.overlay.opaque", value, sizeof(value));
    close(fd);
    return len == 1 && value[0] == 'y';
}

static void resolve(
        struct entry *out, const struct walk *walk, const struct layer_set *set, const char *name)
{
    memset(out, 0, sizeof(*out));
    for (size_t layer = 0; layer < walk->count; layer++) {
        const int fd = walk->folder_fds[layer];
        int opaque = 0;

        if (!has(set, layer))
            continue;
        if (fstatat(fd, name, &out->stat, AT_SYMLINK_NOFOLLOW) < 0) {
            if (errno == ENOENT)
                continue;
            out->kind = ENTRY_HIDDEN;
            return;
        }
        if (S_ISCHR(out->stat.st_mode) && out->stat.st_rdev == 0)
            return;
        if (!S_ISDIR(out->stat.st_mode)) {
            if (out->kind == ENTRY_FOLDER)
                return;
            out->kind = S_ISREG(out->stat.st_mode) || S_ISLNK(out->stat.st_mode) ? ENTRY_FILE
                                                                                 : ENTRY_OTHER;
            out->layer = layer;
            return;
        }
        out->kind = ENTRY_FOLDER;
        add(&out->layers, layer);
        opaque = is_opaque(fd, name);
        if (opaque < 0)
            out->kind = ENTRY_HIDDEN;
        if (opaque != 0)
            return;
    }
}

static bool is_excluded(const struct walk *walk, const char *path, const char *name)
{
    const struct assay_strings *globs = &walk->options.excludes;

    for (size_t i = 0; i < globs->count; i++)
        if (assay_glob_match(globs->items[i], strchr(globs->items[i], '/') != NULL ? path : name))
            return true;
    return false;
}

static enum assay_status add_change(struct walk *walk, const char *path, const struct entry *old,
        const struct entry *new, struct assay_error *err)
{
    struct change *changes = walk->changes;

    if (walk->change_count == walk->change_cap) {
        const size_t cap = walk->change_cap == 0 ? FIRST_CAP : walk->change_cap * 2;

        changes = assay_arena_array(walk->arena, cap, sizeof(*changes));
        if (changes == NULL)
            return no_memory(err);
        if (walk->change_count > 0)
            memcpy(changes, walk->changes, walk->change_count * sizeof(*changes));
        walk->changes = changes;
        walk->change_cap = cap;
    }
    changes[walk->change_count++] = (struct change){.path = path,
            .old_mode = old->kind == ENTRY_FILE ? assay_patch_mode(&old->stat) : 0,
            .new_mode = new->kind == ENTRY_FILE ? assay_patch_mode(&new->stat) : 0,
            .old_layer = old->layer,
            .new_layer = new->layer};
    return ASSAY_OK;
}

static enum assay_status add_folder(struct walk *walk, const char *path,
        const struct layer_set *tree, const struct layer_set *base, struct assay_error *err)
{
    struct folder *folder = NULL;

    if (same(tree, base))
        return ASSAY_OK;
    folder = assay_arena_alloc(walk->arena, sizeof(*folder));
    if (folder == NULL)
        return no_memory(err);
    *folder = (struct folder){.next = walk->pending, .path = path, .tree = *tree, .base = *base};
    walk->pending = folder;
    return ASSAY_OK;
}

// Why an entry cannot be in a patch, or NULL.
static const char *find_obstacle(
        const struct walk *walk, const char *path, const struct entry *old, const struct entry *new)
{
    const struct entry *const sides[] = {old, new};

    if (!assay_patch_path_allowed(path))
        return "a name that no patch may have";
    for (size_t i = 0; i < 2; i++) {
        if (sides[i]->kind == ENTRY_HIDDEN)
            return "a directory that cannot be read";
        if (sides[i]->kind == ENTRY_FILE && S_ISREG(sides[i]->stat.st_mode) &&
                (uint64_t)sides[i]->stat.st_size > walk->options.file_bytes_max)
            return "a file that is too large";
    }
    return NULL;
}

static const char *other_kind(mode_t mode)
{
    if (S_ISFIFO(mode))
        return "a FIFO";
    return S_ISSOCK(mode) ? "a socket" : "a device";
}

static enum assay_status look_at(
        struct walk *walk, const struct folder *folder, const char *name, struct assay_error *err)
{
    const char *path = folder->path[0] == '\0'
            ? assay_arena_strdup(walk->arena, name)
            : assay_arena_printf(walk->arena, "%s/%s", folder->path, name);
    enum assay_status status = ASSAY_OK;
    const char *obstacle = NULL;
    struct entry old, new;

    if (path == NULL)
        return no_memory(err);
    if (is_excluded(walk, path, name))
        return ASSAY_OK;
    resolve(&new, walk, &folder->tree, name);
    resolve(&old, walk, &folder->base, name);
    if (new.kind == ENTRY_NONE && old.kind == ENTRY_NONE)
        return ASSAY_OK;
    obstacle = find_obstacle(walk, path, &old, &new);
    if (obstacle != NULL)
        return skip(walk, path, obstacle, err);
    if (new.kind == ENTRY_OTHER)
        status = skip(walk, path, other_kind(new.stat.st_mode), err);
    if (status == ASSAY_OK && (new.kind == ENTRY_FILE || old.kind == ENTRY_FILE))
        status = add_change(walk, path, &old, &new, err);
    if (status == ASSAY_OK)
        status = add_folder(walk, path, &new.layers, &old.layers, err);
    return status;
}

// --- one folder ----------------------------------------------------------------------------------

// False with errno when one of the layers cannot be entered.
static bool open_folder(struct walk *walk, const struct folder *folder)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (!has(&folder->tree, i) && !has(&folder->base, i))
            continue;
        walk->folder_fds[i] = assay_fs_open_beneath(walk->fds[i],
                folder->path[0] == '\0' ? "." : folder->path, O_RDONLY | O_DIRECTORY, 0);
        if (walk->folder_fds[i] < 0)
            return false;
    }
    return true;
}

static void close_folder(struct walk *walk)
{
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->folder_fds[i] >= 0)
            close(walk->folder_fds[i]);
        walk->folder_fds[i] = -1;
    }
}

static enum assay_status walk_folder(
        struct walk *walk, const struct folder *folder, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    assay_buf_clear(&walk->names.text);
    walk->names.count = 0;
    for (size_t i = 0; i < walk->count && status == ASSAY_OK; i++) {
        const bool lost = has(&folder->base, i) && !has(&folder->tree, i);

        if (lost || (i < walk->upper_count && has(&folder->tree, i)))
            status = list_layer(walk, walk->folder_fds[i], err);
    }
    if (status == ASSAY_OK)
        status = sort_names(&walk->names, err);
    for (size_t i = 0; i < walk->names.count && status == ASSAY_OK; i++)
        status = look_at(walk, folder, walk->names.items[i], err);
    return status;
}

static enum assay_status walk_all(struct walk *walk, struct assay_error *err)
{
    struct layer_set tree = {{0}};
    struct layer_set base = {{0}};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < walk->count; i++) {
        add(&tree, i);
        if (i >= walk->upper_count)
            add(&base, i);
    }
    status = add_folder(walk, "", &tree, &base, err);
    while (status == ASSAY_OK && walk->pending != NULL) {
        const struct folder *folder = walk->pending;

        walk->pending = folder->next;
        if (open_folder(walk, folder))
            status = walk_folder(walk, folder, err);
        else if (errno == EACCES || errno == EPERM || errno == ENAMETOOLONG)
            status = skip(walk, folder->path, "a directory that cannot be read", err);
        else
            status = assay_fail_errno(err, errno, "open %.150s", folder->path);
        close_folder(walk);
    }
    return status;
}

// --- the patch -----------------------------------------------------------------------------------

static int compare_changes(const void *a, const void *b)
{
    return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

static enum assay_status read_link(
        struct assay_patch_side *side, int layer_fd, const char *path, struct assay_error *err)
{
    char target[PATH_MAX];
    const int fd = assay_fs_open_beneath(layer_fd, path, O_PATH, 0);
    const ssize_t len = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target));
    const int problem = errno;

    if (fd >= 0)
        close(fd);
    if (len < 0)
        return assay_fail_errno(err, problem, "read the link %.150s", path);
    assay_buf_add(&side->content, target, (size_t)len);
    return assay_buf_check(&side->content, path, err);
}

// *readable is false for a file that its own mode closes to us.
static enum assay_status read_side(struct walk *walk, struct assay_patch_side *side, mode_t mode,
        size_t layer, const char *path, bool *readable, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    int fd = -1;

    assay_buf_clear(&side->content);
    side->mode = mode;
    if (mode == 0)
        return ASSAY_OK;
    if (S_ISLNK(mode))
        return read_link(side, walk->fds[layer], path, err);
    fd = assay_fs_open_beneath(walk->fds[layer], path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0 && (errno == EACCES || errno == EPERM)) {
        *readable = false;
        return ASSAY_OK;
    }
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", path);
    status = assay_fs_read_fd(&side->content, fd, err);
    close(fd);
    walk->total_bytes += side->content.len;
    if (status == ASSAY_OK && walk->total_bytes > walk->options.total_bytes_max)
        status = assay_fail(err, ASSAY_EREFUSED, "the changed files hold more than %zu bytes",
                walk->options.total_bytes_max);
    return status;
}

// One that was in the base already may stay.
static bool is_forbidden_link(const char *path, const struct assay_patch_side *old_side,
        const struct assay_patch_side *new_side)
{
    const struct assay_bytes target = {new_side->content.data, new_side->content.len};

    if (!S_ISLNK(new_side->mode) || assay_apply_link_allowed(path, target))
        return false;
    return !S_ISLNK(old_side->mode) || old_side->content.len != target.len ||
            memcmp(old_side->content.data, target.data, target.len) != 0;
}

static enum assay_status write_change(struct walk *walk, struct assay_buf *out,
        const struct change *change, struct assay_patch_side sides[2], struct assay_error *err)
{
    const size_t before = out->len;
    bool readable = true;
    enum assay_status status = read_side(
            walk, &sides[0], change->old_mode, change->old_layer, change->path, &readable, err);

    if (status == ASSAY_OK)
        status = read_side(
                walk, &sides[1], change->new_mode, change->new_layer, change->path, &readable, err);
    if (status != ASSAY_OK)
        return status;
    if (!readable)
        return skip(walk, change->path, "a file that cannot be read", err);
    if (is_forbidden_link(change->path, &sides[0], &sides[1]))
        return skip(walk, change->path, "a symbolic link that leads out of the tree", err);
    status = assay_patch_text_add(out, change->path, &sides[0], &sides[1], err);
    walk->report->changed_count += status == ASSAY_OK && out->len > before;
    return status;
}

static enum assay_status write_patch(
        struct walk *walk, struct assay_buf *out, struct assay_error *err)
{
    struct assay_patch_side sides[2];
    enum assay_status status = ASSAY_OK;

    // Room for what apply.h's bound allows, and a byte to see that there is no more.
    assay_buf_init(&sides[0].content, walk->options.file_bytes_max + 1);
    assay_buf_init(&sides[1].content, walk->options.file_bytes_max + 1);
    // By whole paths, as git orders them.
    if (walk->change_count > 0)
        qsort(walk->changes, walk->change_count, sizeof(*walk->changes), compare_changes);
    for (size_t i = 0; i < walk->change_count && status == ASSAY_OK; i++)
        status = write_change(walk, out, &walk->changes[i], sides, err);
    assay_buf_free(&sides[0].content);
    assay_buf_free(&sides[1].content);
    return status == ASSAY_OK ? assay_buf_check(out, "patch", err) : status;
}

static enum assay_status begin(struct walk *walk, const struct assay_tree_layers *layers,
        const struct assay_tree_patch_options *options, struct assay_error *err)
{
    walk->upper_count = layers->upper_count;
    walk->count = layers->upper_count + layers->lower_count;
    if (layers->lower_count == 0 || layers->upper_count > ASSAY_TREE_LAYERS_MAX ||
            layers->lower_count > ASSAY_TREE_LAYERS_MAX || walk->count > ASSAY_TREE_LAYERS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%zu uppers over %zu lowers: not 1..%d layers",
                layers->upper_count, layers->lower_count, ASSAY_TREE_LAYERS_MAX);
    for (size_t i = 0; i < walk->count; i++) {
        walk->fds[i] = i < walk->upper_count ? layers->upper_fds[i]
                                             : layers->lower_fds[i - walk->upper_count];
        walk->folder_fds[i] = -1;
    }
    if (options != NULL)
        walk->options = *options;
    if (walk->options.file_bytes_max == 0)
        walk->options.file_bytes_max = FILE_BYTES_MAX;
    if (walk->options.total_bytes_max == 0)
        walk->options.total_bytes_max = TOTAL_BYTES_MAX;
    if (walk->options.entry_count_max == 0)
        walk->options.entry_count_max = ENTRY_COUNT_MAX;
    // A million names of 255 bytes, and their NULs.
    assay_buf_init(&walk->names.text, walk->options.entry_count_max * ((size_t)NAME_MAX + 1));
    return ASSAY_OK;
}

enum assay_status assay_tree_patch(struct assay_buf *out, const struct assay_tree_layers *layers,
        const struct assay_tree_patch_options *options, struct assay_tree_patch_report *report,
        struct assay_arena *arena, struct assay_error *err)
{
    struct walk walk = {.report = report, .arena = arena};
    const size_t before = out->len;
    enum assay_status status = begin(&walk, layers, options, err);

    if (status != ASSAY_OK)
        return status;
    memset(report, 0, sizeof(*report));
    status = walk_all(&walk, err);
    if (status == ASSAY_OK)
        status = write_patch(&walk, out, err);
    if (status != ASSAY_OK)
        assay_buf_truncate(out, before);
    assay_buf_free(&walk.names.text);
    free(walk.names.items);
    return status;
}
