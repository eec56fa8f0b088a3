// SPDX-License-Identifier: MIT
#include "orchestrator/serve_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

struct token {
    char hash[ASSAY_SHA256_HEX_BYTES];
    enum assay_role role;
    char name[ASSAY_WHO_BYTES];
};

struct assay_tokens {
    struct token items[ASSAY_TOKENS_MAX];
    size_t count;
};

const char *assay_role_name(enum assay_role role)
{
    static const char *const names[] = {"none", "read", "run", "admin"};

    return names[role];
}

static enum assay_status add_line(struct assay_tokens *tokens, char *line, const char *path,
        size_t number, struct assay_error *err)
{
    char *rest = line;
    const char *role = strtok_r(line, " \t\r", &rest);
    const char *value = strtok_r(NULL, " \t\r", &rest);
    const char *name = strtok_r(NULL, " \t\r", &rest);
    struct token *token = &tokens->items[tokens->count];
    enum assay_role is = ASSAY_ROLE_ADMIN;

    if (role == NULL || role[0] == '#')
        return ASSAY_OK;
    if (tokens->count == ASSAY_TOKENS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%s: at most %d tokens", path, ASSAY_TOKENS_MAX);
    while (is != ASSAY_ROLE_NONE && strcmp(role, assay_role_name(is)) != 0)
        is--;
    if (is == ASSAY_ROLE_NONE)
        return assay_fail(err, ASSAY_EINVAL,
                "%s:%zu: a line begins with read, run or admin and has a token after it", path,
                number);
    if (value == NULL || strlen(value) < ASSAY_TOKEN_BYTES_MIN)
        return assay_fail(err, ASSAY_EINVAL, "%s:%zu: a token has %d characters or more", path,
                number, ASSAY_TOKEN_BYTES_MIN);
    token->role = is;
    if (name != NULL)
        snprintf(token->name, sizeof(token->name), "%s", name);
    else
        snprintf(token->name, sizeof(token->name), "%s-%zu", assay_role_name(is), number);
    tokens->count++;
    return assay_sha256_bytes(token->hash, value, strlen(value), err);
}

static enum assay_status read_private(
        struct assay_buf *text, const char *path, struct assay_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat;
    enum assay_status status = ASSAY_OK;

    if (fd < 0)
        return errno == ENOENT ? assay_fail(err, ASSAY_ENOTFOUND, "%s: no such file", path)
                               : assay_fail_errno(err, errno, "%s", path);
    if (fstat(fd, &stat) != 0)
        status = assay_fail_errno(err, errno, "%s", path);
    else if (!S_ISREG(stat.st_mode) || (stat.st_mode & 077) != 0 ||
            (stat.st_uid != geteuid() && stat.st_uid != 0))
        status = assay_fail(err, ASSAY_EREFUSED,
                "%s: others could read it: it must be your own file, mode 0600", path);
    else
        status = assay_fs_read_fd(text, fd, err);
    close(fd);
    return status;
}

enum assay_status assay_tokens_read(
        struct assay_tokens **out, const char *path, struct assay_error *err)
{
    struct assay_tokens *tokens = calloc(1, sizeof(*tokens));
    struct assay_buf text;
    size_t number = 0;
    char *rest = NULL;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&text, FILE_BYTES_MAX);
    if (tokens == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = read_private(&text, path, err);
    rest = text.len > 0 ? text.data : NULL;
    while (status == ASSAY_OK && rest != NULL) {
        char *line = strsep(&rest, "\n");

        status = add_line(tokens, line, path, ++number, err);
    }
    if (status == ASSAY_OK && tokens->count == 0)
        status = assay_fail(err, ASSAY_EINVAL, "%s: no token in it", path);
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    assay_buf_free(&text);
    if (status == ASSAY_OK)
        *out = tokens;
    else
        assay_tokens_free(tokens);
    return status;
}

void assay_tokens_free(struct assay_tokens *tokens)
{
    free(tokens);
}

// How many bytes differ; each is looked at.
static unsigned differ(const char *a, const char *b)
{
    unsigned bits = 0;

    for (size_t i = 0; i < ASSAY_SHA256_HEX_BYTES - 1; i++)
        bits |= (unsigned)(unsigned char)a[i] ^ (unsigned char)b[i];
    return bits;
}

enum assay_role assay_tokens_role_of(
        const struct assay_tokens *tokens, const char *token, char who[ASSAY_WHO_BYTES])
{
    char hash[ASSAY_SHA256_HEX_BYTES];
    enum assay_role role = ASSAY_ROLE_NONE;

    who[0] = '\0';
    if (tokens == NULL)
        return ASSAY_ROLE_ADMIN;
    if (token == NULL || assay_sha256_bytes(hash, token, strlen(token), NULL) != ASSAY_OK)
        return ASSAY_ROLE_NONE;
    for (size_t i = 0; i < tokens->count; i++) {
        if (differ(hash, tokens->items[i].hash) != 0)
            continue;
        role = tokens->items[i].role;
        snprintf(who, ASSAY_WHO_BYTES, "%s", tokens->items[i].name);
    }
    return role;
}

enum assay_role assay_tokens_role(
        const struct assay_tokens *tokens, const char *authorization, char who[ASSAY_WHO_BYTES])
{
    static const char scheme[] = "Bearer ";
    const size_t len = sizeof(scheme) - 1;
    const bool bears = authorization != NULL && strncasecmp(authorization, scheme, len) == 0;

    return assay_tokens_role_of(tokens, bears ? authorization + len : NULL, who);
}

// Length of the host in "host:port", without brackets and port; *host is moved past a bracket.
static size_t bare_host(const char **host)
{
    if (**host == '[') {
        const char *end = strchr(++*host, ']');

        return end != NULL ? (size_t)(end - *host) : 0;
    }
    return strcspn(*host, ":");
}

bool assay_host_is_ours(const char *host, const char *const *names, size_t name_count)
{
    static const char *const loopback[] = {"localhost", "127.0.0.1", "::1"};
    size_t len;

    if (host == NULL)
        return false;
    len = bare_host(&host);
    if (len == 0)
        return false;
    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++) {
        if (strlen(loopback[i]) == len && strncasecmp(host, loopback[i], len) == 0)
            return true;
    }
    for (size_t i = 0; i < name_count; i++) {
        if (strlen(names[i]) == len && strncasecmp(host, names[i], len) == 0)
            return true;
    }
    return false;
}
