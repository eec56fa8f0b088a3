// SPDX-License-Identifier: MIT
// tool_search.c - search: names and contents of files by PCRE2, bounded in every direction.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <inttypes.h>
#include <pcre2.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "envs/episode_inner.h"

#define MATCH_STEPS_MAX 1000000
#define MATCH_HEAP_KIB_MAX 65536
#define ENTRIES_MAX 200000 // names looked at
#define FILE_BYTES_MAX ((size_t)4 << 20)
#define TOTAL_BYTES_MAX ((uint64_t)512 << 20)
#define SHOWN_MAX 200             // matches that are printed
#define LINE_BYTES_MAX 300        // of a line that is printed
#define DIRECTORY_COUNT_MAX 20000 // entries of one directory
#define DEPTH_MAX 64
#define ARENA_BYTES ((size_t)256 << 20)

struct search {
    struct assay_episode *e;
    struct assay_observation *out;
    struct assay_arena *arena;
    struct assay_buf bytes; // of the file that is looked at
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    const char *glob; // NULL: every file
    bool names;
    uint64_t deadline_ms;
    // What was seen.
    size_t entries, files, matches, matching_files, large, binary;
    uint64_t total_bytes;
    const char *stopped; // why it was not looked at everything; NULL: it was
};

// --- the expression ------------------------------------------------------------------------------

static bool compile(struct search *s, const char *pattern, bool ignore_case)
{
    const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
            (ignore_case ? PCRE2_CASELESS : 0);
    int code = 0;
    PCRE2_SIZE at = 0;

    s->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    if (s->code == NULL) {
        PCRE2_UCHAR words[256];

        pcre2_get_error_message(code, words, sizeof(words));
        (void)assay_observation_refuse(s->out,
                "the pattern is no regular expression: %s at character %zu. Put \\ before what "
                "is meant literally: . * + ? ( ) [ ] { } | ^ $ \\",
                (const char *)words, at);
        return false;
    }
    (void)pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE); // without it, it is slower
    s->match = pcre2_match_data_create(1, NULL);
    s->context = pcre2_match_context_create(NULL);
    if (s->match == NULL || s->context == NULL)
        return false;
    (void)pcre2_set_match_limit(s->context, MATCH_STEPS_MAX);
    (void)pcre2_set_heap_limit(s->context, MATCH_HEAP_KIB_MAX);
    return true;
}

static bool matches(struct search *s, const char *text, size_t len)
{
    const int code = pcre2_match(s->code, (PCRE2_SPTR)text, len, 0, 0, s->match, s->context);

    if (code < 0 && code != PCRE2_ERROR_NOMATCH)
        s->stopped = "the pattern takes too long on this text; make it simpler";
    return code >= 0;
}

// --- files ---------------------------------------------------------------------------------------

static void show(struct search *s, const char *path, size_t line, const char *text, size_t len)
{
    size_t shown = len > LINE_BYTES_MAX ? LINE_BYTES_MAX : len;

    if (s->matches++ >= SHOWN_MAX)
        return;
    if (line == 0) {
        assay_buf_addf(&s->out->text, "%s\n", path);
        return;
    }
    while (shown > 0 && shown < len && ((unsigned char)text[shown] & 0xc0) == 0x80)
        shown--;
    assay_buf_addf(&s->out->text, "%s:%zu:", path, line);
    assay_buf_add(&s->out->text, text, shown);
    assay_buf_adds(&s->out->text, shown < len ? " ...\n" : "\n");
}

static void search_lines(struct search *s, const char *path)
{
    const char *end = s->bytes.data + s->bytes.len;
    const size_t before = s->matches;
    size_t line = 1;

    for (const char *at = s->bytes.data; at < end && s->stopped == NULL; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = newline != NULL ? (size_t)(newline - at) : (size_t)(end - at);

        if (len > 0 && at[len - 1] == '\r')
            len--;
        if (matches(s, at, len))
            show(s, path, line, at, len);
        at = newline != NULL ? newline + 1 : end;
    }
    s->matching_files += s->matches > before;
}

static bool wanted(const struct search *s, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (s->glob == NULL)
        return true;
    if (strchr(s->glob, '/') == NULL)
        return assay_glob_match(s->glob, slash != NULL ? slash + 1 : path);
    return assay_glob_match(s->glob, strncmp(path, "./", 2) == 0 ? path + 2 : path);
}

// One file; what cannot be read is passed over, as what is no text is.
static void search_file(struct search *s, const char *path, uint64_t size)
{
    if (!wanted(s, path))
        return;
    s->files++;
    if (s->names) {
        if (matches(s, path, strlen(path)))
            show(s, path, 0, NULL, 0);
        return;
    }
    if (size > FILE_BYTES_MAX) {
        s->large++;
        return;
    }
    if (s->total_bytes + size > TOTAL_BYTES_MAX) {
        s->stopped = "512 MiB were read; search a smaller part";
        return;
    }
    assay_buf_clear(&s->bytes);
    if (assay_session_read(s->e->session, path, 0, FILE_BYTES_MAX, &s->bytes, NULL, NULL) !=
            ASSAY_OK)
        return;
    s->total_bytes += s->bytes.len;
    if (assay_tool_is_binary(s->bytes.data, s->bytes.len))
        s->binary++;
    else
        search_lines(s, path);
}

static void search_directory(struct search *s, const char *path, unsigned depth)
{
    struct assay_file_list list = {0};

    if (assay_session_list(s->e->session, path, DIRECTORY_COUNT_MAX, s->arena, &list, NULL) !=
            ASSAY_OK)
        return;
    if (list.more)
        s->stopped = "a directory has more than 20,000 entries; search a smaller part";
    for (size_t i = 0; i < list.count && s->stopped == NULL; i++) {
        const struct assay_file_entry *entry = &list.entries[i];
        const char *below = strcmp(path, ".") == 0
                ? entry->name
                : assay_arena_printf(s->arena, "%s%s%s", path,
                          path[strlen(path) - 1] == '/' ? "" : "/", entry->name);

        if (below == NULL || ++s->entries > ENTRIES_MAX)
            s->stopped = "200,000 names were looked at; search a smaller part";
        else if (assay_clock_left_ms(s->deadline_ms) == 0)
            s->stopped = "the time was over; search a smaller part";
        else if (S_ISREG(entry->info.mode))
            search_file(s, below, entry->info.size);
        else if (S_ISDIR(entry->info.mode) && entry->name[0] != '.' && depth < DEPTH_MAX)
            search_directory(s, below, depth + 1);
    }
}

// --- what is said of it --------------------------------------------------------------------------

static void describe(struct search *s)
{
    struct assay_buf *text = &s->out->text;

    if (s->names)
        assay_buf_addf(text, "[%zu of %zu files]", s->matches, s->files);
    else
        assay_buf_addf(text, "[%zu matching lines in %zu of %zu files]", s->matches,
                s->matching_files, s->files);
    if (s->matches > SHOWN_MAX)
        assay_buf_addf(text, " [the first %d are shown]", SHOWN_MAX);
    if (s->binary > 0)
        assay_buf_addf(text, " [%zu files are no text]", s->binary);
    if (s->large > 0)
        assay_buf_addf(text, " [%zu files over 4 MiB were not read]", s->large);
    if (s->stopped != NULL)
        assay_buf_addf(text, " [not everything was searched: %s]", s->stopped);
    assay_buf_addc(text, '\n');
}

static enum assay_status search_path(struct search *s, const char *path, struct assay_error *err)
{
    struct assay_file_info info = {0};
    struct assay_error trouble = {0};
    enum assay_status status = assay_session_stat(s->e->session, path, true, &info, &trouble);

    if (status != ASSAY_OK) {
        status = assay_tool_refuse_path(s->e, s->out, path, &trouble);
        return status == ASSAY_OK ? ASSAY_OK : assay_fail(err, status, "%s", trouble.message);
    }
    if (S_ISDIR(info.mode))
        search_directory(s, path, 0);
    else if (S_ISREG(info.mode))
        search_file(s, path, info.size);
    else
        return assay_observation_refuse(
                s->out, "%.300s is neither a directory nor a regular file", path);
    describe(s);
    return ASSAY_OK;
}

enum assay_status assay_tool_search(struct assay_episode *e, const struct assay_tool_value *values,
        struct assay_observation *out, struct assay_error *err)
{
    enum { PATTERN, PATH, GLOB, KIND, IGNORE_CASE };
    struct search s = {.e = e,
            .out = out,
            .glob = values[GLOB].text,
            .names = values[KIND].given && strcmp(values[KIND].text, "name") == 0,
            .deadline_ms = assay_clock_ms() + e->options.limits.command_ms_max};
    enum assay_status status = assay_arena_create(&s.arena, ARENA_BYTES, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&s.bytes, FILE_BYTES_MAX);
    if (compile(&s, values[PATTERN].text, values[IGNORE_CASE].flag))
        status = search_path(&s, values[PATH].given ? values[PATH].text : ".", err);
    else if (!out->failed)
        status = assay_fail(err, ASSAY_ENOMEM, "search: out of memory");
    pcre2_match_context_free(s.context);
    pcre2_match_data_free(s.match);
    pcre2_code_free(s.code);
    assay_buf_free(&s.bytes);
    assay_arena_destroy(s.arena);
    return status;
}
