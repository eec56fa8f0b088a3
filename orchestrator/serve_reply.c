// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "orchestrator/serve_parts.h"

#define REFUSAL_BYTES_MAX 4096
#define RETRY_AFTER_S "1"

void assay_service_refuse(
        struct assay_http_request *request, unsigned status, const char *code, const char *message)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, REFUSAL_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_begin_object(&w, "error");
    assay_json_put_text(&w, "code", code);
    assay_json_put_text(&w, "message", message);
    assay_json_end_object(&w);
    assay_json_put_text(&w, "detail", message); // where clients of Python services look
    assay_json_end_object(&w);
    if (status == 429 || status == 503)
        assay_http_add_header(request, "Retry-After", RETRY_AFTER_S);
    assay_service_reply(request, status, &text);
}

void assay_service_fail(
        struct assay_http_request *request, enum assay_status status, const struct assay_error *err)
{
    unsigned http = 500;

    if (status == ASSAY_EINVAL || status == ASSAY_EUSAGE)
        http = 400;
    else if (status == ASSAY_ENOTFOUND)
        http = 404;
    else if (status == ASSAY_ECONFLICT)
        http = 409;
    else if (status == ASSAY_EREFUSED)
        http = 429;
    else if (status == ASSAY_EINTERRUPTED)
        http = 503;
    assay_service_refuse(request, http, assay_status_name(status), err->message);
}

void assay_service_reply(
        struct assay_http_request *request, unsigned status, struct assay_buf *json)
{
    if (!json->failed)
        (void)assay_buf_addc(json, '\n');
    assay_http_reply(request, status, ASSAY_SERVE_JSON, json);
}

enum assay_status assay_service_read(
        struct assay_json **out, struct assay_http_request *request, struct assay_error *err)
{
    const struct assay_json_limits limits = {ASSAY_SERVE_BODY_BYTES_MAX, ASSAY_SERVE_DEPTH_MAX};
    const struct assay_buf *body = assay_http_body(request);
    struct assay_json *json = NULL;
    enum assay_status status;

    if (body->len == 0)
        return assay_fail(err, ASSAY_EINVAL, "a JSON object is wanted as the body");
    status = assay_json_parse(&json, body->data, body->len, limits, "body", 1, err);
    if (status != ASSAY_OK)
        return status;
    if (assay_json_type(json) != ASSAY_JSON_OBJECT) {
        assay_json_free(json);
        return assay_fail(err, ASSAY_EINVAL, "body: an object is wanted");
    }
    *out = json;
    return ASSAY_OK;
}
