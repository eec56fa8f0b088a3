// SPDX-License-Identifier: MIT
// protect_change.c - files that hold a runner's settings beside other things.
//
// A file is looked at in parts: sections that a "[header]" begins, or blocks of a line and the
// indented ones below it. A part is guarded when its first line, or a line of it, has a word that
// concerns runners; guarded parts must stay as they are. That needs no
// understanding of the format as long as nothing can move the borders of parts: what could (strings
// of many lines, escapes in names, joined lines) must stay as it is, too.
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "rewards/protect.h"
#include "rewards/reader.h"

#define JSON_BYTES_MAX ((size_t)1 << 20)
#define JSON_DEPTH_MAX 64

enum shape { SECTIONS, BLOCKS, JSON };

static const char *const python_words[] = {
        "pytest", "coverage", "tox", "testenv", "unittest", "aliases", "entry", NULL};
static const char *const make_words[] = {"test", "check", "shell", "include", "export", "override",
        "make", "path", "prove", "eval", "define", "endef", "if", "else", "cc", "suffixes",
        "default", "all", NULL};
static const char *const cmake_words[] = {"test", "include", "execute", "custom", "compiler",
        "launch", "cross", "emulator", "will_fail", "expression", "macro", "function", "return",
        "subdirectory", "if", "else", "while", "foreach", "block", "eval", "properties", "option(",
        // A variable whose name is put together.
        "set(${", "set( ${", "}${", "string(", "append ${", NULL};
static const char *const cargo_words[] = {"test", "harness", "build", "lib]", "profile", "patch",
        "replace", "path", "runner", "workspace", "bench", "autobins", "edition", NULL};
static const char *const go_words[] = {"replace", "exclude", "toolchain", NULL};

static const struct {
    const char *glob;
    enum shape shape;
    const char *const *words;
} files[] = {
        {"**/tox.ini", SECTIONS, python_words},
        {"**/setup.cfg", SECTIONS, python_words},
        {"**/pyproject.toml", SECTIONS, python_words},
        {"**/Cargo.toml", SECTIONS, cargo_words},
        {"**/go.mod", BLOCKS, go_words},
        {"**/Makefile", BLOCKS, make_words},
        {"**/makefile", BLOCKS, make_words},
        {"**/GNUmakefile", BLOCKS, make_words},
        {"**/*.mk", BLOCKS, make_words},
        {"**/CMakeLists.txt", BLOCKS, cmake_words},
        {"**/*.cmake", BLOCKS, cmake_words},
        {"**/package.json", JSON, NULL},
};

// --- parts of text ------------------------------------------------------------------------------

static bool has_word(struct assay_text text, const char *const *words)
{
    for (const char *const *word = words; *word != NULL; word++) {
        const size_t len = strlen(*word);

        for (size_t i = 0; i + len <= text.len; i++)
            if (strncasecmp(text.data + i, *word, len) == 0)
                return true;
    }
    return false;
}

static bool begins_part(struct assay_text line, enum shape shape)
{
    const struct assay_text inner = assay_text_trim(line);

    if (shape == SECTIONS)
        return inner.len > 0 && inner.data[0] == '[';
    return line.len > 0 && inner.len > 0 && line.data[0] != ' ' && line.data[0] != '\t' &&
            line.data[0] != ')' && line.data[0] != '}';
}

static bool is_joined(struct assay_text line)
{
    return line.len > 0 && line.data[line.len - 1] == '\\';
}

// The next part; *joined: the line before it ends in a backslash.
static bool next_part(
        struct assay_text *rest, enum shape shape, struct assay_text *part, bool *joined)
{
    struct assay_text line, before = {"", 0};

    *part = (struct assay_text){rest->data, 0};
    while (rest->len > 0) {
        struct assay_text after = *rest;

        (void)assay_text_line(&after, &line);
        if (part->len > 0 && begins_part(line, shape))
            break;
        part->len += rest->len - after.len;
        *rest = after;
        before = line;
    }
    *joined = is_joined(before);
    return part->len > 0;
}

// Does the guarded text of both agree, part by part?
static bool same_parts(struct assay_text before, struct assay_text after, enum shape shape,
        const char *const *words)
{
    bool joined[2] = {false, false};

    for (;;) {
        struct assay_text parts[2] = {{"", 0}, {"", 0}}, *const rests[2] = {&before, &after};
        bool found[2], led[2];

        for (unsigned i = 0; i < 2; i++) {
            do {
                led[i] = joined[i];
                found[i] = next_part(rests[i], shape, &parts[i], &joined[i]);
            } while (found[i] && !has_word(parts[i], words));
        }
        if (found[0] != found[1])
            return false;
        if (!found[0])
            return true;
        parts[0] = assay_text_trim(parts[0]);
        parts[1] = assay_text_trim(parts[1]);
        while (assay_text_drop(&parts[0], "\n"))
            ;
        while (assay_text_drop(&parts[1], "\n"))
            ;
        if (led[0] != led[1] || parts[0].len != parts[1].len ||
                memcmp(parts[0].data, parts[1].data, parts[0].len) != 0)
            return false;
    }
}

static size_t count_of(struct assay_text text, const char *mark)
{
    struct assay_text head;
    size_t count = 0;

    while (assay_text_split(&text, mark, &head))
        count++;
    return count;
}

// What could move the borders of parts, or hide a name.
static bool same_marks(struct assay_text before, struct assay_text after)
{
    static const char *const marks[] = {
            "\"\"\"", "'''", "\\u", "\\U", "\\x", "[[", "[=", "]]", "\r", "\xef\xbb\xbf"};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (count_of(before, marks[i]) != count_of(after, marks[i]))
            return false;
    return memchr(after.data, '\0', after.len) == NULL;
}

// --- package.json -------------------------------------------------------------------------------

static bool same_json(const struct assay_json *a, const struct assay_json *b)
{
    const struct assay_json *x = NULL, *y = NULL;

    if (a == NULL || b == NULL || assay_json_type(a) != assay_json_type(b) ||
            assay_json_count(a) != assay_json_count(b))
        return a == b;
    switch (assay_json_type(a)) {
    case ASSAY_JSON_NULL:
        return true;
    case ASSAY_JSON_BOOL:
        return assay_json_bool(a) == assay_json_bool(b);
    case ASSAY_JSON_NUMBER:
        return assay_json_number(a) == assay_json_number(b);
    case ASSAY_JSON_STRING:
        return strcmp(assay_json_text(a), assay_json_text(b)) == 0;
    case ASSAY_JSON_ARRAY:
        for (x = assay_json_first(a), y = assay_json_first(b); x != NULL;
                x = assay_json_next(x), y = assay_json_next(y))
            if (!same_json(x, y))
                return false;
        return true;
    case ASSAY_JSON_OBJECT:
        for (x = assay_json_first(a); x != NULL; x = assay_json_next(x))
            if (!same_json(x, assay_json_get(b, assay_json_key(x))))
                return false;
        return true;
    }
    return false;
}

static bool is_free_member(const char *key)
{
    static const char *const keys[] = {"version", "description", "keywords", "author", "license",
            "repository", "bugs", "homepage", "dependencies", "devDependencies", "peerDependencies",
            "optionalDependencies", "engines", "files", "main", "module", "types", "typings",
            "browser", "bin", "sideEffects", "private", "contributors"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i], key) == 0)
            return true;
    return false;
}

// Every member that is not free: the same in both.
static bool holds_members(const struct assay_json *of, const struct assay_json *in)
{
    for (const struct assay_json *at = assay_json_first(of); at != NULL; at = assay_json_next(at))
        if (!is_free_member(assay_json_key(at)) &&
                !same_json(at, assay_json_get(in, assay_json_key(at))))
            return false;
    return true;
}

static bool same_package(struct assay_text before, struct assay_text after)
{
    const struct assay_json_limits limits = {JSON_BYTES_MAX, JSON_DEPTH_MAX};
    struct assay_json *a = NULL, *b = NULL;
    bool same = false;

    if (assay_json_parse(&a, before.data, before.len, limits, "package.json", 1, NULL) ==
                    ASSAY_OK &&
            assay_json_parse(&b, after.data, after.len, limits, "package.json", 1, NULL) ==
                    ASSAY_OK)
        same = assay_json_type(a) == ASSAY_JSON_OBJECT && assay_json_type(b) == ASSAY_JSON_OBJECT &&
                holds_members(a, b) && holds_members(b, a);
    assay_json_free(a);
    assay_json_free(b);
    return same;
}

bool assay_protect_change(const char *path, struct assay_bytes before, struct assay_bytes after)
{
    const struct assay_text old = {before.data, before.len}, new = {after.data, after.len};

    if (before.data == NULL || after.data == NULL)
        return false;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (!assay_glob_match(files[i].glob, path))
            continue;
        if (files[i].shape == JSON)
            return same_package(old, new);
        return same_marks(old, new) && same_parts(old, new, files[i].shape, files[i].words);
    }
    return false;
}
