// SPDX-License-Identifier: MIT
#include "orchestrator/page.h"

#include "orchestrator/cli.h"

#define PAGE_BYTES_MAX ((size_t)256 << 20)

struct assay_json_writer *assay_page_begin(struct assay_page *page)
{
    assay_buf_init(&page->text, PAGE_BYTES_MAX);
    assay_json_writer_init(&page->writer, &page->text, 2);
    assay_json_begin_object(&page->writer, NULL);
    assay_json_put_u64(&page->writer, "schema", 1);
    return &page->writer;
}

enum assay_status assay_page_print(struct assay_page *page, struct assay_error *err)
{
    assay_json_end_object(&page->writer);
    return assay_cli_print(&page->text, err);
}
