// SPDX-License-Identifier: MIT
#include "envs/registry.h"

#include <string.h>
#include <strings.h>

#include "envs/host.h"
#include "envs/setup.h"
#include "tasks/hosts.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

// Where each tool's own configuration, in files and variables, says nothing, its own default holds.
static const char script[] =
        "p=/usr/bin/python3\n"
        "c=$($p -m pip config list 2>/dev/null)\n"
        "printf '%s\\n' \"$c\"\n"
        "case \"$c\" in\n"
        "*.index-url=*) ;;\n"
        "*) $p -c 'from pip._internal.models.index import PyPI; print(PyPI.url, "
        "\"https://\" + PyPI.file_storage_domain)' 2>/dev/null ;;\n"
        "esac\n"
        "if command -v npm >/dev/null; then npm config get registry 2>/dev/null; fi\n"
        "if command -v go >/dev/null; then go env GOPROXY 2>/dev/null; "
        "echo \"https://$(go env GOSUMDB 2>/dev/null)\"; fi\n"
        "grep -v '^ *#' " ASSAY_APT_SOURCES " 2>/dev/null\n"
        "true\n";

static bool is_known(const struct assay_strings *list, const char *entry)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], entry) == 0)
            return true;
    return false;
}

// "USER:PASSWORD@HOST:PORT" behind a scheme, as an entry; NULL: it is none, or no memory.
static const char *read_authority(
        const char *text, const char *port_default, struct assay_arena *arena)
{
    size_t len = strcspn(text, "/?#'\" \t\r\n,;|\\");
    const char *at = memrchr(text, '@', len);
    struct assay_host_rule rule;
    const char *entry = NULL;

    if (at != NULL) {
        len -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    entry = assay_arena_printf(
            arena, "%.*s%s", (int)len, text, memchr(text, ':', len) == NULL ? port_default : "");
    return entry != NULL && strchr(entry, '*') == NULL &&
                    assay_host_rule_read(&rule, entry, NULL) == ASSAY_OK
            ? entry
            : NULL;
}

enum assay_status assay_registry_urls(struct assay_strings *out, const char *text,
        struct assay_arena *arena, struct assay_error *err)
{
    const char **items = assay_arena_array(arena, ASSAY_REGISTRIES_MAX, sizeof(*items));
    struct assay_strings found = {items, 0};
    const char *const start = text;

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "registries");
    while (found.count < ASSAY_REGISTRIES_MAX && (text = strstr(text, "://")) != NULL) {
        const bool https = text - start >= 5 && strncasecmp(text - 5, "https", 5) == 0;
        const bool http = text - start >= 4 && strncasecmp(text - 4, "http", 4) == 0;
        const char *port = https ? ":443" : http ? ":80" : NULL;
        const char *entry = NULL;

        text += 3;
        entry = port != NULL ? read_authority(text, port, arena) : NULL;
        if (entry != NULL && !is_known(&found, entry))
            items[found.count++] = entry;
    }
    *out = found;
    return ASSAY_OK;
}

enum assay_status assay_registry_hosts(struct assay_strings *out, struct assay_depot *depot,
        struct assay_sandbox *sandbox, struct assay_arena *arena, struct assay_error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct assay_buf text;
    const struct assay_setup setup = {
            .name = "registries", .argv = argv, .log_fd = -1, .output = &text};
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&text, TEXT_BYTES_MAX);
    status = assay_setup_run(depot, sandbox, &setup, err);
    if (status == ASSAY_OK)
        status = assay_registry_urls(out, text.data, arena, err);
    else
        (void)assay_wrap(err, "ask package managers for their registries");
    assay_buf_free(&text);
    return status;
}
