// SPDX-License-Identifier: MIT
#include "orchestrator/sources.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "orchestrator/tree_view.h"
#include "rewards/test_files.h"

#define FILE_BYTES_MAX ((size_t)512 << 10)
#define ALL_BYTES_MAX ((size_t)128 << 20)
#define DEPTH_MAX 64
#define WORDS_MAX 512   // of a problem
#define WORD_TABLE 2048 // a power of two, > 2 * WORDS_MAX
#define WORD_BYTES_MIN 3

// --- reading -------------------------------------------------------------------------------------

struct load {
    struct assay_sources *out;
    struct assay_arena *arena;
    size_t room, bytes;
};

static bool is_hidden(const char *path)
{
    return path[0] == '.' || strstr(path, "/.") != NULL;
}

static bool grow(struct load *load)
{
    const size_t room = load->room == 0 ? 256 : 2 * load->room;
    struct assay_source *grown = assay_arena_array(load->arena, room, sizeof(*grown));

    if (grown == NULL)
        return false;
    if (load->out->count > 0)
        memcpy(grown, load->out->items, load->out->count * sizeof(*grown));
    load->out->items = grown;
    load->room = room;
    return true;
}

static enum assay_status read_text(struct load *load, struct assay_source *source,
        const struct assay_fs_entry *entry, struct assay_error *err)
{
    struct assay_buf text;
    const int fd = openat(
            entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    enum assay_status status;

    if (fd < 0)
        return ASSAY_OK; // not shown
    assay_buf_init(&text, FILE_BYTES_MAX);
    status = assay_fs_read_fd(&text, fd, NULL);
    close(fd);
    if (status == ASSAY_OK && memchr(text.data, '\0', text.len) == NULL) {
        source->text.data = assay_arena_memdup(load->arena, text.data, text.len);
        source->text.len = text.len;
        load->bytes += text.len;
        status = source->text.data != NULL
                ? ASSAY_OK
                : assay_fail(err, ASSAY_ENOMEM, "sources: out of memory");
    } else {
        status = ASSAY_OK;
    }
    assay_buf_free(&text);
    return status;
}

static enum assay_status visit(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct load *load = user;
    struct assay_source *source;

    if (!S_ISREG(entry->stat.st_mode) || is_hidden(entry->path) ||
            load->out->count == ASSAY_SOURCES_MAX)
        return ASSAY_OK;
    if (load->out->count == load->room && !grow(load))
        return assay_fail(err, ASSAY_ENOMEM, "sources: out of memory");
    source = &load->out->items[load->out->count++];
    *source = (struct assay_source){.path = assay_arena_strdup(load->arena, entry->path),
            .test = assay_is_test_file(entry->path)};
    if (source->path == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "sources: out of memory");
    if ((size_t)entry->stat.st_size > FILE_BYTES_MAX || load->bytes > ALL_BYTES_MAX)
        return ASSAY_OK;
    return read_text(load, source, entry, err);
}

enum assay_status assay_sources_load(struct assay_sources *out, struct assay_context *context,
        const struct assay_instance *instance, struct assay_arena *arena, struct assay_error *err)
{
    struct load load = {.out = out, .arena = arena};
    struct assay_tree_view view;
    enum assay_status status = assay_tree_view_open(&view, context, instance, arena, err);

    *out = (struct assay_sources){.count = 0};
    if (status == ASSAY_OK)
        status = assay_fs_walk(view.fd, DEPTH_MAX, visit, &load, err);
    assay_tree_view_close(&view);
    return status;
}

// --- words ---------------------------------------------------------------------------------------

// The words of a problem, by hash; each with what a file counts of it.
struct words {
    uint64_t hashes[WORD_TABLE]; // 0: empty
    uint32_t counts[WORD_TABLE]; // in the file at hand
    uint32_t files[WORD_TABLE];  // that have it
    size_t count;
};

// The next run of letters, digits and '_' (ASCII and whatever lies beyond it); false: no more.
static bool next_word(struct assay_bytes text, size_t *at, struct assay_bytes *word)
{
    size_t begin = *at;

#define IS_WORD(c) (isalnum((unsigned char)(c)) || (c) == '_' || (unsigned char)(c) >= 0x80)
    while (begin < text.len && !IS_WORD(text.data[begin]))
        begin++;
    *at = begin;
    while (*at < text.len && IS_WORD(text.data[*at]))
        (*at)++;
#undef IS_WORD
    *word = (struct assay_bytes){text.data + begin, *at - begin};
    return word->len > 0;
}

static uint64_t hash_word(struct assay_bytes word)
{
    char lower[64];
    size_t len = 0;

    for (; len < word.len && len < sizeof(lower); len++)
        lower[len] = (char)tolower((unsigned char)word.data[len]);
    return assay_hash64(lower, len) | 1; // never 0
}

// Where the word stands, or would stand.
static size_t slot_of(const struct words *words, uint64_t hash)
{
    size_t slot = (size_t)(hash >> 1) & (WORD_TABLE - 1);

    while (words->hashes[slot] != 0 && words->hashes[slot] != hash)
        slot = (slot + 1) & (WORD_TABLE - 1);
    return slot;
}

static void learn_words(struct words *words, struct assay_bytes problem)
{
    struct assay_bytes word;

    for (size_t at = 0; words->count < WORDS_MAX && next_word(problem, &at, &word);) {
        const uint64_t hash = hash_word(word);
        const size_t slot = slot_of(words, hash);

        if (word.len < WORD_BYTES_MIN || words->hashes[slot] != 0)
            continue;
        words->hashes[slot] = hash;
        words->count++;
    }
}

static size_t count_words(struct words *words, struct assay_bytes text)
{
    struct assay_bytes word;
    size_t length = 0;

    for (size_t at = 0; next_word(text, &at, &word); length++) {
        const size_t slot = slot_of(words, hash_word(word));

        words->counts[slot] += words->hashes[slot] != 0;
    }
    return length;
}

// --- ranking -------------------------------------------------------------------------------------

// What one file's words come to, in two passes: the first learns in how many files a word is.
static size_t count_file(struct words *words, const struct assay_source *source)
{
    memset(words->counts, 0, sizeof(words->counts));
    return count_words(words, (struct assay_bytes){source->path, strlen(source->path)}) +
            (source->text.data != NULL ? count_words(words, source->text) : 0);
}

static double score_file(const struct words *words, size_t length, double mean, double files)
{
    const double k1 = 1.2, b = 0.75;
    double score = 0;

    for (size_t i = 0; i < WORD_TABLE; i++) {
        const double n = words->files[i], tf = words->counts[i];

        if (tf > 0)
            score += log1p((files - n + 0.5) / (n + 0.5)) * tf * (k1 + 1) /
                    (tf + k1 * (1 - b + b * (double)length / mean));
    }
    return score;
}

static bool is_named(const struct assay_source *source, struct assay_bytes problem)
{
    const char *slash = strrchr(source->path, '/');
    const char *name = slash != NULL ? slash + 1 : source->path;

    return problem.len > 0 && strchr(name, '.') != NULL &&
            memmem(problem.data, problem.len, name, strlen(name)) != NULL;
}

static int by_score(const void *a, const void *b)
{
    const struct assay_source *x = a, *y = b;

    return x->score > y->score ? -1 : x->score < y->score ? 1 : strcmp(x->path, y->path);
}

enum assay_status assay_sources_rank(struct assay_sources *sources, struct assay_bytes problem,
        bool tests, struct assay_error *err)
{
    struct words *words = calloc(1, sizeof(*words));
    double mean = 0;

    if (words == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "sources: out of memory");
    learn_words(words, problem);
    for (size_t i = 0; i < sources->count; i++) {
        mean += (double)count_file(words, &sources->items[i]);
        for (size_t k = 0; k < WORD_TABLE; k++)
            words->files[k] += words->counts[k] > 0;
    }
    mean = mean > 0 ? mean / (double)sources->count : 1;
    for (size_t i = 0; i < sources->count; i++) {
        struct assay_source *source = &sources->items[i];
        const size_t length = count_file(words, source);

        source->score = score_file(words, length, mean, (double)sources->count);
        if (is_named(source, problem))
            source->score *= 10;
        if (source->test && !tests)
            source->score /= 3;
    }
    free(words);
    if (sources->count > 0)
        qsort(sources->items, sources->count, sizeof(*sources->items), by_score);
    return ASSAY_OK;
}

// --- showing -------------------------------------------------------------------------------------

const struct assay_source *assay_sources_find(
        const struct assay_sources *sources, const char *path, size_t len)
{
    for (size_t i = 0; i < sources->count; i++)
        if (strlen(sources->items[i].path) == len && memcmp(sources->items[i].path, path, len) == 0)
            return &sources->items[i];
    return NULL;
}

size_t assay_source_lines(const struct assay_source *source)
{
    size_t lines = 0;

    for (size_t i = 0; i < source->text.len; i++)
        lines += source->text.data[i] == '\n' || i + 1 == source->text.len;
    return lines;
}

void assay_source_show(
        struct assay_buf *out, const struct assay_source *source, size_t first, size_t last)
{
    const char *at = source->text.data, *end = at + source->text.len;

    assay_buf_addf(out, "### %s\n```\n", source->path);
    for (size_t line = 1; at < end && line <= last; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline + 1 : end;

        if (line >= first)
            assay_buf_add(out, at, (size_t)(stop - at));
        at = stop;
    }
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        assay_buf_addc(out, '\n');
    assay_buf_adds(out, "```\n\n");
}
