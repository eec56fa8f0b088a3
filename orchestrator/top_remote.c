// SPDX-License-Identifier: MIT
#include "orchestrator/top_remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/client.h"
#include "tasks/instance.h"

#define ANSWER_BYTES_MAX ((size_t)64 << 20)
#define PATIENCE_MS 10000
#define PATH "/v1/top"

struct assay_top_remote {
    struct assay_client *client; // owned
    char *url;                   // owned; without the path
};

enum assay_status assay_top_remote_create(struct assay_top_remote **out, const char *url,
        const char *token_file, const volatile bool *cancel, struct assay_error *err)
{
    struct assay_top_remote *remote = NULL;
    char *token = NULL;
    size_t len = strlen(url);
    enum assay_status status = assay_client_check_url(url, "--url", err);

    while (len > 0 && url[len - 1] == '/')
        len--;
    if (status == ASSAY_OK && token_file)
        status = assay_client_read_key(&token, token_file, "--token-file", err);
    if (status == ASSAY_OK) {
        remote = calloc(1, sizeof(*remote));
        if (!remote || !(remote->url = strndup(url, len)))
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    if (status == ASSAY_OK)
        status = assay_client_prepare(err);
    if (status == ASSAY_OK)
        status = assay_client_create(&remote->client, token, cancel, err);
    if (token)
        explicit_bzero(token, strlen(token));
    free(token);
    if (status == ASSAY_OK)
        *out = remote;
    else
        assay_top_remote_destroy(remote);
    return status;
}

void assay_top_remote_destroy(struct assay_top_remote *remote)
{
    if (!remote)
        return;
    assay_client_destroy(remote->client);
    free(remote->url);
    free(remote);
}

const char *assay_top_remote_url(const struct assay_top_remote *remote)
{
    return remote->url;
}

// What the service says of a refusal; "" where it says nothing.
static void read_refusal(char *out, size_t size, const struct assay_buf *body)
{
    const struct assay_json_limits limits = {1 << 16, 8};
    struct assay_json *json = NULL;
    const char *text = NULL;

    if (assay_json_parse(&json, body->data, body->len, limits, "answer", 1, NULL) == ASSAY_OK)
        text = assay_json_text(assay_json_get(json, "detail"));
    snprintf(out, size, "%s%s", text ? ": " : "", text ? text : "");
    assay_json_free(json);
}

static enum assay_status refused(const struct assay_top_remote *remote,
        const struct assay_answer *answer, const char *run_id, struct assay_error *err)
{
    enum assay_status status = ASSAY_EINVAL; // no service of ours, or an older one
    char said[160];

    read_refusal(said, sizeof(said), &answer->body);
    if (answer->status == 401 || answer->status == 403)
        status = ASSAY_EREFUSED;
    else if (answer->status == 404 && run_id && *said)
        status = ASSAY_ENOTFOUND;
    else if (answer->status == 429 || answer->status >= 500)
        status = ASSAY_EIO;
    return assay_fail(err, status, "%.60s answers %ld%s", remote->url, answer->status, said);
}

enum assay_status assay_top_remote_load(struct assay_top *out, struct assay_top_remote *remote,
        const char *run_id, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_client_patience patience = {.whole_ms = PATIENCE_MS};
    struct assay_answer answer;
    char *url = NULL;
    enum assay_status status;

    if (run_id && !assay_instance_id_valid(run_id))
        return assay_fail(err, ASSAY_EUSAGE, "no run is called %.110s", run_id);
    if (asprintf(&url, "%s" PATH "%s%s", remote->url, run_id ? "?run=" : "", run_id ? run_id : "") <
            0)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_client_get(remote->client, url, patience, ANSWER_BYTES_MAX, &answer, err);
    free(url);
    if (status != ASSAY_OK)
        return assay_wrap(err, "%.60s", remote->url);
    if (answer.status != 200) {
        status = refused(remote, &answer, run_id, err);
    } else {
        status = assay_top_read(out, answer.body.data, answer.body.len, arena, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "%.60s is no service of assay's", remote->url);
    }
    assay_answer_release(&answer);
    return status;
}
