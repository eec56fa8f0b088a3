// SPDX-License-Identifier: MIT
// report_html_instance.c - one section per instance: why, what failed, what was refused, the patch,
// the log.
//
// Bounds: lists show their first LIST_COUNT_MAX entries; the patch and the log share what is left
// of PAGE_BYTES by the number of sections that are still to come, so that few instances show much
// and many show less. SECTION_BYTES_MIN keeps a very large run's sections useful: only there the
// page grows beyond PAGE_BYTES.
#include <stdbool.h>
#include <string.h>

#include "orchestrator/html.h"
#include "orchestrator/report_diff.h"
#include "orchestrator/report_log.h"
#include "orchestrator/report_page.h"

#define LIST_COUNT_MAX ((size_t)40)
#define PAGE_BYTES ((size_t)18 << 20)
#define SECTION_BYTES_MIN ((size_t)8 << 10)
#define SECTION_BYTES_MAX ((size_t)512 << 10)
#define PATCH_BYTES_MAX ((size_t)64 << 10) // of the patch itself, before escaping

static void put_list(struct assay_buf *out, const char *title, const struct assay_strings *list)
{
    if (list->count == 0)
        return;
    assay_buf_addf(out, "<h4>%s <span class=\"q\">%zu</span></h4>\n<ul>\n", title, list->count);
    for (size_t i = 0; i < list->count && i < LIST_COUNT_MAX; i++) {
        assay_buf_adds(out, "<li><code>");
        assay_html_text(out, list->items[i]);
        assay_buf_adds(out, "</code></li>\n");
    }
    if (list->count > LIST_COUNT_MAX)
        assay_buf_addf(out, "<li class=\"q\">and %zu more</li>\n", list->count - LIST_COUNT_MAX);
    assay_buf_adds(out, "</ul>\n");
}

static void begin_fact(struct assay_buf *out, const char *name)
{
    assay_buf_addf(out, "<div><dt>%s</dt><dd>", name);
}

static void end_fact(struct assay_buf *out)
{
    assay_buf_adds(out, "</dd></div>\n");
}

static void put_fact(struct assay_buf *out, const char *name, const char *value)
{
    begin_fact(out, name);
    assay_html_text(out, value);
    end_fact(out);
}

static const char *resolution_name(enum assay_resolution resolution)
{
    switch (resolution) {
    case ASSAY_RESOLUTION_FULL:
        return "FULL";
    case ASSAY_RESOLUTION_PARTIAL:
        return "PARTIAL";
    case ASSAY_RESOLUTION_NO:
        break;
    }
    return "NO";
}

static void put_usage(struct assay_buf *out, const struct assay_usage *usage)
{
    begin_fact(out, "Wall");
    assay_html_duration(out, usage->wall_ms);
    end_fact(out);
    begin_fact(out, "CPU");
    assay_html_duration(out, usage->cpu_ms);
    end_fact(out);
    begin_fact(out, "Memory, peak");
    assay_html_size(out, usage->memory_bytes_peak);
    end_fact(out);
    begin_fact(out, "Processes, peak");
    assay_buf_addf(out, "%u", usage->pids_peak);
    end_fact(out);
}

static void put_facts(const struct assay_report_page *page, const struct assay_evaluation_row *row)
{
    const struct assay_verdict *v = &row->verdict;
    struct assay_buf *out = page->out;

    assay_buf_adds(out, "<dl class=\"facts\">\n");
    put_fact(out, "Repository", row->repo);
    begin_fact(out, "Cause");
    assay_buf_addf(out, "<code>%s</code>", assay_cause_name(v->cause));
    end_fact(out);
    put_fact(out, "Resolution", resolution_name(v->resolution));
    if (assay_report_is_repair(v)) {
        begin_fact(out, "FAIL_TO_PASS");
        assay_report_put_fraction(page, &v->f2p_success, &v->f2p_failure);
        end_fact(out);
        begin_fact(out, "PASS_TO_PASS");
        assay_report_put_fraction(page, &v->p2p_success, &v->p2p_failure);
        end_fact(out);
    }
    assay_report_put_kind_facts(page, v);
    put_usage(out, &v->usage);
    put_fact(out, "Tier", v->tier);
    put_fact(out, "Evidence", v->evidence == ASSAY_EVIDENCE_STRONG ? "strong" : "weak");
    put_fact(out, "Verdict", v->cached ? "from the cache" : "from this run");
    begin_fact(out, "Key");
    assay_buf_adds(out, "<code>");
    assay_html_bytes(out, v->key, strnlen(v->key, 12), ASSAY_HTML_LINE);
    assay_buf_adds(out, "</code>");
    end_fact(out);
    assay_buf_adds(out, "</dl>\n");
}

static bool is_exact(const struct assay_hunk_record *hunk)
{
    return hunk->offset == 0 && (!hunk->tolerance || strcmp(hunk->tolerance, "exact") == 0);
}

static void put_hunk(struct assay_buf *out, const struct assay_hunk_record *hunk)
{
    assay_buf_adds(out, "<tr><th scope=\"row\"><code>");
    assay_html_text(out, hunk->path);
    assay_buf_addf(out, "</code></th><td class=\"n\">%zu</td><td>", hunk->hunk_index + 1);
    assay_html_text(out, hunk->tolerance);
    assay_buf_addf(out, "</td><td class=\"n\">%s%llu</td></tr>\n",
            hunk->offset < 0           ? "&minus;"
                    : hunk->offset > 0 ? "+"
                                       : "",
            hunk->offset < 0 ? 0 - (unsigned long long)hunk->offset
                             : (unsigned long long)hunk->offset);
}

// Hunks that needed tolerance, one a row; the others are a number.
static void put_hunks(struct assay_buf *out, const struct assay_verdict *v)
{
    size_t exact = 0, shown = 0;

    for (size_t i = 0; i < v->hunk_count; i++)
        exact += is_exact(&v->hunks[i]);
    if (v->hunk_count == 0 || exact == v->hunk_count)
        return;
    assay_buf_addf(out,
            "<h4>Hunks that needed tolerance <span class=\"q\">%zu of %zu</span></h4>\n"
            "<div class=\"scroll\"><table class=\"hunks\">\n"
            "<caption class=\"hide\">Hunks that did not apply as written</caption>\n<thead><tr>"
            "<th scope=\"col\">File</th><th scope=\"col\" class=\"n\">Hunk</th>"
            "<th scope=\"col\">Tolerance</th><th scope=\"col\" class=\"n\">Lines moved</th></tr>"
            "</thead>\n<tbody>\n",
            v->hunk_count - exact, v->hunk_count);
    for (size_t i = 0; i < v->hunk_count && shown < LIST_COUNT_MAX; i++) {
        if (is_exact(&v->hunks[i]))
            continue;
        put_hunk(out, &v->hunks[i]);
        shown++;
    }
    assay_buf_adds(out, "</tbody></table></div>\n");
    if (v->hunk_count - exact > shown)
        assay_buf_addf(out, "<p class=\"q\">and %zu more</p>\n", v->hunk_count - exact - shown);
}

static void put_patch(
        struct assay_buf *out, const struct assay_evaluation_row *row, size_t html_bytes_max)
{
    const char *patch = row->model_patch.data;
    const size_t len = patch ? row->model_patch.len : 0;
    const struct assay_report_diff_counts counts = assay_report_diff_count(patch, len);
    const bool places = row->verdict.localize != NULL; // the answer is no patch
    size_t shown = 0;

    if (len == 0) {
        assay_buf_adds(out, "<p class=\"q\">No model patch.</p>\n");
        return;
    }
    if (places)
        assay_buf_adds(out, "<details><summary>Answer <span class=\"q\">");
    else
        assay_buf_addf(out,
                "<details><summary>Model patch <span class=\"q\">%zu file%s, +%zu &minus;%zu, ",
                counts.files, counts.files == 1 ? "" : "s", counts.added, counts.deleted);
    assay_html_size(out, len);
    assay_buf_adds(out,
            "</span></summary>\n<pre class=\"diff\" tabindex=\"0\" role=\"region\" "
            "aria-label=\"");
    assay_buf_adds(out, places ? "Answer to " : "Model patch of ");
    assay_html_text(out, row->instance_id);
    assay_buf_adds(out, "\">\n<code>");
    shown = assay_report_diff_write(
            out, patch, assay_html_cut(patch, len, PATCH_BYTES_MAX), html_bytes_max);
    assay_buf_adds(out, "</code></pre>\n");
    if (shown < len) {
        assay_buf_adds(out, "<p class=\"q\">The first ");
        assay_html_size(out, shown);
        assay_buf_addf(out, " are shown, %zu bytes are left out.</p>\n", len - shown);
    }
    assay_buf_adds(out, "</details>\n");
}

static void put_new_tests(struct assay_buf *out, const struct assay_write_tests_score *score)
{
    if (score == NULL)
        return;
    put_list(out, "New tests that fail before the fix and pass on it", &score->fails_before);
    put_list(out, "Flaky new tests", &score->flaky);
}

static void write_section(const struct assay_report_page *page, size_t i, size_t bytes_max)
{
    const struct assay_evaluation_row *row = &page->report->rows[i];
    const enum assay_report_group group = page->report->groups[i];
    const struct assay_verdict *v = &row->verdict;
    struct assay_buf *out = page->out;
    const size_t start = out->len;
    size_t used = 0;

    assay_buf_addf(out, "<section class=\"i k%u\" ", (unsigned)group);
    assay_report_put_anchor(page, "id=\"", i);
    assay_buf_addf(out,
            "\">\n<h3><span class=\"c%u\"><span aria-hidden=\"true\">%s</span> %s</span> ",
            (unsigned)group, assay_report_mark(group), assay_report_group_name(group));
    assay_html_text(out, row->instance_id);
    assay_buf_adds(out, "</h3>\n");
    if (row->has_verdict) {
        assay_buf_adds(out, "<p class=\"why\">");
        assay_html_text(out, v->reason);
        assay_buf_adds(out, "</p>\n");
        put_facts(page, row);
        assay_report_put_kind(page, v);
        put_new_tests(out, v->write_tests);
        put_list(out, "Tampering", &v->tamper);
        put_list(out, "Failing FAIL_TO_PASS", &v->f2p_failure);
        put_list(out, "Failing PASS_TO_PASS", &v->p2p_failure);
        put_list(out, "System calls refused", &v->denied);
        put_list(out, "Protected files whose changes were left out", &v->patch_dropped);
        put_hunks(out, v);
    } else {
        assay_buf_adds(out, "<p class=\"why\">Selected, but not run yet.</p>\n");
    }
    put_patch(out, row, bytes_max / 4);
    assay_report_put_episodes(page, i, bytes_max / 2);
    used = out->len - start;
    if (row->log_path)
        assay_report_log_write(out, page->home_fd, row->log_path, row->instance_id,
                used + SECTION_BYTES_MIN / 2 < bytes_max ? bytes_max - used
                                                         : SECTION_BYTES_MIN / 2);
    assay_buf_adds(out,
            "<p class=\"up\"><a href=\"#instances\">Back to the instances</a></p>\n"
            "</section>\n");
}

void assay_report_write_details(const struct assay_report_page *page)
{
    const size_t count = page->report->count;
    struct assay_buf *out = page->out;

    assay_buf_adds(out,
            "<section id=\"details\" aria-labelledby=\"h-details\">\n"
            "<h2 id=\"h-details\">Details</h2>\n");
    for (size_t i = 0; i < count; i++) {
        const size_t left = out->len < PAGE_BYTES ? PAGE_BYTES - out->len : 0;
        size_t share = left / (count - i);

        if (share < SECTION_BYTES_MIN)
            share = SECTION_BYTES_MIN;
        if (share > SECTION_BYTES_MAX)
            share = SECTION_BYTES_MAX;
        write_section(page, i, share);
    }
    assay_buf_adds(out, "</section>\n");
}
