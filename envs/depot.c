// SPDX-License-Identifier: MIT
// depot.c - the handle: places below home, scratch and its garbage, notes of what was imported.
#include "envs/depot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rng.h"
#include "envs/depot_tree.h"

#define ENTRIES_MAX 1000000
#define BYTES_MAX (UINT64_C(16) << 30)
#define LOCK_POLL_MS 50
#define TREE_DEPTH_MAX 4096

enum assay_status assay_depot_path(
        char out[PATH_MAX], const char *a, const char *b, struct assay_error *err)
{
    char joined[PATH_MAX];
    const int n = snprintf(joined, sizeof(joined), "%s/%s", a, b);

    if (n < 0 || n >= PATH_MAX)
        return assay_fail(err, ASSAY_EINVAL, "path too long: %.80s/%.80s", a, b);
    memcpy(out, joined, (size_t)n + 1);
    return ASSAY_OK;
}

enum assay_status assay_depot_own(
        const struct assay_depot *depot, int fd, mode_t mode, struct assay_error *err)
{
    const struct timespec times[2] = {
            {.tv_sec = ASSAY_DEPOT_TIME_S}, {.tv_sec = ASSAY_DEPOT_TIME_S}};

    // An ordinary user owns what he makes; asking for his own ids again is allowed.
    if (fchown(fd, depot->uid, depot->gid) != 0)
        return assay_fail_errno(err, errno, "give to uid %u", (unsigned)depot->uid);
    if (fchmod(fd, mode) != 0)
        return assay_fail_errno(err, errno, "set mode %o", (unsigned)mode);
    if (futimens(fd, times) != 0)
        return assay_fail_errno(err, errno, "set times");
    return ASSAY_OK;
}

enum assay_status assay_depot_mkdir(
        const struct assay_depot *depot, int dir_fd, const char *path, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    int fd = -1;

    if (mkdirat(dir_fd, path, 0755) != 0) {
        if (errno == EEXIST)
            return assay_fail(err, ASSAY_ECONFLICT, "%s exists", path);
        return assay_fail_errno(err, errno, "mkdir %s", path);
    }
    fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %s", path);
    status = assay_depot_own(depot, fd, 0755, err);
    close(fd);
    return status;
}

// home/<name>, made if it is missing; opened when fd_out is not NULL.
static enum assay_status open_place(
        int home_fd, const char *name, int *fd_out, struct assay_error *err)
{
    if (mkdirat(home_fd, name, 0755) != 0 && errno != EEXIST)
        return assay_fail_errno(err, errno, "mkdir %s", name);
    if (fd_out == NULL)
        return ASSAY_OK;
    *fd_out = openat(home_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd_out < 0)
        return assay_fail_errno(err, errno, "open %s", name);
    return ASSAY_OK;
}

static enum assay_status open_places(struct assay_depot *depot, struct assay_error *err)
{
    static const char *const plain[] = {"layers", "trusted", "runs", "repos", "index", "tmp"};
    enum assay_status status = open_place(depot->home_fd, "blobs", &depot->blobs_fd, err);

    if (status == ASSAY_OK)
        status = open_place(depot->home_fd, "trees", &depot->trees_fd, err);
    for (size_t i = 0; status == ASSAY_OK && i < sizeof(plain) / sizeof(plain[0]); i++)
        status = open_place(depot->home_fd, plain[i], NULL, err);
    return status;
}

void assay_depot_set_cancel(struct assay_depot *depot, const volatile bool *cancel)
{
    depot->cancel = cancel;
}

bool assay_depot_cancelled(const struct assay_depot *depot)
{
    return depot->cancel != NULL && *depot->cancel;
}

enum assay_status assay_depot_lock(
        const struct assay_depot *depot, int *fd_out, const char *path, struct assay_error *err)
{
    const struct timespec moment = {.tv_nsec = LOCK_POLL_MS * 1000000L};
    enum assay_status status;

    while ((status = assay_fs_lock(fd_out, path, false, err)) == ASSAY_ECONFLICT) {
        if (assay_depot_cancelled(depot))
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        nanosleep(&moment, NULL);
    }
    return status;
}

// Remove the scratch of handles that nobody holds any more. The lock says who
// is alive: a pid alone would not across pid namespaces, reboots and reuse.
static void sweep(const struct assay_depot *depot, int tmp_fd)
{
    DIR *dir = NULL;
    const struct dirent *entry = NULL;
    const int fd = openat(tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): this stream is this thread's alone
    while ((entry = readdir(dir)) != NULL) {
        char path[PATH_MAX];
        int lock_fd = -1;

        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(path, sizeof(path), "%s/tmp/%s/lock", depot->home, entry->d_name) >= PATH_MAX)
            continue;
        if (assay_fs_lock(&lock_fd, path, false, NULL) == ASSAY_ECONFLICT)
            continue; // its owner lives
        // A leftover that cannot be removed now is tried again at the next open.
        (void)!assay_fs_remove_tree(tmp_fd, entry->d_name, NULL);
        if (lock_fd >= 0)
            close(lock_fd);
    }
    closedir(dir);
}

// Sweep, then make and lock our own, both under tmp/.lock so that nobody
// sweeps a directory between its birth and its lock.
static enum assay_status open_scratch(struct assay_depot *depot, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    char id[ASSAY_ID_BYTES], name[64], path[PATH_MAX];
    int guard_fd = -1, tmp_fd = -1;

    status = open_place(depot->home_fd, "tmp", &tmp_fd, err);
    if (status == ASSAY_OK)
        status = assay_depot_path(path, depot->home, "tmp/.lock", err);
    if (status == ASSAY_OK)
        status = assay_fs_lock(&guard_fd, path, true, err);
    if (status != ASSAY_OK)
        goto out;
    sweep(depot, tmp_fd);

    status = assay_id_new(id, err);
    if (status != ASSAY_OK)
        goto out;
    snprintf(name, sizeof(name), "%ld-%s", (long)getpid(), id);
    if (mkdirat(tmp_fd, name, 0755) != 0) {
        status = assay_fail_errno(err, errno, "mkdir tmp/%s", name);
        goto out;
    }
    depot->tmp_fd = openat(tmp_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (depot->tmp_fd < 0) {
        status = assay_fail_errno(err, errno, "open tmp/%s", name);
        goto out;
    }
    snprintf(path, sizeof(path), "tmp/%s", name);
    status = assay_depot_path(depot->tmp, depot->home, path, err);
    if (status == ASSAY_OK)
        status = assay_depot_path(path, depot->tmp, "lock", err);
    if (status == ASSAY_OK)
        status = assay_fs_lock(&depot->lock_fd, path, true, err);

out:
    if (guard_fd >= 0)
        close(guard_fd);
    if (tmp_fd >= 0)
        close(tmp_fd);
    return status;
}

static enum assay_status open_home(
        struct assay_depot *depot, const char *home, struct assay_error *err)
{
    char absolute[PATH_MAX];

    if (home[0] == '\0' || strlen(home) >= PATH_MAX - 256)
        return assay_fail(err, ASSAY_EINVAL, "home is empty or too long");
    // Ours alone: a set-up step may leave programs that run as whoever owns them.
    if (mkdir(home, 0700) != 0 && errno != EEXIST)
        return assay_fail_errno(err, errno, "mkdir %s", home);
    if (realpath(home, absolute) == NULL)
        return assay_fail_errno(err, errno, "%s", home);
    if (strlen(absolute) >= PATH_MAX - 256)
        return assay_fail(err, ASSAY_EINVAL, "home is too long: %.100s...", absolute);
    memcpy(depot->home, absolute, strlen(absolute) + 1);
    depot->home_fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (depot->home_fd < 0)
        return assay_fail_errno(err, errno, "open %s", absolute);
    return ASSAY_OK;
}

enum assay_status assay_depot_open(
        struct assay_depot **out, const char *home, uid_t uid, gid_t gid, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_depot *depot = calloc(1, sizeof(*depot));

    if (depot == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "depot");
    depot->home_fd = depot->blobs_fd = depot->trees_fd = depot->tmp_fd = depot->lock_fd = -1;
    if (pthread_mutex_init(&depot->scratch.lock, NULL) != 0) {
        free(depot);
        return assay_fail(err, ASSAY_ENOMEM, "depot");
    }
    depot->uid = uid;
    depot->gid = gid;
    depot->bounds.entries_max = ENTRIES_MAX;
    depot->bounds.bytes_max = BYTES_MAX;
    git_libgit2_init();
    // Who owns a repository matters when its configuration is obeyed; we read objects only.
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);

    status = open_home(depot, home, err);
    if (status == ASSAY_OK)
        status = open_places(depot, err);
    if (status == ASSAY_OK)
        status = open_scratch(depot, err);
    if (status != ASSAY_OK) {
        assay_depot_close(depot);
        return status == ASSAY_EIO ? assay_wrap(err, "depot") : status;
    }
    *out = depot;
    return ASSAY_OK;
}

void assay_depot_close(struct assay_depot *depot)
{
    if (depot == NULL)
        return;
    if (depot->lock_fd >= 0) {
        // Relative to home: remove_tree() wants a plain path.
        (void)!assay_fs_remove_tree(depot->home_fd, depot->tmp + strlen(depot->home) + 1, NULL);
        close(depot->lock_fd);
    }
    if (depot->tmp_fd >= 0)
        close(depot->tmp_fd);
    if (depot->trees_fd >= 0)
        close(depot->trees_fd);
    if (depot->blobs_fd >= 0)
        close(depot->blobs_fd);
    if (depot->home_fd >= 0)
        close(depot->home_fd);
    git_libgit2_shutdown();
    pthread_mutex_destroy(&depot->scratch.lock);
    free(depot);
}

const char *assay_depot_home(const struct assay_depot *depot)
{
    return depot->home;
}

void assay_depot_ids(const struct assay_depot *depot, uid_t *uid, gid_t *gid)
{
    *uid = depot->uid;
    *gid = depot->gid;
}

enum assay_status assay_depot_tmp(
        struct assay_depot *depot, char path[PATH_MAX], struct assay_error *err)
{
    char name[32], full[PATH_MAX];
    enum assay_status status = ASSAY_OK;

    snprintf(name, sizeof(name), "%llu", (unsigned long long)atomic_fetch_add(&depot->tmp_next, 1));
    status = assay_depot_path(full, depot->tmp, name, err);
    if (status == ASSAY_OK)
        status = assay_depot_mkdir(depot, depot->tmp_fd, name, err);
    if (status == ASSAY_OK)
        memcpy(path, full, strlen(full) + 1);
    return status;
}

void assay_depot_drop_tmp(struct assay_depot *depot, const char *path)
{
    const size_t prefix = strlen(depot->tmp);

    // What is not ours is not ours to remove, whatever the caller thinks.
    if (path[0] == '\0' || strncmp(path, depot->tmp, prefix) != 0 || path[prefix] != '/')
        return;
    (void)!assay_fs_remove_tree(depot->tmp_fd, path + prefix + 1, NULL);
}

enum assay_status assay_depot_publish(const struct assay_depot *depot, const char *from,
        const char *to, bool *moved, struct assay_error *err)
{
    if (renameat(AT_FDCWD, from, depot->home_fd, to) == 0) {
        *moved = true;
        return ASSAY_OK;
    }
    if (errno != EEXIST && errno != ENOTEMPTY)
        return assay_fail_errno(err, errno, "rename into %s", to);
    *moved = false;
    return ASSAY_OK;
}

static bool is_hash(const char *text)
{
    return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

enum assay_status assay_depot_tree(
        struct assay_depot *depot, const char *hash, char path[PATH_MAX], struct assay_error *err)
{
    struct stat st;

    if (!is_hash(hash))
        return assay_fail(err, ASSAY_ENOTFOUND, "not the hash of a tree: '%.70s'", hash);
    if (fstatat(depot->trees_fd, hash, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode))
        return assay_fail(err, ASSAY_ENOTFOUND, "no tree %s in the depot", hash);
    snprintf(path, PATH_MAX, "%.*s/trees/%s", PATH_MAX - 256, depot->home, hash);
    return ASSAY_OK;
}

// Whatever is added to a directory, taken out of it or written to a file moves its time.
static enum assay_status check_entry(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    (void)user;
    if (entry->stat.st_mtim.tv_sec == ASSAY_DEPOT_TIME_S)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EIO, "it has changed");
}

static void discard_tree(struct assay_depot *depot, const char *hash)
{
    char scratch[PATH_MAX], path[PATH_MAX];

    if (assay_depot_tmp(depot, scratch, NULL) != ASSAY_OK)
        return;
    if (assay_depot_path(path, scratch, "tree", NULL) == ASSAY_OK)
        (void)!renameat(depot->trees_fd, hash, AT_FDCWD, path);
    assay_depot_drop_tmp(depot, scratch);
}

enum assay_status assay_depot_check_tree(
        struct assay_depot *depot, const char *hash, struct assay_error *err)
{
    char path[PATH_MAX];
    struct assay_error damage = {0};
    struct stat st;
    enum assay_status status = assay_depot_tree(depot, hash, path, err);
    int fd;

    if (status != ASSAY_OK)
        return status;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        status = assay_fail_errno(err, errno, "open tree %s", hash);
        goto out;
    }
    if (st.st_mtim.tv_sec != ASSAY_DEPOT_TIME_S)
        status = assay_fail(&damage, ASSAY_EIO, "its root has changed");
    else
        status = assay_fs_walk(fd, TREE_DEPTH_MAX, check_entry, NULL, &damage);
    if (status != ASSAY_OK) {
        discard_tree(depot, hash);
        status = assay_fail(err, ASSAY_EIO,
                "tree %.12s was damaged (%.80s) and is taken out of the depot: add the suite again",
                hash, damage.message);
    }

out:
    if (fd >= 0)
        close(fd);
    return status;
}

bool assay_depot_recall(const struct assay_depot *depot, const char *key, char hash[65])
{
    char path[256], text[65] = "";
    struct stat st;
    ssize_t n = 0;
    int fd = -1;

    snprintf(path, sizeof(path), "index/%s", key);
    fd = openat(depot->home_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, 64);
    close(fd);
    if (n != 64 || !is_hash(text) || fstatat(depot->trees_fd, text, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    memcpy(hash, text, 65);
    return true;
}

void assay_depot_remember(const struct assay_depot *depot, const char *key, const char *hash)
{
    char name[256], path[PATH_MAX];

    snprintf(name, sizeof(name), "index/%s", key);
    if (assay_depot_path(path, depot->home, name, NULL) == ASSAY_OK)
        (void)!assay_fs_replace_file(path, hash, 64, 0644, NULL);
}

enum assay_status assay_depot_add_base(struct assay_depot *depot, const struct assay_base *base,
        char hash[65], struct assay_error *err)
{
    static const struct assay_strings none = {NULL, 0};
    const char *where = base->where;
    enum assay_status status = ASSAY_EINVAL;

    switch (base->kind) {
    case ASSAY_BASE_GIT:
        status = assay_depot_add_git(depot, base->where, base->commit, hash, err);
        break;
    case ASSAY_BASE_ARCHIVE:
        status = assay_depot_add_archive(depot, base->where, base->sha256, &none, hash, err);
        break;
    case ASSAY_BASE_DIR:
        status = assay_depot_add_dir(depot, base->where, &none, hash, err);
        break;
    case ASSAY_BASE_EMPTY:
        where = "of no file";
        status = assay_depot_add_files(depot, NULL, 0, hash, err);
        break;
    default:
        return assay_fail(err, ASSAY_EINVAL, "unknown kind of base");
    }
    if (status == ASSAY_OK && base->patch.data != NULL)
        status = assay_depot_patch_tree(depot, hash, base->patch, hash, err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "base %s", where);
    return status;
}
