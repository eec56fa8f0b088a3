// SPDX-License-Identifier: MIT
// What must hold: whatever a client sends as JSON-RPC, it is answered by JSON-RPC or, if it asked
// nothing, not at all; and within the URL of one episode nothing else is ever reached. The first
// byte says whether there is such a URL, and what the client may do.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/serve_mcp.h"
#include "orchestrator/serve_parts.h"
#include "tests/fuzz/served.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX ((size_t)1 << 20)
static const struct assay_json_limits limits = {(size_t)64 << 20, ASSAY_SERVE_DEPTH_MAX + 8};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check_one(const struct assay_json *answer)
{
    const struct assay_json *result = assay_json_get(answer, "result");
    const struct assay_json *error = assay_json_get(answer, "error");

    must(strcmp(assay_json_text(assay_json_get(answer, "jsonrpc")), "2.0") == 0);
    must(assay_json_get(answer, "id") != NULL && (result != NULL) != (error != NULL));
    if (error != NULL)
        must(assay_json_text(assay_json_get(error, "message")) != NULL);
}

static void check(const struct assay_buf *reply)
{
    struct assay_json *json = NULL;

    must(!reply->failed);
    if (reply->len == 0)
        return;
    must(assay_json_parse(&json, reply->data, reply->len, limits, "reply", 1, NULL) == ASSAY_OK);
    if (assay_json_type(json) != ASSAY_JSON_ARRAY)
        check_one(json);
    else
        for (const struct assay_json *at = assay_json_first(json); at != NULL;
                at = assay_json_next(at))
            check_one(at);
    assay_json_free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char mine[] = "01M8QREB1YRWXESJZEVD2J2JD6";
    struct assay_mcp mcp;
    struct assay_buf reply;

    if (size == 0 || size > BYTES_MAX)
        return 0;
    assay_mcp_init(&mcp, served(false), ASSAY_ROLE_READ + data[0] % 3, "somebody");
    mcp.confined = data[0] % 2 == 0;
    if (mcp.confined)
        memcpy(mcp.episode, mine, sizeof(mine));
    assay_buf_init(&reply, (size_t)64 << 20);
    assay_mcp_answer_text(&mcp, (const char *)data + 1, size - 1, &reply);
    check(&reply);
    must(!mcp.confined || strcmp(mcp.episode, mine) == 0);
    assay_buf_free(&reply);
    return 0;
}
