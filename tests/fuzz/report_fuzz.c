// SPDX-License-Identifier: MIT
// What must hold: whatever a model or a program wrote, the page's text has no markup but ours, is
// valid UTF-8, and a diff stays within its room.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "orchestrator/html.h"
#include "orchestrator/report_diff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DIFF_BYTES_MAX ((size_t)4096)

static void check_utf8(const struct assay_buf *text)
{
    for (size_t i = 0, len = 0; i < text->len; i += len) {
        len = assay_utf8_length(text->data + i, text->len - i);
        if (len == 0)
            abort();
    }
}

static void check_text(const char *bytes, size_t size, enum assay_html_form form)
{
    struct assay_buf out;

    assay_buf_init(&out, size * ASSAY_HTML_GROWTH);
    assay_html_bytes(&out, bytes, size, form);
    if (out.failed || strpbrk(out.data, "<>\"'\r\033") || strlen(out.data) != out.len)
        abort();
    check_utf8(&out);
    assay_buf_free(&out);
}

static void check_diff(const char *bytes, size_t size)
{
    struct assay_buf out;
    size_t shown = 0;

    assay_buf_init(&out, DIFF_BYTES_MAX);
    shown = assay_report_diff_write(&out, bytes, size, DIFF_BYTES_MAX);
    if (out.failed || shown > size || (shown == 0 && size > 0))
        abort();
    (void)assay_report_diff_count(bytes, size);
    check_utf8(&out);
    assay_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;

    check_text(bytes, size, ASSAY_HTML_LINE);
    check_text(bytes, size, ASSAY_HTML_BLOCK);
    check_text(bytes, size, ASSAY_HTML_LOG);
    check_diff(bytes, size);
    return 0;
}
