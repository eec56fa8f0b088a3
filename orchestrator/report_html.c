// SPDX-License-Identifier: MIT
// report_html.c - the page of a run: its frame, its header and its headline.
//
// Life of a page: everything is appended to one buffer, top to bottom. Nothing is loaded when it is
// read, and nothing runs: the content security policy allows one style sheet, named by its hash.
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "orchestrator/html.h"
#include "orchestrator/report_page.h"
#include "orchestrator/run_summary.h"

const char *assay_report_mark(enum assay_report_group group)
{
    // Check mark, ballot X, empty set, circled slash, filled circle, circle.
    static const char *const marks[ASSAY_REPORT_GROUPS] = {
            "\u2713", "\u2717", "\u2205", "\u2298", "\u25cf", "\u25cb"};

    return marks[group];
}

void assay_report_put_anchor(const struct assay_report_page *page, const char *prefix, size_t row)
{
    const char *id = page->report->rows[row].instance_id;

    assay_buf_adds(page->out, prefix);
    if (id && assay_instance_id_valid(id))
        assay_buf_addf(page->out, "i-%s", id);
    else
        assay_buf_addf(page->out, "n-%zu", row);
}

void assay_report_put_fraction(const struct assay_report_page *page,
        const struct assay_strings *success, const struct assay_strings *failure)
{
    assay_buf_addf(page->out, "%zu/%zu", success->count, success->count + failure->count);
}

static unsigned hex_value(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'a') + 10;
}

// The hash as a policy wants it: 32 bytes in base64, 43 digits and one '='.
static enum assay_status style_hash(char text[45], struct assay_error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char hex[ASSAY_SHA256_HEX_BYTES];
    enum assay_status status = assay_sha256_bytes(hex, assay_report_css, assay_report_css_len, err);

    if (status != ASSAY_OK)
        return status;
    // Three hex digits are two of base64; 64 = 21 * 3 + 1, and the last digit stands alone.
    for (size_t i = 0; i < 21; i++) {
        const unsigned bits = hex_value(hex[3 * i]) << 8 | hex_value(hex[3 * i + 1]) << 4 |
                hex_value(hex[3 * i + 2]);

        text[2 * i] = digits[bits >> 6];
        text[2 * i + 1] = digits[bits & 63];
    }
    text[42] = digits[hex_value(hex[63]) << 2];
    text[43] = '=';
    text[44] = '\0';
    return ASSAY_OK;
}

enum assay_status assay_report_begin_head(struct assay_buf *out, struct assay_error *err)
{
    char hash[45];
    enum assay_status status = style_hash(hash, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_addf(out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
            "'sha256-%s'; base-uri 'none'; form-action 'none'\">\n"
            "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
            hash);
    return ASSAY_OK;
}

void assay_report_end_head(struct assay_buf *out)
{
    assay_buf_adds(out, "</title>\n<style>");
    assay_buf_add(out, assay_report_css, assay_report_css_len);
    assay_buf_adds(out,
            "</style>\n</head>\n<body>\n"
            "<a class=\"skip\" href=\"#main\">Skip to the result</a>\n");
}

void assay_report_end_page(struct assay_buf *out)
{
    assay_buf_adds(out,
            "</main>\n<footer><p>Written by assay. The page loads nothing and runs "
            "nothing.</p></footer>\n</body>\n</html>\n");
}

// More episodes than the one of each instance whose verdicts are the rows.
static bool has_samples(const struct assay_report *report)
{
    return report->summary != NULL && report->summary->count > report->summary->instances;
}

static enum assay_status write_head(const struct assay_report_page *page, struct assay_error *err)
{
    struct assay_buf *out = page->out;
    const enum assay_status status = assay_report_begin_head(out, err);

    if (status != ASSAY_OK)
        return status;
    if (has_samples(page->report))
        assay_buf_addf(out, "%zu of %zu episodes resolved: ", page->report->summary->resolved,
                page->report->summary->count);
    else
        assay_buf_addf(out,
                "%zu of %zu resolved: ", page->report->group_counts[ASSAY_REPORT_RESOLVED],
                page->report->count);
    assay_html_text(out, page->report->run.model);
    assay_buf_adds(out, " on ");
    assay_html_text(out, page->report->run.suite);
    assay_report_end_head(out);
    return ASSAY_OK;
}

static void put_fact(struct assay_buf *out, const char *name, const char *value)
{
    if (!value || value[0] == '\0')
        return;
    assay_buf_addf(out, "<div><dt>%s</dt><dd>", name);
    assay_html_text(out, value);
    assay_buf_adds(out, "</dd></div>\n");
}

// Each tier once, in the order in which the rows name them.
static void put_tiers(const struct assay_report_page *page)
{
    const char *seen[8];
    size_t count = 0;

    for (size_t i = 0; i < page->report->count && count < sizeof(seen) / sizeof(seen[0]); i++) {
        const struct assay_evaluation_row *row = &page->report->rows[i];
        size_t s = 0;

        if (!row->has_verdict || !row->verdict.tier || row->verdict.tier[0] == '\0')
            continue;
        while (s < count && strcmp(seen[s], row->verdict.tier) != 0)
            s++;
        if (s < count)
            continue;
        assay_buf_adds(page->out, count == 0 ? "<div><dt>Sandbox tier</dt><dd>" : ", ");
        assay_html_text(page->out, row->verdict.tier);
        seen[count++] = row->verdict.tier;
    }
    if (count > 0)
        assay_buf_adds(page->out, "</dd></div>\n");
}

static void put_evidence(const struct assay_report_page *page)
{
    size_t strong = 0, weak = 0, cached = 0;

    for (size_t i = 0; i < page->report->count; i++) {
        const struct assay_evaluation_row *row = &page->report->rows[i];

        if (!row->has_verdict)
            continue;
        strong += row->verdict.evidence == ASSAY_EVIDENCE_STRONG;
        weak += row->verdict.evidence == ASSAY_EVIDENCE_WEAK;
        cached += row->verdict.cached;
    }
    assay_buf_addf(page->out,
            "<div><dt>Evidence</dt><dd>%zu strong, %zu weak</dd></div>\n"
            "<div><dt>Verdicts from the cache</dt><dd>%zu of %zu</dd></div>\n",
            strong, weak, cached, strong + weak);
}

static void write_header(const struct assay_report_page *page)
{
    const struct assay_run *run = &page->report->run;
    struct assay_buf *out = page->out;

    assay_buf_adds(out, "<header>\n<p class=\"eyebrow\">assay run report</p>\n<h1>");
    assay_html_text(out, run->model);
    assay_buf_adds(out, " <span class=\"q\">on</span> ");
    assay_html_text(out, run->suite);
    assay_buf_adds(out, "</h1>\n<dl class=\"facts\">\n");
    put_fact(out, "Run", run->run_id);
    assay_buf_addf(out, "<div><dt>State</dt><dd>%s, %zu of %zu done</dd></div>\n",
            run->state == ASSAY_RUN_FINISHED ? "finished" : "open", run->done, run->total);
    put_fact(out, "Started", run->started_at);
    put_fact(out, "Finished", run->finished_at);
    put_tiers(page);
    put_fact(out, "Grader version", ASSAY_GRADER_VERSION);
    put_evidence(page);
    if (run->command) {
        assay_buf_adds(out, "<div class=\"whole\"><dt>Command</dt><dd><code>");
        assay_html_text(out, run->command);
        assay_buf_adds(out, "</code></dd></div>\n");
    }
    assay_buf_addf(out,
            "</dl>\n<nav aria-label=\"Parts of this page\">%s<a href=\"#result\">Result</a> "
            "<a href=\"#repositories\">Repositories</a> "
            "<a href=\"#instances\">Instances</a> "
            "<a href=\"#details\">Details</a></nav>\n</header>\n",
            page->report->summary != NULL ? "<a href=\"#samples\">All samples</a> " : "");
}

// No rate stands without its counts.
static void write_headline(const struct assay_report_page *page)
{
    const struct assay_report *report = page->report;
    const size_t resolved = report->group_counts[ASSAY_REPORT_RESOLVED];
    const size_t scored = report->count - report->group_counts[ASSAY_REPORT_NO_VERDICT] -
            report->group_counts[ASSAY_REPORT_INCOMPLETE];
    struct assay_buf *out = page->out;
    double low = 0.0, high = 1.0;

    assay_wilson(&low, &high, resolved, report->count);
    assay_buf_addf(out,
            "<section id=\"result\" aria-labelledby=\"h-result\">\n<h2 id=\"h-result\">Result</h2>\n"
            "<p class=\"headline\"><strong>%zu of %zu</strong> selected instances "
            "resolved%s <span class=\"rate\">",
            resolved, report->count, has_samples(report) ? " by their first sample" : "");
    assay_html_percent(out, resolved, report->count);
    assay_buf_addf(out,
            "</span></p>\n<p class=\"q\">Wilson 95&nbsp;%% interval %.1f to %.1f&nbsp;%%. "
            "Of %zu scored, %zu resolved (",
            100.0 * low, 100.0 * high, scored, resolved);
    assay_html_percent(out, resolved, scored);
    assay_buf_adds(out, ").</p>\n");
    assay_report_write_chart(page);
    assay_report_write_groups(page);
    assay_report_write_kinds(page);
    assay_buf_adds(out, "</section>\n");
}

enum assay_status assay_report_write_html(struct assay_buf *out, const struct assay_report *report,
        const char *home, struct assay_error *err)
{
    struct assay_report_page page = {.out = out, .report = report, .home_fd = -1};
    enum assay_status status = ASSAY_OK;

    page.home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (page.home_fd < 0)
        return assay_fail_errno(err, errno, "open %s", home);
    status = write_head(&page, err);
    if (status != ASSAY_OK)
        goto out;
    write_header(&page);
    assay_buf_adds(out, "<main id=\"main\" tabindex=\"-1\">\n");
    assay_report_write_samples(&page);
    write_headline(&page);
    status = assay_report_write_repos(&page, err);
    if (status != ASSAY_OK)
        goto out;
    assay_report_write_instances(&page);
    assay_report_write_details(&page);
    assay_report_end_page(out);
    status = assay_buf_check(out, "HTML report", err);

out:
    close(page.home_fd);
    return status;
}
