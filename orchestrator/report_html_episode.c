// SPDX-License-Identifier: MIT
// report_html_episode.c - the episodes of an instance: each turn folded, what was done in its line,
// what it said and showed within.
//
// No script runs on the page: folding is the browser's, and so is searching, which opens what is
// folded where it finds something.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/html.h"
#include "orchestrator/report_diff.h"
#include "orchestrator/report_page.h"

#define ARGUMENT_BYTES_MAX ((size_t)64 << 20)
#define ARGUMENT_DEPTH_MAX 32
#define LINE_BYTES_MAX ((size_t)120)       // of what a turn's line shows of its action
#define SHOWN_BYTES_MAX ((size_t)16 << 10) // of an action, of an observation
#define TURN_BYTES_MIN ((size_t)512)

// --- an action -----------------------------------------------------------------------------------

// The argument that says most of a call.
static const char *main_argument(const struct assay_json *arguments)
{
    static const char *const keys[] = {"command", "path", "pattern", "thought", "answer"};
    const char *path = assay_json_text(assay_json_get(arguments, "path"));

    // `edit` calls its kind of edit "command".
    if (path != NULL)
        return path;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *text = assay_json_text(assay_json_get(arguments, keys[i]));

        if (text != NULL)
            return text;
    }
    return NULL;
}

static void put_line(
        struct assay_buf *out, const struct assay_turn *turn, const struct assay_json *arguments)
{
    const char *shown = turn->tool != NULL ? main_argument(arguments) : turn->text;

    assay_buf_adds(out, "<code>");
    assay_html_text(out, turn->tool != NULL ? turn->tool : "no tool");
    assay_buf_adds(out, "</code> ");
    if (shown != NULL) {
        const size_t len = strcspn(shown, "\n");

        assay_html_bytes(out, shown, assay_html_cut(shown, len, LINE_BYTES_MAX), ASSAY_HTML_LINE);
        if (shown[len] != '\0' || len > LINE_BYTES_MAX)
            assay_buf_adds(out, " \u2026");
    }
    assay_buf_adds(out, " <span class=\"q\">");
    if (turn->failed)
        assay_buf_adds(out, "refused");
    else if (turn->cause != NULL && strcmp(turn->cause, "exited") == 0)
        assay_buf_addf(out, "exit %d, ", turn->exit_code);
    else if (turn->signal != 0)
        assay_buf_addf(out, "signal %d, ", turn->signal);
    else if (turn->cause != NULL)
        assay_buf_addf(out, "%s, ", turn->cause);
    if (!turn->failed && turn->cause != NULL)
        assay_html_duration(out, turn->wall_us / 1000);
    assay_buf_adds(out, "</span>");
}

static void put_block(
        struct assay_buf *out, const char *kind, const char *text, size_t len, size_t bytes_max)
{
    const size_t shown = assay_html_cut(text, len, bytes_max);

    if (len == 0)
        return;
    assay_buf_addf(out, "<pre class=\"log %s\">", kind);
    assay_html_bytes(out, text, shown, ASSAY_HTML_LOG);
    assay_buf_adds(out, "</pre>\n");
    if (shown < len)
        assay_buf_addf(out, "<p class=\"q\">%zu bytes are left out.</p>\n", len - shown);
}

static void put_diff(struct assay_buf *out, const char *patch, size_t len, size_t bytes_max)
{
    assay_buf_adds(out, "<pre class=\"diff\"><code>");
    (void)assay_report_diff_write(
            out, patch, assay_html_cut(patch, len, bytes_max), ASSAY_HTML_GROWTH * bytes_max);
    assay_buf_adds(out, "</code></pre>\n");
}

// Every line of the text behind a sign.
static void add_signed(struct assay_buf *out, char sign, const char *text)
{
    while (text != NULL && *text != '\0') {
        const size_t len = strcspn(text, "\n");

        assay_buf_addc(out, sign);
        assay_buf_add(out, text, len);
        assay_buf_addc(out, '\n');
        text += len + (text[len] == '\n');
    }
}

// A change is shown as one; another call by its arguments.
static void put_action(struct assay_buf *out, const struct assay_turn *turn,
        const struct assay_json *arguments, size_t bytes_max)
{
    const char *patch = assay_json_text(assay_json_get(arguments, "patch"));
    const char *old_text = assay_json_text(assay_json_get(arguments, "old_str"));
    const char *new_text = assay_json_text(assay_json_get(arguments, "new_str"));
    const char *command = assay_json_text(assay_json_get(arguments, "command"));
    struct assay_buf change;

    if (turn->tool == NULL || turn->arguments == NULL)
        return;
    if (patch != NULL) {
        put_diff(out, patch, strlen(patch), bytes_max);
    } else if (old_text != NULL || new_text != NULL) {
        assay_buf_init(&change, ARGUMENT_BYTES_MAX);
        add_signed(&change, '-', old_text);
        add_signed(&change, '+', new_text);
        put_diff(out, change.data, change.len, bytes_max);
        assay_buf_free(&change);
    } else if (strcmp(turn->tool, "bash") == 0 && command != NULL) {
        put_block(out, "do", command, strlen(command), bytes_max);
    } else if (strcmp(turn->arguments, "{}") != 0) {
        put_block(out, "do", turn->arguments, strlen(turn->arguments), bytes_max);
    }
}

// --- turns ---------------------------------------------------------------------------------------

static void put_turn(struct assay_buf *out, const struct assay_turn *turn, size_t bytes_max)
{
    const struct assay_json_limits limits = {ARGUMENT_BYTES_MAX, ARGUMENT_DEPTH_MAX};
    const size_t half = bytes_max / ASSAY_HTML_GROWTH / 2;
    const size_t shown = half < SHOWN_BYTES_MAX ? half : SHOWN_BYTES_MAX;
    const bool bad = turn->failed ||
            (turn->cause != NULL && (turn->exit_code != 0 || strcmp(turn->cause, "exited") != 0));
    struct assay_json *arguments = NULL;

    if (turn->arguments != NULL &&
            assay_json_parse(&arguments, turn->arguments, strlen(turn->arguments), limits, "", 1,
                    NULL) != ASSAY_OK)
        arguments = NULL;
    if (turn->text != NULL && turn->text[0] != '\0') {
        assay_buf_adds(out, "<div class=\"say\">");
        assay_html_bytes(out, turn->text, assay_html_cut(turn->text, strlen(turn->text), shown),
                ASSAY_HTML_BLOCK);
        assay_buf_adds(out, "</div>\n");
    }
    assay_buf_addf(
            out, "<details class=\"turn%s\"><summary><b>%u</b> ", bad ? " bad" : "", turn->turn);
    put_line(out, turn, arguments);
    assay_buf_adds(out, "</summary>\n");
    put_action(out, turn, arguments, shown);
    put_block(out, "saw", turn->observation.data, turn->observation.len, shown);
    assay_buf_adds(out, "</details>\n");
    assay_json_free(arguments);
}

static void put_summary(struct assay_buf *out, const struct assay_episode_row *row)
{
    const char *verdict = !row->has_verdict ? "not graded"
            : !row->scored                  ? "no verdict"
            : row->resolved                 ? "resolved"
                                            : "not resolved";

    assay_buf_addf(out, "Sample %u <span class=\"q\">%u turn%s, %s, %s; commands ", row->sample,
            row->turn_count, row->turn_count == 1 ? "" : "s", assay_episode_cause_name(row->cause),
            verdict);
    assay_html_duration(out, row->wall_us / 1000);
    assay_buf_adds(out, ", actor ");
    assay_html_duration(out, row->actor_us / 1000);
    if (row->prompt_tokens + row->answer_tokens > 0)
        assay_buf_addf(out, ", %llu + %llu tokens", (unsigned long long)row->prompt_tokens,
                (unsigned long long)row->answer_tokens);
    assay_buf_adds(out, "</span>");
}

static void put_episode(
        struct assay_buf *out, const struct assay_report_episode *episode, size_t bytes_max)
{
    const size_t start = out->len;

    assay_buf_adds(out, "<details class=\"episode\"><summary>");
    put_summary(out, &episode->row);
    assay_buf_adds(out, "</summary>\n");
    if (episode->row.reason != NULL && episode->row.reason[0] != '\0') {
        assay_buf_adds(out, "<p class=\"why\">");
        assay_html_text(out, episode->row.reason);
        assay_buf_adds(out, "</p>\n");
    }
    for (size_t i = 0; i < episode->turn_count; i++) {
        const size_t used = out->len - start;
        const size_t left = used < bytes_max ? bytes_max - used : 0;

        if (left < TURN_BYTES_MIN * (episode->turn_count - i) && left < 4 * TURN_BYTES_MIN) {
            assay_buf_addf(out,
                    "<p class=\"q\">%zu more turns: <code>assay episodes show %llu</code></p>\n",
                    episode->turn_count - i, (unsigned long long)episode->row.number);
            break;
        }
        put_turn(out, &episode->turns[i], left / (episode->turn_count - i > 4 ? 4 : 1));
    }
    assay_buf_adds(out, "</details>\n");
}

void assay_report_put_episodes(const struct assay_report_page *page, size_t i, size_t bytes_max)
{
    const struct assay_report *report = page->report;
    size_t count = 0;

    for (size_t k = 0; k < report->episode_count; k++)
        count += strcmp(report->episodes[k].row.instance_id, report->rows[i].instance_id) == 0;
    if (count == 0)
        return;
    assay_buf_addf(page->out, "<h4>Episodes <span class=\"q\">%zu</span></h4>\n", count);
    for (size_t k = 0; k < report->episode_count; k++)
        if (strcmp(report->episodes[k].row.instance_id, report->rows[i].instance_id) == 0)
            put_episode(page->out, &report->episodes[k], bytes_max / count);
}
