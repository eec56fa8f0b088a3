// SPDX-License-Identifier: MIT
// counter_text.c - which number or string of a line is an expected value, and another one for it.
//
// Guesses: a wrong one makes a counter-run that tells nothing, never a wrong verdict.
#include "rewards/counter_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rewards/counter_data.h"

#define TOKENS_MAX 64
#define LINE_BYTES_MAX 4096

struct token {
    size_t begin, end; // of the digits, or of what stands in the quotes
    size_t depth;      // brackets around it
    bool is_string;
};
struct tokens {
    struct token items[TOKENS_MAX];
    size_t count;
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) != 0 || c == '_' || (unsigned char)c >= 0x80;
}

static size_t string_end(struct assay_text line, size_t at)
{
    const char quote = line.data[at];

    for (at++; at < line.len && line.data[at] != quote; at++)
        at += line.data[at] == '\\';
    return at;
}

// Does what is brought in here stand in the string?
static bool is_brought_in(struct assay_text line, size_t quote)
{
    struct assay_text before = {line.data, quote};

    return assay_text_drop(&before, "require(") || assay_text_drop(&before, "import(");
}

// Numbers and strings outside of words and comments.
static void list_tokens(struct tokens *out, struct assay_text line, enum assay_counter_shape shape)
{
    size_t at = 0, depth = 0;

    out->count = 0;
    while (at < line.len && out->count < TOKENS_MAX) {
        const char c = line.data[at];

        if (c == '"' || (c == '\'' && shape != ASSAY_COUNTER_C)) {
            const size_t end = string_end(line, at);

            if (end >= line.len)
                return; // it goes on in the next line
            if (!is_brought_in(line, at))
                out->items[out->count++] = (struct token){at + 1, end, depth, true};
            at = end + 1;
        } else if (is_word(c)) {
            const size_t begin = at;

            while (at < line.len && is_word(line.data[at]))
                at++;
            if (strspn(line.data + begin, "0123456789") >= at - begin)
                out->items[out->count++] = (struct token){begin, at, depth, false};
        } else {
            depth += strchr("([{", c) != NULL;
            depth -= strchr(")]}", c) != NULL && depth > 0;
            at++;
        }
    }
}

static const char *change(
        struct assay_canary_bed *bed, struct assay_text line, const struct token *token)
{
    const size_t len = token->end - token->begin;
    const char *inner = NULL;

    if (!token->is_string && len <= 6)
        inner = assay_canary_print(bed, "%lu",
                strtoul(line.data + token->begin, NULL, 10) + 11 + assay_canary_below(bed, 86));
    else
        inner = assay_canary_print(bed, "%.*s%s", (int)len, line.data + token->begin,
                token->is_string ? assay_canary_word(bed) : "7");
    return assay_canary_print(bed, "%.*s%s%.*s", (int)token->begin, line.data, inner,
            (int)(line.len - token->end), line.data + token->end);
}

// Inside of a string?
static bool is_inside(const struct tokens *tokens, size_t at)
{
    for (size_t i = 0; i < tokens->count; i++)
        if (tokens->items[i].is_string && at >= tokens->items[i].begin && at < tokens->items[i].end)
            return true;
    return false;
}

// The first token behind an operator of comparison, or else the last one before it.
static const struct token *beside_operator(const struct tokens *tokens, struct assay_text line)
{
    static const char *const operators[] = {"==", "!=", " -eq ", " -ne ", " eq ", " ne "};

    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        const size_t len = strlen(operators[i]);

        for (size_t at = 0; at + len <= line.len; at++) {
            const struct token *before = NULL;

            if (memcmp(line.data + at, operators[i], len) != 0 || is_inside(tokens, at))
                continue;
            for (size_t j = 0; j < tokens->count; j++) {
                const struct token *token = &tokens->items[j];
                const size_t stop = token->begin - token->is_string;

                if (token->end <= at)
                    before = token;
                else if (stop >= at + len && memchr(line.data + at, ';', stop - at) == NULL &&
                        memmem(line.data + at, stop - at, "&&", 2) == NULL &&
                        memmem(line.data + at, stop - at, "||", 2) == NULL &&
                        memmem(line.data + at, stop - at, " and ", 5) == NULL)
                    return token;
            }
            return before;
        }
    }
    return NULL;
}

static bool has_call(struct assay_text line)
{
    static const char *const names[] = {"assert", "expect", "equal", "is ", "is(", "is_", "like",
            "same", "check", "tobe", "toequal", "cmp", "verify", "must", "should", "want", "match"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (size_t at = 0, len = strlen(names[i]); at + len <= line.len; at++)
            if (strncasecmp(line.data + at, names[i], len) == 0 &&
                    (len > 3 || at == 0 || !is_word(line.data[at - 1])))
                return true;
    return false;
}

// Is nothing but closing brackets behind the token?
static bool is_at_end(struct assay_text line, const struct token *token)
{
    for (size_t at = token->end + token->is_string; at < line.len; at++)
        if (strchr(" \t\r);,", line.data[at]) == NULL)
            return false;
    return true;
}

// A line that brings in other files: another name there ends the whole run.
static bool brings_in(struct assay_text line)
{
    static const char *const words[] = {"#include", "#import", "import ", "import(", "from ",
            "use ", "require ", "require(", "require_relative ", "source ", ". ", "load ",
            "package ", "extern ", "mod ", "include ", "include(", "@import"};
    const struct assay_text inner = assay_text_trim(line);

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (assay_text_skip(&(struct assay_text){inner.data, inner.len}, words[i]))
            return true;
    return false;
}

// Of a list of imports: one string, perhaps behind another name for it.
static bool is_import(struct assay_text line)
{
    const struct assay_text inner = assay_text_trim(line);
    size_t at = 0;

    while (at < inner.len &&
            (is_word(inner.data[at]) || inner.data[at] == ' ' || inner.data[at] == '\t' ||
                    inner.data[at] == '.'))
        at++;
    return at < inner.len && inner.data[at] == '"' && string_end(inner, at) + 1 == inner.len;
}

// A row of a table: nothing but values.
static bool is_row(struct assay_text line)
{
    const struct assay_text inner = assay_text_trim(line);

    return inner.len > 1 && strchr("([{\"'0123456789", inner.data[0]) != NULL &&
            strchr(",)]}\"'0123456789", inner.data[inner.len - 1]) != NULL;
}

static bool is_meant_of(const struct assay_strings *paths, struct assay_text name)
{
    for (size_t i = 0; i < paths->count; i++)
        if (assay_is_data_file(paths->items[i], (struct assay_bytes){NULL, 0}) &&
                assay_data_is_meant(name, paths->items[i]))
            return true;
    return false;
}

// Does the string name one of the files that the tests bring, or that lie beside them?
static bool is_name(
        const struct assay_canary_bed *bed, struct assay_text line, const struct token *token)
{
    const struct assay_text name = {line.data + token->begin, token->end - token->begin};

    return token->is_string && bed->source != NULL &&
            (is_meant_of(&bed->source->paths, name) || is_meant_of(&bed->source->data, name));
}

// These take a message, if anything, and that is no test's name.
static bool is_nameless(struct assay_text line)
{
    return assay_text_has(line, "assert.") || assay_text_has(line, "expect(");
}

// Of the arguments of a call, or the values of a row: the last that no call of its own is around.
static const struct token *outermost(const struct assay_canary_bed *bed,
        const struct tokens *tokens, struct assay_text line, bool described)
{
    const struct token *found = NULL;
    size_t count = tokens->count;

    // What a test is called is its id.
    if (described && !is_nameless(line) && tokens->items[count - 1].is_string &&
            is_at_end(line, &tokens->items[count - 1]))
        count--;
    for (size_t i = 0; i < count; i++)
        if ((found == NULL || tokens->items[i].depth <= found->depth) &&
                !is_name(bed, line, &tokens->items[i]))
            found = &tokens->items[i];
    return found;
}

// The last word of a line with a word of ours behind it; not a tag's or an escape's.
static const char *change_word(struct assay_canary_bed *bed, struct assay_text line)
{
    size_t end = line.len;

    while (end > 0) {
        size_t begin = end;

        while (begin > 0 && isalpha((unsigned char)line.data[begin - 1]) != 0)
            begin--;
        if (end - begin > 2 && (begin == 0 || strchr("</\\%$&", line.data[begin - 1]) == NULL))
            return assay_canary_print(bed, "%.*s%s%.*s", (int)end, line.data,
                    assay_canary_word(bed), (int)(line.len - end), line.data + end);
        end = begin == end ? end - 1 : begin;
    }
    return NULL;
}

const char *assay_counter_line(struct assay_canary_bed *bed, struct assay_text line,
        enum assay_counter_shape shape, bool described, bool *sure)
{
    struct tokens tokens;
    const struct token *token = NULL;

    *sure = false;
    if (line.len > LINE_BYTES_MAX || shape == ASSAY_COUNTER_NONE ||
            (shape <= ASSAY_COUNTER_C && brings_in(line)) ||
            (shape == ASSAY_COUNTER_C && is_import(line)))
        return NULL;
    if (shape == ASSAY_COUNTER_PROSE)
        return change_word(bed, line);
    list_tokens(&tokens, line, shape);
    if (tokens.count == 0)
        return NULL;
    if (shape == ASSAY_COUNTER_DATA)
        return change(bed, line, &tokens.items[tokens.count - 1]);
    token = beside_operator(&tokens, line);
    *sure = token != NULL;
    if (token == NULL && (has_call(line) || is_row(line)))
        token = outermost(bed, &tokens, line, described);
    return token != NULL ? change(bed, line, token) : NULL;
}

bool assay_counter_begins_test(struct assay_text line)
{
    static const char *const words[] = {"def ", "async def ", "class ", "func ", "fn ", "pub fn ",
            "test(", "it(", "test ", "it ", "describe(", "sub ", "subtest ", "void ", "static ",
            "int ", "#[test]", "TEST", "@"};

    line = assay_text_trim(line);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (assay_text_skip(&(struct assay_text){line.data, line.len}, words[i]))
            return true;
    return false;
}

// What a build or a runner is told by, whatever it is called behind that.
static bool is_settings(const char *path)
{
    static const char *const names[] = {"CMakeLists.txt", "Makefile", "makefile", "GNUmakefile",
            "meson.build", "BUILD", "BUILD.bazel", "Rakefile", "Gemfile", "Dockerfile", "go.mod",
            "go.sum", "Cargo.toml", "pyproject.toml", "setup.cfg", "tox.ini", "pytest.ini",
            "package.json", "tsconfig.json", "pom.xml"};
    static const char *const endings[] = {
            ".cmake", ".mk", ".lock", ".gradle", ".am", ".ac", ".bazel"};
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], base) == 0)
            return true;
    for (size_t i = 0; dot != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcmp(endings[i], dot) == 0)
            return true;
    return base[0] == '.';
}

enum assay_counter_shape assay_counter_shape_of(const char *path, struct assay_bytes content)
{
    static const struct {
        const char *ending;
        enum assay_counter_shape shape;
    } endings[] = {{".py", ASSAY_COUNTER_SCRIPT}, {".rb", ASSAY_COUNTER_SCRIPT},
            {".pl", ASSAY_COUNTER_SCRIPT}, {".pm", ASSAY_COUNTER_SCRIPT},
            {".t", ASSAY_COUNTER_SCRIPT}, {".sh", ASSAY_COUNTER_SCRIPT},
            {".bash", ASSAY_COUNTER_SCRIPT}, {".bats", ASSAY_COUNTER_SCRIPT},
            {".js", ASSAY_COUNTER_SCRIPT}, {".mjs", ASSAY_COUNTER_SCRIPT},
            {".cjs", ASSAY_COUNTER_SCRIPT}, {".ts", ASSAY_COUNTER_SCRIPT},
            {".php", ASSAY_COUNTER_SCRIPT}, {".lua", ASSAY_COUNTER_SCRIPT},
            {".awk", ASSAY_COUNTER_SCRIPT}, {".c", ASSAY_COUNTER_C}, {".h", ASSAY_COUNTER_C},
            {".cc", ASSAY_COUNTER_C}, {".cpp", ASSAY_COUNTER_C}, {".go", ASSAY_COUNTER_C},
            {".hpp", ASSAY_COUNTER_C}, {".rs", ASSAY_COUNTER_C}, {".java", ASSAY_COUNTER_C},
            {".kt", ASSAY_COUNTER_C}};
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcmp(endings[i].ending, dot) == 0)
            return endings[i].shape;
    if (content.len > 2 && memcmp(content.data, "#!", 2) == 0)
        return ASSAY_COUNTER_SCRIPT;
    return is_settings(path) ? ASSAY_COUNTER_NONE : ASSAY_COUNTER_DATA;
}
