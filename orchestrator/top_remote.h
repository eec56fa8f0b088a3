// SPDX-License-Identifier: MIT
// top_remote.h - what is running where a service is: GET /v1/top (docs/service.md).
#ifndef ASSAY_ORCHESTRATOR_TOP_REMOTE_H
#define ASSAY_ORCHESTRATOR_TOP_REMOTE_H

#include <stdbool.h>

#include "orchestrator/top.h"

struct assay_top_remote; // opaque; owned by whoever called assay_top_remote_create()

// `url`: where the service is, as it says itself ("http://127.0.0.1:8080"); `token_file` (NULL:
// none) holds a token, mode 0600. `cancel` is borrowed, and may be NULL. ASSAY_EUSAGE: no such URL.
ASSAY_MUST_USE enum assay_status assay_top_remote_create(struct assay_top_remote **out,
        const char *url, const char *token_file, const volatile bool *cancel,
        struct assay_error *err);
void assay_top_remote_destroy(struct assay_top_remote *remote);          // NULL is allowed
const char *assay_top_remote_url(const struct assay_top_remote *remote); // borrowed

// As assay_top_load(). ASSAY_EIO, ASSAY_ETIMEOUT: it may answer later (no connection, 429, 5xx).
// ASSAY_EREFUSED: the token is not for this; ASSAY_EINVAL: what answers is no such service;
// ASSAY_ENOTFOUND: no such run.
ASSAY_MUST_USE enum assay_status assay_top_remote_load(struct assay_top *out,
        struct assay_top_remote *remote, const char *run_id, struct assay_arena *arena,
        struct assay_error *err);

#endif
