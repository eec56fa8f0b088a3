// SPDX-License-Identifier: MIT
// host_config.c - how the host reaches package registries, for boxes that set up an environment.
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "envs/depot_tree.h"
#include "envs/host.h"

#define CONFIG_BYTES_MAX ((size_t)16 << 20) // of one file: a bundle of certificates is 250 KB

struct reading {
    struct assay_host_config *config;
    struct assay_depot *depot;
    struct assay_environ *vars;
    const char *dir; // scratch/host
    unsigned copies;
};

static enum assay_status bind(
        struct reading *reading, const char *source, const char *target, struct assay_error *err)
{
    struct assay_host_config *config = reading->config;
    const size_t i = config->mount_count;

    if (i == ASSAY_HOST_MOUNTS_MAX)
        return assay_fail(err, ASSAY_ENOMEM, "more than %zu files of configuration", i);
    config->lowers[i] = assay_arena_strdup(reading->vars->arena, source);
    config->mounts[i] = (struct assay_mount){.kind = ASSAY_MOUNT_BIND_RO,
            .target = assay_arena_strdup(reading->vars->arena, target),
            .lowers = &config->lowers[i],
            .lower_count = 1};
    if (config->lowers[i] == NULL || config->mounts[i].target == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "configuration");
    config->mount_count++;
    return ASSAY_OK;
}

// A copy that the box's user may read, at `target`.
static enum assay_status bind_copy(struct reading *reading, const struct assay_buf *text,
        const char *target, struct assay_error *err)
{
    char name[32], path[PATH_MAX];
    enum assay_status status = ASSAY_OK;
    int fd = -1;

    snprintf(name, sizeof(name), "%u", reading->copies++);
    status = assay_depot_path(path, reading->dir, name, err);
    if (status != ASSAY_OK)
        return status;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return assay_fail_errno(err, errno, "copy configuration");
    status = assay_fs_write_all(fd, text->data, text->len, err);
    if (status == ASSAY_OK) // it may hold a password: for the box's user alone
        status = assay_depot_own(reading->depot, fd, 0600, err);
    close(fd);
    if (status == ASSAY_OK)
        status = bind(reading, path, target, err);
    return status;
}

// --- variables ----------------------------------------------------------------------------------

static bool is_one_of(const char *name, size_t len, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
            return true;
    return false;
}

static bool is_wanted(const char *name, size_t len)
{
    static const char *const names[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "GOPROXY", "GOSUMDB",
            "GONOSUMDB", "NPM_CONFIG_REGISTRY", "npm_config_registry"};
    // Where pip writes, and whether it installs at all, is not the host's to say.
    static const char *const unwanted[] = {"PIP_CACHE_DIR", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT",
            "PIP_LOG", "PIP_SRC", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_DRY_RUN", "PIP_REPORT",
            "PIP_PYTHON", "PIP_NO_CACHE_DIR", "PIP_BUILD", "PIP_DOWNLOAD_CACHE"};

    if (len > 4 && strncmp(name, "PIP_", 4) == 0)
        return !is_one_of(name, len, unwanted, sizeof(unwanted) / sizeof(unwanted[0]));
    if (len > 6 && strncasecmp(name + len - 6, "_PROXY", 6) == 0)
        return true;
    return is_one_of(name, len, names, sizeof(names) / sizeof(names[0]));
}

// A variable that names a file or folder of the host gets what the box calls it.
static enum assay_status add_variable(
        struct reading *reading, const char *pair, size_t name_len, struct assay_error *err)
{
    const char *value = pair + name_len + 1;
    char target[PATH_MAX];
    struct assay_buf text;
    struct stat st;
    enum assay_status status = ASSAY_OK;

    if (value[0] != '/' || stat(value, &st) != 0)
        return assay_environ_set(reading->vars, pair, err);
    snprintf(target, sizeof(target), "%s/%.*s", ASSAY_HOST_CONFIG_DIR, (int)name_len, pair);
    if (S_ISDIR(st.st_mode)) {
        status = bind(reading, value, target, err);
    } else {
        assay_buf_init(&text, CONFIG_BYTES_MAX);
        status = assay_fs_read_file(&text, value, err);
        if (status == ASSAY_OK)
            status = bind_copy(reading, &text, target, err);
        assay_buf_free(&text);
    }
    if (status != ASSAY_OK) {
        (void)assay_wrap(err, "%.*s", (int)name_len, pair);
        return status;
    }
    return assay_environ_setf(reading->vars, err, "%.*s=%s", (int)name_len, pair, target);
}

static enum assay_status add_variables(struct reading *reading, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (char **pair = environ; status == ASSAY_OK && pair != NULL && *pair != NULL; pair++) {
        const size_t name_len = strcspn(*pair, "=");

        if ((*pair)[name_len] == '=' && is_wanted(*pair, name_len))
            status = add_variable(reading, *pair, name_len, err);
    }
    return status;
}

// --- pip's files --------------------------------------------------------------------------------

// Certificates that a pip.conf names are wanted under the same path. What lies
// below /usr and /etc/ssl is in the box already.
static enum assay_status bind_named(
        struct reading *reading, const char *line, size_t len, struct assay_error *err)
{
    static const char *const keys[] = {"cert", "client-cert", "client_cert"};
    const char *equals = memchr(line, '=', len);
    const char *end = line + len;
    char path[PATH_MAX];
    struct assay_buf text;
    enum assay_status status = ASSAY_OK;
    size_t key_len = 0;

    if (equals == NULL)
        return ASSAY_OK;
    while (line < equals && (*line == ' ' || *line == '\t'))
        line++;
    key_len = (size_t)(equals - line);
    while (key_len > 0 && (line[key_len - 1] == ' ' || line[key_len - 1] == '\t'))
        key_len--;
    if (!is_one_of(line, key_len, keys, sizeof(keys) / sizeof(keys[0])))
        return ASSAY_OK;
    for (equals++; equals < end && (*equals == ' ' || *equals == '\t'); equals++)
        ;
    while (end > equals && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    if (equals == end || *equals != '/' || (size_t)(end - equals) >= sizeof(path))
        return ASSAY_OK;
    snprintf(path, sizeof(path), "%.*s", (int)(end - equals), equals);
    if (strncmp(path, "/usr/", 5) == 0 || strncmp(path, "/etc/ssl/", 9) == 0)
        return ASSAY_OK;
    assay_buf_init(&text, CONFIG_BYTES_MAX);
    // A certificate that is not there is pip's to complain about.
    if (assay_fs_read_file(&text, path, NULL) == ASSAY_OK)
        status = bind_copy(reading, &text, path, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status add_pip_file(
        struct reading *reading, const char *path, const char *target, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&text, CONFIG_BYTES_MAX);
    if (assay_fs_read_file(&text, path, NULL) != ASSAY_OK)
        goto out; // most hosts have one of the three, or none
    status = bind_copy(reading, &text, target, err);
    for (const char *line = text.data; status == ASSAY_OK && *line != '\0';) {
        const size_t len = strcspn(line, "\n");

        status = bind_named(reading, line, len, err);
        line += len + (line[len] == '\n');
    }

out:
    assay_buf_free(&text);
    return status;
}

static enum assay_status add_pip_files(struct reading *reading, struct assay_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *home = getenv("HOME");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): as above
    const char *config = getenv("XDG_CONFIG_HOME");
    char path[PATH_MAX];
    enum assay_status status = add_pip_file(reading, "/etc/pip.conf", "/etc/pip.conf", err);

    if (status != ASSAY_OK || home == NULL)
        return status;
    if (config != NULL && config[0] == '/')
        status = assay_depot_path(path, config, "pip/pip.conf", err);
    else
        status = assay_depot_path(path, home, ".config/pip/pip.conf", err);
    if (status == ASSAY_OK)
        status = add_pip_file(reading, path, "/home/box/.config/pip/pip.conf", err);
    if (status == ASSAY_OK)
        status = assay_depot_path(path, home, ".pip/pip.conf", err);
    if (status == ASSAY_OK)
        status = add_pip_file(reading, path, "/home/box/.pip/pip.conf", err);
    return status;
}

// --- apt's sources ------------------------------------------------------------------------------

// The lists of sources, one after the other: where this host's packages come from. They are for
// reading hosts out of (registry.c, ASSAY_APT_SOURCES); apt's own configuration is not the box's.
static enum assay_status add_apt_sources(struct reading *reading, struct assay_error *err)
{
    struct assay_buf text;
    glob_t found = {.gl_pathc = 0};
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&text, CONFIG_BYTES_MAX);
    // NOLINTBEGIN(concurrency-mt-unsafe): without GLOB_ALTDIRFUNC and tildes it is safe
    if (glob("/etc/apt/sources.lis[t]", 0, NULL, &found) == 0)
        (void)glob("/etc/apt/sources.list.d/*", GLOB_APPEND, NULL, &found);
    else
        (void)glob("/etc/apt/sources.list.d/*", 0, NULL, &found);
    // NOLINTEND(concurrency-mt-unsafe)
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (assay_fs_read_file(&text, found.gl_pathv[i], NULL) == ASSAY_OK)
            assay_buf_addc(&text, '\n');
    globfree(&found);
    if (text.len > 0)
        status = bind_copy(reading, &text, ASSAY_APT_SOURCES, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status assay_host_config_read(struct assay_host_config *out, struct assay_depot *depot,
        const char *scratch, struct assay_environ *environment, struct assay_error *err)
{
    static const char *const fixed[] = {
            "PIP_NO_CACHE_DIR=1", "PIP_NO_INPUT=1", "PIP_DISABLE_PIP_VERSION_CHECK=1"};
    char dir[PATH_MAX];
    struct reading reading = {
            .config = out, .depot = depot, .vars = environment, .dir = dir, .copies = 0};
    enum assay_status status = assay_depot_path(dir, scratch, "host", err);

    memset(out, 0, sizeof(*out));
    if (status == ASSAY_OK)
        status = assay_depot_mkdir(depot, AT_FDCWD, dir, err);
    if (status == ASSAY_OK)
        status = add_variables(&reading, err);
    if (status == ASSAY_OK)
        status = add_pip_files(&reading, err);
    if (status == ASSAY_OK)
        status = add_apt_sources(&reading, err);
    for (size_t i = 0; status == ASSAY_OK && i < sizeof(fixed) / sizeof(fixed[0]); i++)
        status = assay_environ_set(environment, fixed[i], err);
    return status;
}
