// SPDX-License-Identifier: MIT
// depot_diff.c - the difference of two trees, in git's patch format.
//
// libgit2 finds the hunks and the binary deltas of each pair of contents; the
// headers are written here, because it knows neither modes nor links of
// buffers. A change of kind (file to link) is a removal and an addition.
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/depot_tree.h"

#define LIST_BYTES_MAX ((size_t)1 << 30)
#define CONTENT_BYTES_MAX ((size_t)256 << 20) // of one file
#define FIRST_CAP 1024
#define BASE85_LINE_BYTES 52

// --- both trees as sorted lists
// -------------------------------------------------------------------

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

static mode_t git_mode(const struct stat *st)
{
    if (S_ISLNK(st->st_mode))
        return S_IFLNK;
    return (st->st_mode & S_IXUSR) ? S_IFREG | 0755 : S_IFREG | 0644;
}

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
            .mode = git_mode(&entry->stat),
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

// --- one file
// -------------------------------------------------------------------------------------

// A path as git writes it: quoted when it holds what a line or a reader would trip over.
static void add_path(struct assay_buf *out, const char *prefix, const char *path)
{
    static const char special[] = "\a\b\t\n\v\f\r\"\\", letters[] = "abtnvfr\"\\";
    bool quoted = false;

    for (const char *c = path; *c != '\0'; c++)
        quoted = quoted || (unsigned char)*c < 0x20 || *c == 0x7f || *c == '"' || *c == '\\';
    if (!quoted) {
        assay_buf_adds(out, prefix);
        assay_buf_adds(out, path);
        return;
    }
    assay_buf_addc(out, '"');
    assay_buf_adds(out, prefix);
    for (const char *c = path; *c != '\0'; c++) {
        const char *found = strchr(special, *c);

        if (found != NULL) {
            assay_buf_addc(out, '\\');
            assay_buf_addc(out, letters[found - special]);
        } else if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            assay_buf_addf(out, "\\%03o", (unsigned)(unsigned char)*c);
        } else {
            assay_buf_addc(out, *c);
        }
    }
    assay_buf_addc(out, '"');
}

// What the callbacks of libgit2 write into.
struct hunks {
    struct assay_buf *out;
    const char *path;
    bool begun;  // "---" and "+++" are written
    bool is_new; // there is no old side
    bool is_gone;
};

static int write_hunk(const git_diff_delta *delta, const git_diff_hunk *hunk, void *user)
{
    struct hunks *hunks = user;
    // git marks the end of a name with blanks by a tab, for readers that split at blanks.
    const char *end = strchr(hunks->path, ' ') != NULL ? "\t\n" : "\n";

    (void)delta;
    if (!hunks->begun) {
        assay_buf_adds(hunks->out, "--- ");
        add_path(hunks->out, hunks->is_new ? "" : "a/", hunks->is_new ? "/dev/null" : hunks->path);
        assay_buf_adds(hunks->out, hunks->is_new ? "\n" : end);
        assay_buf_adds(hunks->out, "+++ ");
        add_path(
                hunks->out, hunks->is_gone ? "" : "b/", hunks->is_gone ? "/dev/null" : hunks->path);
        assay_buf_adds(hunks->out, hunks->is_gone ? "\n" : end);
        hunks->begun = true;
    }
    assay_buf_add(hunks->out, hunk->header, hunk->header_len);
    return 0;
}

static int write_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
        const git_diff_line *line, void *user)
{
    struct hunks *hunks = user;

    (void)delta;
    (void)hunk;
    if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
            line->origin == GIT_DIFF_LINE_DELETION)
        assay_buf_addc(hunks->out, line->origin);
    // The others are "\n\ No newline at end of file\n", whole.
    assay_buf_add(hunks->out, line->content, line->content_len);
    return 0;
}

// git's base 85: five digits for four bytes, a letter for the length before each line.
static void add_base85(struct assay_buf *out, const unsigned char *bytes, size_t size)
{
    static const char digits[] =
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

    for (size_t at = 0; at < size; at += BASE85_LINE_BYTES) {
        const size_t line = size - at < BASE85_LINE_BYTES ? size - at : BASE85_LINE_BYTES;

        assay_buf_addc(out, (char)(line <= 26 ? 'A' + line - 1 : 'a' + line - 27));
        for (size_t i = 0; i < line; i += 4) {
            char group[5];
            uint32_t word = 0;

            for (size_t k = 0; k < 4; k++)
                word = word << 8 | (i + k < line ? bytes[at + i + k] : 0u);
            for (size_t k = 5; k > 0; k--, word /= 85)
                group[k - 1] = digits[word % 85];
            assay_buf_add(out, group, sizeof(group));
        }
        assay_buf_addc(out, '\n');
    }
}

static void add_binary(struct assay_buf *out, const git_diff_binary_file *file)
{
    assay_buf_addf(out, "%s %zu\n", file->type == GIT_DIFF_BINARY_DELTA ? "delta" : "literal",
            file->inflatedlen);
    add_base85(out, (const unsigned char *)file->data, file->datalen);
    assay_buf_addc(out, '\n');
}

static int write_binary(const git_diff_delta *delta, const git_diff_binary *binary, void *user)
{
    struct hunks *hunks = user;

    (void)delta;
    assay_buf_adds(hunks->out, "GIT binary patch\n");
    add_binary(hunks->out, &binary->new_file);
    add_binary(hunks->out, &binary->old_file);
    return 0;
}

struct side {
    const struct item *item; // NULL: not there
    struct assay_buf content;
};

static enum assay_status write_header(struct assay_buf *out, const char *path,
        const struct side *old_side, const struct side *new_side, bool content_differs,
        struct assay_error *err)
{
    char old_hex[GIT_OID_HEXSZ + 1], new_hex[GIT_OID_HEXSZ + 1];
    git_oid old_oid = {0}, new_oid = {0};

    if ((old_side->item != NULL &&
                git_odb_hash(&old_oid, old_side->content.data, old_side->content.len,
                        GIT_OBJECT_BLOB) != 0) ||
            (new_side->item != NULL &&
                    git_odb_hash(&new_oid, new_side->content.data, new_side->content.len,
                            GIT_OBJECT_BLOB) != 0))
        return assay_fail(err, ASSAY_EIO, "hash %.150s", path);
    git_oid_tostr(old_hex, sizeof(old_hex), &old_oid);
    git_oid_tostr(new_hex, sizeof(new_hex), &new_oid);

    assay_buf_adds(out, "diff --git ");
    add_path(out, "a/", path);
    assay_buf_addc(out, ' ');
    add_path(out, "b/", path);
    assay_buf_addc(out, '\n');
    if (old_side->item == NULL)
        assay_buf_addf(out, "new file mode %o\n", (unsigned)new_side->item->mode);
    else if (new_side->item == NULL)
        assay_buf_addf(out, "deleted file mode %o\n", (unsigned)old_side->item->mode);
    else if (old_side->item->mode != new_side->item->mode)
        assay_buf_addf(out, "old mode %o\nnew mode %o\n", (unsigned)old_side->item->mode,
                (unsigned)new_side->item->mode);
    if (!content_differs && old_side->item != NULL && new_side->item != NULL)
        return ASSAY_OK;
    // In full: `git apply` checks a binary patch by these.
    assay_buf_addf(out, "index %s..%s", old_hex, new_hex);
    if (old_side->item != NULL && new_side->item != NULL &&
            old_side->item->mode == new_side->item->mode)
        assay_buf_addf(out, " %o", (unsigned)new_side->item->mode);
    assay_buf_addc(out, '\n');
    return ASSAY_OK;
}

static bool same_bytes(const struct assay_buf *a, const struct assay_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static enum assay_status write_file(struct assay_buf *out, const struct side *old_side,
        const struct side *new_side, struct assay_error *err)
{
    const struct item *named = old_side->item != NULL ? old_side->item : new_side->item;
    const char *path = named->path; // one side is there
    const struct assay_buf *old_content = &old_side->content, *new_content = &new_side->content;
    const bool differs = !same_bytes(old_content, new_content);
    struct hunks hunks = {.out = out,
            .path = path,
            .is_new = old_side->item == NULL,
            .is_gone = new_side->item == NULL};
    git_diff_options options;
    enum assay_status status = ASSAY_OK;

    if (!differs && old_side->item != NULL && new_side->item != NULL &&
            old_side->item->mode == new_side->item->mode)
        return ASSAY_OK;
    status = write_header(out, path, old_side, new_side, differs, err);
    if (status != ASSAY_OK || !differs)
        return status;
    git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
    // Its own guess at what is binary looks at the first bytes and at the encoding.
    options.flags |= GIT_DIFF_SHOW_BINARY;
    options.flags |= memchr(old_content->data, '\0', old_content->len) != NULL ||
                    memchr(new_content->data, '\0', new_content->len) != NULL
            ? GIT_DIFF_FORCE_BINARY
            : GIT_DIFF_FORCE_TEXT;
    if (git_diff_buffers(old_content->data, old_content->len, path, new_content->data,
                new_content->len, path, &options, NULL, write_binary, write_hunk, write_line,
                &hunks) != 0)
        return assay_fail(err, ASSAY_EIO, "diff %.150s", path);
    return assay_buf_check(out, "diff", err);
}

// --- all files
// ------------------------------------------------------------------------------------

struct diff {
    struct list old_list, new_list;
    size_t old_next, new_next; // where next_pair() is
    struct side old_side, new_side;
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
    diff->old_side.item = old_item;
    diff->new_side.item = new_item;
    status = read_content(&diff->old_list, old_item, &diff->old_side.content, err);
    if (status == ASSAY_OK)
        status = read_content(&diff->new_list, new_item, &diff->new_side.content, err);
    if (status == ASSAY_OK)
        status = write_file(diff->out, &diff->old_side, &diff->new_side, err);
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
        if (only != NULL && !only(user, old_item != NULL ? old_item->path : new_item->path))
            continue;
        if (old_item != NULL && new_item != NULL &&
                S_ISLNK(old_item->mode) != S_ISLNK(new_item->mode)) {
            status = diff_pair(diff, old_item, NULL, err);
            old_item = NULL;
        }
        if (status == ASSAY_OK)
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
