// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/gate.h"
#include "orchestrator/mine.h"
#include "orchestrator/mine_releases.h"
#include "orchestrator/page.h"
#include "orchestrator/pool.h"
#include "rewards/framework.h"

#define ARENA_BYTES ((size_t)4 << 30)
#define LIST_BYTES_MAX ((size_t)4 << 20)
#define COMMITS_DEFAULT 1000
#define COMMITS_MAX 1000000
#define WALL_SECONDS_DEFAULT 300
#define WALL_SECONDS_MAX 604800
#define RELEASES_DEFAULT 6
#define PACKAGES_MAX 4096

const struct assay_option assay_suite_mine_options[] = {
        {"test-cmd", 0, "COMMAND", "how the tests are run: a shell command", false},
        {"framework", 0, "NAME", "who runs them: pytest, unittest, gotest, ...", false},
        {"setup", 0, "COMMAND", "set-up command of the recipe, run once", true},
        {"env", 0, "NAME=VALUE", "variable of the recipe", true},
        {"base", 0, "BASE", "of the recipe: host, or image:NAME (host)", false},
        {"releases", 0, "pypi:NAME",
                "instead of REPO: plan the neighbouring releases of a package of PyPI or, with "
                "debian:NAME, of Debian's sources, or with debian-patches:NAME what Debian changes "
                "in one, for `suite add`",
                true},
        {"releases-file", 0, "FILE", "likewise, of each line of a file (#: a comment)", false},
        {"from", 0, "REF", "where the walk begins (HEAD)", false},
        {"commits", 0, "N", "commits to look at, newest first (1000)", false},
        {"count", 0, "N", "tasks to keep, at most (no bound); releases of each package (6)", false},
        {"runs", 0, "N", "runs before and after each commit (2)", false},
        {"wall", 0, "SECONDS", "for one run of the tests (300)", false},
        {"name", 0, "NAME", "of the suite (the repository's)", false},
        {"repo", 0, "OWNER/NAME", "of the instances (mined/NAME)", false},
        {"no-zygote", 0, NULL, "start every interpreter anew", false},
        {"jobs", 'j', "N", "commits at once (the number of CPUs)", false},
        ASSAY_GATE_OPTIONS,
        {"min-tier", 0, "TIER", "refuse isolation weaker than A, B or C (ASSAY_MIN_TIER; A)",
                false},
        {"json", 0, NULL, "print one JSON object", false},
        {NULL, 0, NULL, NULL, false},
};

static enum assay_status read_numbers(
        struct assay_mine_options *out, const struct assay_invocation *in, struct assay_error *err)
{
    uint64_t commits = COMMITS_DEFAULT, count = SIZE_MAX, runs = 2, wall = WALL_SECONDS_DEFAULT,
             threads = assay_jobs_default_threads();
    enum assay_status status = assay_cli_number(&commits, in, "commits", 1, COMMITS_MAX, err);

    if (status == ASSAY_OK)
        status = assay_cli_number(&count, in, "count", 1, COMMITS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&runs, in, "runs", 1, 20, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&wall, in, "wall", 1, WALL_SECONDS_MAX, err);
    if (status == ASSAY_OK)
        status = assay_cli_number(&threads, in, "jobs", 1, ASSAY_POOL_THREADS_MAX, err);
    out->commits_max = (size_t)commits;
    out->keep_max = (size_t)count;
    out->runs = (unsigned)runs;
    out->threads = (size_t)threads;
    out->limits =
            (struct assay_instance_limits){wall * 1000, wall * 1000, ASSAY_INSTANCE_MEMORY_BYTES};
    return status;
}

static enum assay_status set_names(struct assay_mine_options *out,
        const struct assay_invocation *in, struct assay_arena *arena, struct assay_error *err)
{
    char *real = realpath(in->arguments[0], NULL);
    const char *slash = real == NULL ? NULL : strrchr(real, '/');
    char *name = assay_arena_strdup(arena, slash == NULL ? "mined" : slash + 1);

    out->repository = real == NULL ? in->arguments[0] : assay_arena_strdup(arena, real);
    free(real);
    if (name == NULL || out->repository == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".git") == 0)
        name[strlen(name) - 4] = '\0';
    out->name = assay_cli_value(in, "name") ? assay_cli_value(in, "name") : name;
    out->repo = assay_cli_value(in, "repo") ? assay_cli_value(in, "repo")
                                            : assay_arena_printf(arena, "mined/%s", name);
    return out->repo != NULL ? ASSAY_OK : assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

static enum assay_status read_options(struct assay_mine_options *out,
        const struct assay_invocation *in, struct assay_arena *arena, struct assay_error *err)
{
    const char *command = assay_cli_value(in, "test-cmd");
    const char *base = assay_cli_value(in, "base");
    const char **argv = assay_arena_array(arena, 3, sizeof(*argv));
    enum assay_status status = read_numbers(out, in, err);

    out->framework = assay_cli_value(in, "framework");
    out->from = assay_cli_value(in, "from");
    out->dir = in->arguments[1];
    out->recipe = (struct assay_recipe){
            .name = "mined", .base = base ? base : "host", .workdir = "/testbed"};
    if (status == ASSAY_OK && (!command || !out->framework))
        status = assay_fail(err, ASSAY_EUSAGE, "--test-cmd and --framework are needed");
    if (status == ASSAY_OK && !assay_framework_known(out->framework))
        status = assay_fail(err, ASSAY_EUSAGE, "--framework: '%.40s' is unknown", out->framework);
    if (status == ASSAY_OK)
        status = assay_cli_values(&out->recipe.setup, in, "setup", arena, err);
    if (status == ASSAY_OK)
        status = assay_cli_values(&out->recipe.env, in, "env", arena, err);
    if (status == ASSAY_OK)
        status = set_names(out, in, arena, err);
    if (status == ASSAY_OK && !argv)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (status != ASSAY_OK)
        return status;
    argv[0] = "bash";
    argv[1] = "-c";
    argv[2] = command;
    out->test_cmd = (struct assay_strings){argv, 3};
    return ASSAY_OK;
}

static enum assay_status print_json(const struct assay_mine_result *result, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_put_u64(w, "commits", result->seen);
    assay_json_put_u64(w, "resumed", result->resumed);
    assay_json_put_u64(w, "kept", result->kept);
    assay_json_put_u64(w, "kept_now", result->kept_now);
    assay_json_put_u64(w, "wall_ms", result->wall_ms);
    assay_json_begin_array(w, "left_out");
    for (size_t i = 0; i < result->reason_count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "reason", result->reasons[i].reason);
        assay_json_put_u64(w, "count", result->reasons[i].count);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static void print_result(const struct assay_mine_result *result, const char *dir)
{
    printf("%7zu commits (%zu of them looked at before)\n", result->seen, result->resumed);
    for (size_t i = 0; i < result->reason_count; i++)
        printf("%7zu left out: %s\n", result->reasons[i].count, result->reasons[i].reason);
    printf("%7zu kept, %zu of them now, in %.0f s: `assay suite add %s`, then `assay suite certify`\n",
            result->kept, result->kept_now, (double)result->wall_ms / 1000, dir);
}

// --- releases

static enum assay_status add_package(
        struct assay_strings *list, const char **items, const char *value, struct assay_error *err)
{
    if (!assay_mine_package_valid(value))
        return assay_fail(err, ASSAY_EUSAGE,
                "--releases: '%.60s' is not pypi:NAME, debian:NAME or debian-patches:NAME", value);
    if (list->count == PACKAGES_MAX)
        return assay_fail(err, ASSAY_EUSAGE, "--releases: more than %d packages", PACKAGES_MAX);
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(items[i], value) == 0)
            return ASSAY_OK;
    items[list->count++] = value;
    return ASSAY_OK;
}

// The lines of the file, in `text`, which is changed.
static enum assay_status add_lines(
        struct assay_strings *list, const char **items, char *text, struct assay_error *err)
{
    char *rest = NULL;
    enum assay_status status = ASSAY_OK;

    for (char *line = strtok_r(text, "\n", &rest); line != NULL && status == ASSAY_OK;
            line = strtok_r(NULL, "\n", &rest)) {
        line += strspn(line, " \t");
        line[strcspn(line, " \t\r#")] = '\0';
        if (line[0] != '\0')
            status = add_package(list, items, line, err);
    }
    return status;
}

static enum assay_status read_packages(struct assay_strings *out, const struct assay_invocation *in,
        struct assay_arena *arena, struct assay_error *err)
{
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    const char **items = assay_arena_array(arena, PACKAGES_MAX, sizeof(*items));
    const char *file = assay_cli_value(in, "releases-file");
    struct assay_strings given = {NULL, 0};
    struct assay_buf text;
    enum assay_status status = assay_cli_values(&given, in, "releases", arena, err);

    *out = (struct assay_strings){items, 0};
    if (status == ASSAY_OK && items == NULL)
        status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < given.count && status == ASSAY_OK; i++)
        status = add_package(out, items, given.items[i], err);
    if (status != ASSAY_OK || file == NULL)
        return status;
    assay_buf_init(&text, LIST_BYTES_MAX);
    status = assay_fs_read_file(&text, file, err);
    if (status == ASSAY_OK) {
        char *copy = assay_arena_memdup(arena, text.data, text.len + 1);

        status = copy == NULL ? assay_fail(err, ASSAY_ENOMEM, "out of memory")
                              : add_lines(out, items, copy, err);
    }
    assay_buf_free(&text);
    return status;
}

static enum assay_status plan_releases(struct assay_context *context,
        const struct assay_invocation *in, const struct assay_mine_options *mine,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_mine_releases_options options = {.dir = in->arguments[0],
            .name = assay_cli_value(in, "name") ? assay_cli_value(in, "name") : "releases",
            .limits = mine->limits,
            .releases_max = mine->keep_max == SIZE_MAX ? RELEASES_DEFAULT : mine->keep_max,
            .threads = mine->threads};
    struct assay_mine_package *packages = NULL;
    size_t pairs = 0;
    enum assay_status status = read_packages(&options.packages, in, arena, err);

    if (status == ASSAY_OK)
        status = assay_mine_releases(&packages, context, &options, arena, err);
    for (size_t i = 0; i < options.packages.count && status == ASSAY_OK; i++) {
        printf("%-40s %3zu %s, %3zu pairs  %s\n", packages[i].name, packages[i].releases,
                strncmp(packages[i].name, "debian-", 7) == 0 ? "patches" : "releases",
                packages[i].pairs, packages[i].reason);
        pairs += packages[i].pairs;
    }
    if (status == ASSAY_OK)
        printf("%zu pairs planned in %s: `assay suite add` it measures and certifies them\n", pairs,
                options.dir);
    return status;
}

enum assay_exit assay_cmd_suite_mine(struct assay_invocation *invocation)
{
    struct assay_mine_options options = {.runs = 0};
    struct assay_mine_result result;
    struct assay_context *context = NULL;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    const bool releases = assay_cli_value(invocation, "releases") != NULL ||
            assay_cli_value(invocation, "releases-file") != NULL;
    enum assay_status status = assay_arena_create(&arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK && releases == (invocation->argument_count == 2))
        status =
                assay_fail(&err, ASSAY_EUSAGE, "REPO and DIR, or --releases (-file) and DIR alone");
    if (status == ASSAY_OK)
        status = releases ? read_numbers(&options, invocation, &err)
                          : read_options(&options, invocation, arena, &err);
    if (status == ASSAY_OK)
        status = assay_context_open(&context, invocation, true, &err);
    if (status == ASSAY_OK && releases)
        status = plan_releases(context, invocation, &options, arena, &err);
    else if (status == ASSAY_OK)
        status = assay_mine(&result, context, &options, arena, &err);
    if (status == ASSAY_OK && !releases && assay_cli_flag(invocation, "json"))
        status = print_json(&result, &err);
    else if (status == ASSAY_OK && !releases)
        print_result(&result, options.dir);
    assay_context_close(context);
    assay_arena_destroy(arena);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}
