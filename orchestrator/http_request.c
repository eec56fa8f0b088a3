// SPDX-License-Identifier: MIT
// http_request.c - from a client's bytes to a request that is handed over, and its end.
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "orchestrator/http_inner.h"

#define FORM_BYTES 65536 // libmicrohttpd's own, for one part's head and what it looks at

// Of a body that is too large as much again as may come is read and forgotten: a client that
// listens only at the end of what it sends is to hear of it. Then the connection is cut.

static void take_id(struct assay_http_request *r)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *given = assay_http_header(r, "X-Request-ID");
    const size_t len = given != NULL ? strlen(given) : 0;

    if (len > 0 && len < sizeof(r->id) && strspn(given, plain) == len)
        memcpy(r->id, given, len + 1);
    else if (assay_id_new(r->id, NULL) != ASSAY_OK)
        snprintf(r->id, sizeof(r->id), "none");
}

static struct assay_http_request *begin(struct assay_http *http, struct MHD_Connection *connection,
        const char *url, const char *method)
{
    const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct assay_http_link *link = info != NULL ? info->socket_context : NULL;
    struct assay_http_request *r = calloc(1, sizeof(*r));

    if (r == NULL || link == NULL || (r->path = strdup(url)) == NULL) {
        free(r);
        return NULL;
    }
    r->http = http;
    r->connection = connection;
    r->link = link;
    r->start_us = assay_clock_us();
    snprintf(r->method, sizeof(r->method), "%s", method);
    assay_buf_init(&r->body, http->options.body_bytes_max);
    pthread_mutex_init(&r->lock, NULL);
    take_id(r);
    pthread_mutex_lock(&http->lock);
    http->counts.requests++;
    http->open++;
    link->phase = ASSAY_HTTP_BODY;
    link->since_ms = assay_clock_ms();
    pthread_mutex_unlock(&http->lock);
    return r;
}

static void refuse_size(struct assay_http_request *r)
{
    struct assay_buf text;

    assay_buf_init(&text, 256);
    assay_buf_addf(&text, "{\"error\":{\"code\":\"too_large\",\"message\":\"at most %zu bytes\"}}",
            r->http->options.body_bytes_max);
    assay_http_reply(r, 413, "application/json", &text);
}

// Queue what was answered. `r->lock` is held.
static enum MHD_Result queue(const struct assay_http_request *r)
{
    return MHD_queue_response(r->connection, r->status, r->response);
}

// The head is there: somebody may know already that it is not wanted.
static enum MHD_Result look_at_head(struct assay_http_request *r)
{
    const char *length = assay_http_header(r, "Content-Length");

    r->http->options.admit(r->http->options.user, r);
    if (r->response == NULL && length != NULL &&
            strtoull(length, NULL, 10) > r->http->options.body_bytes_max)
        refuse_size(r);
    return r->response != NULL ? queue(r) : MHD_YES;
}

static enum MHD_Result take_body(struct assay_http_request *r, const char *data, size_t *size)
{
    const size_t max = r->http->options.body_bytes_max;

    if (r->over_limit || !assay_buf_add(&r->body, data, *size)) {
        assay_buf_free(&r->body);
        r->over_limit = true;
        r->forgotten += *size;
    }
    *size = 0;
    return r->forgotten > max ? MHD_NO : MHD_YES;
}

// Its connection goes to the feeds; libmicrohttpd asks again, and is told to close what it is left
// with. `r->lock` is held.
static enum MHD_Result take_feed(struct assay_http_request *r)
{
    if (r->feed == NULL)
        return MHD_NO;
    MHD_suspend_connection(r->connection);
    assay_http_feed_take(r);
    MHD_resume_connection(r->connection);
    return MHD_YES;
}

static enum MHD_Result hand_over(struct assay_http_request *r)
{
    enum MHD_Result result = MHD_YES;

    pthread_mutex_lock(&r->http->lock);
    r->link->phase = ASSAY_HTTP_BUSY;
    r->http->counts.pending++;
    pthread_mutex_unlock(&r->http->lock);
    r->handed = true;
    if (r->over_limit)
        refuse_size(r);
    else
        r->http->options.handle(r->http->options.user, r);
    pthread_mutex_lock(&r->lock);
    if (r->fed) {
        result = take_feed(r);
    } else if (r->response != NULL) {
        result = queue(r);
    } else {
        r->suspended = true;
        MHD_suspend_connection(r->connection);
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

enum MHD_Result assay_http_access(void *user, struct MHD_Connection *connection, const char *url,
        const char *method, const char *version, const char *data, size_t *size, void **state)
{
    struct assay_http_request *r = *state;
    enum MHD_Result result = MHD_YES;

    (void)version;
    if (r == NULL) {
        r = begin(user, connection, url, method);
        *state = r;
        return r != NULL ? look_at_head(r) : MHD_NO;
    }
    if (*size > 0)
        return take_body(r, data, size);
    if (!r->handed)
        return hand_over(r);
    pthread_mutex_lock(&r->lock); // resumed: it has been answered
    if (r->fed)
        result = take_feed(r);
    else
        result = r->response != NULL ? queue(r) : MHD_NO;
    pthread_mutex_unlock(&r->lock);
    return result;
}

// What changes nothing and went well is no news.
static enum assay_log_level level_of(const struct assay_http_request *r)
{
    if (r->status >= 500 && r->status != 503)
        return ASSAY_LOG_WARN;
    return r->status < 400 && strcmp(r->method, "GET") == 0 ? ASSAY_LOG_DEBUG : ASSAY_LOG_INFO;
}

static void tell(const struct assay_http_request *r, enum MHD_RequestTerminationCode code)
{
    char status[16], ms[24];

    snprintf(status, sizeof(status), "%u", r->status);
    snprintf(ms, sizeof(ms), "%.1f", (double)(assay_clock_us() - r->start_us) / 1000);
    assay_log(&r->http->log, level_of(r), "service", "request", "method", r->method, "path",
            r->path, "status", status, "ms", ms, "id", r->id, "who", r->who,
            code == MHD_REQUEST_TERMINATED_COMPLETED_OK ? NULL : "end", "cut", NULL);
}

void assay_http_completed(void *user, struct MHD_Connection *connection, void **state,
        enum MHD_RequestTerminationCode code)
{
    struct assay_http_request *r = *state;
    struct assay_http *http = user;

    (void)connection;
    if (r == NULL)
        return;
    *state = NULL;
    if (r->fed) // the connection went away by our own doing
        code = MHD_REQUEST_TERMINATED_COMPLETED_OK;
    tell(r, code);
    if (http->options.observe != NULL && (r->response != NULL || r->fed))
        http->options.observe(
                http->options.user, r->tag, r->status, assay_clock_us() - r->start_us);
    if (r->stream != NULL)
        assay_http_stream_gone(r->stream);
    if (r->feed != NULL) { // its connection ended before it was taken
        assay_http_stream_gone(r->feed);
        assay_http_stream_drop(r->feed);
    }
    if (r->upgrade != NULL)
        assay_http_upgrade_over(r->upgrade);
    pthread_mutex_lock(&http->lock);
    http->open--;
    pthread_cond_broadcast(&http->change);
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK) {
        r->link->phase = ASSAY_HTTP_HEAD;
        r->link->since_ms = assay_clock_ms();
        r->link->served = true;
    }
    pthread_mutex_unlock(&http->lock);
    if (r->response != NULL)
        MHD_destroy_response(r->response);
    pthread_mutex_destroy(&r->lock);
    assay_buf_free(&r->body);
    free(r->headers);
    free(r->path);
    free(r);
}

// --- what a handler asks ------------------------------------------------------------------------

struct assay_http *assay_http_of(const struct assay_http_request *request)
{
    return request->http;
}

const char *assay_http_method(const struct assay_http_request *request)
{
    return request->method;
}

const char *assay_http_path(const struct assay_http_request *request)
{
    return request->path;
}

struct assay_buf *assay_http_body(struct assay_http_request *request)
{
    return &request->body;
}

struct form {
    bool (*part)(void *user, const char *name, const char *bytes, size_t len);
    void *user;
};

static enum MHD_Result take_part(void *user, enum MHD_ValueKind kind, const char *name,
        const char *file, const char *type, const char *encoding, const char *bytes,
        uint64_t offset, size_t len)
{
    const struct form *form = user;

    (void)kind;
    (void)file;
    (void)type;
    (void)encoding;
    (void)offset;
    return form->part(form->user, name != NULL ? name : "", bytes, len) ? MHD_YES : MHD_NO;
}

bool assay_http_read_form(struct assay_http_request *request,
        bool (*part)(void *user, const char *name, const char *bytes, size_t len), void *user)
{
    struct form form = {part, user};
    struct MHD_PostProcessor *reader =
            MHD_create_post_processor(request->connection, FORM_BYTES, take_part, &form);
    bool read;

    if (reader == NULL)
        return false;
    read = MHD_post_process(reader, request->body.data, request->body.len) == MHD_YES;
    return MHD_destroy_post_processor(reader) == MHD_YES && read;
}

const char *assay_http_header(struct assay_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *assay_http_query(struct assay_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *assay_http_id(const struct assay_http_request *request)
{
    return request->id;
}

void assay_http_set_who(struct assay_http_request *request, unsigned role, const char *name)
{
    request->role = role;
    snprintf(request->who, sizeof(request->who), "%s", name);
}

void assay_http_set_tag(struct assay_http_request *request, unsigned tag)
{
    request->tag = tag;
}

unsigned assay_http_role(const struct assay_http_request *request)
{
    return request->role;
}

const char *assay_http_who(const struct assay_http_request *request)
{
    return request->who;
}

uint64_t assay_http_age_ms(const struct assay_http_request *request)
{
    return (assay_clock_us() - request->start_us) / 1000;
}

void assay_http_peer(const struct assay_http_request *request, char out[ASSAY_HTTP_PEER_BYTES])
{
    const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    out[0] = '\0';
    if (info != NULL && info->client_addr != NULL &&
            getnameinfo(info->client_addr,
                    info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                             : sizeof(struct sockaddr_in),
                    out, ASSAY_HTTP_PEER_BYTES, NULL, 0, NI_NUMERICHOST) != 0)
        out[0] = '\0';
}
