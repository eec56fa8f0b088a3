// SPDX-License-Identifier: MIT
// report_html_samples.c - a run of episodes over all its samples: pass@k, how they ended, what they
// cost.
#include <inttypes.h>

#include "orchestrator/html.h"
#include "orchestrator/report_page.h"
#include "orchestrator/run_summary.h"

#define NUMBER_COLUMN " class=\"n\""

static void put_pass_at(struct assay_buf *out, const struct assay_run_summary *s)
{
    assay_report_begin_table(
            out, "groups", "pass@k: the chance that one of k samples resolves an instance");
    assay_report_put_column(out, "", "Samples");
    assay_report_put_column(out, NUMBER_COLUMN, "Rate");
    assay_report_put_column(out, NUMBER_COLUMN, "95&nbsp;% over instances");
    assay_buf_adds(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < s->pass_at_count; i++)
        assay_buf_addf(out,
                "<tr><th scope=\"row\">pass@%zu</th><td class=\"n\">%.1f&nbsp;%%</td>"
                "<td class=\"n\">%.1f to %.1f&nbsp;%%</td></tr>\n",
                s->pass_at[i].k, 100 * s->pass_at[i].value, 100 * s->pass_at[i].low,
                100 * s->pass_at[i].high);
    assay_buf_adds(out, "</tbody></table></div>\n");
}

static void put_endings(struct assay_buf *out, const struct assay_run_summary *s)
{
    assay_report_begin_table(out, "groups", "How the episodes ended");
    assay_report_put_column(out, "", "Ended");
    assay_report_put_column(out, NUMBER_COLUMN, "Episodes");
    assay_report_put_column(out, NUMBER_COLUMN, "Resolved");
    assay_report_put_column(out, NUMBER_COLUMN, "No verdict");
    assay_buf_adds(out, "</tr></thead>\n<tbody>\n");
    for (size_t c = 0; c < ASSAY_EPISODE_CAUSES; c++) {
        const struct assay_run_ending ending = assay_run_ending(s, (enum assay_episode_cause)c);

        if (ending.count > 0)
            assay_buf_addf(out,
                    "<tr><th scope=\"row\"><code>%s</code></th><td class=\"n\">%zu</td>"
                    "<td class=\"n\">%zu</td><td class=\"n\">%zu</td></tr>\n",
                    assay_episode_cause_name((enum assay_episode_cause)c), ending.count,
                    ending.resolved, ending.null);
    }
    assay_buf_adds(out, "</tbody></table></div>\n");
}

static void put_verdicts(struct assay_buf *out, const struct assay_run_summary *s)
{
    const char *separator = "<p class=\"q\">Their verdicts: ";

    for (size_t c = 0; c < ASSAY_RUN_VERDICTS; c++) {
        if (s->verdicts[c] == 0)
            continue;
        assay_buf_addf(out, "%s<code>%s</code>&nbsp;%zu", separator,
                assay_cause_name((enum assay_cause)c), s->verdicts[c]);
        separator = ", ";
    }
    if (separator[0] == ',')
        assay_buf_adds(out, ".</p>\n");
}

void assay_report_write_samples(const struct assay_report_page *page)
{
    const struct assay_run_summary *s = page->report->summary;
    struct assay_buf *out = page->out;

    if (s == NULL)
        return;
    assay_buf_addf(out,
            "<section id=\"samples\" aria-labelledby=\"h-samples\">\n<h2 id=\"h-samples\">All "
            "samples</h2>\n<p class=\"headline\"><strong>%zu of %zu</strong> episodes resolved "
            "<span class=\"rate\">",
            s->resolved, s->count);
    assay_html_percent(out, s->resolved, s->count);
    assay_buf_addf(out,
            "</span></p>\n<p class=\"q\">Wilson 95&nbsp;%% interval %.1f to %.1f&nbsp;%%; %zu "
            "instances; %zu episodes have a verdict.</p>\n",
            100 * s->wilson_low, 100 * s->wilson_high, s->instances, s->scored);
    put_pass_at(out, s);
    put_endings(out, s);
    put_verdicts(out, s);
    assay_buf_addf(out,
            "<p class=\"q\">%" PRIu64 " turns, %" PRIu64 " prompt and %" PRIu64
            " answer tokens, %.1f&nbsp;s in commands, %.1f&nbsp;s in the actor.</p>\n</section>\n",
            s->turns, s->prompt_tokens, s->answer_tokens, (double)s->command_us / 1e6,
            (double)s->actor_us / 1e6);
}
