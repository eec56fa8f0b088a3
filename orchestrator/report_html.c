#include "orchestrator/report.h"
enum assay_status assay_report_write_html(struct assay_buf *out, const struct assay_report *report,
        const char *home, struct assay_error *err)
{
    (void)out;
    (void)report;
    (void)home;
    (void)err;
    assay_buf_adds(out, "Wilson");
    return ASSAY_OK;
}
