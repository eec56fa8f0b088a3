// SPDX-License-Identifier: MIT
// report_train_html.c - the page of a training: its frame, what it came to, its settings.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "orchestrator/html.h"
#include "orchestrator/report.h"
#include "orchestrator/report_page.h"
#include "orchestrator/report_train_page.h"
#include "orchestrator/train_tasks.h"

#define PAGE_BYTES_MAX ((size_t)256 << 20)

static void put_fact(struct assay_buf *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    assay_buf_addf(out, "<div><dt>%s</dt><dd>", name);
    assay_html_text(out, value);
    assay_buf_adds(out, "</dd></div>\n");
}

static void put_setting(struct assay_buf *out, const struct assay_train_report *report,
        const char *name, const char *key)
{
    char value[ASSAY_TRAIN_SETTING_BYTES];

    assay_train_report_setting(value, report, key);
    put_fact(out, name, value);
}

// Links to those parts of the page that are there.
static void write_links(struct assay_buf *out, const struct assay_buf *body)
{
    static const struct {
        const char *id, *words;
    } parts[] = {{"held-out", "Held-out rate"}, {"learning", "Learning"}, {"speed", "Speed"},
            {"warm", "Warm start"}, {"by-family", "Families"}, {"rollouts", "Answers"},
            {"settings", "Settings"}};

    assay_buf_adds(out, "<nav aria-label=\"Parts of this page\">");
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char place[64];

        (void)snprintf(place, sizeof(place), "<section id=\"%s\">", parts[i].id);
        if (body->data && strstr(body->data, place))
            assay_buf_addf(out, "<a href=\"#%s\">%s</a> ", parts[i].id, parts[i].words);
    }
    assay_buf_adds(out, "</nav>\n");
}

static void write_header(struct assay_buf *out, const struct assay_train_report *report,
        const struct assay_buf *body)
{
    const struct assay_training *t = &report->training;
    const char *last =
            report->row_count > 0 ? report->rows[report->row_count - 1].recorded_at : NULL;

    assay_buf_adds(out, "<header>\n<p class=\"eyebrow\">assay training report</p>\n<h1>");
    assay_html_text(out, t->run_id);
    assay_buf_adds(out, "</h1>\n<dl class=\"facts\">\n");
    assay_buf_addf(out, "<div><dt>State</dt><dd>%s, %" PRIu64 " of %" PRIu64 " steps</dd></div>\n",
            t->state == ASSAY_RUN_FINISHED ? "finished" : "open", assay_train_report_done(report),
            report->sft_steps + report->rl_steps);
    put_fact(out, "Started", t->started_at);
    put_fact(out, t->state == ASSAY_RUN_FINISHED ? "Finished" : "Last step",
            t->finished_at ? t->finished_at : last);
    put_setting(out, report, "Loss", "loss.name");
    put_setting(out, report, "Tasks", "tasks.source");
    put_setting(out, report, "Seed", "seed");
    if (t->command) {
        assay_buf_adds(out, "<div class=\"whole\"><dt>Command</dt><dd><code>");
        assay_html_text(out, t->command);
        assay_buf_adds(out, "</code></dd></div>\n");
    }
    assay_buf_adds(out, "</dl>\n");
    write_links(out, body);
    assay_buf_adds(out, "</header>\n");
}

// No rate stands without its counts.
static void write_rate(struct assay_buf *out, const struct assay_train_report *report,
        enum assay_train_split split, const char *words)
{
    struct assay_train_report_rate rate;

    if (!assay_train_report_rate(&rate, report, split))
        return;
    assay_buf_addf(out,
            "<p class=\"headline\"><strong>%.1f&nbsp;%%</strong> %s solved "
            "<span class=\"rate\">%.0f of %.0f, between %.1f and %.1f&nbsp;%%",
            rate.count > 0 ? 100 * rate.solved / rate.count : 0.0, words, rate.solved, rate.count,
            100 * rate.low, 100 * rate.high);
    if (rate.again)
        assay_buf_addf(out, "; at first %.0f of %.0f", rate.first_solved, rate.first_count);
    assay_buf_adds(out, "</span></p>\n");
}

static void write_result(struct assay_buf *out, const struct assay_train_report *report)
{
    assay_buf_adds(out, "<section id=\"result\">\n");
    if (report->row_count == 0)
        assay_buf_adds(out, "<p class=\"headline\">No step is recorded yet.</p>\n");
    else if (!assay_train_report_last(report, "eval", NULL))
        assay_buf_adds(out, "<p class=\"headline\">No evaluation is recorded yet.</p>\n");
    write_rate(out, report, ASSAY_TRAIN_SEEDS, "of held-out tasks of known kinds");
    write_rate(out, report, ASSAY_TRAIN_FAMILIES, "of held-out tasks of unknown kinds");
    assay_buf_adds(out, "</section>\n");
}

// The lines as `assay train --dry-run` prints them; what somebody set stands out.
static void write_settings(struct assay_buf *out, const struct assay_train_report *report)
{
    const char *at = report->training.config;

    assay_buf_adds(out,
            "<section id=\"settings\">\n<h2>Settings <span class=\"q\">with where each came from; "
            "defaults are grey</span></h2>\n<pre class=\"log\">");
    while (at && *at) {
        const size_t len = strcspn(at, "\n");
        const char *origin = strstr(at, " default ");
        const bool quiet = origin && origin < at + len;

        if (quiet)
            assay_buf_adds(out, "<span class=\"q\">");
        assay_html_bytes(out, at, len, ASSAY_HTML_BLOCK);
        assay_buf_adds(out, quiet ? "</span>\n" : "\n");
        at += len;
        at += *at == '\n';
    }
    assay_buf_adds(out, "</pre>\n</section>\n");
}

static enum assay_status write_body(
        struct assay_buf *out, const struct assay_train_report *report, struct assay_error *err)
{
    enum assay_status status;

    write_result(out, report);
    assay_train_report_write_curves(out, report);
    status = assay_train_report_write_families(out, report, err);
    if (status != ASSAY_OK)
        return status;
    assay_train_report_write_rollouts(out, report);
    write_settings(out, report);
    return assay_buf_check(out, "HTML report", err);
}

enum assay_status assay_train_report_write_html(
        struct assay_buf *out, const struct assay_train_report *report, struct assay_error *err)
{
    struct assay_buf body;
    enum assay_status status;

    assay_buf_init(&body, PAGE_BYTES_MAX);
    status = write_body(&body, report, err);
    if (status == ASSAY_OK)
        status = assay_report_begin_head(out, err);
    if (status == ASSAY_OK) {
        assay_html_text(out, report->training.run_id);
        assay_buf_adds(out, ": training");
        assay_report_end_head(out);
        write_header(out, report, &body);
        assay_buf_adds(out, "<main id=\"main\" tabindex=\"-1\">\n");
        assay_buf_add(out, body.data, body.len);
        assay_report_end_page(out);
        status = assay_buf_check(out, "HTML report", err);
    }
    assay_buf_free(&body);
    return status;
}

enum assay_status assay_train_report_save_html(
        const struct assay_train_report *report, const char *file, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, PAGE_BYTES_MAX);
    status = assay_train_report_write_html(&text, report, err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(file, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    return status;
}
