// SPDX-License-Identifier: MIT
#include "orchestrator/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

#define CONNECT_MS_MAX 30000L
#define RETRY_AFTER_S_MAX 3600
#define KEY_BYTES_MAX 4096

struct assay_client {
    CURL *curl;                 // owned
    struct curl_slist *headers; // owned
    char *key;                  // owned; NULL: none
    const volatile bool *cancel;
    char words[CURL_ERROR_SIZE];
};

enum assay_status assay_client_prepare(struct assay_error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return assay_fail(err, ASSAY_EIO, "libcurl does not start");
    return ASSAY_OK;
}

static bool add_header(struct assay_client *client, const char *header)
{
    struct curl_slist *grown = curl_slist_append(client->headers, header);

    if (grown != NULL)
        client->headers = grown;
    return grown != NULL;
}

static bool add_key(struct assay_client *client, const char *key)
{
    const size_t size = strlen(key) + sizeof("Authorization: Bearer ");
    char *header = malloc(size);
    bool added = false;

    client->key = strdup(key);
    if (header != NULL && client->key != NULL) {
        snprintf(header, size, "Authorization: Bearer %s", key);
        added = add_header(client, header);
    }
    free(header);
    return added;
}

enum assay_status assay_client_create(struct assay_client **out, const char *key,
        const volatile bool *cancel, struct assay_error *err)
{
    struct assay_client *client = calloc(1, sizeof(*client));
    bool made = client != NULL;

    if (made) {
        client->cancel = cancel;
        client->curl = curl_easy_init();
        made = client->curl != NULL && add_header(client, "Content-Type: application/json") &&
                add_header(client, "Expect:") && (key == NULL || add_key(client, key));
    }
    if (!made) {
        assay_client_destroy(client);
        return assay_fail(err, ASSAY_ENOMEM, "client: out of memory");
    }
    *out = client;
    return ASSAY_OK;
}

void assay_client_destroy(struct assay_client *client)
{
    if (client == NULL)
        return;
    curl_slist_free_all(client->headers);
    if (client->curl != NULL)
        curl_easy_cleanup(client->curl);
    if (client->key != NULL)
        explicit_bzero(client->key, strlen(client->key));
    free(client->key);
    free(client);
}

enum assay_status assay_client_read_key(
        char **key, const char *file, const char *option, struct assay_error *err)
{
    struct assay_buf text;
    struct stat st;
    const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    enum assay_status status = ASSAY_OK;

    if (fd < 0)
        return assay_fail_errno(err, errno, "%s %.150s", option, file);
    assay_buf_init(&text, KEY_BYTES_MAX);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        status = assay_fail(err, ASSAY_EREFUSED,
                "%s %.150s: others may read it; it wants mode 0600", option, file);
    if (status == ASSAY_OK)
        status = assay_fs_read_fd(&text, fd, err);
    if (status == ASSAY_OK) {
        text.data[strcspn(text.data, "\r\n")] = '\0';
        *key = text.data[0] != '\0' ? strdup(text.data) : NULL;
        if (text.data[0] == '\0')
            status = assay_fail(err, ASSAY_EUSAGE, "%s %.150s: no key in it", option, file);
        else if (*key == NULL)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        explicit_bzero(text.data, text.len);
    }
    close(fd);
    assay_buf_free(&text);
    return status;
}

enum assay_status assay_client_check_url(
        const char *url, const char *option, struct assay_error *err)
{
    if ((strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) &&
            strpbrk(url, "@?#") == NULL)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EUSAGE,
            "%s wants http://HOST/... or https://HOST/..., without a user, a query or a key",
            option);
}

void assay_answer_release(struct assay_answer *answer)
{
    assay_buf_free(&answer->body);
}

void assay_client_redact(char *text, size_t len, const char *key)
{
    const size_t key_len = key != NULL ? strlen(key) : 0;
    char *end = text + len;

    for (char *at = text; key_len > 0 && (at = memmem(at, (size_t)(end - at), key, key_len));)
        memset(at, '*', key_len);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user)
{
    struct assay_answer *answer = user;

    return assay_buf_add(&answer->body, bytes, size * count) ? size * count : 0;
}

static int look_whether_cancelled(
        void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct assay_client *client = user;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return client->cancel != NULL && *client->cancel;
}

static void set_patience(CURL *curl, struct assay_client_patience patience)
{
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS_MAX);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)patience.whole_ms);
    if (patience.silence_ms == 0)
        return;
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)((patience.silence_ms + 999) / 1000));
}

// `body` NULL: a GET.
static void set_options(struct assay_client *client, const char *url, const struct assay_buf *body,
        struct assay_answer *answer)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_whether_cancelled);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, client);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->words);
}

static enum assay_status explain(struct assay_client *client, CURLcode code,
        const struct assay_answer *answer, struct assay_client_patience patience,
        struct assay_error *err)
{
    const uint64_t ms = patience.silence_ms > 0 && patience.silence_ms < patience.whole_ms
            ? patience.silence_ms
            : patience.whole_ms;
    const char *words = client->words[0] != '\0' ? client->words : curl_easy_strerror(code);

    if (code == CURLE_ABORTED_BY_CALLBACK)
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return assay_fail(err, ASSAY_ETIMEOUT, "no answer within %.1f s", (double)ms / 1000);
    if (answer->body.failed)
        return assay_fail(
                err, ASSAY_ENOMEM, "the answer is larger than %zu bytes", answer->body.max);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return assay_fail(err, ASSAY_EINVAL, "%.150s", words);
    assay_client_redact(client->words, strlen(client->words), client->key);
    return assay_fail(err, ASSAY_EIO, "%.200s", words);
}

static enum assay_status ask(struct assay_client *client, const char *url,
        const struct assay_buf *body, struct assay_client_patience patience, size_t body_bytes_max,
        struct assay_answer *out, struct assay_error *err)
{
    struct assay_answer answer = {.status = 0};
    curl_off_t retry_after = 0;
    CURLcode code;

    assay_buf_init(&answer.body, body_bytes_max);
    client->words[0] = '\0';
    set_options(client, url, body, &answer);
    set_patience(client->curl, patience);
    code = curl_easy_perform(client->curl);
    if (code != CURLE_OK) {
        const enum assay_status status = explain(client, code, &answer, patience, err);

        assay_answer_release(&answer);
        return status;
    }
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(client->curl, CURLINFO_RETRY_AFTER, &retry_after);
    if (retry_after > 0)
        answer.retry_after_s =
                retry_after < RETRY_AFTER_S_MAX ? (uint64_t)retry_after : RETRY_AFTER_S_MAX;
    assay_client_redact(answer.body.data, answer.body.len, client->key);
    *out = answer;
    return ASSAY_OK;
}

enum assay_status assay_client_post(struct assay_client *client, const char *url,
        const struct assay_buf *body, struct assay_client_patience patience, size_t body_bytes_max,
        struct assay_answer *out, struct assay_error *err)
{
    return ask(client, url, body, patience, body_bytes_max, out, err);
}

enum assay_status assay_client_get(struct assay_client *client, const char *url,
        struct assay_client_patience patience, size_t body_bytes_max, struct assay_answer *out,
        struct assay_error *err)
{
    return ask(client, url, NULL, patience, body_bytes_max, out, err);
}
