// SPDX-License-Identifier: MIT
// What must hold: whatever a server sends, the pieces come to an answer that can be read, or to an
// error, within their bounds.
#include <stdint.h>
#include <stdlib.h>

#include "orchestrator/chat.h"
#include "orchestrator/chat_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct assay_actor_message message = {.arena = NULL};
    struct assay_buf text, whole;

    if (assay_arena_create(&message.arena, (size_t)1 << 26, NULL) != ASSAY_OK)
        return 0;
    assay_buf_init(&text, size + 1);
    assay_buf_init(&whole, (size_t)1 << 26);
    assay_buf_add(&text, data, size);
    if (assay_chat_stream_gather(&whole, text.data, text.len, NULL) == ASSAY_OK &&
            assay_chat_read_answer(&message, whole.data, whole.len, NULL) == ASSAY_OK &&
            message.call_count > ASSAY_ACTOR_CALLS_MAX)
        abort();
    assay_buf_free(&whole);
    assay_buf_free(&text);
    assay_arena_destroy(message.arena);
    return 0;
}
