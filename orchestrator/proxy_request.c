// SPDX-License-Identifier: MIT
#include "orchestrator/proxy_request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FIELDS_MAX 100
#define METHOD_BYTES_MAX 31

enum { MORE = 0, OK = 200, BAD = 400, NO_LENGTH = 411, TOO_LARGE = 431, NO_SCHEME = 501 };

struct span {
    const char *data;
    size_t len;
};

// One field line.
struct field {
    struct span name, value;
};

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool all_tokens(struct span span)
{
    for (size_t i = 0; i < span.len; i++)
        if (!is_token(span.data[i]))
            return false;
    return span.len > 0;
}

static bool span_is(struct span span, const char *text)
{
    return span.len == strlen(text) && strncasecmp(span.data, text, span.len) == 0;
}

static struct span trim(struct span span)
{
    while (span.len > 0 && (span.data[0] == ' ' || span.data[0] == '\t')) {
        span.data++;
        span.len--;
    }
    while (span.len > 0 && (span.data[span.len - 1] == ' ' || span.data[span.len - 1] == '\t'))
        span.len--;
    return span;
}

// --- lines ---------------------------------------------------------------------------------------

// Bytes up to and with the empty line; 0: not there yet.
static size_t find_end(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - bytes) + 4;
}

// Every line ends with CR LF; no other control character but tabs, and no byte beyond ASCII.
static bool is_clean(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)bytes[i];

        if (c == '\r' && i + 1 < len && bytes[i + 1] == '\n')
            i++;
        else if ((c < 0x20 && c != '\t') || c >= 0x7f)
            return false;
    }
    return true;
}

static struct span take_line(struct span *rest)
{
    const char *end = memmem(rest->data, rest->len, "\r\n", 2);
    struct span line = {rest->data, end == NULL ? rest->len : (size_t)(end - rest->data)};
    const size_t used = line.len + (end == NULL ? 0 : 2);

    rest->data += used;
    rest->len -= used;
    return line;
}

// A name, a colon right behind it, a value. Continued lines begin with a space: no name.
static bool read_field(struct field *out, struct span line)
{
    const char *colon = memchr(line.data, ':', line.len);

    if (colon == NULL)
        return false;
    out->name = (struct span){line.data, (size_t)(colon - line.data)};
    out->value = trim((struct span){colon + 1, line.len - out->name.len - 1});
    return all_tokens(out->name);
}

// --- where to ------------------------------------------------------------------------------------

static void show(char out[ASSAY_PROXY_SHOWN_BYTES], struct span text)
{
    size_t len = text.len < ASSAY_PROXY_SHOWN_BYTES - 1 ? text.len : ASSAY_PROXY_SHOWN_BYTES - 1;

    out[len] = '\0';
    while (len-- > 0)
        out[len] = (char)(is_token(text.data[len]) || strchr(":[]@/", text.data[len]) != NULL
                        ? text.data[len]
                        : '?');
}

static bool read_port(uint16_t *out, struct span text)
{
    unsigned value = 0;

    if (text.len == 0 || text.len > 5 || text.data[0] == '0')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *out = (uint16_t)value;
    return value <= UINT16_MAX;
}

// HOST or HOST:PORT. No user, no password, nothing that is not a host.
static enum assay_host_kind read_authority(
        char host[ASSAY_HOST_BYTES_MAX], uint16_t *port, struct span text)
{
    const char *bracket = text.len > 0 && text.data[0] == '['
            ? (const char *)memchr(text.data, ']', text.len)
            : text.data;
    const char *colon = NULL;
    size_t name_len = text.len;

    host[0] = '\0';
    if (bracket == NULL || text.len == 0)
        return ASSAY_HOST_INVALID;
    colon = memchr(bracket, ':', (size_t)(text.data + text.len - bracket));
    if (colon != NULL) {
        name_len = (size_t)(colon - text.data);
        if (!read_port(port, (struct span){colon + 1, text.len - name_len - 1}))
            return ASSAY_HOST_INVALID;
    }
    return assay_host_read(host, text.data, name_len);
}

static int read_authority_target(struct assay_proxy_request *out, struct span target)
{
    show(out->shown, target);
    out->port = 0;
    out->kind = read_authority(out->host, &out->port, target);
    return out->kind == ASSAY_HOST_INVALID || out->port == 0 ? BAD : OK;
}

static int read_absolute_target(struct assay_proxy_request *out, struct span target)
{
    static const char scheme[] = "http://";
    struct span authority;
    size_t at = sizeof(scheme) - 1;

    if (target.len < at || strncasecmp(target.data, scheme, at) != 0)
        return memmem(target.data, target.len, "://", 3) != NULL ? NO_SCHEME : BAD;
    authority = (struct span){target.data + at, 0};
    while (at + authority.len < target.len && strchr("/?#", authority.data[authority.len]) == NULL)
        authority.len++;
    show(out->shown, authority);
    out->port = 80;
    out->kind = read_authority(out->host, &out->port, authority);
    out->path = authority.data + authority.len;
    out->path_len = target.len - at - authority.len;
    if (memchr(out->path, '#', out->path_len) != NULL)
        return BAD;
    return out->kind == ASSAY_HOST_INVALID ? BAD : OK;
}

static int read_request_line(struct assay_proxy_request *out, struct span line)
{
    const char *first = memchr(line.data, ' ', line.len);
    const char *last = memrchr(line.data, ' ', line.len);
    struct span method, target, version;

    if (first == NULL || first == last)
        return BAD;
    method = (struct span){line.data, (size_t)(first - line.data)};
    target = (struct span){first + 1, (size_t)(last - first) - 1};
    version = (struct span){last + 1, (size_t)(line.data + line.len - last) - 1};
    if (!all_tokens(method) || method.len > METHOD_BYTES_MAX || target.len == 0 ||
            memchr(target.data, ' ', target.len) != NULL ||
            memchr(target.data, '\t', target.len) != NULL)
        return BAD;
    if (version.len != 8 || strncmp(version.data, "HTTP/1.", 7) != 0 ||
            (version.data[7] != '0' && version.data[7] != '1'))
        return BAD;
    out->method = method.data;
    out->method_len = method.len;
    out->old = version.data[7] == '0';
    out->connect = method.len == 7 && strncmp(method.data, "CONNECT", 7) == 0;
    return out->connect ? read_authority_target(out, target) : read_absolute_target(out, target);
}

// --- fields --------------------------------------------------------------------------------------

static bool read_length(uint64_t *out, struct span value)
{
    uint64_t bytes = 0;

    if (value.len == 0 || value.len > 18)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        bytes = bytes * 10 + (uint64_t)(value.data[i] - '0');
    }
    *out = bytes;
    return true;
}

// The Host field names what the request line names, or the request is two.
static bool host_agrees(const struct assay_proxy_request *request, struct span value)
{
    char host[ASSAY_HOST_BYTES_MAX];
    uint16_t port = request->connect ? request->port : 80;

    return read_authority(host, &port, value) == request->kind &&
            strcmp(host, request->host) == 0 && port == request->port;
}

static int read_fields(struct assay_proxy_request *out, struct span rest)
{
    unsigned fields = 0, hosts = 0, lengths = 0;

    while (rest.len > 0) {
        const struct span line = take_line(&rest);
        struct field field;

        if (line.len == 0)
            break;
        if (++fields > FIELDS_MAX)
            return TOO_LARGE;
        if (!read_field(&field, line))
            return BAD;
        if (span_is(field.name, "Host") && (hosts++ > 0 || !host_agrees(out, field.value)))
            return BAD;
        if (span_is(field.name, "Content-Length") &&
                (lengths++ > 0 || !read_length(&out->body_bytes, field.value)))
            return BAD;
        if (span_is(field.name, "Transfer-Encoding"))
            return NO_LENGTH;
    }
    if (out->connect && lengths > 0)
        return BAD;
    return OK;
}

int assay_proxy_request_read(struct assay_proxy_request *out, const char *bytes, size_t len)
{
    const size_t seen = len < ASSAY_PROXY_HEAD_BYTES_MAX ? len : ASSAY_PROXY_HEAD_BYTES_MAX;
    struct span rest = {bytes, find_end(bytes, seen)};
    int status = OK;

    memset(out, 0, sizeof(*out));
    if (rest.len == 0)
        return seen == ASSAY_PROXY_HEAD_BYTES_MAX ? TOO_LARGE : MORE;
    out->head_bytes = rest.len;
    if (!is_clean(rest.data, rest.len))
        return BAD;
    status = read_request_line(out, take_line(&rest));
    return status == OK ? read_fields(out, rest) : status;
}

// --- writing -------------------------------------------------------------------------------------

// Is `name` one of the comma-separated words of a Connection field?
static bool is_listed(struct span list, struct span name)
{
    while (list.len > 0) {
        const char *comma = memchr(list.data, ',', list.len);
        const size_t len = comma == NULL ? list.len : (size_t)(comma - list.data);
        const struct span word = trim((struct span){list.data, len});

        if (word.len == name.len && strncasecmp(word.data, name.data, name.len) == 0)
            return true;
        list.data += comma == NULL ? len : len + 1;
        list.len -= comma == NULL ? len : len + 1;
    }
    return false;
}

static bool is_of_the_connection(struct span all, struct span name)
{
    // "Close", because the Connection field that is written names it.
    static const char *const names[] = {"Host", "Connection", "Proxy-Connection", "Keep-Alive",
            "Proxy-Authorization", "Proxy-Authenticate", "TE", "Trailer", "Upgrade", "Close"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (span_is(name, names[i]))
            return true;
    while (all.len > 0) {
        const struct span line = take_line(&all);
        struct field field;

        // What says how long the body is cannot be named away.
        if (read_field(&field, line) && span_is(field.name, "Connection") &&
                !span_is(name, "Content-Length") && is_listed(field.value, name))
            return true;
    }
    return false;
}

void assay_proxy_request_write(struct assay_buf *out, const struct assay_proxy_request *request,
        const char *bytes, bool whole_url, const char *authorization)
{
    struct span rest = {bytes, request->head_bytes};
    struct span fields;
    char port[8] = "";

    if (request->port != 80)
        (void)snprintf(port, sizeof(port), ":%u", request->port);
    (void)take_line(&rest);
    fields = rest;
    assay_buf_add(out, request->method, request->method_len);
    assay_buf_addc(out, ' ');
    if (whole_url)
        assay_buf_addf(out, "http://%s%s", request->host, port);
    if (request->path_len == 0 || request->path[0] != '/')
        assay_buf_addc(out, '/');
    assay_buf_add(out, request->path, request->path_len);
    assay_buf_addf(
            out, " HTTP/1.%c\r\nHost: %s%s\r\n", request->old ? '0' : '1', request->host, port);
    if (authorization != NULL)
        assay_buf_addf(out, "Proxy-Authorization: %s\r\n", authorization);
    while (rest.len > 0) {
        const struct span line = take_line(&rest);
        struct field field;

        if (line.len == 0 || !read_field(&field, line) || is_of_the_connection(fields, field.name))
            continue;
        assay_buf_add(out, line.data, line.len);
        assay_buf_adds(out, "\r\n");
    }
    assay_buf_adds(out, "Connection: close\r\n\r\n");
}
