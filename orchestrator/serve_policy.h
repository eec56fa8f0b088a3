// SPDX-License-Identifier: MIT
// serve_policy.h - OpenAI's routes for an embedded policy, in their parts: what is asked
// (serve_policy_read.c), what is answered (serve_policy_write.c), in between (serve_policy.c).
// Internal to serve_policy*.c.
#ifndef ASSAY_ORCHESTRATOR_SERVE_POLICY_H
#define ASSAY_ORCHESTRATOR_SERVE_POLICY_H

#include "orchestrator/embedded.h"
#include "orchestrator/serve_parts.h"

#define ASSAY_POLICY_STOPS_MAX 4
#define ASSAY_POLICY_CHOICES_MAX 16

struct assay_policy_ask {
    bool chat; // else a plain text goes on
    bool stream, usage, logprobs, token_ids;
    bool tools; // it may call some: what it says is told once it is whole
    uint64_t choices, tokens_max, seed;
    struct assay_sampling sampling;
    const char *stops[ASSAY_POLICY_STOPS_MAX]; // borrowed from the request
    size_t stop_count;
    struct assay_ids prompt; // owned
    // Of the answer.
    const char *model; // borrowed
    char id[ASSAY_ID_BYTES];
    uint64_t created_s;
};

// *out is the caller's: free(out->prompt.items), in any case. The body is borrowed. ASSAY_EINVAL
// names the field; ASSAY_ENOTFOUND: another model.
ASSAY_MUST_USE enum assay_status assay_policy_read(struct assay_policy_ask *out,
        const struct assay_service *serve, const struct assay_json *body, bool chat,
        struct assay_error *err);

// One choice of an answer, as far as it has come.
struct assay_policy_choice {
    const struct assay_policy_ask *ask;
    const struct assay_tokenizer *tokenizer;
    struct assay_embedded_answer answer; // owned
    struct assay_http_stream *stream;    // NULL: told at the end
    uint64_t index;
    size_t told, told_tokens;           // bytes and tokens that were streamed
    size_t stop_at;                     // where a stop text begins; SIZE_MAX: there is none
    bool gone;                          // the client is
    struct assay_actor_message message; // calls, once the answer is whole
};

// The beginning of an answer or a chunk, up to the array of choices; and the end of it.
void assay_policy_begin(
        struct assay_json_writer *w, const struct assay_policy_ask *ask, const char *kind);
// A whole choice: {"index", "message" or "text", "logprobs", "finish_reason"}.
void assay_policy_put_choice(struct assay_json_writer *w, const struct assay_policy_choice *c);
void assay_policy_put_usage(
        struct assay_json_writer *w, const struct assay_policy_ask *ask, uint64_t answer_tokens);
// The bytes up to `to` that were not streamed yet, with their tokens. `finish`: its last chunk.
void assay_policy_tell(struct assay_policy_choice *c, size_t to, bool finish);
// The last chunks of all: usage, where it was asked for, and [DONE].
void assay_policy_tell_end(struct assay_http_stream *stream, const struct assay_policy_ask *ask,
        uint64_t answer_tokens);

#endif
