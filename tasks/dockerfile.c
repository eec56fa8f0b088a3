// SPDX-License-Identifier: MIT
#include "tasks/dockerfile.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/fs.h"
#include "tasks/fields.h"

#define LINE_BYTES_MAX ((size_t)1 << 20)
#define WORDS_MAX 256
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct reading {
    struct assay_dockerfile *out;
    const char *at, *end;
    size_t line, first_line; // of `at`; of the instruction
    struct assay_arena *arena;
    const char **env, **run; // room for one in three bytes
    const char *wrong;
};

static bool refuse(struct reading *r, const char *why)
{
    if (r->wrong == NULL)
        r->wrong = why;
    return false;
}

// The next instruction with its continued lines as one line; comments between them are left out.
static bool next_instruction(struct reading *r, struct assay_buf *out)
{
    bool more = true;

    assay_buf_clear(out);
    while (more && r->at < r->end) {
        const char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
        const char *next = stop == NULL ? r->end : stop + 1;
        const char *start = r->at;
        size_t len = (size_t)((stop == NULL ? r->end : stop) - start);

        r->at = next;
        r->line++;
        while (len > 0 && strchr(" \t\r", start[len - 1]) != NULL)
            len--;
        while (len > 0 && (*start == ' ' || *start == '\t')) {
            start++;
            len--;
        }
        if (len == 0 || *start == '#')
            continue; // also between the lines of one instruction
        if (out->len == 0)
            r->first_line = r->line;
        more = start[len - 1] == '\\';
        assay_buf_add(out, start, len - more);
        if (more)
            assay_buf_addc(out, ' ');
    }
    if (out->failed)
        refuse(r, "too long an instruction");
    return out->len > 0 && !out->failed;
}

// --- words ---------------------------------------------------------------------------------------

// The next word of *at, its quotes taken off, into the arena. NULL at the end, or when refused.
static char *next_word(struct reading *r, const char **at)
{
    const char *from = *at + strspn(*at, " \t");
    char *word, *to;
    char quote = '\0';

    if (*from == '\0')
        return NULL;
    word = to = assay_arena_alloc(r->arena, strlen(from) + 1);
    if (word == NULL) {
        refuse(r, "out of memory");
        return NULL;
    }
    for (; *from != '\0' && (quote != '\0' || (*from != ' ' && *from != '\t')); from++) {
        if (quote == '\0' && (*from == '"' || *from == '\'')) {
            quote = *from;
        } else if (*from == quote) {
            quote = '\0';
        } else {
            if (*from == '\\' && quote != '\'' && from[1] != '\0')
                from++;
            *to++ = *from;
        }
    }
    if (quote != '\0') {
        refuse(r, "a quote does not end");
        return NULL;
    }
    *to = '\0';
    *at = from;
    return word;
}

static bool is_fixed(struct reading *r, const char *word)
{
    return strchr(word, '$') == NULL || refuse(r, "variables are not replaced here");
}

// An absolute path from one that may be relative to the workdir, without "." and "/" at its end.
static const char *absolute(struct reading *r, const char *path)
{
    const char *base = r->out->workdir;
    char *joined;
    size_t len;

    while (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
        path += path[1] == '/' ? 2 : 1;
    if (path[0] == '/' || path[0] == '\0')
        joined = assay_arena_strdup(r->arena, path[0] == '/' ? path : base);
    else
        joined = assay_arena_printf(r->arena, "%s%s%s", base, base[1] == '\0' ? "" : "/", path);
    if (joined == NULL || strstr(joined, "/..") != NULL) {
        refuse(r, joined == NULL ? "out of memory" : "a path with \"..\"");
        return NULL;
    }
    for (len = strlen(joined); len > 1 && joined[len - 1] == '/'; len--)
        joined[len - 1] = '\0';
    return joined;
}

// --- instructions --------------------------------------------------------------------------------

static bool read_from(struct reading *r, const char *at)
{
    const char *image = next_word(r, &at);

    while (image != NULL && strncmp(image, "--", 2) == 0)
        image = next_word(r, &at);
    if (image == NULL)
        return refuse(r, "FROM names no image");
    if (r->out->from != NULL)
        return refuse(r, "a build of several stages cannot be followed");
    r->out->from = image;
    return is_fixed(r, image);
}

static bool read_workdir(struct reading *r, const char *at)
{
    const char *path = next_word(r, &at);

    if (path == NULL || !is_fixed(r, path))
        return refuse(r, "WORKDIR names no folder");
    path = absolute(r, path);
    if (path != NULL)
        r->out->workdir = path;
    return path != NULL;
}

static bool add_env(struct reading *r, const char *pair)
{
    if (pair == NULL)
        return refuse(r, "out of memory");
    r->env[r->out->env.count++] = pair;
    return is_fixed(r, pair);
}

// NAME=value ..., or NAME value.
static bool read_env(struct reading *r, const char *at)
{
    const char *word = next_word(r, &at);

    if (word == NULL)
        return refuse(r, "ENV sets nothing");
    if (strchr(word, '=') == NULL) {
        at += strspn(at, " \t");
        return add_env(r, assay_arena_printf(r->arena, "%s=%s", word, at));
    }
    for (; word != NULL; word = next_word(r, &at)) {
        // With a name each takes three bytes of the text or more, which is what there is room for.
        if (word[0] == '=' || strchr(word, '=') == NULL)
            return refuse(r, "ENV: expected NAME=value");
        if (!add_env(r, word))
            return false;
    }
    return r->wrong == NULL;
}

static bool read_run(struct reading *r, const char *at)
{
    at += strspn(at, " \t");
    if (*at == '[')
        return refuse(r, "RUN in its list form cannot be followed: write it as a shell command");
    if (strncmp(at, "--", 2) == 0)
        return refuse(r, "RUN with options cannot be followed");
    if (strstr(at, "<<") != NULL)
        return refuse(r, "RUN with a here-document cannot be followed");
    r->run[r->out->run.count] = assay_arena_printf(
            r->arena, "mkdir -p '%s' && cd '%s' && %s", r->out->workdir, r->out->workdir, at);
    if (strchr(r->out->workdir, '\'') != NULL)
        return refuse(r, "a folder with a quote in its name");
    return r->run[r->out->run.count++] != NULL || refuse(r, "out of memory");
}

static bool add_copy(struct reading *r, const char *from, const char *to, bool into)
{
    struct assay_copy *copy = &r->out->copies[r->out->copy_count];

    if (r->out->copy_count == ASSAY_DOCKERFILE_COPIES_MAX)
        return refuse(r, "more than 64 things to copy");
    while (from[0] == '.' && from[1] == '/')
        from += 2;
    while (from[0] == '/') // of the build's folder
        from++;
    if (from[0] == '\0')
        from = ".";
    if (strpbrk(from, "*?[$") != NULL || strstr(from, "://") != NULL)
        return refuse(r, "patterns, variables and addresses cannot be copied");
    *copy = (struct assay_copy){from, to, into, r->first_line};
    if (strcmp(from, ".") != 0) {
        char *plain = assay_arena_strdup(r->arena, from);

        for (size_t len = plain == NULL ? 0 : strlen(plain); len > 1 && plain[len - 1] == '/';
                len--)
            plain[len - 1] = '\0';
        if (plain == NULL || !assay_fs_path_is_plain(plain))
            return refuse(r, "what is copied lies outside the folder");
        copy->from = plain;
    }
    r->out->copy_count++;
    return true;
}

static bool read_copy(struct reading *r, const char *at)
{
    const char *words[WORDS_MAX];
    const char *to;
    size_t count = 0, len;
    bool into;

    at += strspn(at, " \t");
    if (*at == '[')
        return refuse(r, "COPY in its list form cannot be followed");
    while (count < WORDS_MAX && (words[count] = next_word(r, &at)) != NULL) {
        if (strncmp(words[count], "--from", 6) == 0)
            return refuse(r, "COPY from another stage or image cannot be followed");
        count += strncmp(words[count], "--", 2) != 0;
    }
    if (r->wrong != NULL || count < 2 || count == WORDS_MAX)
        return refuse(r, "COPY: expected what, and where to");
    len = strlen(words[count - 1]);
    if (len == 0)
        return refuse(r, "COPY: expected what, and where to");
    into = words[count - 1][len - 1] == '/' || strcmp(words[count - 1], ".") == 0 || count > 2;
    to = is_fixed(r, words[count - 1]) ? absolute(r, words[count - 1]) : NULL;
    for (size_t i = 0; to != NULL && i + 1 < count; i++)
        if (!add_copy(r, words[i], to, into))
            return false;
    return to != NULL;
}

static bool read_instruction(struct reading *r, const char *text)
{
    static const struct {
        const char *word;
        bool (*read)(struct reading *r, const char *at); // NULL: only a container has it
    } instructions[] = {{"FROM", read_from}, {"WORKDIR", read_workdir}, {"ENV", read_env},
            {"RUN", read_run}, {"COPY", read_copy}, {"ADD", read_copy}, {"CMD", NULL},
            {"ENTRYPOINT", NULL}, {"EXPOSE", NULL}, {"LABEL", NULL}, {"MAINTAINER", NULL},
            {"USER", NULL}, {"VOLUME", NULL}, {"STOPSIGNAL", NULL}, {"HEALTHCHECK", NULL}};

    for (size_t i = 0; i < COUNT(instructions); i++) {
        const size_t len = strlen(instructions[i].word);

        if (strncasecmp(text, instructions[i].word, len) != 0 ||
                (text[len] != ' ' && text[len] != '\t'))
            continue;
        if (instructions[i].read == NULL)
            return true;
        if (r->out->from == NULL && instructions[i].read != read_from)
            return refuse(r, "an instruction stands before FROM");
        return instructions[i].read(r, text + len);
    }
    return refuse(r, "an instruction that cannot be followed");
}

enum assay_status assay_dockerfile_read(struct assay_dockerfile *out, struct assay_bytes text,
        const char *source, struct assay_arena *arena, struct assay_error *err)
{
    struct reading r = {.out = out, .at = text.data, .end = text.data + text.len, .arena = arena};
    char file[ASSAY_PATH_SHORT_BYTES];
    struct assay_buf line;
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_dockerfile){.workdir = "/"};
    assay_path_short(file, source);
    r.env = assay_arena_array(arena, text.len / 3 + 1, sizeof(r.env[0]));
    r.run = assay_arena_array(arena, text.len / 3 + 1, sizeof(r.run[0]));
    if (r.env == NULL || r.run == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", file);
    assay_buf_init(&line, LINE_BYTES_MAX);
    if (memchr(text.data, '\0', text.len) != NULL)
        refuse(&r, "a NUL in it");
    while (r.wrong == NULL && next_instruction(&r, &line))
        (void)read_instruction(&r, line.data);
    assay_buf_free(&line);
    if (r.wrong == NULL && out->from == NULL)
        refuse(&r, "no FROM");
    if (r.wrong != NULL)
        status = assay_fail(err, ASSAY_EINVAL, "%s:%zu: %s", file, r.first_line, r.wrong);
    out->env.items = r.env;
    out->run.items = r.run;
    return status;
}
