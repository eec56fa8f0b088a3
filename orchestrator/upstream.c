// SPDX-License-Identifier: MIT
#include "orchestrator/upstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PORT_DEFAULT 80 // as curl and Python have it for http://

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// "USER:PASSWORD" with %XX, as Basic's base64.
static bool write_authorization(char out[512], const char *text, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char plain[300];
    size_t count = 0, at = 0;

    for (size_t i = 0; i < len; i++) {
        const bool coded = text[i] == '%' && i + 2 < len && hex_value(text[i + 1]) >= 0 &&
                hex_value(text[i + 2]) >= 0;

        if (count + 3 >= sizeof(plain))
            return false;
        plain[count++] =
                (unsigned char)(coded ? hex_value(text[i + 1]) * 16 + hex_value(text[i + 2])
                                      : text[i]);
        i += coded ? 2 : 0;
    }
    memset(plain + count, 0, 3);
    at = (size_t)snprintf(out, 512, "Basic ");
    for (size_t i = 0; i < count; i += 3) {
        const unsigned triple =
                (unsigned)plain[i] << 16 | (unsigned)plain[i + 1] << 8 | plain[i + 2];

        out[at++] = digits[triple >> 18];
        out[at++] = digits[triple >> 12 & 63];
        out[at++] = digits[triple >> 6 & 63];
        out[at++] = digits[triple & 63];
    }
    for (size_t missing = (3 - count % 3) % 3; missing > 0; missing--)
        out[at - missing] = '=';
    out[at] = '\0';
    return true;
}

enum assay_status assay_upstream_read(
        struct assay_upstream *out, const char *url, struct assay_error *err)
{
    struct assay_upstream upstream = {.port = PORT_DEFAULT};
    const char *scheme_end = strstr(url, "://");
    const char *text = scheme_end == NULL ? url : scheme_end + 3;
    size_t len = strcspn(text, "/?#");
    const char *at = memrchr(text, '@', len);
    const char *colon = NULL;

    if (url[0] == '\0') {
        *out = upstream;
        return ASSAY_OK;
    }
    if (scheme_end != NULL && strncasecmp(url, "http://", 7) != 0)
        return assay_fail(err, ASSAY_EINVAL, "a proxy that is not http:// is not known here");
    if (at != NULL && !write_authorization(upstream.authorization, text, (size_t)(at - text)))
        return assay_fail(err, ASSAY_EINVAL, "the proxy's user and password are too long");
    if (at != NULL) {
        len -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    colon = memchr(text, ':', len);
    if (colon != NULL) {
        char *end = NULL;
        const unsigned long port = strtoul(colon + 1, &end, 10);

        if (end != text + len || port == 0 || port > UINT16_MAX)
            return assay_fail(err, ASSAY_EINVAL, "the proxy's port is not 1..65535");
        upstream.port = (uint16_t)port;
        len = (size_t)(colon - text);
    }
    if (assay_host_read(upstream.host, text, len) == ASSAY_HOST_INVALID || upstream.host[0] == '[')
        return assay_fail(err, ASSAY_EINVAL, "the proxy has no plain host name or IPv4 address");
    *out = upstream;
    return ASSAY_OK;
}

// The first of two spellings that is set and not empty.
static const char *variable(const char *small, const char *large)
{
    const char *value = getenv(small); // NOLINT(concurrency-mt-unsafe): nothing here changes it

    if (value == NULL || value[0] == '\0')
        value = getenv(large); // NOLINT(concurrency-mt-unsafe): as above
    return value != NULL ? value : "";
}

enum assay_status assay_upstreams_read(struct assay_upstreams *out, struct assay_error *err)
{
    const char *all = variable("all_proxy", "ALL_PROXY");
    const char *http = variable("http_proxy", "HTTP_PROXY");
    const char *https = variable("https_proxy", "HTTPS_PROXY");
    struct assay_upstreams upstreams = {.no_proxy = NULL};
    enum assay_status status =
            assay_upstream_read(&upstreams.http, http[0] != '\0' ? http : all, err);

    if (status != ASSAY_OK) {
        (void)assay_wrap(err, "http_proxy");
        return status;
    }
    status = assay_upstream_read(&upstreams.https, https[0] != '\0' ? https : all, err);
    if (status != ASSAY_OK) {
        (void)assay_wrap(err, "https_proxy");
        return status;
    }
    upstreams.no_proxy = strdup(variable("no_proxy", "NO_PROXY"));
    if (upstreams.no_proxy == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no_proxy");
    *out = upstreams;
    return ASSAY_OK;
}

void assay_upstreams_free(struct assay_upstreams *upstreams)
{
    free(upstreams->no_proxy);
    upstreams->no_proxy = NULL;
}

static bool entry_names(const char *entry, size_t len, const char *host, uint16_t port)
{
    const char *colon = memchr(entry, ':', len);
    const size_t host_len = strlen(host);

    if (colon != NULL) {
        if (strtoul(colon + 1, NULL, 10) != port)
            return false;
        len = (size_t)(colon - entry);
    }
    if (len > 0 && entry[0] == '*' && len > 1) { // "*.name", as some write it
        entry++;
        len--;
    }
    if (len > 0 && entry[0] == '.') {
        entry++;
        len--;
    }
    if (len == 1 && entry[0] == '*')
        return true;
    return len > 0 && host_len >= len && strncasecmp(host + host_len - len, entry, len) == 0 &&
            (host_len == len || host[host_len - len - 1] == '.');
}

bool assay_no_proxy_names(const char *list, const char *host, uint16_t port)
{
    while (*list != '\0') {
        size_t len = 0;

        list += strspn(list, ", \t");
        len = strcspn(list, ", \t");
        if (len > 0 && entry_names(list, len, host, port))
            return true;
        list += len;
    }
    return false;
}

const struct assay_upstream *assay_upstream_for(
        const struct assay_upstreams *upstreams, bool connect, const char *host, uint16_t port)
{
    const struct assay_upstream *upstream = connect ? &upstreams->https : &upstreams->http;

    if (upstream->host[0] == '\0' ||
            (upstreams->no_proxy != NULL && assay_no_proxy_names(upstreams->no_proxy, host, port)))
        return NULL;
    return upstream;
}
