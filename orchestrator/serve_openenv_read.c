// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "orchestrator/serve_openenv.h"
#include "orchestrator/serve_parts.h"
#include "orchestrator/serve_turn.h"

#define SESSION_COOKIE ASSAY_OPENENV_COOKIE "="

void assay_openenv_action_free(struct assay_openenv_action *action)
{
    assay_buf_free(&action->arguments);
    free(action->tool_name);
}

enum assay_status assay_openenv_read_action(
        struct assay_openenv_action *out, const struct assay_json *from, struct assay_error *err)
{
    static const char *const ours[] = {"tool", "arguments", "metadata"};
    static const char *const call[] = {"type", "tool_name", "arguments", "metadata"};
    const char *type = assay_json_text(assay_json_get(from, "type"));
    const bool is_call = type != NULL && strcmp(type, "call_tool") == 0;
    const char *name = NULL;
    enum assay_status status;

    *out = (struct assay_openenv_action){.lists = type != NULL && strcmp(type, "list_tools") == 0};
    assay_buf_init(&out->arguments, ASSAY_SERVE_BODY_BYTES_MAX);
    if (assay_json_type(from) != ASSAY_JSON_OBJECT)
        return assay_fail(err, ASSAY_EINVAL, "an action is an object");
    if (out->lists || is_call)
        status = assay_json_only_keys(from, call, sizeof(call) / sizeof(call[0]), err);
    else
        status = assay_json_only_keys(from, ours, sizeof(ours) / sizeof(ours[0]), err);
    if (status != ASSAY_OK || out->lists)
        return status;
    status = assay_service_read_arguments(&out->arguments, from, err);
    if (status == ASSAY_OK)
        status = assay_json_read_text(&name, from, is_call ? "tool_name" : "tool", err);
    if (status != ASSAY_OK)
        return status;
    out->action = (struct assay_action){.tool = name, .arguments = out->arguments.data};
    if (is_call && (out->tool_name = strdup(name)) == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return ASSAY_OK;
}

bool assay_openenv_read_session(char id[ASSAY_ID_BYTES], const char *header, const char *cookies,
        const struct assay_json *body)
{
    const char *text = header;
    size_t len;

    if (text == NULL && body != NULL)
        text = assay_json_text(assay_json_get(body, "episode_id"));
    if (text == NULL) {
        text = cookies != NULL ? strstr(cookies, SESSION_COOKIE) : NULL;
        text = text != NULL ? text + strlen(SESSION_COOKIE) : NULL;
    }
    len = text != NULL ? strcspn(text, "; ") : 0;
    if (len != ASSAY_ID_BYTES - 1)
        return false;
    memcpy(id, text, len);
    id[len] = '\0';
    return true;
}
