// SPDX-License-Identifier: MIT
// embedded.h - a model of the policy room that answers conversations, for whoever asks: actors of
// episodes (actor_embedded.c) and the service's clients (serve_policy.c).
//
// Weights and tokenizer are read once and shared; answers that are waited for at the same time are
// made in the same passes (policy/shared_generator.h). Thread-safe.
#ifndef ASSAY_ORCHESTRATOR_EMBEDDED_H
#define ASSAY_ORCHESTRATOR_EMBEDDED_H

#include "orchestrator/actor.h"
#include "policy/generate.h"
#include "policy/tokenizer.h"

struct assay_embedded; // opaque; owned by whoever called assay_embedded_open()

#define ASSAY_EMBEDDED_VERSION_BYTES 17
#define ASSAY_EMBEDDED_TOKENS_MAX 1000000 // of an answer
#define ASSAY_EMBEDDED_TEXT_BYTES_MAX ((size_t)64 << 20)

// `template` NULL: that of the model's family.
ASSAY_MUST_USE enum assay_status assay_embedded_open(struct assay_embedded **out, const char *path,
        const char *template, struct assay_error *err);
void assay_embedded_close(struct assay_embedded *e);                // nobody asks; NULL is allowed
const char *assay_embedded_version(const struct assay_embedded *e); // of the weights
const struct assay_tokenizer *assay_embedded_tokenizer(const struct assay_embedded *e);

// A conversation, {"messages": [...], "tools": [...]} as chat services take it, as the model's ids
// up to where its answer begins; appended.
ASSAY_MUST_USE enum assay_status assay_embedded_encode(const struct assay_embedded *e,
        struct assay_ids *ids, const char *json, size_t len, struct assay_error *err);

struct assay_embedded_question {
    const struct assay_ids *prompt;
    uint64_t tokens_max; // > 0
    struct assay_sampling sampling;
    uint64_t seed;
    const volatile bool *cancel;
    uint64_t deadline_ms; // assay_clock_ms()
    // Called with each token once it stands in the answer, from whichever thread makes it; false
    // ends the answer. NULL: nobody wants to know.
    bool (*on_token)(void *user);
    void *user;
};

struct assay_embedded_answer {
    struct assay_ids ids;  // sampled, the one that ended it among them
    double *logp;          // [ids.count], nats
    uint32_t *ends;        // [ids.count], bytes of `text` up to and with each
    struct assay_buf text; // without special tokens
    enum assay_finish finish;
    // Internal.
    const struct assay_embedded *e;
    const struct assay_embedded_question *question;
    size_t capacity;
    bool failed;
};
void assay_embedded_answer_init(struct assay_embedded_answer *answer);
void assay_embedded_answer_free(struct assay_embedded_answer *answer);
// Into an answer that was initialised. Errors: ASSAY_EINTERRUPTED, ASSAY_ETIMEOUT, ASSAY_EINVAL (a
// setting out of range, a prompt that does not fit), ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_embedded_ask(struct assay_embedded *e,
        const struct assay_embedded_question *question, struct assay_embedded_answer *out,
        struct assay_error *err);

// The calls that stand in an answer's text, taken out of it; what is left is the message's text.
ASSAY_MUST_USE enum assay_status assay_embedded_read(
        struct assay_actor_message *out, struct assay_buf *text, struct assay_error *err);

#endif
