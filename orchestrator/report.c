// SPDX-License-Identifier: MIT
#include "orchestrator/report.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "orchestrator/cli.h"
#include "orchestrator/run_summary.h"

const char *assay_report_group_name(enum assay_report_group group)
{
    static const char *const names[] = {
            "resolved", "unresolved", "empty patch", "patch rejected", "no verdict", "incomplete"};

    assert(group < ASSAY_REPORT_GROUPS);
    return names[group];
}

static enum assay_report_group group_of(const struct assay_evaluation_row *row)
{
    if (!row->has_verdict)
        return ASSAY_REPORT_INCOMPLETE;
    if (!row->verdict.scored)
        return ASSAY_REPORT_NO_VERDICT;
    if (row->verdict.cause == ASSAY_CAUSE_EMPTY_PATCH)
        return ASSAY_REPORT_EMPTY;
    if (row->verdict.cause == ASSAY_CAUSE_PATCH_REJECTED)
        return ASSAY_REPORT_REJECTED;
    return row->verdict.resolved ? ASSAY_REPORT_RESOLVED : ASSAY_REPORT_UNRESOLVED;
}

enum assay_status assay_report_load(struct assay_report *out, struct assay_store *store,
        const char *run_id, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_report report = {0};
    enum assay_status status = assay_store_get_run(store, run_id, arena, &report.run, err);

    if (status == ASSAY_OK)
        status = assay_store_run_rows(store, run_id, arena, &report.rows, &report.count, err);
    if (status != ASSAY_OK)
        return status;
    report.groups = assay_arena_array(arena, report.count, sizeof(*report.groups));
    if (!report.groups)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < report.count; i++) {
        report.groups[i] = group_of(&report.rows[i]);
        report.group_counts[report.groups[i]]++;
    }
    *out = report;
    return ASSAY_OK;
}

enum assay_status assay_report_load_summary(struct assay_report *report, struct assay_store *store,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_run_summary *summary = assay_arena_alloc(arena, sizeof(*summary));
    struct assay_error none = {0};
    enum assay_status status;

    if (summary == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    status = assay_run_summary_load(summary, store, report->run.run_id, arena, &none);
    if (status == ASSAY_OK)
        report->summary = summary;
    else if (status != ASSAY_ENOTFOUND && err != NULL)
        *err = none;
    return status == ASSAY_ENOTFOUND ? ASSAY_OK : status;
}

enum assay_status assay_report_load_episodes(struct assay_report *report, struct assay_store *store,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_episode_row *rows = NULL;
    size_t count = 0;
    enum assay_status status =
            assay_store_list_episodes(store, report->run.run_id, arena, &rows, &count, err);

    if (status != ASSAY_OK)
        return status;
    report->episodes = assay_arena_array(arena, count, sizeof(*report->episodes));
    if (report->episodes == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        struct assay_report_episode *episode = &report->episodes[report->episode_count++];

        episode->row = rows[i];
        status = assay_store_get_turns(
                store, rows[i].number, arena, &episode->turns, &episode->turn_count, err);
    }
    return status;
}

// E. B. Wilson, "Probable inference", 1927: the centre is pulled towards 1/2.
void assay_wilson(double *low, double *high, size_t k, size_t n)
{
    const double z = 1.959963984540054;
    const double trials = (double)n, rate = n ? (double)k / trials : 0.0;

    if (n == 0) {
        *low = 0.0;
        *high = 1.0;
        return;
    }
    const double scale = 1.0 + z * z / trials;
    const double centre = (rate + z * z / (2.0 * trials)) / scale;
    const double half =
            z * sqrt(rate * (1.0 - rate) / trials + z * z / (4.0 * trials * trials)) / scale;

    *low = k == 0 ? 0.0 : centre - half;
    *high = k == n ? 1.0 : centre + half;
}

// Bit g set: group g belongs to the list.
#define IN(group) (1u << (group))
#define SUBMITTED                                                                                  \
    (IN(ASSAY_REPORT_RESOLVED) | IN(ASSAY_REPORT_UNRESOLVED) | IN(ASSAY_REPORT_EMPTY) |            \
            IN(ASSAY_REPORT_REJECTED) | IN(ASSAY_REPORT_NO_VERDICT))

// SWE-bench's names for our groups. Its infra labels are additive: those ids
// stay in error_ids, so the denominator never moves. "ambiguous" has no member
// here: assay knows which side the trouble began on.
static const struct {
    const char *count_key, *ids_key;
    unsigned groups;
} swebench_lists[] = {
        {"submitted_instances", "submitted_ids", SUBMITTED},
        {"completed_instances", "completed_ids",
                IN(ASSAY_REPORT_RESOLVED) | IN(ASSAY_REPORT_UNRESOLVED)},
        {"resolved_instances", "resolved_ids", IN(ASSAY_REPORT_RESOLVED)},
        {"unresolved_instances", "unresolved_ids", IN(ASSAY_REPORT_UNRESOLVED)},
        {"infra_failure_instances", "infra_failure_ids", IN(ASSAY_REPORT_NO_VERDICT)},
        {"ambiguous_failure_instances", "ambiguous_failure_ids", 0},
        {"empty_patch_instances", "empty_patch_ids", IN(ASSAY_REPORT_EMPTY)},
        {"error_instances", "error_ids", IN(ASSAY_REPORT_REJECTED) | IN(ASSAY_REPORT_NO_VERDICT)},
        {NULL, "incomplete_ids", IN(ASSAY_REPORT_INCOMPLETE)},
};
#define LIST_COUNT (sizeof(swebench_lists) / sizeof(swebench_lists[0]))

static size_t count_groups(const struct assay_report *report, unsigned groups)
{
    size_t count = 0;

    for (unsigned g = 0; g < ASSAY_REPORT_GROUPS; g++)
        count += (groups & IN(g)) ? report->group_counts[g] : 0;
    return count;
}

void assay_report_write_swebench(
        struct assay_buf *out, const struct assay_report *report, unsigned indent)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, indent);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "total_instances", report->count);
    for (size_t l = 0; l < LIST_COUNT; l++) {
        if (swebench_lists[l].count_key)
            assay_json_put_u64(&w, swebench_lists[l].count_key,
                    count_groups(report, swebench_lists[l].groups));
    }
    for (size_t l = 0; l < LIST_COUNT; l++) {
        assay_json_begin_array(&w, swebench_lists[l].ids_key);
        for (size_t i = 0; i < report->count; i++) {
            if (swebench_lists[l].groups & IN(report->groups[i]))
                assay_json_put_text(&w, NULL, report->rows[i].instance_id);
        }
        assay_json_end_array(&w);
    }
    assay_json_begin_object(&w, "failure_reasons");
    for (size_t i = 0; i < report->count; i++) {
        if (report->groups[i] == ASSAY_REPORT_NO_VERDICT ||
                report->groups[i] == ASSAY_REPORT_REJECTED)
            assay_json_put_text(&w, report->rows[i].instance_id, report->rows[i].verdict.reason);
    }
    assay_json_end_object(&w);
    assay_json_put_text(&w, "suite", report->run.suite);
    assay_json_put_text(&w, "suite_hash", report->run.suite_hash);
    if (report->summary != NULL)
        assay_run_summary_write(&w, "episodes", report->summary);
    assay_json_put_u64(&w, "schema_version", 2);
    assay_json_end_object(&w);
}

static void print_ids(FILE *out, const struct assay_report *report, enum assay_report_group group,
        const char *title)
{
    if (report->group_counts[group] == 0)
        return;
    fprintf(out, "%s:\n", title);
    for (size_t i = 0; i < report->count; i++) {
        if (report->groups[i] != group)
            continue;
        fprintf(out, "  %s", report->rows[i].instance_id);
        if (report->rows[i].has_verdict) {
            fprintf(out, "  %s: ", assay_cause_name(report->rows[i].verdict.cause));
            assay_cli_put(out, report->rows[i].verdict.reason);
        }
        fputc('\n', out);
    }
}

void assay_report_print(FILE *out, const struct assay_report *report)
{
    const size_t resolved = report->group_counts[ASSAY_REPORT_RESOLVED];
    const size_t scored = report->count - report->group_counts[ASSAY_REPORT_NO_VERDICT] -
            report->group_counts[ASSAY_REPORT_INCOMPLETE];
    double low, high;

    if (report->summary != NULL) {
        assay_run_summary_print(out, report->summary);
        fputs("\nof each instance's first sample:\n", out);
    }
    assay_wilson(&low, &high, resolved, report->count);
    fprintf(out, "run %s  suite %s", report->run.run_id, report->run.suite);
    if (report->run.suite_hash[0] != '\0')
        fprintf(out, "@%.12s", report->run.suite_hash);
    fputs("  model ", out);
    assay_cli_put(out, report->run.model);
    fprintf(out,
            "\nresolved %zu of %zu selected (%.1f %%, 95 %% interval %.1f to %.1f), of %zu scored\n",
            resolved, report->count,
            report->count ? 100.0 * (double)resolved / (double)report->count : 0.0, 100.0 * low,
            100.0 * high, scored);
    for (unsigned g = 0; g < ASSAY_REPORT_GROUPS; g++) {
        if (report->group_counts[g])
            fprintf(out, "  %-15s %zu\n", assay_report_group_name((enum assay_report_group)g),
                    report->group_counts[g]);
    }
    print_ids(out, report, ASSAY_REPORT_REJECTED, "patch rejected");
    print_ids(out, report, ASSAY_REPORT_UNRESOLVED, "unresolved");
    print_ids(out, report, ASSAY_REPORT_NO_VERDICT, "no verdict");
    print_ids(out, report, ASSAY_REPORT_INCOMPLETE, "incomplete");
}
