// SPDX-License-Identifier: MIT
// depot_archive.c - tar and zip through libarchive, as an import.
//
// Nothing is unpacked: contents go to blobs and names into the builder's list,
// so no entry can lead a later one astray (links are never followed, paths with
// ".." are refused, devices have no place in the list).
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "envs/depot_tree.h"

#define READ_BYTES ((size_t)256 * 1024)

// Decompressors of the library itself only: some of its filters start programs.
static int support(struct archive *archive)
{
    static int (*const setters[])(struct archive *) = {archive_read_support_format_tar,
            archive_read_support_format_gnutar, archive_read_support_format_zip,
            archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
            archive_read_support_filter_xz, archive_read_support_filter_lzma,
            archive_read_support_filter_zstd, archive_read_support_filter_lz4,
            archive_read_support_filter_compress};

    for (size_t i = 0; i < sizeof(setters) / sizeof(setters[0]); i++)
        if (setters[i](archive) != ARCHIVE_OK)
            return ARCHIVE_FATAL;
    return ARCHIVE_OK;
}

static const char *reason(struct archive *archive)
{
    const char *text = archive_error_string(archive);

    return text == NULL ? "unreadable" : text;
}

static enum assay_status read_data(
        void *user, void *bytes, size_t size, size_t *got, struct assay_error *err)
{
    struct archive *archive = user;
    la_ssize_t n = 0;

    do
        n = archive_read_data(archive, bytes, size);
    while (n == ARCHIVE_RETRY);
    // A warning (a bad checksum in a zip, say) means wrong content as surely as an error.
    if (n < 0)
        return assay_fail(err, ASSAY_EINVAL, "%.150s", reason(archive));
    *got = (size_t)n;
    return ASSAY_OK;
}

// Names come in the characters of the thread's locale, or not at all if it does
// not have them. In UTF-8 they come as they are, whatever the process speaks.
struct speech {
    locale_t utf8, before;
};

static void speak_utf8(struct speech *speech)
{
    speech->before = (locale_t)0;
    speech->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (speech->utf8 != (locale_t)0)
        speech->before = uselocale(speech->utf8);
}

static void speak_as_before(struct speech *speech)
{
    if (speech->utf8 == (locale_t)0)
        return;
    uselocale(speech->before);
    freelocale(speech->utf8);
}

// "./a//b/" -> "a/b"; false: absolute, or the root itself ("" in out).
static bool clean_path(char out[PATH_MAX], const char *path)
{
    size_t len = 0;

    if (path[0] == '/')
        return false;
    while (*path != '\0') {
        const size_t part = strcspn(path, "/");

        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (len + part + 2 > PATH_MAX)
                return false;
            if (len > 0)
                out[len++] = '/';
            memcpy(out + len, path, part);
            len += part;
        }
        path += part;
        path += *path == '/';
    }
    out[len] = '\0';
    return true;
}

static enum assay_status add_hard_link(struct assay_tree_builder *builder, const char *path,
        const char *target, struct assay_error *err)
{
    char clean[PATH_MAX];

    if (!clean_path(clean, target))
        return assay_fail(
                err, ASSAY_EINVAL, "%.120s: hard link out of the archive: '%.80s'", path, target);
    return assay_tree_add_hard_link(builder, path, clean, err);
}

static enum assay_status add_regular(struct assay_tree_builder *builder, struct archive *archive,
        struct archive_entry *entry, const char *path, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    // Said before it is read: a hole of an exabyte takes no room in the archive.
    if (archive_entry_size_is_set(entry))
        status = assay_blob_bound(builder->depot, builder->bytes,
                archive_entry_size(entry) < 0 ? UINT64_MAX : (uint64_t)archive_entry_size(entry),
                err);
    if (status == ASSAY_OK)
        status = assay_tree_add_file(
                builder, path, (archive_entry_perm(entry) & S_IXUSR) != 0, read_data, archive, err);
    if (status != ASSAY_OK)
        (void)assay_wrap(err, "%.120s", path);
    return status;
}

static enum assay_status add_entry(struct assay_tree_builder *builder, struct archive *archive,
        struct archive_entry *entry, struct assay_error *err)
{
    char path[PATH_MAX];
    const char *name = archive_entry_pathname(entry);
    const char *hard = NULL, *target = NULL;

    if (name == NULL)
        return assay_fail(err, ASSAY_EINVAL, "an entry has no readable name");
    if (!clean_path(path, name))
        return assay_fail(err, ASSAY_EINVAL, "absolute or too long path: '%.150s'", name);
    if (path[0] == '\0')
        return ASSAY_OK; // "./"
    hard = archive_entry_hardlink(entry);
    if (hard != NULL)
        return add_hard_link(builder, path, hard, err);
    switch (archive_entry_filetype(entry)) {
    case AE_IFDIR:
        return assay_tree_add_dir(builder, path, err);
    case AE_IFREG:
        return add_regular(builder, archive, entry, path, err);
    case AE_IFLNK:
        target = archive_entry_symlink(entry);
        return assay_tree_add_link(builder, path, target == NULL ? "" : target, err);
    default:
        return assay_fail(err, ASSAY_EINVAL, "%.150s: neither file, directory nor link", path);
    }
}

enum assay_status assay_archive_read_into(
        struct assay_tree_builder *builder, int fd, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct archive_entry *entry = NULL;
    struct archive *archive = archive_read_new();
    struct speech speech;
    int result = ARCHIVE_OK;

    if (archive == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "archive");
    speak_utf8(&speech);
    if (support(archive) != ARCHIVE_OK || lseek(fd, 0, SEEK_SET) != 0 ||
            archive_read_open_fd(archive, fd, READ_BYTES) != ARCHIVE_OK) {
        status = assay_fail(err, ASSAY_EINVAL, "not a tar or zip: %.150s", reason(archive));
        goto out;
    }
    while (status == ASSAY_OK) {
        result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF)
            break;
        // A warning here is about names or owners that this host cannot show; add_entry() judges.
        if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
            status = assay_fail(err, ASSAY_EINVAL, "%.200s", reason(archive));
        else
            status = add_entry(builder, archive, entry, err);
    }
    // One that holds nothing is a broken download more often than an empty project.
    if (status == ASSAY_OK && builder->count == 0)
        status = assay_fail(err, ASSAY_EINVAL, "holds no entry");

out:
    (void)archive_read_free(archive);
    speak_as_before(&speech);
    return status;
}

// What the import comes from: the archive's bytes and what is left out of it.
static enum assay_status archive_key(char key[80], const char *sha256,
        const struct assay_strings *ignore, struct assay_error *err)
{
    char hex[ASSAY_SHA256_HEX_BYTES];
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, sha256);
    for (size_t i = 0; ignore != NULL && i < ignore->count; i++)
        assay_sha256_field_text(sha, ignore->items[i]);
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    snprintf(key, 80, "archive-%s", hex);
    return ASSAY_OK;
}

static enum assay_status import_archive(struct assay_depot *depot, int fd,
        const struct assay_strings *ignore, char hash[65], struct assay_error *err)
{
    struct assay_tree_builder builder = {0};
    enum assay_status status = assay_tree_begin(&builder, depot, err);

    if (status == ASSAY_OK)
        status = assay_archive_read_into(&builder, fd, err);
    if (status == ASSAY_OK)
        status = assay_tree_settle(&builder, err);
    if (status == ASSAY_OK) {
        assay_tree_strip_top(&builder);
        assay_tree_ignore(&builder, ignore);
        status = assay_tree_commit(&builder, hash, err);
    }
    assay_tree_end(&builder);
    return status;
}

enum assay_status assay_depot_add_archive(struct assay_depot *depot, const char *file,
        const char *sha256, const struct assay_strings *ignore, char hash[65],
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    char found[ASSAY_SHA256_HEX_BYTES], key[80];
    struct stat st;
    int fd = -1;

    if (strstr(file, "://") != NULL)
        return assay_fail(err, ASSAY_EINVAL, "%.150s has to be downloaded first", file);
    fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? assay_fail(err, ASSAY_ENOTFOUND, "no file %.200s", file)
                               : assay_fail_errno(err, errno, "open %.150s", file);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        status = assay_fail(err, ASSAY_EINVAL, "%.200s is not a regular file", file);
        goto out;
    }
    status = assay_sha256_fd(found, fd, err);
    if (status == ASSAY_OK && sha256 != NULL && strcasecmp(sha256, found) != 0)
        status = assay_fail(
                err, ASSAY_EINVAL, "%.80s: SHA-256 is %s, not %.64s", file, found, sha256);
    if (status == ASSAY_OK)
        status = archive_key(key, found, ignore, err);
    if (status != ASSAY_OK || assay_depot_recall(depot, key, hash))
        goto out;
    status = import_archive(depot, fd, ignore, hash, err);
    if (status == ASSAY_OK)
        assay_depot_remember(depot, key, hash);
    else
        (void)assay_wrap(err, "%.100s", file);

out:
    close(fd);
    return status;
}
