// SPDX-License-Identifier: MIT
// serve_token.h - who may do what at the service: bearer tokens of a file, and names of hosts.
#ifndef ASSAY_ORCHESTRATOR_SERVE_TOKEN_H
#define ASSAY_ORCHESTRATOR_SERVE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

// Each may do what those before it may.
enum assay_role {
    ASSAY_ROLE_NONE,
    ASSAY_ROLE_READ,  // look
    ASSAY_ROLE_RUN,   // grade, act in episodes
    ASSAY_ROLE_ADMIN, // end what others began
};
const char *assay_role_name(enum assay_role role);

#define ASSAY_WHO_BYTES 64
#define ASSAY_TOKEN_BYTES_MIN 16
#define ASSAY_TOKENS_MAX 1024

struct assay_tokens; // opaque; owned by whoever called assay_tokens_read()

// A line a token: "ROLE TOKEN [NAME]", ROLE one of read, run, admin; '#' begins a comment. The file
// is the user's own, mode 0600. Tokens are kept as their hashes. Errors name the line, never a
// token: ASSAY_EREFUSED (mode), ASSAY_EINVAL, ASSAY_ENOTFOUND.
ASSAY_MUST_USE enum assay_status assay_tokens_read(
        struct assay_tokens **out, const char *path, struct assay_error *err);
void assay_tokens_free(struct assay_tokens *tokens); // NULL is allowed

// Whose the value of an Authorization header is ("Bearer TOKEN"; NULL: there was none); `who` is
// its NAME. Takes equally long whatever is right about it. NULL tokens: everybody is an admin.
enum assay_role assay_tokens_role(
        const struct assay_tokens *tokens, const char *authorization, char who[ASSAY_WHO_BYTES]);
// The same of a token alone, as X-API-Key has it (NULL: there was none).
enum assay_role assay_tokens_role_of(
        const struct assay_tokens *tokens, const char *token, char who[ASSAY_WHO_BYTES]);

// Does a Host header (or the host of an Origin) name this server: localhost, a numeric loopback
// address, or one of `names`, with any port? A page of another site, which a browser was lured to,
// does not.
bool assay_host_is_ours(const char *host, const char *const *names, size_t name_count);

#endif
