// SPDX-License-Identifier: MIT
// report_train_curves.c - which numbers stand in which chart. A number that no chart names has one
// of its own at the end: what a later assay measures is seen without a change here.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "orchestrator/html.h"
#include "orchestrator/report_train_page.h"

#define FREE (double)NAN // the axis follows the data
#define OTHERS_MAX 160
#define NAME_BYTES_MAX 512 // as HTML

static const struct assay_train_chart held_out[] = {
        {NULL, "greedy answers, with 95 % Wilson intervals; step 0: before the first step of rl",
                "eval", "",
                {{"seeds_rate", "kinds of task that were seen", "seeds_low", "seeds_high", NULL},
                        {"families_rate", "kinds that were not", "families_low", "families_high",
                                NULL}},
                0, 1, true},
};

static const struct assay_train_chart learning[] = {
        {"Reward", "of sampled answers", "rl", "",
                {{"reward", "mean reward", NULL, NULL, NULL},
                        {"pass_rate", "solved", NULL, NULL, NULL}},
                0, FREE, false},
        {"Groups", "of those sampled; a group of equal rewards teaches nothing", "rl", "",
                {{"groups_live", "live", NULL, NULL, "groups"},
                        {"groups_cliff", "cliff: unlike answers, one reward", NULL, NULL, "groups"},
                        {"groups_collapse", "collapse: one answer", NULL, NULL, "groups"},
                        {"dead_share_if_alike", "dead if all tasks were alike", NULL, NULL, NULL}},
                0, 1, false},
        {"Where held-out answers fail", "shares of answers, kinds of task that were seen", "eval",
                "",
                {{"seeds_fault_form", "not an edit", NULL, NULL, NULL},
                        {"seeds_fault_place", "another line", NULL, NULL, NULL},
                        {"seeds_fault_text", "the line, another text", NULL, NULL, NULL}},
                0, FREE, false},
        {"Where sampled answers fail", "shares of answers", "rl", "",
                {{"fault_form", "not an edit", NULL, NULL, NULL},
                        {"fault_place", "another line", NULL, NULL, NULL},
                        {"fault_text", "the line, another text", NULL, NULL, NULL}},
                0, FREE, false},
        {"Entropy", "nats a token, of what was trained on", "rl", "",
                {{"entropy", "entropy", NULL, NULL, NULL}}, 0, FREE, false},
        {"Clipped", "shares of tokens, by the sign of their advantage", "rl", "",
                {{"capped_positive", "capped, A &gt; 0", NULL, NULL, NULL},
                        {"capped_negative", "capped, A &lt; 0", NULL, NULL, NULL},
                        {"masked", "masked", NULL, NULL, NULL}},
                0, FREE, false},
        {"Rescued gradient", "share of the gradient that PPO's clip would have dropped", "rl", "",
                {{"rescued", "rescued", NULL, NULL, NULL}}, 0, FREE, false},
        {"Ratio", "trained to sampling probability", "rl", "",
                {{"ratio", "mean", NULL, NULL, NULL}, {"ratio_max", "largest", NULL, NULL, NULL}},
                0, FREE, false},
        {"Gap of log-probabilities", "nats; sampler to trainer before the first update", "rl", "",
                {{"agree_gap_max", "largest gap", NULL, NULL, NULL},
                        {"kl_old", "mean log-ratio in training", NULL, NULL, NULL}},
                0, FREE, false},
        {"Gradient norm", NULL, "rl", "",
                {{"grad_norm", "mean", NULL, NULL, NULL},
                        {"grad_norm_max", "largest", NULL, NULL, NULL}},
                0, FREE, false},
        {"Updates held back", NULL, "rl", "",
                {{"grad_clipped", "share clipped", NULL, NULL, NULL},
                        {"skipped", "skipped as outliers", NULL, NULL, NULL}},
                0, FREE, false},
        {"Learning rate", NULL, "rl", "", {{"lr", "rate", NULL, NULL, NULL}}, 0, FREE, false},
        {"Length", "tokens an answer", "rl", "", {{"answer_tokens", "mean", NULL, NULL, NULL}}, 0,
                FREE, false},
        {"Cut off", "share of answers", "rl", "", {{"truncated", "cut off", NULL, NULL, NULL}}, 0,
                FREE, false},
        {"Staleness", "steps that the weights had learned since an answer was sampled", "rl", "",
                {{"staleness", "of the batch", NULL, NULL, NULL}}, 0, FREE, false},
};

static const struct assay_train_chart speed[] = {
        {"Time of a step", "ms; sampler, boxes and trainer each on their own", "rl", "",
                {{"sample_ms", "sampling", NULL, NULL, NULL},
                        {"grade_ms", "rewards", NULL, NULL, NULL},
                        {"train_ms", "training", NULL, NULL, NULL},
                        {"agree_ms", "agreement", NULL, NULL, NULL}},
                0, FREE, false},
        {"Verdicts", "executed in boxes, per second of grading", "rl", "",
                {{"executed_per_s", "per second", NULL, NULL, NULL}}, 0, FREE, false},
        {"Tokens", "per second", "rl", "",
                {{"sampled_tokens_per_s", "sampled", NULL, NULL, NULL},
                        {"trained_rows_per_s", "trained, prompts included", NULL, NULL, NULL}},
                0, FREE, false},
        {"Idle", "share of a step's time", "rl", "",
                {{"idle_for_rewards", "waiting for rewards", NULL, NULL, NULL},
                        {"idle_trainer", "trainer waiting for a batch", NULL, NULL, NULL},
                        {"idle_sampler", "sampler held back", NULL, NULL, NULL}},
                0, 1, false},
};

static const struct assay_train_chart warm[] = {
        {"Loss of demonstrations", "nats a token", "sft", "", {{"loss", "loss", NULL, NULL, NULL}},
                0, FREE, false},
        {"Gradient norm of the warm start", NULL, "sft", "",
                {{"grad_norm", "mean", NULL, NULL, NULL}}, 0, FREE, false},
};

struct section {
    const char *id, *title, *axis;
    const struct assay_train_chart *charts;
    size_t count;
};
#define CHARTS(list) list, sizeof(list) / sizeof((list)[0])

static const struct section sections[] = {
        {"held-out", "Held-out rate", "over steps of rl", CHARTS(held_out)},
        {"learning", "Learning", "over steps of rl", CHARTS(learning)},
        {"speed", "Speed", "over steps of rl", CHARTS(speed)},
        {"warm", "Warm start", "over steps of ten updates", CHARTS(warm)},
};
#define SECTION_COUNT (sizeof(sections) / sizeof(sections[0]))

static void write_section(struct assay_buf *out, const struct assay_train_report *report,
        const struct section *section)
{
    size_t before = out->len;
    bool any = false;

    assay_buf_addf(out, "<section id=\"%s\">\n<h2>%s <span class=\"q\">%s</span></h2>\n",
            section->id, section->title, section->axis);
    assay_buf_adds(out, "<div class=\"charts\">\n");
    for (size_t i = 0; i < section->count; i++)
        any |= assay_train_chart_write(out, report, &section->charts[i]);
    assay_buf_adds(out, "</div>\n</section>\n");
    if (!any)
        assay_buf_truncate(out, before);
}

// --- numbers that no chart names -----------------------------------------------------------------

static bool charted(const char *phase, const char *name)
{
    static const char *const known[] = {"step", "position", "seeds_solved", "seeds_count",
            "seeds_low", "seeds_high", "families_solved", "families_count", "families_low",
            "families_high", "groups"};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    for (size_t s = 0; s < SECTION_COUNT; s++)
        for (size_t c = 0; c < sections[s].count; c++)
            for (size_t l = 0; l < ASSAY_TRAIN_LINES_MAX && sections[s].charts[c].lines[l].name;
                    l++)
                if (strcmp(sections[s].charts[c].phase, phase) == 0 &&
                        strcmp(sections[s].charts[c].lines[l].name, name) == 0)
                    return true;
    return strncmp(name, "family/", 7) == 0; // the table of families
}

static void write_others_of(
        struct assay_buf *out, const struct assay_train_report *report, const char *phase)
{
    const struct assay_train_row *row = assay_train_report_last(report, phase, NULL);
    size_t count = 0;

    for (size_t i = 0; row && i < row->count && count < OTHERS_MAX; i++) {
        char title[NAME_BYTES_MAX + 64];
        struct assay_buf name;

        if (charted(phase, row->numbers[i].name))
            continue;
        assay_buf_init(&name, NAME_BYTES_MAX);
        assay_html_text(&name, row->numbers[i].name);
        if (!name.failed && name.len > 0) {
            (void)snprintf(
                    title, sizeof(title), "%s <span class=\"q\">%s</span>", name.data, phase);
            const struct assay_train_chart chart = {.title = title,
                    .phase = phase,
                    .unit = "",
                    .lines = {{.name = row->numbers[i].name, .words = "now"}},
                    .top = FREE};

            count += assay_train_chart_write(out, report, &chart);
        }
        assay_buf_free(&name);
    }
}

void assay_train_report_write_curves(struct assay_buf *out, const struct assay_train_report *report)
{
    static const char *const phases[] = {"rl", "eval", "sft"};
    size_t before;

    for (size_t i = 0; i < SECTION_COUNT; i++)
        write_section(out, report, &sections[i]);
    if (report->row_count == 0)
        return;
    assay_buf_adds(out,
            "<section id=\"others\">\n<h2>All other numbers</h2>\n<details><summary>Each on its "
            "own</summary>\n<div class=\"charts\">\n");
    before = out->len;
    for (size_t i = 0; i < 3; i++)
        write_others_of(out, report, phases[i]);
    if (out->len == before)
        assay_buf_adds(out, "<p class=\"q\">There are none.</p>\n");
    assay_buf_adds(out, "</div></details>\n</section>\n");
}
