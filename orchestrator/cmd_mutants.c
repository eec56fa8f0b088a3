// SPDX-License-Identifier: MIT
// cmd_mutants.c - `suite mutants`: what could be broken in a file, one line each; runs nothing.
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/commands.h"
#include "rewards/mutants.h"

#define FILE_BYTES_MAX ((size_t)4 << 20)
#define LINE_BYTES_MAX ((size_t)64 << 10)
#define ARENA_BYTES ((size_t)16 << 30) // of address space: each mutant is a whole file

const struct assay_option assay_suite_mutants_options[] = {
        {"count", 0, "N", "at most so many of each file, drawn (all)", false},
        {"seed", 0, "N", "of the draw (0)", false},
        {"json", 0, NULL, "print one JSON object a line", false},
        {NULL, 0, NULL, NULL, false},
};

// Line `number` (from 1) of a text, without its line feed.
static struct assay_bytes line_of(struct assay_bytes text, size_t number)
{
    const char *at = text.data, *const end = text.data + text.len;
    const char *feed;

    while (--number > 0 && at < end) {
        feed = memchr(at, '\n', (size_t)(end - at));
        at = feed ? feed + 1 : end;
    }
    feed = memchr(at, '\n', (size_t)(end - at));
    return (struct assay_bytes){at, (size_t)((feed ? feed : end) - at)};
}

static enum assay_status print_json(const struct assay_mutant *mutant, struct assay_error *err)
{
    const struct assay_bytes line = line_of(mutant->content, mutant->line);
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, LINE_BYTES_MAX);
    assay_json_writer_init(&w, &text, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "path", mutant->path);
    assay_json_put_text(&w, "operator", mutant->operator_name);
    assay_json_put_u64(&w, "line", mutant->line);
    assay_json_put_bytes(&w, "text", line.data, line.len);
    assay_json_end_object(&w);
    return assay_cli_print(&text, err);
}

static enum assay_status list_file(
        const struct assay_invocation *in, const char *path, struct assay_error *err)
{
    struct assay_mutant_source source = {.path = path};
    struct assay_mutant *mutants = NULL;
    struct assay_arena *arena = NULL;
    struct assay_buf file;
    uint64_t most = ASSAY_MUTANT_CANDIDATES_MAX, seed = 0;
    size_t count = 0;
    enum assay_status status =
            assay_cli_number(&most, in, "count", 1, ASSAY_MUTANT_CANDIDATES_MAX, err);

    assay_buf_init(&file, FILE_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_cli_number(&seed, in, "seed", 0, UINT64_MAX, err);
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&file, path, err);
    if (status == ASSAY_OK)
        status = assay_arena_create(&arena, ARENA_BYTES, err);
    source.gold = (struct assay_bytes){file.data, file.len};
    if (status == ASSAY_OK)
        status = assay_mutants_make(
                &mutants, &count, &source, 1, ASSAY_MUTANTS_ALL, seed, (size_t)most, arena, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        if (assay_cli_flag(in, "json")) {
            status = print_json(&mutants[i], err);
        } else {
            assay_cli_put(stdout, mutants[i].about);
            fputc('\n', stdout);
        }
    }
    assay_arena_destroy(arena);
    assay_buf_free(&file);
    return status;
}

enum assay_exit assay_cmd_suite_mutants(struct assay_invocation *invocation)
{
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < invocation->argument_count && status == ASSAY_OK; i++)
        status = list_file(invocation, invocation->arguments[i], &err);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}
