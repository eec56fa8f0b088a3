// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "orchestrator/report.h"

#define REPORT_BYTES_MAX ((size_t)1 << 30)
#define FILE_NAME_BYTES_MAX 230 // leaves room for dots, "json" and a temporary suffix

// The model's part of a file name: '/' becomes "__", as in SWE-bench; control bytes '_'; cut where
// the name would be too long.
static void name_model(char *out, size_t size, const char *model)
{
    size_t m = 0;

    for (const char *c = model; *c && m + 3 < size; c++) {
        const unsigned char byte = (unsigned char)*c;
        const bool kept = byte != '/' && byte >= ' ' && byte != 0x7f;

        if (byte == '/')
            out[m++] = '_';
        if (kept)
            out[m++] = *c;
        else
            out[m++] = '_';
    }
    out[m] = '\0';
}

enum assay_status assay_report_save_swebench(
        const struct assay_report *report, const char *dir, struct assay_error *err)
{
    const size_t id_len = strlen(report->run.run_id);
    char path[PATH_MAX], model[FILE_NAME_BYTES_MAX];
    struct assay_buf text;
    enum assay_status status;

    name_model(model, id_len < sizeof(model) - 16 ? sizeof(model) - id_len : 16, report->run.model);
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
