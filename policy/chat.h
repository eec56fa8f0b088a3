// SPDX-License-Identifier: MIT
// chat.h - a conversation as the text and the ids that a family's models were trained on.
//
// Each family's template is a row of data in chat.c. What a message says stays text: a token that
// frames turns is made by the template alone, never by what stands in a message, so no message can
// end its turn or begin another's. (transformers, whose templates are texts, cannot tell the two
// apart; where no message names such a token, the ids are the same.) What a model says itself
// (<think>, <tool_call>) is a token in an assistant's message, too.
#ifndef ASSAY_POLICY_CHAT_H
#define ASSAY_POLICY_CHAT_H

#include "policy/config.h"
#include "policy/tokenizer.h"

#define ASSAY_CHAT_BYTES_MAX ((size_t)64 << 20) // of a file of messages, and of a text
#define ASSAY_CHAT_MESSAGES_MAX 65536

enum assay_chat_role {
    ASSAY_CHAT_SYSTEM,
    ASSAY_CHAT_USER,
    ASSAY_CHAT_ASSISTANT,
    ASSAY_CHAT_TOOL, // what a call came back with; several in a row are one turn
};

struct assay_chat_call {
    const char *name, *arguments; // arguments: JSON
};

struct assay_chat_message {
    enum assay_chat_role role;
    const char *content;   // "" when there is none
    const char *reasoning; // of an assistant; NULL: what stands between <think> tags of content
    const char *name;      // of the tool that answers; NULL: not told
    const struct assay_chat_call *calls; // [call_count] of an assistant
    size_t call_count;
};

struct assay_chat {
    const struct assay_chat_message *messages; // [message_count]
    size_t message_count;                      // > 0
    const char *const *tools; // [tool_count] JSON objects, as their makers wrote them
    size_t tool_count;
};

// Read messages as chat services take them: an array of messages, or an object with `messages` and
// perhaps `tools`. `source` names the file in messages ("FILE: messages[2]: role: ..."). In the
// arena. JSON is written anew as Python's json.dumps(ensure_ascii=False) writes it, but for numbers
// like 1.0, which become 1. Errors: ASSAY_EINVAL, ASSAY_ENOMEM.
ASSAY_MUST_USE enum assay_status assay_chat_read(struct assay_chat *out, const char *text,
        size_t len, const char *source, struct assay_arena *arena, struct assay_error *err);

struct assay_chat_family; // a template; static
// "qwen3", "minimind", "minimax_m1", "minimax_text_01". ASSAY_EINVAL lists them.
ASSAY_MUST_USE enum assay_status assay_chat_family_find(
        const struct assay_chat_family **out, const char *name, struct assay_error *err);
// The one that models of this description were trained with. ASSAY_EINVAL: none is known, or
// models of both MiniMax templates are described like this.
ASSAY_MUST_USE enum assay_status assay_chat_family_of(const struct assay_chat_family **out,
        const struct assay_model_config *config, struct assay_error *err);

enum assay_chat_thinking {
    ASSAY_CHAT_THINKING_DEFAULT, // whatever the template does when nobody asks
    ASSAY_CHAT_THINKING_ON,
    ASSAY_CHAT_THINKING_OFF,
};

// A conversation as text, and where in it tokens stand.
struct assay_chat_text {
    struct assay_buf text;
    struct assay_chat_mark {
        size_t at;         // into text
        const char *token; // static
    } * marks;             // owned
    size_t mark_count, mark_capacity;
};
void assay_chat_text_init(struct assay_chat_text *text);
void assay_chat_text_free(struct assay_chat_text *text);

// Write the conversation up to where the assistant's answer begins, into an empty *out. Errors:
// ASSAY_EINVAL (the family's template has no place for a message, tools or a way of thinking),
// ASSAY_ENOMEM. *out is freed by the caller in any case.
ASSAY_MUST_USE enum assay_status assay_chat_write(struct assay_chat_text *out,
        const struct assay_chat *chat, const struct assay_chat_family *family,
        enum assay_chat_thinking thinking, struct assay_error *err);
// Append its ids. ASSAY_EINVAL: the tokenizer lacks a token that frames turns.
ASSAY_MUST_USE enum assay_status assay_chat_encode(struct assay_ids *ids,
        const struct assay_chat_text *text, const struct assay_chat_family *family,
        const struct assay_tokenizer *tokenizer, struct assay_error *err);

#endif
