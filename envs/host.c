// SPDX-License-Identifier: MIT
// host.c - a digest of what the host's /usr holds.
#include "envs/host.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"

#define STATUS_BYTES_MAX ((size_t)64 << 20)
#define PACKAGES_MAX 65536

// --- the package list, as `dpkg-query -W` would print it, without starting it -------------------

struct packages {
    char *lines[PACKAGES_MAX]; // "name:arch version", owned
    size_t count;
};

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The value of a field in one stanza: [*out, *out + return). 0: not there.
static size_t field(const char *stanza, const char *end, const char *name, const char **out)
{
    const size_t name_len = strlen(name);

    for (const char *line = stanza; line < end;) {
        const char *line_end = memchr(line, '\n', (size_t)(end - line));

        if (line_end == NULL)
            line_end = end;
        if ((size_t)(line_end - line) > name_len && memcmp(line, name, name_len) == 0) {
            *out = line + name_len;
            return (size_t)(line_end - *out);
        }
        line = line_end + 1;
    }
    return 0;
}

static void add_stanza(struct packages *packages, const char *stanza, const char *end)
{
    static const char installed[] = " ok installed";
    const char *name = NULL, *arch = NULL, *version = NULL, *status = NULL;
    const size_t name_len = field(stanza, end, "Package: ", &name);
    const size_t arch_len = field(stanza, end, "Architecture: ", &arch);
    const size_t version_len = field(stanza, end, "Version: ", &version);
    const size_t status_len = field(stanza, end, "Status: ", &status);
    struct assay_buf line;

    if (name_len == 0 || version_len == 0 || status_len < sizeof(installed) - 1 ||
            memcmp(status + status_len - (sizeof(installed) - 1), installed,
                    sizeof(installed) - 1) != 0 ||
            packages->count == PACKAGES_MAX)
        return;
    assay_buf_init(&line, 4096);
    assay_buf_add(&line, name, name_len);
    assay_buf_addc(&line, ':');
    assay_buf_add(&line, arch, arch_len);
    assay_buf_addc(&line, ' ');
    assay_buf_add(&line, version, version_len);
    packages->lines[packages->count] = strdup(line.data);
    packages->count += packages->lines[packages->count] != NULL;
    assay_buf_free(&line);
}

static bool add_packages(struct assay_sha256 *sha)
{
    struct packages *packages = calloc(1, sizeof(*packages));
    struct assay_buf text;
    bool found = false;

    if (packages == NULL)
        return false;
    assay_buf_init(&text, STATUS_BYTES_MAX);
    if (assay_fs_read_file(&text, "/var/lib/dpkg/status", NULL) == ASSAY_OK) {
        for (const char *stanza = text.data; *stanza != '\0';) {
            const char *end = strstr(stanza, "\n\n");

            if (end == NULL)
                end = text.data + text.len;
            add_stanza(packages, stanza, end);
            stanza = end + strspn(end, "\n");
        }
    }
    assay_buf_free(&text);
    if (packages->count > 0)
        qsort(packages->lines, packages->count, sizeof(packages->lines[0]), compare_lines);
    for (size_t i = 0; i < packages->count; i++) {
        assay_sha256_field_text(sha, packages->lines[i]);
        free(packages->lines[i]);
    }
    found = packages->count > 0;
    free(packages);
    return found;
}

// --- hosts without dpkg -------------------------------------------------------------------------

static void add_times(struct assay_sha256 *sha)
{
    static const char *const places[] = {"/usr", "/usr/bin", "/usr/lib", "/usr/lib64",
            "/usr/libexec", "/usr/sbin", "/usr/share"};
    struct assay_buf release;

    assay_buf_init(&release, 65536);
    if (assay_fs_read_file(&release, "/etc/os-release", NULL) == ASSAY_OK)
        assay_sha256_field(sha, release.data, release.len);
    assay_buf_free(&release);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct stat st;

        if (stat(places[i], &st) == 0) {
            assay_sha256_field_text(sha, places[i]);
            assay_sha256_field(sha, &st.st_mtim.tv_sec, sizeof(st.st_mtim.tv_sec));
            assay_sha256_field(sha, &st.st_mtim.tv_nsec, sizeof(st.st_mtim.tv_nsec));
        }
    }
}

// Once a process: packages that change under a running evaluation are seen by the next one.
static pthread_mutex_t digest_lock = PTHREAD_MUTEX_INITIALIZER;
static char digest[ASSAY_SHA256_HEX_BYTES];

static enum assay_status find_digest(struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay host 1");
    if (!add_packages(sha))
        add_times(sha);
    assay_sha256_hex(sha, digest);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

enum assay_status assay_host_digest(char hex[65], struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    pthread_mutex_lock(&digest_lock);
    if (digest[0] == '\0')
        status = find_digest(err);
    if (status == ASSAY_OK)
        memcpy(hex, digest, sizeof(digest));
    pthread_mutex_unlock(&digest_lock);
    return status;
}

// --- an image -----------------------------------------------------------------------------------

static enum assay_status add_image_entry(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct assay_sha256 *sha = user;
    const uint64_t numbers[] = {entry->stat.st_mode, (uint64_t)entry->stat.st_size,
            (uint64_t)entry->stat.st_mtim.tv_sec, (uint64_t)entry->stat.st_mtim.tv_nsec};

    (void)err;
    assay_sha256_field_text(sha, entry->path);
    // A directory's size and time say how it was filled, not with what.
    assay_sha256_field(
            sha, numbers, S_ISDIR(entry->stat.st_mode) ? sizeof(numbers[0]) : sizeof(numbers));
    return ASSAY_OK;
}

enum assay_status assay_image_digest(char hex[65], int dir_fd, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay image 1");
    status = assay_fs_walk(dir_fd, 4096, add_image_entry, sha, err);
    if (status == ASSAY_OK)
        assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
    return status;
}
