// SPDX-License-Identifier: MIT
// chat.h - an episode as messages of the chat-completions protocol: what a model is told of it.
//
// Messages are elements of one JSON array, with commas between them and no brackets around, so that
// a conversation grows by appending.
#ifndef ASSAY_ORCHESTRATOR_CHAT_H
#define ASSAY_ORCHESTRATOR_CHAT_H

#include "base/buf.h"
#include "orchestrator/actor.h"

// The system's message and the user's, with the problem.
void assay_chat_begin(
        struct assay_buf *out, const struct assay_instance *instance, const char *workdir);
// Any other.
void assay_chat_add(struct assay_buf *out, const char *role, const char *text, size_t len);
// What a task of this kind asks for, in a sentence or two.
const char *assay_chat_task(enum assay_task_kind task);
// The assistant's. A call without an id gets call_<first number>, and so on.
void assay_chat_add_answer(struct assay_buf *out, const char *text,
        const struct assay_actor_call *calls, size_t count, size_t first_number);
// What a call showed; `number` is that of the call. tool NULL: there was none, and the user says
// so.
void assay_chat_add_result(struct assay_buf *out, const char *call_id, size_t number,
        const char *tool, struct assay_bytes text);
// Turns of a trajectory. *number is that of the first call, and becomes that of the next.
void assay_chat_add_turns(
        struct assay_buf *out, const struct assay_turn *turns, size_t count, size_t *number);

// A NUL that a server names in a string (\u0000: a token of its vocabulary may hold one) becomes
// U+FFFD, in place and as long: our reader of JSON refuses it, for a text ends there.
void assay_chat_spare_nul(char *text, size_t len);

// An answer of a server, whole, into *out, whose arena is set: the first choice's text and calls,
// the tokens that were sampled, what it cost. ASSAY_EINVAL: no answer, or the server's word for
// what went wrong.
ASSAY_MUST_USE enum assay_status assay_chat_read_answer(
        struct assay_actor_message *out, const char *text, size_t len, struct assay_error *err);

#endif
