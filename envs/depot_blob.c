// SPDX-License-Identifier: MIT
// depot_blob.c - file contents by their hash, and the names that trees give them.
//
// A blob is complete when it has its name: it is written in scratch and renamed.
// Its name is the hash of its content, with "x" when it is executable, because
// all names of an inode share one mode.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "envs/depot_tree.h"

#define CHUNK_BYTES ((size_t)256 * 1024)
#define BLOB_NAME_BYTES 72 // "ab/<sha256>x"
#define RENEWALS_MAX 64

static void blob_name(char out[BLOB_NAME_BYTES], const char *hash, bool executable)
{
    snprintf(out, BLOB_NAME_BYTES, "%.2s/%.64s%s", hash, hash, executable ? "x" : "");
}

// Is the blob there, whole? Its size is checked because a crash of the host may
// leave a name without its data.
static bool have_blob(const struct assay_depot *depot, const char *name, uint64_t size)
{
    struct stat st;

    return fstatat(depot->blobs_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            (uint64_t)st.st_size == size;
}

static enum assay_status new_scratch(
        struct assay_depot *depot, char name[32], int *fd_out, struct assay_error *err)
{
    int fd = -1;

    snprintf(name, 32, "b%llu", (unsigned long long)atomic_fetch_add(&depot->tmp_next, 1));
    fd = openat(depot->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return assay_fail_errno(err, errno, "create scratch for a blob");
    *fd_out = fd;
    return ASSAY_OK;
}

// Name a finished scratch file, replacing what may be there: it has the same content.
static enum assay_status publish(struct assay_depot *depot, const char *scratch, int fd,
        const char *name, bool executable, struct assay_error *err)
{
    char prefix[3] = {name[0], name[1], '\0'};
    const enum assay_status status = assay_depot_own(depot, fd, executable ? 0755 : 0644, err);

    if (status != ASSAY_OK)
        return status;
    if (renameat(depot->tmp_fd, scratch, depot->blobs_fd, name) == 0)
        return ASSAY_OK;
    if (errno != ENOENT)
        return assay_fail_errno(err, errno, "name blob %s", name);
    if (mkdirat(depot->blobs_fd, prefix, 0755) != 0 && errno != EEXIST)
        return assay_fail_errno(err, errno, "mkdir blobs/%s", prefix);
    if (renameat(depot->tmp_fd, scratch, depot->blobs_fd, name) != 0)
        return assay_fail_errno(err, errno, "name blob %s", name);
    return ASSAY_OK;
}

enum assay_status assay_blob_store(struct assay_depot *depot, const char *hash, bool executable,
        const void *bytes, size_t size, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    char name[BLOB_NAME_BYTES], scratch[32];
    int fd = -1;

    blob_name(name, hash, executable);
    if (have_blob(depot, name, size))
        return ASSAY_OK;
    status = new_scratch(depot, scratch, &fd, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_fs_write_all(fd, bytes, size, err);
    if (status == ASSAY_OK)
        status = publish(depot, scratch, fd, name, executable, err);
    if (status != ASSAY_OK)
        (void)unlinkat(depot->tmp_fd, scratch, 0);
    close(fd);
    return status;
}

enum assay_status assay_blob_bound(const struct assay_depot *depot, uint64_t bytes_before,
        uint64_t size, struct assay_error *err)
{
    if (size <= depot->bounds.bytes_max - bytes_before)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_ENOMEM, "more than %llu bytes in all",
            (unsigned long long)depot->bounds.bytes_max);
}

// A content on its way from a source into the depot.
struct spool {
    struct assay_depot *depot;
    bool executable;
    assay_tree_source source;
    void *user;
    uint64_t bytes_before; // of the import, for its bound
    char *chunk;           // CHUNK_BYTES
    size_t len;            // in the chunk; less than its size: the source is at its end
};

static enum assay_status fill(struct spool *spool, struct assay_error *err)
{
    spool->len = 0;
    while (spool->len < CHUNK_BYTES) {
        size_t got = 0;
        const enum assay_status status = spool->source(
                spool->user, spool->chunk + spool->len, CHUNK_BYTES - spool->len, &got, err);

        if (status != ASSAY_OK)
            return status;
        if (got == 0)
            break;
        spool->len += got;
    }
    return ASSAY_OK;
}

static enum assay_status write_chunks(struct spool *spool, int fd, struct assay_sha256 *sha,
        uint64_t *size, struct assay_error *err)
{
    *size = 0;
    while (spool->len > 0) {
        enum assay_status status =
                assay_blob_bound(spool->depot, spool->bytes_before, *size + spool->len, err);

        if (status == ASSAY_OK)
            status = assay_fs_write_all(fd, spool->chunk, spool->len, err);
        if (status != ASSAY_OK)
            return status;
        assay_sha256_add(sha, spool->chunk, spool->len);
        *size += spool->len;
        status = fill(spool, err);
        if (status != ASSAY_OK)
            return status;
    }
    return ASSAY_OK;
}

// A content larger than a chunk: through scratch, since its name is known at its end.
static enum assay_status spool_large(
        struct spool *spool, char hash[65], uint64_t *size, struct assay_error *err)
{
    struct assay_depot *depot = spool->depot;
    enum assay_status status = ASSAY_OK;
    struct assay_sha256 *sha = NULL;
    char name[BLOB_NAME_BYTES], scratch[32];
    bool named = false;
    int fd = -1;

    status = new_scratch(depot, scratch, &fd, err);
    if (status != ASSAY_OK)
        return status;
    status = assay_sha256_create(&sha, err);
    if (status == ASSAY_OK)
        status = write_chunks(spool, fd, sha, size, err);
    if (status != ASSAY_OK)
        goto out;
    assay_sha256_hex(sha, hash);
    blob_name(name, hash, spool->executable);
    if (!have_blob(depot, name, *size)) {
        status = publish(depot, scratch, fd, name, spool->executable, err);
        named = status == ASSAY_OK;
    }

out:
    if (!named)
        (void)unlinkat(depot->tmp_fd, scratch, 0);
    assay_sha256_destroy(sha);
    close(fd);
    return status;
}

// Most files end in their first chunk: a known one then costs no write at all.
static enum assay_status spool_small(
        struct spool *spool, char hash[65], uint64_t *size, struct assay_error *err)
{
    enum assay_status status = assay_blob_bound(spool->depot, spool->bytes_before, spool->len, err);

    if (status == ASSAY_OK)
        status = assay_sha256_bytes(hash, spool->chunk, spool->len, err);
    if (status == ASSAY_OK && spool->len > 0)
        status = assay_blob_store(
                spool->depot, hash, spool->executable, spool->chunk, spool->len, err);
    *size = spool->len;
    return status;
}

enum assay_status assay_blob_spool(struct assay_depot *depot, bool executable,
        assay_tree_source source, void *user, uint64_t bytes_before, char hash[65], uint64_t *size,
        struct assay_error *err)
{
    struct spool spool = {.depot = depot,
            .executable = executable,
            .source = source,
            .user = user,
            .bytes_before = bytes_before,
            .chunk = malloc(CHUNK_BYTES)};
    enum assay_status status = ASSAY_OK;

    if (spool.chunk == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "chunk");
    status = fill(&spool, err);
    if (status == ASSAY_OK)
        status = spool.len == CHUNK_BYTES ? spool_large(&spool, hash, size, err)
                                          : spool_small(&spool, hash, size, err);
    free(spool.chunk);
    return status;
}

// Put a fresh copy under the blob's name; the trees that have the old inode keep it.
static enum assay_status renew(
        struct assay_depot *depot, const char *name, bool executable, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    char scratch[32];
    char *chunk = NULL;
    ssize_t n = 0;
    int from_fd = -1, fd = -1;

    from_fd = openat(depot->blobs_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from_fd < 0)
        return assay_fail_errno(err, errno, "open blob %s", name);
    chunk = malloc(CHUNK_BYTES);
    if (chunk == NULL) {
        status = assay_fail(err, ASSAY_ENOMEM, "chunk");
        goto out;
    }
    status = new_scratch(depot, scratch, &fd, err);
    while (status == ASSAY_OK && (n = read(from_fd, chunk, CHUNK_BYTES)) > 0)
        status = assay_fs_write_all(fd, chunk, (size_t)n, err);
    if (n < 0)
        status = assay_fail_errno(err, errno, "read blob %s", name);
    if (status == ASSAY_OK)
        status = publish(depot, scratch, fd, name, executable, err);
    if (status != ASSAY_OK && fd >= 0)
        (void)unlinkat(depot->tmp_fd, scratch, 0);

out:
    free(chunk);
    if (fd >= 0)
        close(fd);
    close(from_fd);
    return status;
}

static bool is_full(const struct assay_depot *depot, const char *name)
{
    struct stat st;

    return depot->bounds.links_max != 0 &&
            fstatat(depot->blobs_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_nlink >= depot->bounds.links_max;
}

enum assay_status assay_blob_link(struct assay_depot *depot, const char *hash, bool executable,
        int dir_fd, const char *path, struct assay_error *err)
{
    char name[BLOB_NAME_BYTES];

    blob_name(name, hash, executable);
    // Others may fill the fresh copy before we get to it, so more than once.
    for (int i = 0; i < RENEWALS_MAX; i++) {
        enum assay_status status = ASSAY_OK;

        if (!is_full(depot, name)) {
            if (linkat(depot->blobs_fd, name, dir_fd, path, 0) == 0)
                return ASSAY_OK;
            // The copy that was looked up lost its last name to a newer one: look again.
            if (errno == ENOENT && i + 1 < RENEWALS_MAX)
                continue;
            if (errno != EMLINK)
                return assay_fail_errno(err, errno, "link blob %s to %s", name, path);
        }
        status = renew(depot, name, executable, err);
        if (status != ASSAY_OK)
            return status;
    }
    return assay_fail_errno(err, EMLINK, "link blob %s to %s", name, path);
}
