// SPDX-License-Identifier: MIT
// chat_stream.h - an answer that came in pieces (server-sent events of the chat-completions
// protocol) as the whole one that the server would have sent at once. Pure.
#ifndef ASSAY_ORCHESTRATOR_CHAT_STREAM_H
#define ASSAY_ORCHESTRATOR_CHAT_STREAM_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

// Append one JSON object to *out: {"choices": [{"message", "logprobs"?, "finish_reason"}],
// "usage"?} of the first choice, or {"error"} where an event has one. Text that is a whole answer
// already (a server that does not stream) is appended as it is. ASSAY_EIO: it ends before "[DONE]"
// and before any finish_reason; ASSAY_EINVAL: an event is no JSON.
ASSAY_MUST_USE enum assay_status assay_chat_stream_gather(
        struct assay_buf *out, const char *text, size_t len, struct assay_error *err);

#endif
