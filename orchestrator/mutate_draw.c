// SPDX-License-Identifier: MIT
// mutate_draw.c - which places of a whole package are broken, and in which order.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/hash.h"
#include "orchestrator/mutate_parts.h"
#include "rewards/symbols.h"
#include "rewards/test_files.h"

#define FILE_BYTES_MAX ((size_t)256 << 10)
#define FILES_MAX 2000
#define DEPTH_MAX 32
#define OF_FILE_MIN 40u
#define FUNCTION_PATIENCE 2u // so many that no test tells, and none that one does: not reached
#define FILE_PATIENCE 6u

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- which files --------------------------------------------------------------------------------

struct sources {
    struct assay_mutant_source *items; // [FILES_MAX]
    size_t count;
    const char *const *endings; // NULL-terminated
    struct assay_arena *arena;
};

// Which files the tests of a framework run.
static const char *const *endings_of(const char *framework)
{
    static const char *const python[] = {".py", NULL};
    static const char *const go[] = {".go", NULL};
    static const char *const rust[] = {".rs", NULL};
    static const char *const perl[] = {".pm", NULL};
    static const char *const others[] = {".c", ".h", ".cc", ".cpp", ".java", ".js", ".ts", NULL};
    static const struct {
        const char *framework;
        const char *const *endings;
    } rows[] = {{"pytest", python}, {"unittest", python}, {"gotest", go}, {"cargo", rust},
            {"tap-log", perl}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].framework, framework) == 0)
            return rows[i].endings;
    return others;
}

// What builds, documents or measures the package, and is no part of what it does.
static bool is_beside(const char *path)
{
    static const char *const folders[] = {"doc", "docs", "example", "examples", "bench",
            "benchmarks", "benchmark", "tools", "scripts", "vendor", "third_party", "build"};
    static const char *const names[] = {
            "setup.py", "conftest.py", "noxfile.py", "conf.py", "version.py", "_version.py"};
    const char *name = strrchr(path, '/');

    name = name ? name + 1 : path;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        const size_t len = strlen(folders[i]);

        if (strncmp(path, folders[i], len) == 0 && path[len] == '/')
            return true;
    }
    return path[0] == '.';
}

static bool is_source(const struct sources *sources, const struct assay_fs_entry *entry)
{
    const char *dot = strrchr(entry->name, '.');

    if (!S_ISREG(entry->stat.st_mode) || !dot || is_beside(entry->path) ||
            assay_is_test_file(entry->path) || entry->stat.st_size > (off_t)FILE_BYTES_MAX)
        return false;
    for (size_t i = 0; sources->endings[i]; i++)
        if (strcmp(dot, sources->endings[i]) == 0)
            return true;
    return false;
}

static enum assay_status add_source(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct sources *sources = user;
    int dir_fd = entry->dir_fd;
    struct assay_file file;
    const char *path;
    enum assay_status status;

    if (!is_source(sources, entry) || sources->count == FILES_MAX)
        return ASSAY_OK;
    status = assay_file_read_dir(&dir_fd, entry->name, sources->arena, &file, err);
    path = assay_arena_strdup(sources->arena, entry->path);
    if (status == ASSAY_OK && !path)
        status = no_memory(err);
    if (status == ASSAY_OK && file.kind == ASSAY_FILE_REGULAR)
        sources->items[sources->count++] =
                (struct assay_mutant_source){path, {NULL, 0}, file.content};
    return status;
}

// --- their mutants ------------------------------------------------------------------------------

static uint64_t hash_two(uint64_t one, uint64_t two)
{
    const uint64_t parts[2] = {one, two};

    return assay_hash64(parts, sizeof(parts));
}

static bool is_drawn(const struct mutate_drafts *drafts, size_t first, uint64_t number)
{
    for (size_t i = first; i < drafts->count; i++)
        if (drafts->items[i].number == number)
            return true;
    return false;
}

// All of one file, in the order in which they were drawn, spread over the whole by their turns.
static enum assay_status draw_file(struct mutate_drafts *out,
        const struct assay_mutant_source *source, uint64_t seed, size_t count_max,
        struct assay_arena *arena, struct assay_error *err)
{
    const uint64_t file = assay_hash64(source->path, strlen(source->path));
    struct assay_symbols symbols = {NULL, 0};
    struct assay_mutant *mutants = NULL;
    const size_t first = out->count;
    size_t count = 0;
    enum assay_status status = assay_mutants_make(&mutants, &count, source, 1, ASSAY_MUTANTS_ALL,
            hash_two(seed, file), count_max, arena, err);

    if (status == ASSAY_OK)
        status = assay_symbols_find(&symbols, source->path, source->gold, arena, err);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++) {
        const struct assay_symbol *symbol = assay_symbols_at(&symbols, mutants[i].line);
        const uint64_t number =
                hash_two(file, assay_hash64(mutants[i].content.data, mutants[i].content.len));

        // Two operators can come to the same text.
        if (is_drawn(out, first, number))
            continue;
        out->items[out->count++] = (struct mutate_draft){.mutant = mutants[i],
                .number = number,
                .file = file,
                .function = hash_two(file,
                        symbol ? assay_hash64(symbol->name, strlen(symbol->name)) : UINT64_C(0)),
                .turn = ((double)i + (double)(number >> 40) / (double)(1u << 24)) / (double)count};
    }
    return status;
}

static int by_turn(const void *a, const void *b)
{
    const struct mutate_draft *left = a, *right = b;

    if (left->turn < right->turn || left->turn > right->turn)
        return left->turn < right->turn ? -1 : 1;
    return (left->number > right->number) - (left->number < right->number);
}

enum assay_status mutate_draw(struct mutate_drafts *out, int tree_fd, const char *framework,
        uint64_t seed, size_t count_max, struct assay_arena *arena, struct assay_error *err)
{
    size_t share;
    struct sources sources = {.endings = endings_of(framework), .arena = arena};
    enum assay_status status = ASSAY_OK;

    *out = (struct mutate_drafts){NULL, 0};
    sources.items = assay_arena_array(arena, FILES_MAX, sizeof(*sources.items));
    if (!sources.items)
        return no_memory(err);
    status = assay_fs_walk(tree_fd, DEPTH_MAX, add_source, &sources, err);
    share = count_max / (sources.count + 1);
    share = share < OF_FILE_MIN ? OF_FILE_MIN : share;
    share = share > ASSAY_MUTANT_CANDIDATES_MAX ? ASSAY_MUTANT_CANDIDATES_MAX : share;
    out->items = assay_arena_array(arena, sources.count * share + 1, sizeof(*out->items));
    if (status == ASSAY_OK && !out->items)
        status = no_memory(err);
    for (size_t i = 0; i < sources.count && status == ASSAY_OK; i++)
        status = draw_file(out, &sources.items[i], seed, share, arena, err);
    if (status == ASSAY_OK)
        qsort(out->items, out->count, sizeof(*out->items), by_turn);
    return status;
}

// --- what tests reach ---------------------------------------------------------------------------

static bool is_hopeless(const struct mutate_reach *reach, uint64_t place, unsigned patience)
{
    for (size_t i = 0; i < reach->count; i++)
        if (reach->items[i].place == place)
            return reach->items[i].told == 0 && reach->items[i].untold >= patience;
    return false;
}

bool mutate_is_reached(const struct mutate_reach *reach, const struct mutate_draft *draft)
{
    return !is_hopeless(reach, draft->function, FUNCTION_PATIENCE) &&
            !is_hopeless(reach, draft->file, FILE_PATIENCE);
}

static bool note(struct mutate_reach *reach, uint64_t place, bool told, struct assay_arena *arena)
{
    size_t i = 0;

    while (i < reach->count && reach->items[i].place != place)
        i++;
    if (i == reach->capacity) {
        const size_t capacity = reach->capacity ? reach->capacity * 2 : 64;
        void *items = assay_arena_array(arena, capacity, sizeof(*reach->items));

        if (!items)
            return false;
        if (reach->count > 0)
            memcpy(items, reach->items, reach->count * sizeof(*reach->items));
        reach->items = items;
        reach->capacity = capacity;
    }
    if (i == reach->count) {
        memset(&reach->items[i], 0, sizeof(reach->items[i]));
        reach->items[reach->count++].place = place;
    }
    reach->items[i].told += told;
    reach->items[i].untold += !told;
    return true;
}

bool mutate_note_reach(struct mutate_reach *reach, const struct mutate_draft *draft, bool told,
        struct assay_arena *arena)
{
    return note(reach, draft->function, told, arena) && note(reach, draft->file, told, arena);
}
