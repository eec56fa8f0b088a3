// SPDX-License-Identifier: MIT
// What must hold: whatever a client asks of the policy in OpenAI's words, it is read or refused;
// what was read has a prompt, and numbers within their bounds. The first byte says chat or text.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "orchestrator/serve_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX ((size_t)1 << 18)

static void must(bool holds)
{
    if (!holds)
        abort();
}

// Opened once in a process.
static const struct assay_service *service(void)
{
    static struct assay_service serve = {.options.policy_name = "tiny-chat"};
    struct assay_error err = {0};

    if (serve.options.policy == NULL &&
            assay_embedded_open(&serve.options.policy,
                    SOURCE_DIR "/tests/policy/fixtures/tiny-chat", NULL, &err) != ASSAY_OK) {
        (void)fprintf(stderr, "the policy to fuzz: %s\n", err.message);
        abort();
    }
    return &serve;
}

static void check(const struct assay_policy_ask *ask)
{
    must(ask->prompt.count > 0 && ask->tokens_max > 0);
    must(ask->choices > 0 && ask->choices <= ASSAY_POLICY_CHOICES_MAX);
    must(ask->stop_count <= ASSAY_POLICY_STOPS_MAX);
    for (size_t i = 0; i < ask->stop_count; i++)
        must(ask->stops[i][0] != '\0');
    must(assay_sampling_check(&ask->sampling, NULL) == ASSAY_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct assay_json_limits limits = {BYTES_MAX, ASSAY_SERVE_DEPTH_MAX};
    struct assay_policy_ask ask;
    struct assay_json *body = NULL;

    if (size == 0 || size > BYTES_MAX)
        return 0;
    if (assay_json_parse(&body, (const char *)data + 1, size - 1, limits, "body", 1, NULL) ==
                    ASSAY_OK &&
            assay_json_type(body) == ASSAY_JSON_OBJECT) {
        if (assay_policy_read(&ask, service(), body, data[0] % 2 == 0, NULL) == ASSAY_OK)
            check(&ask);
        free(ask.prompt.items);
    }
    assay_json_free(body);
    return 0;
}
