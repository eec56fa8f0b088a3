// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "orchestrator/certify.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/gate.h"
#include "orchestrator/page.h"
#include "orchestrator/pool.h"
#include "orchestrator/rated.h"
#include "orchestrator/selection.h"
#include "orchestrator/suite_add.h"
#include "orchestrator/suite_export.h"
#include "tasks/select.h"

#define SUITE_ARENA_BYTES ((size_t)4 << 30)

const struct assay_option assay_suite_add_options[] = {
        {"name", 0, "NAME", "name of the suite (its own, or the file's)", false},
        {"replace", 0, NULL, "replace a suite of that name", false},
        {"format", 0, "NAME",
                "auto, native, releases, sweb, harbor, or rows of " ASSAY_FAMILY_NAMES " (auto)",
                false},
        {"repos", 0, "DIR|URL", "where SWE-bench rows find their repositories", false},
        {"test-cmd", 0, "COMMAND", "test command of rows that bring none", false},
        {"framework", 0, "NAME", "test framework of rows that bring none", false},
        {"scripts", 0, "DIR", "SWE-bench Pro: where ID/run_script.sh and ID/parser.py lie", false},
        {"runs", 0, "N", "releases: runs of either tree that certify each pair (2)", false},
        {"no-zygote", 0, NULL, "releases: start every interpreter anew", false},
        {"jobs", 'j', "N", "boxes at once (the number of CPUs)", false},
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_suite_list_options[] = {
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_suite_show_options[] = {
        ASSAY_SELECTION_OPTIONS,
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_suite_certify_options[] = {
        {"runs", 0, "N", "runs of gold and of the unchanged tree; others in proportion (5)", false},
        {"checks", 0, "LIST",
                "only these: lists,gold,empty,null,junk,order,cpu,clock,hash,network (all)", false},
        ASSAY_SELECTION_OPTIONS,
        {"again", 0, NULL, "also what has a certificate of these checks already", false},
        {"no-zygote", 0, NULL, "start every interpreter anew: slower, the same verdicts", false},
        {"jobs", 'j', "N", "boxes at once (the number of CPUs)", false},
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

// What every suite command opens and closes around its work.
struct suite_command {
    struct assay_invocation *invocation;
    struct assay_context *context;
    struct assay_arena *arena;
    enum assay_exit code;
};

static enum assay_exit run_suite_command(struct assay_invocation *invocation, bool with_sandbox,
        enum assay_status (*work)(struct suite_command *command, struct assay_error *err))
{
    struct suite_command command = {.invocation = invocation, .code = ASSAY_EXIT_OK};
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&command.arena, SUITE_ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_context_open(&command.context, invocation, with_sandbox, &err);
    if (status == ASSAY_OK)
        status = work(&command, &err);
    if (status != ASSAY_OK) {
        const enum assay_exit failed = assay_cli_fail(&err);

        if (command.code == ASSAY_EXIT_OK)
            command.code = failed;
    }
    assay_context_close(command.context);
    assay_arena_destroy(command.arena);
    return command.code;
}

static enum assay_status read_threads(
        size_t *out, const struct suite_command *command, struct assay_error *err)
{
    uint64_t threads = assay_jobs_default_threads();
    enum assay_status status =
            assay_cli_number(&threads, command->invocation, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);

    *out = (size_t)threads;
    return status;
}

// --- add

static void print_added(const struct assay_suite_add_result *result)
{
    printf("suite %s: %zu instance%s added", result->name, result->instance_count,
            result->instance_count == 1 ? "" : "s");
    if (result->certified_count)
        printf(", %zu certified", result->certified_count);
    fputc('\n', stdout);
    for (size_t i = 0; i < result->loss_count; i++)
        printf("  left out: %s: %s\n", result->losses[i].instance_id, result->losses[i].reason);
}

static enum assay_status print_added_json(
        const struct assay_suite_add_result *result, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_put_text(w, "name", result->name);
    assay_json_put_u64(w, "instance_count", result->instance_count);
    assay_json_put_u64(w, "certified_count", result->certified_count);
    assay_json_begin_array(w, "left_out");
    for (size_t i = 0; i < result->loss_count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "instance_id", result->losses[i].instance_id);
        assay_json_put_text(w, "reason", result->losses[i].reason);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static enum assay_status read_format(
        struct assay_suite_add_options *options, const char *format, struct assay_error *err)
{
    static const char *const others[] = {"native", "releases", "sweb", "harbor"};

    if (!format || strcmp(format, "auto") == 0)
        return ASSAY_OK;
    options->format = format;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(format, others[i]) == 0)
            return ASSAY_OK;
    if (assay_family_from_name(&options->swebench.family, format))
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EUSAGE,
            "--format: '%.40s' is not auto, native, releases, sweb, harbor, " ASSAY_FAMILY_NAMES,
            format);
}

static enum assay_status work_add(struct suite_command *command, struct assay_error *err)
{
    const struct assay_invocation *in = command->invocation;
    struct assay_suite_add_result result;
    struct assay_suite_add_options options = {.path = in->arguments[0],
            .name = assay_cli_value(in, "name"),
            .swebench = {.name = assay_cli_value(in, "name"),
                    .repos = assay_cli_value(in, "repos"),
                    .test_cmd = assay_cli_value(in, "test-cmd"),
                    .framework = assay_cli_value(in, "framework"),
                    .scripts = assay_cli_value(in, "scripts")},
            .replace = assay_cli_flag(in, "replace")};
    uint64_t runs = 2;
    enum assay_status status = read_threads(&options.threads, command, err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&runs, in, "runs", 1, ASSAY_CERTIFY_RUNS_MAX, err);
    options.runs = (unsigned)runs;
    if (status == ASSAY_OK)
        status = read_format(&options, assay_cli_value(in, "format"), err);
    if (status == ASSAY_OK)
        status = assay_suite_add(&result, command->context, &options, command->arena, err);
    if (status != ASSAY_OK)
        return status;
    if (assay_cli_flag(in, "json"))
        return print_added_json(&result, err);
    print_added(&result);
    return ASSAY_OK;
}

enum assay_exit assay_cmd_suite_add(struct assay_invocation *invocation)
{
    return run_suite_command(invocation, true, work_add);
}

// --- list, show, remove

static enum assay_status print_list_json(
        const struct assay_suite_row *rows, size_t count, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_begin_array(w, "suites");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "name", rows[i].name);
        assay_json_put_text(w, "version", rows[i].version);
        assay_json_put_u64(w, "instance_count", rows[i].instance_count);
        assay_json_put_u64(w, "certified_count", rows[i].certified_count);
        assay_json_put_text(w, "source", rows[i].source);
        assay_json_put_text(w, "hash", rows[i].hash);
        assay_json_put_text(w, "added_at", rows[i].added_at);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static enum assay_status work_list(struct suite_command *command, struct assay_error *err)
{
    struct assay_suite_row *rows = NULL;
    size_t count = 0;
    enum assay_status status = assay_store_list_suites(
            assay_context_store(command->context), command->arena, &rows, &count, err);

    if (status != ASSAY_OK)
        return status;
    if (assay_cli_flag(command->invocation, "json"))
        return print_list_json(rows, count, err);
    if (count == 0)
        puts("no suites yet: assay suite add PATH");
    else
        printf("%-20s %-10s %-12s %9s %9s  %s\n", "suite", "version", "content", "instances",
                "certified", "source");
    for (size_t i = 0; i < count; i++)
        printf("%-20s %-10s %.12s %9zu %9zu  %s\n", rows[i].name, rows[i].version, rows[i].hash,
                rows[i].instance_count, rows[i].certified_count, rows[i].source);
    return ASSAY_OK;
}

enum assay_exit assay_cmd_suite_list(struct assay_invocation *invocation)
{
    return run_suite_command(invocation, false, work_list);
}

// The certificate of one instance as it is now; false: it has none.
static bool find_certificate(struct suite_command *command, const struct assay_suite *suite,
        const struct assay_instance *instance, struct assay_certificate *out)
{
    char hash[65];

    return assay_instance_hash(hash, suite, instance, NULL) == ASSAY_OK &&
            assay_store_get_certificate(assay_context_store(command->context), suite->name,
                    instance->instance_id, hash, command->arena, out, NULL) == ASSAY_OK;
}

// "certified (5 runs; all checks)", "refused: reason" or "not certified".
static const char *certificate_text(struct suite_command *command, const struct assay_suite *suite,
        const struct assay_instance *instance)
{
    struct assay_certificate certificate = {0};

    if (!find_certificate(command, suite, instance, &certificate))
        return "not certified";
    if (!certificate.holds)
        return assay_arena_printf(command->arena, "refused: %s", certificate.reason);
    return assay_arena_printf(command->arena, "certified (%u run%s; %s)", certificate.runs,
            certificate.runs == 1 ? "" : "s",
            assay_certificate_covers(&certificate, ASSAY_CHECKS_ALL) ? "all checks"
                                                                     : certificate.checks);
}

static void write_certificate(
        struct assay_json_writer *w, const struct assay_certificate *certificate)
{
    assay_json_put_bool(w, "holds", certificate->holds);
    assay_json_put_u64(w, "runs", certificate->runs);
    assay_json_put_text(w, "reason", certificate->reason);
    assay_json_put_text(w, "checks", certificate->checks);
    assay_json_put_text(w, "grader", certificate->grader);
    assay_json_put_text(w, "made_at", certificate->made_at);
    assay_json_put_written(w, "details", certificate->details);
}

// What is shown of a suite: the instances that are meant, and how often a run solved them.
struct shown {
    const struct assay_suite *suite;
    struct assay_strings ids; // none: all
    struct assay_rated *rated;
    size_t rated_count;
};

static size_t shown_count(const struct shown *shown)
{
    return shown->ids.count > 0 ? shown->ids.count : shown->suite->instance_count;
}

static const struct assay_instance *shown_at(const struct shown *shown, size_t i)
{
    return shown->ids.count > 0 ? assay_suite_find(shown->suite, shown->ids.items[i])
                                : &shown->suite->instances[i];
}

static enum assay_status read_shown(struct shown *shown, struct suite_command *command,
        const struct assay_suite *suite, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(command->context);
    const char *run_id = assay_cli_value(command->invocation, "rated-by");
    enum assay_status status = assay_selection_read(
            &shown->ids, command->invocation, suite, store, command->arena, err);

    shown->suite = suite;
    if (status == ASSAY_OK && run_id != NULL)
        status = assay_rated_read(
                &shown->rated, &shown->rated_count, store, run_id, command->arena, err);
    return status;
}

static enum assay_status print_suite_json(
        struct suite_command *command, const struct shown *shown, struct assay_error *err)
{
    const struct assay_suite *const suite = shown->suite;
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_put_text(w, "name", suite->name);
    assay_json_put_text(w, "version", suite->version);
    assay_json_begin_array(w, "instances");
    for (size_t i = 0; i < shown_count(shown); i++) {
        const struct assay_instance *instance = shown_at(shown, i);
        const struct assay_rated *rated =
                assay_rated_find(shown->rated, shown->rated_count, instance->instance_id);
        struct assay_certificate certificate = {0};

        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "instance_id", instance->instance_id);
        assay_json_put_text(w, "repo", instance->repo);
        assay_json_put_text(w, "framework", instance->framework);
        assay_json_put_text(w, "split", assay_split_name(assay_split_of(instance)));
        assay_json_begin_array(w, "tags");
        for (size_t t = 0; t < instance->tags.count; t++)
            assay_json_put_text(w, NULL, instance->tags.items[t]);
        assay_json_end_array(w);
        assay_json_put_u64(w, "fail_to_pass_count", instance->fail_to_pass.count);
        assay_json_put_u64(w, "pass_to_pass_count", instance->pass_to_pass.count);
        if (rated != NULL) {
            assay_json_begin_object(w, "rated");
            assay_json_put_u64(w, "scored", rated->scored);
            assay_json_put_u64(w, "resolved", rated->resolved);
            assay_json_end_object(w);
        }
        assay_json_put_text(w, "certificate", certificate_text(command, suite, instance));
        if (find_certificate(command, suite, instance, &certificate)) {
            assay_json_begin_object(w, "certified");
            write_certificate(w, &certificate);
            assay_json_end_object(w);
        }
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static void print_shown(struct suite_command *command, const struct shown *shown)
{
    printf("%-44s %-9s %5s %5s  %s%s\n", shown->suite->name, "framework", "F2P", "P2P",
            shown->rated != NULL ? "   solved  " : "", "certificate");
    for (size_t i = 0; i < shown_count(shown); i++) {
        const struct assay_instance *instance = shown_at(shown, i);
        const struct assay_rated *rate =
                assay_rated_find(shown->rated, shown->rated_count, instance->instance_id);

        printf("%-44s %-9s %5zu %5zu  ", instance->instance_id, instance->framework,
                instance->fail_to_pass.count, instance->pass_to_pass.count);
        if (rate != NULL)
            printf("%4zu/%-4zu  ", rate->resolved, rate->scored);
        printf("%s\n", certificate_text(command, shown->suite, instance));
    }
}

static enum assay_status work_show(struct suite_command *command, struct assay_error *err)
{
    struct assay_suite *suite = NULL;
    struct shown shown = {.rated = NULL};
    enum assay_status status = assay_store_load_suite(
            assay_context_store(command->context), command->invocation->arguments[0], &suite, err);

    if (status != ASSAY_OK)
        return status;
    status = read_shown(&shown, command, suite, err);
    if (status == ASSAY_OK && assay_cli_flag(command->invocation, "json"))
        status = print_suite_json(command, &shown, err);
    else if (status == ASSAY_OK)
        print_shown(command, &shown);
    assay_suite_free(suite);
    return status;
}

enum assay_exit assay_cmd_suite_show(struct assay_invocation *invocation)
{
    return run_suite_command(invocation, false, work_show);
}

// --- export

const struct assay_option assay_suite_export_options[] = {
        {"format", 0, "NAME", "native, swebench or harbor (native; a .jsonl file: swebench)",
                false},
        {NULL, 0, NULL, NULL, false},
};

static enum assay_status work_export(struct suite_command *command, struct assay_error *err)
{
    const char *path = command->invocation->arguments[1];
    const char *name = assay_cli_value(command->invocation, "format");
    const size_t len = strlen(path);
    enum assay_export_format format = len > 6 && strcmp(path + len - 6, ".jsonl") == 0
            ? ASSAY_EXPORT_SWEBENCH
            : ASSAY_EXPORT_NATIVE;
    struct assay_suite *suite = NULL;
    enum assay_status status;

    if (name && !assay_export_format_from_name(&format, name))
        return assay_fail(err, ASSAY_EUSAGE, "--format: '%.40s' is not " ASSAY_EXPORT_NAMES, name);
    status = assay_store_load_suite(
            assay_context_store(command->context), command->invocation->arguments[0], &suite, err);
    if (status == ASSAY_OK)
        status = assay_suite_export(command->context, suite, format, path, err);
    if (status == ASSAY_OK)
        printf("%zu instances in %s\n", suite->instance_count, path);
    assay_suite_free(suite);
    return status;
}

enum assay_exit assay_cmd_suite_export(struct assay_invocation *invocation)
{
    return run_suite_command(invocation, false, work_export);
}

static enum assay_status work_remove(struct suite_command *command, struct assay_error *err)
{
    return assay_store_remove_suite(
            assay_context_store(command->context), command->invocation->arguments[0], err);
}

enum assay_exit assay_cmd_suite_remove(struct assay_invocation *invocation)
{
    return run_suite_command(invocation, false, work_remove);
}

// --- certify

static enum assay_status print_certificates_json(
        const struct assay_certificate *certificates, size_t count, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_begin_array(w, "certificates");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "instance_id", certificates[i].instance_id);
        write_certificate(w, &certificates[i]);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static enum assay_status read_certify_options(struct assay_certify_options *options,
        struct suite_command *command, struct assay_error *err)
{
    const struct assay_invocation *in = command->invocation;
    const char *checks = assay_cli_value(in, "checks");
    uint64_t runs = ASSAY_CERTIFY_RUNS_DEFAULT;
    enum assay_status status = read_threads(&options->threads, command, err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&runs, in, "runs", 1, ASSAY_CERTIFY_RUNS_MAX, err);
    if (status == ASSAY_OK && checks)
        status = assay_checks_parse(&options->checks, checks, err);
    if (status != ASSAY_OK)
        return status;
    options->runs = (unsigned)runs;
    options->again = assay_cli_flag(in, "again");
    return ASSAY_OK;
}

static void print_certificates(const struct assay_certificate *certificates, size_t count)
{
    size_t held = 0;

    for (size_t i = 0; i < count; i++) {
        held += certificates[i].holds;
        if (!certificates[i].holds)
            printf("refused: %s: %s\n", certificates[i].instance_id, certificates[i].reason);
    }
    printf("%zu of %zu instances certified\n", held, count);
}

static enum assay_status work_certify(struct suite_command *command, struct assay_error *err)
{
    struct assay_suite *suite = NULL;
    struct assay_certificate *certificates = NULL;
    struct assay_certify_options options = {0};
    struct assay_strings ids = {NULL, 0};
    size_t count = 0;
    enum assay_status status = read_certify_options(&options, command, err);

    if (status == ASSAY_OK)
        status = assay_store_load_suite(assay_context_store(command->context),
                command->invocation->arguments[0], &suite, err);
    if (status == ASSAY_OK)
        status = assay_selection_read(&ids, command->invocation, suite,
                assay_context_store(command->context), command->arena, err);
    options.suite = suite;
    options.instance_ids = ids.items;
    options.instance_count = ids.count;
    if (status == ASSAY_OK)
        status = assay_certify(
                &certificates, &count, command->context, &options, true, command->arena, err);
    if (status == ASSAY_OK && assay_cli_flag(command->invocation, "json"))
        status = print_certificates_json(certificates, count, err);
    else if (status == ASSAY_OK)
        print_certificates(certificates, count);
    for (size_t i = 0; i < count; i++) {
        if (!certificates[i].holds)
            command->code = ASSAY_EXIT_INCOMPLETE;
    }
    assay_suite_free(suite);
    return status;
}

enum assay_exit assay_cmd_suite_certify(struct assay_invocation *invocation)
{
    return run_suite_command(invocation, true, work_certify);
}
