// SPDX-License-Identifier: MIT
// html.h - bytes that nobody vouches for, as HTML text.
//
// Whatever reaches a page from outside (patches, logs, ids, reasons, names) goes through here:
// markup characters become references, invalid UTF-8 becomes U+FFFD, and what a reader could not
// see gets a visible form: ^[ for a control character, [U+202E] for a direction override. The
// result is safe as element content and inside a double-quoted attribute.
#ifndef ASSAY_ORCHESTRATOR_HTML_H
#define ASSAY_ORCHESTRATOR_HTML_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum assay_html_form {
    ASSAY_HTML_LINE,  // newline and tab are made visible as well
    ASSAY_HTML_BLOCK, // for <pre>: newline and tab stay
    ASSAY_HTML_LOG,   // as BLOCK; a terminal's control sequences are left out, CR ends a line
};

// No form makes more than this many bytes of one.
#define ASSAY_HTML_GROWTH ((size_t)5)

void assay_html_bytes(
        struct assay_buf *out, const char *bytes, size_t len, enum assay_html_form form);
// A name or a sentence in LINE form; NULL adds nothing. Past ASSAY_HTML_TEXT_MAX bytes it is cut
// off, and the text says so.
#define ASSAY_HTML_TEXT_MAX ((size_t)2048)
void assay_html_text(struct assay_buf *out, const char *text);

// Length of a prefix of at most `max` bytes: it ends behind the last newline of its last quarter,
// or, where there is none, not inside a character.
size_t assay_html_cut(const char *bytes, size_t len, size_t max);

// Quantities for people: "1.4 MiB", "820 ms", "3 min 05 s", "33.3 %" (0 % for n = 0).
void assay_html_size(struct assay_buf *out, uint64_t bytes);
void assay_html_duration(struct assay_buf *out, uint64_t ms);
void assay_html_percent(struct assay_buf *out, size_t k, size_t n);

#endif
