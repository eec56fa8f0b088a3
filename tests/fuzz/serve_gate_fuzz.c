// SPDX-License-Identifier: MIT
// What must hold at the gate: a token opens it only as its file says, a host is ours only by one of
// our names, and a path that is found is its route's pattern with something in it. An input is
// lines: a host, an Authorization, a method, a path; what follows is a file of tokens.
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "orchestrator/serve_parts.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINE_MAX_BYTES 1024

static void must(bool holds)
{
    if (!holds)
        abort();
}

// Another way to say it: one of the names, in brackets, or with at most a port after it.
static bool is_named(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1", "grader.example"};
    const bool bracket = host[0] == '[';

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const size_t len = strlen(names[i]);
        const char *rest = host + bracket + len;

        if (strncasecmp(host + bracket, names[i], len) == 0 &&
                (bracket ? *rest == ']' : *rest == '\0' || *rest == ':'))
            return true;
    }
    return false;
}

static void check_host(const char *host)
{
    static const char *const ours[] = {"grader.example"};

    if (assay_host_is_ours(host, ours, 1))
        must(is_named(host));
}

static void check_route(const char *method, const char *path)
{
    const char *argument = "";
    char allowed[64];
    size_t len = 0;
    const struct assay_service_route *route =
            assay_service_route_find(method, path, allowed, sizeof(allowed), &argument, &len);
    const char *star;

    if (route == NULL) {
        must(memchr(allowed, '\0', sizeof(allowed)) != NULL);
        return;
    }
    star = strchr(route->path, '*');
    must(len < ASSAY_SERVE_ARGUMENT_BYTES && memchr(argument, '/', len) == NULL);
    must(strlen(path) == strlen(route->path) - (star != NULL) + len);
    must((star == NULL) == (len == 0));
}

static void check_tokens(const char *authorization, const uint8_t *file, size_t size)
{
    struct assay_tokens *tokens = NULL;
    char path[32];
    const int fd = memory_file(path, file, size);

    if (fd < 0)
        return;
    if (fchmod(fd, S_IRUSR | S_IWUSR) == 0 && assay_tokens_read(&tokens, path, NULL) == ASSAY_OK) {
        char who[ASSAY_WHO_BYTES];
        const enum assay_role role = assay_tokens_role(tokens, authorization, who);

        must(memchr(who, '\0', sizeof(who)) != NULL);
        must((role == ASSAY_ROLE_NONE) == (who[0] == '\0'));
        if (role != ASSAY_ROLE_NONE)
            must(strlen(authorization) >= strlen("Bearer ") + ASSAY_TOKEN_BYTES_MIN &&
                    memmem(file, size, authorization + 7, strlen(authorization + 7)) != NULL);
        must(assay_tokens_role(tokens, NULL, who) == ASSAY_ROLE_NONE);
    }
    assay_tokens_free(tokens);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char lines[4][LINE_MAX_BYTES] = {""};
    size_t at = 0;

    for (size_t i = 0; i < 4; i++) {
        size_t len = 0;

        for (; at < size && data[at] != '\n'; at++)
            if (data[at] != '\0' && len + 1 < sizeof(lines[i]))
                lines[i][len++] = (char)data[at];
        lines[i][len] = '\0';
        at += at < size;
    }
    check_host(lines[0]);
    check_route(lines[2], lines[3]);
    check_tokens(lines[1], data + at, size - at);
    return 0;
}
