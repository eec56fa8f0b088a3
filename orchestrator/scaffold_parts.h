// SPDX-License-Identifier: MIT
// scaffold_parts.h - inside scaffolds: what a row of their table is, and what they share.
#ifndef ASSAY_ORCHESTRATOR_SCAFFOLD_PARTS_H
#define ASSAY_ORCHESTRATOR_SCAFFOLD_PARTS_H

#include "orchestrator/actor.h"

#define ASSAY_CHAT_BYTES_MAX ((size_t)256 << 20) // of a conversation
#define ASSAY_REPAIRS_MAX 64u

// How a model says what it does.
enum assay_dialect {
    ASSAY_DIALECT_TOOLS, // calls of tools
    ASSAY_DIALECT_BASH,  // one fenced block of shell in every message
    ASSAY_DIALECT_PATCH, // a patch: SEARCH/REPLACE blocks or a diff
    ASSAY_DIALECTS,
};

// A model in one episode. Borrowed by the scaffold.
struct assay_led {
    const struct assay_actor_kind *kind;
    void *state; // the model's
    const struct assay_actor_task *task;
    enum assay_dialect dialect;
    unsigned repairs; // that agentless draws
};

struct assay_scaffold {
    const char *name;
    bool speaks[ASSAY_DIALECTS]; // the first is what it speaks unless told
    enum assay_status (*open)(void **state, const struct assay_led *led, struct assay_error *err);
    // As an actor's.
    enum assay_status (*next)(void *state, const struct assay_actor_seen *seen, size_t seen_count,
            struct assay_actor_message *out, struct assay_error *err);
    void (*close)(void *state);
};

extern const struct assay_scaffold assay_scaffold_agent, assay_scaffold_single,
        assay_scaffold_agentless;

// What a model is told of the dialect of patches.
extern const char assay_patch_dialect_text[];

// A call into the message, with one text argument (key NULL: none). False: no memory.
bool assay_scaffold_call(struct assay_actor_message *out, const char *tool, const char *key,
        struct assay_bytes value);
// A command line in a process of its own in the repository.
bool assay_scaffold_shell(struct assay_actor_message *out, const char *line);

// The first fenced block after *at whose mark is one of `marks` (NULL-terminated; "" is a fence
// without a word), without its fences; *at goes behind it. False: none.
bool assay_scaffold_fence(struct assay_bytes *block, const char **at, const char *const *marks);

#endif
