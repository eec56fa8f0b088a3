// SPDX-License-Identifier: MIT
#include "sandbox/exports.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/session.h"

#define ENTRY_BYTES_MAX 131072 // the kernel's MAX_ARG_STRLEN, with the NUL

void assay_exports_free(struct assay_exports *exports)
{
    free(exports->cwd);
    free(exports->bytes);
    free(exports->env);
    memset(exports, 0, sizeof(*exports));
}

// --- building ------------------------------------------------------------------------------------

static bool cwd_is_fine(const char *cwd)
{
    return cwd != NULL && cwd[0] == '/' && strlen(cwd) < PATH_MAX;
}

// Take the entries that stand one after another in `entries`, each with its NUL.
static bool adopt(struct assay_exports *out, const char *cwd, const struct assay_buf *entries)
{
    struct assay_exports made = {.cwd = strdup(cwd), .bytes = malloc(entries->len + 1)};

    for (size_t i = 0; i < entries->len; i++)
        made.count += entries->data[i] == '\0';
    made.env = calloc(made.count + 1, sizeof(*made.env));
    if (made.cwd == NULL || made.bytes == NULL || made.env == NULL ||
            made.count > ASSAY_SESSION_ENV_COUNT_MAX) {
        assay_exports_free(&made);
        return false;
    }
    memcpy(made.bytes, entries->data, entries->len);
    for (size_t i = 0, at = 0; i < made.count; i++) {
        made.env[i] = made.bytes + at;
        at += strlen(made.env[i]) + 1;
    }
    assay_exports_free(out);
    *out = made;
    return true;
}

enum assay_status assay_exports_set(
        struct assay_exports *out, const char *cwd, const char *const *env, struct assay_error *err)
{
    struct assay_buf entries;
    bool fits = true;

    if (!cwd_is_fine(cwd))
        return assay_fail(err, ASSAY_EINVAL, "a session's cwd is not an absolute path");
    assay_buf_init(&entries, ASSAY_SESSION_ENV_BYTES_MAX);
    for (size_t i = 0; env[i] != NULL; i++) {
        const size_t len = strlen(env[i]) + 1;

        if (strchr(env[i], '=') == NULL || env[i][0] == '=') {
            assay_buf_free(&entries);
            return assay_fail(err, ASSAY_EINVAL, "env entry %zu is not NAME=value", i);
        }
        fits = fits && len <= ENTRY_BYTES_MAX && assay_buf_add(&entries, env[i], len);
    }
    fits = fits && adopt(out, cwd, &entries);
    assay_buf_free(&entries);
    return fits ? ASSAY_OK
                : assay_fail(err, ASSAY_EINVAL, "a session's environment is larger than %zu bytes",
                          ASSAY_SESSION_ENV_BYTES_MAX);
}

// --- reading what a shell prints -----------------------------------------------------------------

struct reader {
    const char *at;
    struct assay_buf *out;
    bool failed;
};

static void put(struct reader *reader, char c)
{
    if (c == '\0' || !assay_buf_addc(reader->out, c)) // a NUL cannot be in an environment
        reader->failed = true;
}

// Digits of a number escape.
static void put_number(struct reader *reader, int base, int digits_max)
{
    unsigned value = 0;
    int digits = 0;

    for (; digits < digits_max; digits++) {
        const int c = tolower((unsigned char)*reader->at);
        const int digit = isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : base;

        if (digit >= base)
            break;
        value = value * (unsigned)base + (unsigned)digit;
        reader->at++;
    }
    if (digits == 0 || value > 255)
        reader->failed = true;
    else
        put(reader, (char)value);
}

// After the backslash in $'..'.
static void take_escape(struct reader *reader)
{
    static const char names[] = "abeEfnrtv\\'\"?";
    static const char values[] = "\a\b\033\033\f\n\r\t\v\\'\"?";
    const char *name = *reader->at == '\0' ? NULL : strchr(names, *reader->at);

    if (name != NULL) {
        reader->at++;
        put(reader, values[name - names]);
    } else if (*reader->at == 'x') {
        reader->at++;
        put_number(reader, 16, 2);
    } else {
        put_number(reader, 8, 3);
    }
}

// A quoted piece; `at` is behind the opening quote.
static void take_quoted(struct reader *reader, char quote, bool ansi)
{
    while (!reader->failed && *reader->at != quote) {
        const char c = *reader->at;

        if (c == '\0') {
            reader->failed = true;
            return;
        }
        reader->at++;
        if (c == '\\' && ansi)
            take_escape(reader);
        else if (c == '\\' && quote == '"' && *reader->at != '\0' &&
                strchr("$`\"\\", *reader->at) != NULL)
            put(reader, *reader->at++);
        else
            put(reader, c);
    }
    if (!reader->failed)
        reader->at++;
}

// A value, up to the end of its line.
static void take_value(struct reader *reader)
{
    while (!reader->failed && *reader->at != '\n' && *reader->at != '\0') {
        const char c = *reader->at++;

        if (c == '$' && *reader->at == '\'') {
            reader->at++;
            take_quoted(reader, '\'', true);
        } else if (c == '\'' || c == '"') {
            take_quoted(reader, c, false);
        } else {
            put(reader, c);
        }
    }
}

static size_t name_len(const char *text)
{
    size_t len = 0;

    if (isdigit((unsigned char)text[0]))
        return 0;
    while (isalnum((unsigned char)text[len]) || text[len] == '_')
        len++;
    return len;
}

static bool is_private(const char *name, size_t len)
{
    return (len == 1 && name[0] == '_') || (len == 5 && strncmp(name, "SHLVL", 5) == 0);
}

// One line: declare -x NAME="value", export NAME='value', or either without a value.
static void take_line(struct reader *reader)
{
    const size_t before = reader->out->len;
    const char *name = NULL;
    size_t len = 0;
    bool keep = false;

    if (strncmp(reader->at, "export ", 7) == 0) {
        reader->at += 7;
    } else if (strncmp(reader->at, "declare -", 9) == 0) {
        reader->at += 9;
        reader->at += strcspn(reader->at, " \n");
        reader->at += *reader->at == ' ';
    } else {
        reader->failed = true;
        return;
    }
    name = reader->at;
    len = name_len(name);
    reader->at += len;
    keep = len > 0 && *reader->at == '=' && reader->at[1] != '(' && !is_private(name, len);
    if (len == 0 || (*reader->at != '=' && *reader->at != '\n' && *reader->at != '\0'))
        reader->failed = true;
    if (!assay_buf_add(reader->out, name, len))
        reader->failed = true;
    take_value(reader); // with its '='
    if (*reader->at == '\n')
        reader->at++;
    if (!keep && !reader->failed)
        assay_buf_truncate(reader->out, before);
    else if (!assay_buf_addc(reader->out, '\0') || reader->out->len - before > ENTRY_BYTES_MAX)
        reader->failed = true;
}

static bool name_is_identifier(const char *entry)
{
    const size_t len = name_len(entry);

    return len > 0 && entry[len] == '=';
}

bool assay_exports_take(struct assay_exports *exports, const char *cwd, const char *text)
{
    struct assay_buf entries;
    struct reader reader = {.at = text, .out = &entries};
    bool taken = false;

    assay_buf_init(&entries, ASSAY_SESSION_ENV_BYTES_MAX);
    for (size_t i = 0; i < exports->count; i++) {
        const char *entry = exports->env[i];

        if (!name_is_identifier(entry) || strncmp(entry, "SHLVL=", 6) == 0)
            reader.failed = reader.failed || !assay_buf_add(&entries, entry, strlen(entry) + 1);
    }
    while (!reader.failed && *reader.at != '\0')
        take_line(&reader);
    taken = !reader.failed && cwd_is_fine(cwd) && adopt(exports, cwd, &entries);
    assay_buf_free(&entries);
    return taken;
}

// --- lines that leave both alone -----------------------------------------------------------------

// Letters that no shell takes for anything but themselves, wherever they stand in a word.
static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("_./-+:,@", c) != NULL);
}

// bash's own and those of its syntax; what other shells have besides changes nothing that stays.
static bool is_shells_own(const char *word, size_t len)
{
    static const char *const names[] = {".", ":", "alias", "bg", "bind", "break", "builtin",
            "caller", "case", "cd", "command", "compgen", "complete", "compopt", "continue",
            "coproc", "declare", "dirs", "disown", "do", "done", "echo", "elif", "else", "enable",
            "esac", "eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for", "function",
            "getopts", "hash", "help", "history", "if", "in", "jobs", "kill", "let", "local",
            "logout", "mapfile", "popd", "printf", "pushd", "pwd", "read", "readarray", "readonly",
            "return", "select", "set", "shift", "shopt", "source", "suspend", "test", "then",
            "time", "times", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias",
            "unset", "until", "wait", "while"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && memcmp(names[i], word, len) == 0)
            return true;
    return false;
}

// Functions that are handed on, and files that a shell reads first, may be anything.
static bool prepares_shells(const char *entry)
{
    return strncmp(entry, "BASH_", 5) == 0 || strncmp(entry, "ENV=", 4) == 0 ||
            strncmp(entry, "SHELLOPTS=", 10) == 0 || strncmp(entry, "BASHOPTS=", 9) == 0;
}

bool assay_exports_outlive(const struct assay_exports *exports, const char *line)
{
    const char *const word = line + strspn(line, " \t");
    size_t len = 0;

    while (is_plain(word[len]))
        len++;
    if (len == 0 || is_shells_own(word, len) || (word[len] != '\0' && !strchr(" \t", word[len])))
        return false;
    // Behind the command an equals sign is a letter like others; before it, an assignment.
    for (const char *at = word + len; *at != '\0'; at++)
        if (!is_plain(*at) && strchr(" \t=", *at) == NULL)
            return false;
    for (size_t i = 0; i < exports->count; i++)
        if (prepares_shells(exports->env[i]))
            return false;
    return true;
}
