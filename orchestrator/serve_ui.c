// SPDX-License-Identifier: MIT
// serve_ui.c - the dashboard's files, embedded by the build: GET / and GET /ui/NAME.
//
// They are the same for everybody, hold nothing of the store, and so need no token; all that they
// show comes from routes that do.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "orchestrator/serve_parts.h"

// Nothing from elsewhere, nothing inline: a text of a model can be no program here.
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#define FILES(X)                                                                                   \
    X(index, "index.html", "text/html; charset=utf-8")                                             \
    X(style, "style.css", "text/css; charset=utf-8")                                               \
    X(icon, "icon.svg", "image/svg+xml")                                                           \
    X(app, "app.js", "text/javascript; charset=utf-8")                                             \
    X(api, "api.js", "text/javascript; charset=utf-8")                                             \
    X(dom, "dom.js", "text/javascript; charset=utf-8")                                             \
    X(list, "list.js", "text/javascript; charset=utf-8")                                           \
    X(chart, "chart.js", "text/javascript; charset=utf-8")                                         \
    X(runs, "runs.js", "text/javascript; charset=utf-8")                                           \
    X(attempt, "attempt.js", "text/javascript; charset=utf-8")                                     \
    X(train, "train.js", "text/javascript; charset=utf-8")                                         \
    X(fleet, "fleet.js", "text/javascript; charset=utf-8")                                         \
    X(episode, "episode.js", "text/javascript; charset=utf-8")

#define DECLARE(symbol, name, type)                                                                \
    extern const char assay_ui_##symbol[];                                                         \
    extern const size_t assay_ui_##symbol##_len;
FILES(DECLARE)

static const struct file {
    const char *name, *type, *bytes;
    const size_t *len;
} files[] = {
#define ROW(symbol, name, type) {name, type, assay_ui_##symbol, &assay_ui_##symbol##_len},
        FILES(ROW)
#undef ROW
};

static const struct file *find(const char *name)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (strcmp(files[i].name, name) == 0)
            return &files[i];
    }
    return NULL;
}

static void reply_file(struct assay_service_call *call, const struct file *file)
{
    struct assay_http_request *request = call->request;
    const char *known = assay_http_header(request, "If-None-Match");
    char tag[24];
    struct assay_buf body;

    snprintf(tag, sizeof(tag), "\"%016" PRIx64 "\"", assay_hash64(file->bytes, *file->len));
    assay_http_add_header(request, "Content-Security-Policy", POLICY);
    assay_http_add_header(request, "Referrer-Policy", "no-referrer");
    assay_http_add_header(request, "Cross-Origin-Resource-Policy", "same-origin");
    assay_http_add_header(request, "Cache-Control", "no-cache");
    assay_http_add_header(request, "ETag", tag);
    assay_buf_init(&body, *file->len + 1);
    if (known != NULL && strcmp(known, tag) == 0) {
        assay_http_reply(request, 304, NULL, &body);
        return;
    }
    (void)assay_buf_add(&body, file->bytes, *file->len);
    assay_http_reply(request, 200, file->type, &body);
}

void assay_service_ui(struct assay_service_call *call)
{
    reply_file(call, find("index.html"));
}

void assay_service_ui_file(struct assay_service_call *call)
{
    const struct file *file = find(call->argument);

    if (file != NULL)
        reply_file(call, file);
    else
        assay_service_refuse(call->request, 404, "enotfound", "no such file");
}
