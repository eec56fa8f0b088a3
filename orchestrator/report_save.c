// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "orchestrator/report.h"

#define REPORT_BYTES_MAX ((size_t)1 << 30)

enum assay_status assay_report_save_swebench(
        const struct assay_report *report, const char *dir, struct assay_error *err)
{
    char path[PATH_MAX], model[256];
    struct assay_buf text;
    enum assay_status status;
    size_t m = 0;

    for (const char *c = report->run.model; *c && m + 3 < sizeof(model); c++) {
        if (*c == '/') {
            model[m++] = '_';
            model[m++] = '_';
        } else {
            model[m++] = *c;
        }
    }
    model[m] = '\0';
    if (snprintf(path, sizeof(path), "%s/%s.%s.json", dir, model, report->run.run_id) >=
            (int)sizeof(path))
        return assay_fail(err, ASSAY_EINVAL, "%s: the path is too long", dir);
    assay_buf_init(&text, REPORT_BYTES_MAX);
    assay_report_write_swebench(&text, report, 4);
    assay_buf_addc(&text, '\n');
    status = assay_buf_check(&text, "report", err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(path, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status assay_report_save_html(const struct assay_report *report, const char *home,
        const char *file, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, REPORT_BYTES_MAX);
    status = assay_report_write_html(&text, report, home, err);
    if (status == ASSAY_OK)
        status = assay_buf_check(&text, "HTML report", err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(file, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    return status;
}
