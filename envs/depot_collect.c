// SPDX-License-Identifier: MIT
// depot_collect.c - what nobody refers to any more, and how much room there is.
//
// The guard of tmp/ is held from the look for other handles to the end, so that nobody opens the
// depot in between: an import that has its blobs but not its tree yet must not lose them.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/depot_tree.h"

#define RESERVE_BYTES (UINT64_C(1) << 30)
#define DEPTH_MAX 4096
#define NAMED_IMAGES_MAX 4096u

struct collecting {
    struct assay_depot *depot;
    const struct assay_depot_garbage *garbage;
    struct assay_depot_collected *out;
    time_t before, logs_before;
};

// --- who else is there --------------------------------------------------------------------------

static enum assay_status count_others(
        size_t *others, const struct assay_depot *depot, struct assay_error *err)
{
    const char *own = strrchr(depot->tmp, '/') + 1;
    const int fd = openat(depot->home_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return assay_fail_errno(err, errno, "open tmp");
    }
    *others = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is this thread's alone
    while ((entry = readdir(dir)) != NULL) {
        char path[PATH_MAX];
        int lock_fd = -1;

        if (entry->d_name[0] == '.' || strcmp(entry->d_name, own) == 0)
            continue;
        (void)snprintf(
                path, sizeof(path), "%.*s/tmp/%s/lock", PATH_MAX - 300, depot->home, entry->d_name);
        *others += assay_fs_lock(&lock_fd, path, false, NULL) == ASSAY_ECONFLICT;
        if (lock_fd >= 0)
            close(lock_fd);
    }
    closedir(dir);
    return ASSAY_OK;
}

// --- trees, layers, downloads -------------------------------------------------------------------

static enum assay_status add_bytes(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    uint64_t *bytes = user;

    (void)err;
    *bytes += (uint64_t)entry->stat.st_blocks * 512;
    return ASSAY_OK;
}

static bool is_hash(const char *name)
{
    return strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
}

static int by_text(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

static bool is_kept(const struct assay_strings *kept, const char *name)
{
    return kept->count > 0 &&
            bsearch(name, kept->items, kept->count, sizeof(kept->items[0]), by_text) != NULL;
}

// Out of the way by one rename, so that nobody sees half of it; then away with it.
static enum assay_status remove_one(struct collecting *c, const char *place, const char *name,
        uint64_t *bytes, struct assay_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    int fd = -1;
    enum assay_status status;

    (void)snprintf(from, sizeof(from), "%s/%s", place, name);
    (void)snprintf(to, sizeof(to), "garbage-%s", name);
    if (renameat(c->depot->home_fd, from, c->depot->tmp_fd, to) != 0)
        return assay_fail_errno(err, errno, "remove %.150s", from);
    fd = openat(c->depot->tmp_fd, to, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    status = fd < 0 ? assay_fail_errno(err, errno, "open %.150s", from)
                    : assay_fs_walk(fd, DEPTH_MAX, add_bytes, bytes, err);
    if (fd >= 0)
        close(fd);
    return status == ASSAY_OK ? assay_fs_remove_tree(c->depot->tmp_fd, to, err) : status;
}

// The folders of `place` that are named by a hash, not kept, and as old: `mtime` for what is
// touched when it is used, else the time at which it got its name.
static enum assay_status collect_place(struct collecting *c, const char *place,
        const struct assay_strings *kept, bool by_use, size_t *count, uint64_t *bytes,
        struct assay_error *err)
{
    const int fd = openat(c->depot->home_fd, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    enum assay_status status = ASSAY_OK;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return errno == ENOENT ? ASSAY_OK : assay_fail_errno(err, errno, "open %s", place);
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is this thread's alone
    while (status == ASSAY_OK && (entry = readdir(dir)) != NULL) {
        struct stat st;

        if (!is_hash(entry->d_name) || is_kept(kept, entry->d_name) ||
                fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
                !S_ISDIR(st.st_mode) || (by_use ? st.st_mtime : st.st_ctime) > c->before)
            continue;
        status = remove_one(c, place, entry->d_name, bytes, err);
        *count += status == ASSAY_OK;
    }
    closedir(dir);
    return status;
}

// --- blobs --------------------------------------------------------------------------------------

// One that no tree names. Its age does not matter: nobody else is here.
static enum assay_status collect_blob(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct collecting *c = user;

    if (!S_ISREG(entry->stat.st_mode) || entry->stat.st_nlink != 1)
        return ASSAY_OK;
    if (unlinkat(entry->dir_fd, entry->name, 0) != 0)
        return assay_fail_errno(err, errno, "remove a blob");
    c->out->blobs++;
    c->out->bytes += (uint64_t)entry->stat.st_blocks * 512;
    return ASSAY_OK;
}

// --- images -------------------------------------------------------------------------------------

struct named_images {
    const char *items[NAMED_IMAGES_MAX]; // into ids
    char ids[NAMED_IMAGES_MAX][65];
    size_t count;
};

static enum assay_status add_named(
        struct named_images *named, const char *id, struct assay_error *err)
{
    if (named->count == NAMED_IMAGES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "more than %u names of images", NAMED_IMAGES_MAX);
    (void)snprintf(named->ids[named->count], sizeof(named->ids[0]), "%s", id);
    named->items[named->count] = named->ids[named->count];
    named->count++;
    return ASSAY_OK;
}

static enum assay_status read_name(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct named_images *named = user;
    char id[65] = "";
    const int fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || read(fd, id, 64) != 64 || !is_hash(id)) {
        if (fd >= 0)
            close(fd);
        return ASSAY_OK;
    }
    close(fd);
    return add_named(named, id, err);
}

static int by_text_both(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

// An image whose name was given to another one, and that no recipe asks for by its id.
static enum assay_status collect_images(struct collecting *c, struct assay_error *err)
{
    struct named_images *named = calloc(1, sizeof(*named));
    const int names_fd =
            openat(c->depot->home_fd, "images/names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int blobs_fd =
            openat(c->depot->home_fd, "images/blobs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t names = 0; // its bytes are its blobs'
    enum assay_status status = ASSAY_OK;

    if (named == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; status == ASSAY_OK && i < c->garbage->images.count; i++)
        status = add_named(named, c->garbage->images.items[i], err);
    if (status == ASSAY_OK && names_fd >= 0)
        status = assay_fs_walk(names_fd, 1, read_name, named, err);
    if (status == ASSAY_OK && named->count > 0)
        qsort(named->items, named->count, sizeof(named->items[0]), by_text_both);
    if (status == ASSAY_OK)
        status = collect_place(c, "images", &(struct assay_strings){named->items, named->count},
                false, &c->out->images, &names, err);
    if (status == ASSAY_OK && blobs_fd >= 0)
        status = assay_fs_walk(blobs_fd, 2, collect_blob, c, err);
    free(named);
    if (names_fd >= 0)
        close(names_fd);
    if (blobs_fd >= 0)
        close(blobs_fd);
    return status;
}

// --- logs ---------------------------------------------------------------------------------------

// Of runs: verdicts and evidence do not need them.
static enum assay_status collect_log(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct collecting *c = user;

    if (!S_ISREG(entry->stat.st_mode) || entry->stat.st_mtime > c->logs_before)
        return ASSAY_OK;
    if (unlinkat(entry->dir_fd, entry->name, 0) != 0)
        return assay_fail_errno(err, errno, "remove a log");
    c->out->logs++;
    c->out->bytes += (uint64_t)entry->stat.st_blocks * 512;
    return ASSAY_OK;
}

static enum assay_status collect_logs(struct collecting *c, struct assay_error *err)
{
    const int fd = openat(c->depot->home_fd, "runs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum assay_status status;

    if (fd < 0)
        return errno == ENOENT ? ASSAY_OK : assay_fail_errno(err, errno, "open runs");
    status = assay_fs_walk(fd, DEPTH_MAX, collect_log, c, err);
    close(fd);
    return status;
}

static enum assay_status collect(struct collecting *c, struct assay_error *err)
{
    const struct assay_strings none = {NULL, 0};
    struct assay_depot_collected *out = c->out;
    uint64_t names = 0; // a tree's bytes are its blobs'
    enum assay_status status =
            collect_place(c, "trees", &c->garbage->trees, false, &out->trees, &names, err);

    if (status == ASSAY_OK)
        status = assay_fs_walk(c->depot->blobs_fd, 2, collect_blob, c, err);
    if (status == ASSAY_OK)
        status = collect_place(c, "layers", &none, true, &out->layers, &out->bytes, err);
    if (status == ASSAY_OK)
        status = collect_place(c, "downloads", &none, true, &out->downloads, &out->bytes, err);
    if (status == ASSAY_OK)
        status = collect_images(c, err);
    if (status == ASSAY_OK)
        status = collect_logs(c, err);
    return status;
}

enum assay_status assay_depot_collect(struct assay_depot_collected *out, struct assay_depot *depot,
        const struct assay_depot_garbage *garbage, struct assay_error *err)
{
    struct collecting c = {.depot = depot,
            .garbage = garbage,
            .out = out,
            .before = time(NULL) - (time_t)garbage->age_s,
            .logs_before = time(NULL) - (time_t)garbage->log_age_s};
    char path[PATH_MAX];
    int guard_fd = -1;
    enum assay_status status = assay_depot_path(path, depot->home, "tmp/.lock", err);

    *out = (struct assay_depot_collected){0};
    if (status == ASSAY_OK)
        status = assay_fs_lock(&guard_fd, path, true, err);
    if (status == ASSAY_OK)
        status = count_others(&out->others, depot, err);
    if (status == ASSAY_OK && out->others == 0)
        status = collect(&c, err);
    if (guard_fd >= 0)
        close(guard_fd);
    return status;
}

// --- room ---------------------------------------------------------------------------------------

enum assay_status assay_depot_room(const struct assay_depot *depot, struct assay_error *err)
{
    struct statvfs fs;
    uint64_t size, left, reserve;

    if (fstatvfs(depot->home_fd, &fs) != 0)
        return assay_fail_errno(err, errno, "look for room at %.100s", depot->home);
    size = (uint64_t)fs.f_blocks * fs.f_frsize;
    left = (uint64_t)fs.f_bavail * fs.f_frsize;
    reserve = size / 20 < RESERVE_BYTES ? size / 20 : RESERVE_BYTES;
    if (left >= reserve && (fs.f_files == 0 || fs.f_favail >= fs.f_files / 100))
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EREFUSED,
            "disk: %llu MB are left at %.100s, and the last %llu are for what runs already: "
            "`assay store prune`, or more room",
            (unsigned long long)(left / 1000000), depot->home,
            (unsigned long long)(reserve / 1000000));
}
