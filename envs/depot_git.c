// SPDX-License-Identifier: MIT
// depot_git.c - a commit of a git repository, as an import.
//
// The tree object is walked and its blobs are stored as they are: no checkout,
// hence no filters, no line-end conversion, no hooks and no work tree.
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "envs/depot_tree.h"

// libgit2's message is thread-local and may be stale or missing: copied at the call.
static const char *git_reason(void)
{
    const git_error *last = git_error_last();

    return last == NULL || last->message == NULL ? "no reason given" : last->message;
}

struct git_walk {
    struct assay_tree_builder *builder;
    git_repository *repo;
    enum assay_status status;
    struct assay_error *err;
};

static enum assay_status add_blob_entry(
        struct git_walk *walk, const char *path, const git_tree_entry *entry)
{
    enum assay_status status = ASSAY_OK;
    git_blob *blob = NULL;
    const git_filemode_t mode = git_tree_entry_filemode(entry);

    if (git_blob_lookup(&blob, walk->repo, git_tree_entry_id(entry)) != 0)
        return assay_fail(walk->err, ASSAY_ENOTFOUND, "%.100s: %.100s", path, git_reason());
    if (mode == GIT_FILEMODE_LINK) {
        char target[PATH_MAX] = "";
        const size_t size = (size_t)git_blob_rawsize(blob);

        // Too long or with a NUL: "" is no target, and said to leave the tree.
        if (size < sizeof(target) && memchr(git_blob_rawcontent(blob), '\0', size) == NULL)
            memcpy(target, git_blob_rawcontent(blob), size);
        status = assay_tree_add_link(walk->builder, path, target, walk->err);
    } else {
        status = assay_tree_add_bytes(walk->builder, path, mode == GIT_FILEMODE_BLOB_EXECUTABLE,
                git_blob_rawcontent(blob), (size_t)git_blob_rawsize(blob), walk->err);
    }
    if (status != ASSAY_OK)
        (void)assay_wrap(walk->err, "%.120s", path);
    git_blob_free(blob);
    return status;
}

// `root` ends in '/' or is empty.
static int visit_entry(const char *root, const git_tree_entry *entry, void *user)
{
    struct git_walk *walk = user;
    char path[PATH_MAX];
    const char *name = git_tree_entry_name(entry);

    if (snprintf(path, sizeof(path), "%s%s", root, name) >= PATH_MAX) {
        walk->status = assay_fail(walk->err, ASSAY_EINVAL, "path too long: %.100s...", path);
        return -1;
    }
    switch (git_tree_entry_type(entry)) {
    case GIT_OBJECT_TREE:
    case GIT_OBJECT_COMMIT: // a submodule
        walk->status = assay_tree_add_dir(walk->builder, path, walk->err);
        break;
    case GIT_OBJECT_BLOB:
        walk->status = add_blob_entry(walk, path, entry);
        break;
    case GIT_OBJECT_ANY:
    case GIT_OBJECT_INVALID:
    case GIT_OBJECT_TAG:
    case GIT_OBJECT_OFS_DELTA:
    case GIT_OBJECT_REF_DELTA:
    default:
        walk->status = assay_fail(walk->err, ASSAY_EINVAL, "%.150s: unknown kind of entry", path);
        break;
    }
    return walk->status == ASSAY_OK ? 0 : -1;
}

static enum assay_status import_tree(struct assay_depot *depot, git_repository *repo,
        const git_tree *tree, char hash[65], struct assay_error *err)
{
    static const struct assay_strings none = {NULL, 0};
    struct assay_tree_builder builder = {0};
    struct git_walk walk = {.builder = &builder, .repo = repo, .status = ASSAY_OK, .err = err};
    enum assay_status status = assay_tree_begin(&builder, depot, err);

    if (status != ASSAY_OK)
        return status;
    if (git_tree_walk(tree, GIT_TREEWALK_PRE, visit_entry, &walk) != 0) {
        status = walk.status;
        if (status == ASSAY_OK)
            status = assay_fail(err, ASSAY_EIO, "walk tree: %.200s", git_reason());
        goto out;
    }
    status = assay_tree_settle(&builder, err);
    if (status == ASSAY_OK) {
        assay_tree_ignore(&builder, &none); // a hand-made tree may hold ".git"
        status = assay_tree_commit(&builder, hash, err);
    }

out:
    assay_tree_end(&builder);
    return status;
}

static enum assay_status find_tree(
        git_repository *repo, const char *commit, git_tree **out, struct assay_error *err)
{
    git_object *object = NULL, *tree = NULL;
    const char *name = commit == NULL || commit[0] == '\0' ? "HEAD" : commit;

    if (git_revparse_single(&object, repo, name) != 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no commit %.80s: %.120s", name, git_reason());
    if (git_object_peel(&tree, object, GIT_OBJECT_TREE) != 0) {
        git_object_free(object);
        return assay_fail(
                err, ASSAY_ENOTFOUND, "%.80s is not a commit: %.120s", name, git_reason());
    }
    git_object_free(object);
    *out = (git_tree *)tree;
    return ASSAY_OK;
}

static enum assay_status import_commit(struct assay_depot *depot, git_repository *repo,
        const char *commit, char hash[65], struct assay_error *err)
{
    char key[80] = "git-";
    git_tree *tree = NULL;
    enum assay_status status = find_tree(repo, commit, &tree, err);

    if (status != ASSAY_OK)
        return status;
    git_oid_tostr(key + strlen(key), GIT_OID_HEXSZ + 1, git_tree_id(tree));
    if (!assay_depot_recall(depot, key, hash)) {
        status = import_tree(depot, repo, tree, hash, err);
        if (status == ASSAY_OK)
            assay_depot_remember(depot, key, hash);
    }
    git_tree_free(tree);
    return status;
}

static enum assay_status open_repository(
        git_repository **out, const char *where, struct assay_error *err)
{
    if (git_repository_open_ext(out, where, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) != 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "%.100s: %.120s", where, git_reason());
    return ASSAY_OK;
}

// --- repositories that first have to be got: clones and tarballs, kept below repos/

// repos/<key> and, held by us until *lock_fd is closed, its lock.
static enum assay_status lock_copy(struct assay_depot *depot, const char *key, char path[PATH_MAX],
        int *lock_fd, struct assay_error *err)
{
    char name[128], lock[PATH_MAX];
    enum assay_status status = ASSAY_OK;

    snprintf(name, sizeof(name), "repos/%s", key);
    status = assay_depot_path(path, depot->home, name, err);
    if (status != ASSAY_OK)
        return status;
    snprintf(name, sizeof(name), "repos/%s.lock", key);
    status = assay_depot_path(lock, depot->home, name, err);
    if (status != ASSAY_OK)
        return status;
    return assay_depot_lock(depot, lock_fd, lock, err);
}

static enum assay_status clone_url(
        struct assay_depot *depot, const char *url, const char *key, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    git_clone_options options;
    git_repository *repo = NULL;
    char scratch[PATH_MAX], target[128];
    bool moved = false;

    status = assay_depot_tmp(depot, scratch, err);
    if (status != ASSAY_OK)
        return status;
    git_clone_options_init(&options, GIT_CLONE_OPTIONS_VERSION);
    options.bare = 1;
    if (git_clone(&repo, url, scratch, &options) != 0) {
        status = assay_fail(err, ASSAY_EIO, "clone %.80s: %.120s", url, git_reason());
        goto out;
    }
    git_repository_free(repo);
    snprintf(target, sizeof(target), "repos/%s", key);
    status = assay_depot_publish(depot, scratch, target, &moved, err);

out:
    if (!moved)
        assay_depot_drop_tmp(depot, scratch);
    return status;
}

// The commit may be younger than the clone.
static enum assay_status fetch_again(git_repository *repo, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    git_remote *remote = NULL;

    if (git_remote_lookup(&remote, repo, "origin") != 0)
        return assay_fail(err, ASSAY_EIO, "clone without origin: %.150s", git_reason());
    if (git_remote_fetch(remote, NULL, NULL, NULL) != 0)
        status = assay_fail(err, ASSAY_EIO, "fetch: %.200s", git_reason());
    git_remote_free(remote);
    return status;
}

static enum assay_status add_url(struct assay_depot *depot, const char *url, const char *commit,
        char hash[65], struct assay_error *err)
{
    char key[ASSAY_SHA256_HEX_BYTES], path[PATH_MAX];
    enum assay_status status = assay_sha256_bytes(key, url, strlen(url), err);
    git_repository *repo = NULL;
    int lock_fd = -1;

    if (status == ASSAY_OK)
        status = lock_copy(depot, key, path, &lock_fd, err);
    if (status == ASSAY_OK && access(path, F_OK) != 0)
        status = clone_url(depot, url, key, err);
    if (status == ASSAY_OK)
        status = open_repository(&repo, path, err);
    if (status != ASSAY_OK)
        goto out;
    status = import_commit(depot, repo, commit, hash, err);
    if (status == ASSAY_ENOTFOUND) {
        status = fetch_again(repo, err);
        if (status == ASSAY_OK)
            status = import_commit(depot, repo, commit, hash, err);
    }

out:
    git_repository_free(repo);
    if (lock_fd >= 0)
        close(lock_fd);
    return status;
}

// Lay the entries of a tarball out below repos/<key>.
static enum assay_status unpack_repository(struct assay_depot *depot,
        const struct assay_tree_builder *builder, const char *key, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    char scratch[PATH_MAX], target[128];
    bool moved = false;
    int fd = -1;

    status = assay_depot_tmp(depot, scratch, err);
    if (status != ASSAY_OK)
        return status;
    fd = open(scratch, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        status = assay_fail_errno(err, errno, "open %.150s", scratch);
    if (status == ASSAY_OK)
        status = assay_tree_lay_out(builder, fd, err);
    snprintf(target, sizeof(target), "repos/%s", key);
    if (status == ASSAY_OK)
        status = assay_depot_publish(depot, scratch, target, &moved, err);
    if (!moved)
        assay_depot_drop_tmp(depot, scratch);
    if (fd >= 0)
        close(fd);
    return status;
}

// Where in the archive the repository stands: "" bare, ".git/" normal, NULL: it is none.
static const char *repository_prefix(const struct assay_tree_builder *builder)
{
    if (assay_tree_find(builder, ".git/HEAD") != NULL &&
            assay_tree_find(builder, ".git/objects") != NULL)
        return ".git/";
    if (assay_tree_find(builder, "HEAD") != NULL && assay_tree_find(builder, "objects") != NULL)
        return "";
    return NULL;
}

// Keep what holds objects and names them, as a bare repository. What could make
// libgit2 read elsewhere (alternates, commondir, includes of a config) goes.
static void keep_objects(struct assay_tree_builder *builder, const char *prefix)
{
    static const char *const plain[] = {"HEAD", "objects", "packed-refs", "refs", "shallow"};
    const size_t len = strlen(prefix);
    size_t kept = 0;

    for (size_t i = 0; i < builder->count; i++) {
        const char *path = builder->items[i].path;
        bool keep = false;

        if (strncmp(path, prefix, len) != 0)
            continue;
        path += len;
        for (size_t k = 0; k < sizeof(plain) / sizeof(plain[0]); k++)
            keep = keep || strcmp(path, plain[k]) == 0 || assay_tree_below(path, plain[k]);
        if (!keep || assay_tree_below(path, "objects/info") ||
                builder->items[i].kind == ASSAY_TREE_LINK)
            continue;
        builder->items[kept] = builder->items[i];
        builder->items[kept++].path = path;
    }
    builder->count = kept;
}

static enum assay_status unpack_tarball(struct assay_depot *depot, int fd, const char *key,
        bool *is_repository, struct assay_error *err)
{
    struct assay_tree_builder builder = {0};
    enum assay_status status = assay_tree_begin(&builder, depot, err);

    if (status == ASSAY_OK)
        status = assay_archive_read_into(&builder, fd, err);
    if (status == ASSAY_OK)
        status = assay_tree_settle(&builder, err);
    if (status == ASSAY_OK) {
        const char *prefix = NULL;

        assay_tree_strip_top(&builder);
        prefix = repository_prefix(&builder);
        *is_repository = prefix != NULL;
        if (prefix != NULL) {
            keep_objects(&builder, prefix);
            status = unpack_repository(depot, &builder, key, err);
        }
    }
    assay_tree_end(&builder);
    return status;
}

static enum assay_status add_tarball(struct assay_depot *depot, const char *file,
        const char *commit, char hash[65], struct assay_error *err)
{
    static const struct assay_strings none = {NULL, 0};
    char key[ASSAY_SHA256_HEX_BYTES], path[PATH_MAX];
    enum assay_status status = ASSAY_OK;
    git_repository *repo = NULL;
    bool is_repository = true;
    int fd = -1, lock_fd = -1;

    fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", file);
    status = assay_sha256_fd(key, fd, err);
    if (status == ASSAY_OK)
        status = lock_copy(depot, key, path, &lock_fd, err);
    if (status == ASSAY_OK && access(path, F_OK) != 0)
        status = unpack_tarball(depot, fd, key, &is_repository, err);
    if (status != ASSAY_OK)
        goto out;
    if (!is_repository) {
        // A tarball of the tree at that commit: nothing in it can be asked for another.
        status = assay_depot_add_archive(depot, file, NULL, &none, hash, err);
        goto out;
    }
    status = open_repository(&repo, path, err);
    if (status == ASSAY_OK)
        status = import_commit(depot, repo, commit, hash, err);

out:
    git_repository_free(repo);
    if (lock_fd >= 0)
        close(lock_fd);
    close(fd);
    return status;
}

// "https://host/x", "file:///x", "user@host:x"; not "/x", "./a:b".
static bool is_url(const char *where)
{
    const char *colon = strchr(where, ':');

    if (colon == NULL)
        return false;
    return strncmp(colon, "://", 3) == 0 || memchr(where, '/', (size_t)(colon - where)) == NULL;
}

enum assay_status assay_depot_add_git(struct assay_depot *depot, const char *where,
        const char *commit, char hash[65], struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    git_repository *repo = NULL;
    struct stat st;

    if (stat(where, &st) != 0)
        return is_url(where)      ? add_url(depot, where, commit, hash, err)
                : errno == ENOENT ? assay_fail(err, ASSAY_ENOTFOUND, "no repository %.200s", where)
                                  : assay_fail_errno(err, errno, "%.150s", where);
    if (S_ISREG(st.st_mode))
        return add_tarball(depot, where, commit, hash, err);
    status = open_repository(&repo, where, err);
    if (status != ASSAY_OK)
        return status;
    status = import_commit(depot, repo, commit, hash, err);
    git_repository_free(repo);
    return status;
}
