// SPDX-License-Identifier: MIT
#include "orchestrator/page.h"

#include <string.h>

#include "support/harness.h"

size_t count_of(const struct assay_buf *text, const char *part)
{
    size_t count = 0;

    for (const char *at = text->data; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

void assert_holds(const struct assay_buf *text, const char *part)
{
    if (!strstr(text->data, part))
        fail_msg("not there: %s", part);
}

void assert_lacks(const struct assay_buf *text, const char *part)
{
    if (strstr(text->data, part))
        fail_msg("there: %s", part);
}
