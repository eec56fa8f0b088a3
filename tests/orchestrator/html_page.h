// SPDX-License-Identifier: MIT
// html_page.h - what a text holds, for the tests of the report's parts.
#ifndef ASSAY_TESTS_ORCHESTRATOR_HTML_PAGE_H
#define ASSAY_TESTS_ORCHESTRATOR_HTML_PAGE_H

#include <stddef.h>

#include "base/buf.h"

size_t count_of(const struct assay_buf *text, const char *part);
void assert_holds(const struct assay_buf *text, const char *part);
void assert_lacks(const struct assay_buf *text, const char *part);

// A whole page: its elements are ours and close in order, no level of headings is left out.
void assert_well_formed(const struct assay_buf *page);
// Every link leads to one place of the page; nothing leads out of it.
void assert_links(const struct assay_buf *page);

#endif
