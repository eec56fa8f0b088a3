// SPDX-License-Identifier: MIT
// serve_swerex_parts.h - what handlers of SWE-ReX's routes share. Internal to serve_swerex*.c.
//
// A runtime is an episode: /swerex/ID/... Everything is a turn of it, by its tools, and is recorded
// as any other. What a command came to is an answer; what SWE-ReX's own server raises is told as
// its client expects it: status 511, with the class to raise.
#ifndef ASSAY_ORCHESTRATOR_SERVE_SWEREX_PARTS_H
#define ASSAY_ORCHESTRATOR_SERVE_SWEREX_PARTS_H

#include "orchestrator/serve_parts.h"

#define ASSAY_REX_ERROR "swerex.exceptions."

// A request under way. Owned by whoever has it, until it is answered.
struct assay_rex {
    struct assay_service *serve;
    struct assay_http_request *request;
    struct assay_lease_view view; // of its episode, as it stood
    struct assay_json *body;      // owned; NULL: none
    char mark[ASSAY_ID_BYTES];    // a word that nothing else prints
    char *path;                   // owned; of an upload
    bool unzip;
    void (*write)(struct assay_rex *rex, const struct assay_observation *seen); // answers
};

// NULL: the request was answered. `has_body`: with a JSON object.
struct assay_rex *assay_rex_begin(struct assay_service_call *call, bool has_body);
void assay_rex_end(struct assay_rex *rex); // it is answered
// Answers, and ends: an empty object; the exception of this class.
void assay_rex_reply_empty(struct assay_rex *rex);
void assay_rex_raise(struct assay_rex *rex, const char *class_path, const char *message);

// One turn; rex->write() is called with what it showed. `script` is freed. apart: by sh, in the
// repository's directory, and nothing of it carries over.
void assay_rex_run(struct assay_rex *rex, struct assay_buf *script, double timeout_s, bool apart);
void assay_rex_put_file(
        struct assay_rex *rex, const char *path, const char *text); // by the tool `edit`
// A path from the root: SWE-ReX's server takes one from its own directory, we from the
// repository's.
void assay_rex_add_path(struct assay_buf *out, const struct assay_rex *rex, const char *path);

#endif
