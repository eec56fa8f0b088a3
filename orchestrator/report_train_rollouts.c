// SPDX-License-Identifier: MIT
// report_train_rollouts.c - what the policy wrote, step by step: prompt, answer shaded by how
// likely each token was, the patch that it makes, the verdict, the advantage.
//
// Bounds: of ROLLOUTS_MAX, shared evenly by steps over the whole run; each has its share of
// PAGE_BYTES.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "orchestrator/html.h"
#include "orchestrator/report.h"
#include "orchestrator/report_diff.h"
#include "orchestrator/report_page.h"
#include "orchestrator/report_train_page.h"

#define ROLLOUTS_MAX ((size_t)600)
#define PAGE_BYTES ((size_t)12 << 20)
#define SHARE_BYTES_MAX ((size_t)64 << 10)

static enum assay_report_group group_of(const struct assay_training_rollout *r)
{
    if (isnan(r->reward))
        return ASSAY_REPORT_NO_VERDICT;
    if (r->solved)
        return ASSAY_REPORT_RESOLVED;
    if (strcmp(r->cause, "empty_patch") == 0)
        return ASSAY_REPORT_EMPTY;
    if (strcmp(r->cause, "patch_rejected") == 0)
        return ASSAY_REPORT_REJECTED;
    return ASSAY_REPORT_UNRESOLVED;
}

static const char *group_word(enum assay_report_group group)
{
    static const char *const words[ASSAY_REPORT_GROUPS] = {
            "solved", "tests failed", "no change", "not an edit", "no reward", "incomplete"};

    return words[group];
}

// --- one rollout ---------------------------------------------------------------------------------

// 0: as good as certain ... 4: one in a hundred, or less likely.
static unsigned shade_of(double logp)
{
    static const double bounds[] = {0.9, 0.5, 0.1, 0.01};
    const double p = exp(logp);
    unsigned shade = 0;

    while (shade < 4 && !(p >= bounds[shade]))
        shade++;
    return shade;
}

// Token by token; false: the tokens do not make up the text, and nothing was written.
static bool write_shaded(struct assay_buf *out, const struct assay_training_rollout *r, size_t max)
{
    size_t bytes = 0, at = 0;

    for (size_t i = 0; i < r->tokens_kept; i++)
        bytes += r->tokens[i].bytes;
    if (bytes != r->answer.len || r->answer.len * 64 > max)
        return false;
    for (size_t i = 0; i < r->tokens_kept; i++) {
        const struct assay_rollout_token *token = &r->tokens[i];
        const unsigned shade = shade_of((double)token->logp);
        const char *text = r->answer.data + at;

        at += token->bytes;
        if (token->bytes == 0 && i + 1 < r->tokens_kept)
            continue;
        if (shade > 0)
            assay_buf_addf(out, "<span class=\"p%u\" title=\"%.2g %%\">", shade,
                    100 * exp((double)token->logp));
        if (token->bytes == 0)
            assay_buf_adds(out, "<i>end</i>"); // which has no text
        else
            assay_html_bytes(out, text, token->bytes, ASSAY_HTML_BLOCK);
        if (shade > 0)
            assay_buf_adds(out, "</span>");
    }
    return true;
}

static void write_text(struct assay_buf *out, const char *name, struct assay_bytes text, size_t max)
{
    const size_t shown = assay_html_cut(text.data, text.len, max / ASSAY_HTML_GROWTH);

    assay_buf_addf(out, "<h3>%s</h3>\n<pre class=\"log\">", name);
    assay_html_bytes(out, text.data, shown, ASSAY_HTML_BLOCK);
    if (shown < text.len)
        assay_buf_addf(out, "<span class=\"gap\">%zu bytes more</span>", text.len - shown);
    assay_buf_adds(out, "</pre>\n");
}

static void write_answer(struct assay_buf *out, const struct assay_training_rollout *r, size_t max)
{
    const size_t before = out->len;

    assay_buf_adds(out,
            "<h3>Answer <span class=\"q\">shaded where it was unsure</span></h3>\n"
            "<pre class=\"log\">");
    if (r->answer.len > 0 && write_shaded(out, r, max)) {
        assay_buf_adds(out, "</pre>\n");
        return;
    }
    assay_buf_truncate(out, before);
    if (r->answer.len == 0)
        assay_buf_adds(out, "<h3>Answer</h3>\n<p class=\"q\">Nothing.</p>\n");
    else
        write_text(out, "Answer", r->answer, max);
}

static void write_patch(struct assay_buf *out, const struct assay_training_rollout *r, size_t max)
{
    size_t shown;

    if (r->patch.len == 0)
        return;
    assay_buf_adds(out, "<h3>Patch</h3>\n<pre class=\"diff\"><code>");
    shown = assay_report_diff_write(out, r->patch.data, r->patch.len, max);
    assay_buf_adds(out, "</code></pre>\n");
    if (shown < r->patch.len)
        assay_buf_addf(out, "<p class=\"q\">%zu bytes more</p>\n", r->patch.len - shown);
}

static void write_rollout(
        struct assay_buf *out, const struct assay_training_rollout *r, size_t share)
{
    const enum assay_report_group group = group_of(r);

    assay_buf_addf(out,
            "<details class=\"r k%u\"><summary><span class=\"c%u\"><span aria-hidden=\"true\">%s"
            "</span> %s</span> <code>",
            (unsigned)group, (unsigned)group, assay_report_mark(group), group_word(group));
    assay_html_text(out, r->task);
    assay_buf_adds(out, "</code> <span class=\"q\">");
    assay_html_text(out, r->family);
    if (!isnan(r->advantage))
        assay_buf_addf(out, "</span> <b>%s%.2f</b><span class=\"q\"> advantage",
                r->advantage < 0 ? "&minus;" : "+", fabs(r->advantage));
    if (strcmp(r->finish, "stop") != 0)
        assay_buf_addf(out, ", cut off (%s)", r->finish);
    assay_buf_addf(out, "</span></summary>\n<p class=\"q\">Cause <code>");
    assay_html_text(out, r->cause);
    assay_buf_addf(out, "</code>, group %" PRIu32 ", %zu tokens, weights of step %" PRIu64,
            r->group + 1, r->token_count, r->version);
    if (!isnan(r->reward))
        assay_buf_addf(out, ", reward %.4g", r->reward);
    assay_buf_adds(out, r->reason && *r->reason ? ": " : ".");
    assay_html_text(out, r->reason);
    assay_buf_adds(out, "</p>\n<div class=\"two\"><div>\n");
    write_text(out, "Prompt", r->prompt, share / 2);
    assay_buf_adds(out, "</div><div>\n");
    write_answer(out, r, share / 4);
    write_patch(out, r, share / 4);
    assay_buf_adds(out, "</div></div>\n</details>\n");
}

// --- steps ---------------------------------------------------------------------------------------

// Rollouts from `from` on that are of one step.
static size_t step_length(const struct assay_train_report *report, size_t from)
{
    const struct assay_training_rollout *first = &report->rollouts[from];
    size_t length = 0;

    while (from + length < report->rollout_count &&
            report->rollouts[from + length].position == first->position &&
            strcmp(report->rollouts[from + length].phase, first->phase) == 0)
        length++;
    return length;
}

static size_t count_steps(const struct assay_train_report *report)
{
    size_t count = 0;

    for (size_t at = 0; at < report->rollout_count; at += step_length(report, at))
        count++;
    return count;
}

static void write_step(struct assay_buf *out, const struct assay_train_report *report, size_t from,
        size_t length, bool open, size_t share)
{
    const struct assay_training_rollout *first = &report->rollouts[from];
    size_t solved = 0;
    const uint64_t position = first->position;

    for (size_t i = 0; i < length; i++)
        solved += report->rollouts[from + i].solved;
    if (strcmp(first->phase, "eval") == 0)
        assay_buf_addf(out,
                "<details class=\"step\"%s><summary>Evaluation after step %" PRIu64 " of rl",
                open ? " open" : "",
                position > report->sft_steps ? position - report->sft_steps : 0);
    else
        assay_buf_addf(out, "<details class=\"step\"%s><summary>Step %" PRIu64, open ? " open" : "",
                position - report->sft_steps + 1);
    assay_buf_addf(out, " <span class=\"q\">%zu of the %zu kept are solved</span></summary>\n",
            solved, length);
    for (size_t i = 0; i < length; i++)
        write_rollout(out, &report->rollouts[from + i], share);
    assay_buf_adds(out, "</details>\n");
}

static void write_filter(struct assay_buf *out, const struct assay_train_report *report)
{
    size_t counts[ASSAY_REPORT_GROUPS] = {0};

    for (size_t i = 0; i < report->rollout_count; i++)
        counts[group_of(&report->rollouts[i])]++;
    assay_buf_adds(out, "<fieldset class=\"filter\"><legend class=\"hide\">Show</legend>");
    for (unsigned g = 0; g < ASSAY_REPORT_GROUPS; g++)
        if (counts[g] > 0)
            assay_buf_addf(out,
                    "<label><input type=\"checkbox\" id=\"s%u\" checked> <span class=\"c%u\">%s "
                    "%s</span> <span class=\"q\">%zu</span></label>\n",
                    g, g, assay_report_mark((enum assay_report_group)g),
                    group_word((enum assay_report_group)g), counts[g]);
    assay_buf_adds(out, "</fieldset>\n");
}

void assay_train_report_write_rollouts(
        struct assay_buf *out, const struct assay_train_report *report)
{
    const size_t steps = count_steps(report);
    const size_t apart = report->rollout_count / ROLLOUTS_MAX + 1; // each so many-th step
    const size_t share =
            report->rollout_count == 0 ? 0 : PAGE_BYTES / (report->rollout_count / apart + 1);
    size_t step = 0;

    if (steps == 0)
        return;
    assay_buf_addf(out,
            "<section id=\"rollouts\">\n<h2>Answers <span class=\"q\">%zu kept in %zu steps and "
            "evaluations, every cause among them%s</span></h2>\n",
            report->rollout_count, steps, apart > 1 ? "; some steps are left out here" : "");
    write_filter(out, report);
    for (size_t at = 0, length = 0; at < report->rollout_count; at += length, step++) {
        length = step_length(report, at);
        // From the end: the last step is always there.
        if ((steps - 1 - step) % apart == 0)
            write_step(out, report, at, length, step + 1 == steps,
                    share < SHARE_BYTES_MAX ? share : SHARE_BYTES_MAX);
    }
    assay_buf_adds(out, "</section>\n");
}
