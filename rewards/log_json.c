// SPDX-License-Identifier: MIT
// log_json.c - prismjs: the report of mocha --reporter json, inside a log.
//
// The reader takes exactly what Python's json takes (NaN and repeated keys too, the last one
// wins), in one pass, and keeps nothing but titles.
#include <string.h>

#include "base/utf8.h"
#include "rewards/log_parse.h"

#define DEPTH_MAX 900 // Python gives up a little later

enum kind { KIND_OBJECT, KIND_ARRAY, KIND_STRING, KIND_OTHER };

// What a value says of itself.
struct value {
    enum kind kind;
    bool empty;              // a container or a string with nothing in it
    struct assay_text title; // of an object: its "fullTitle"; data is NULL when it is no text
    bool has_title;
};

struct json {
    struct assay_log_run *run;
    const char *at, *end;
    const char *fault; // the exception that the reference raises; NULL: none yet
    unsigned depth;
};

static bool read_value(struct json *json, struct value *value);

static bool fail(struct json *json, const char *exception)
{
    if (json->fault == NULL)
        json->fault = exception;
    return false;
}

static bool malformed(struct json *json)
{
    return fail(json, "JSONDecodeError");
}

static void skip_space(struct json *json)
{
    while (json->at < json->end && strchr(" \t\n\r", *json->at) != NULL && *json->at != '\0')
        json->at++;
}

static bool take(struct json *json, char c)
{
    if (json->at == json->end || *json->at != c)
        return false;
    json->at++;
    return true;
}

static bool take_word(struct json *json, const char *word)
{
    const size_t len = strlen(word);

    if ((size_t)(json->end - json->at) < len || memcmp(json->at, word, len) != 0)
        return false;
    json->at += len;
    return true;
}

// --- strings -------------------------------------------------------------------------------------

static bool read_hex(struct json *json, unsigned *out)
{
    *out = 0;
    for (unsigned i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit;

        if (json->at == json->end || *json->at == '\0')
            return false;
        digit = strchr(
                digits, *json->at >= 'A' && *json->at <= 'F' ? *json->at - 'A' + 'a' : *json->at);
        if (digit == NULL)
            return false;
        *out = *out * 16 + (unsigned)(digit - digits);
        json->at++;
    }
    return true;
}

// Behind "\u". A half of a pair alone is a character that UTF-8 has not: it becomes U+FFFD.
static bool read_unicode(struct json *json, unsigned *c)
{
    const char *after;
    unsigned low;

    if (!read_hex(json, c))
        return malformed(json);
    after = json->at;
    if (*c >= 0xd800 && *c < 0xdc00 && take_word(json, "\\u")) {
        if (read_hex(json, &low) && low >= 0xdc00 && low < 0xe000) {
            *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
            return true;
        }
        json->at = after; // what follows is a character of its own, or a fault of its own
    }
    if (*c >= 0xd800 && *c < 0xe000)
        *c = 0xfffd;
    return true;
}

static bool read_escape(struct json *json, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *known;
    unsigned c;

    if (json->at == json->end)
        return malformed(json);
    if (take(json, 'u')) {
        if (!read_unicode(json, &c))
            return false;
        *out += assay_utf8_put(*out, c);
        return true;
    }
    known = *json->at != '\0' ? strchr(from, *json->at) : NULL;
    if (known == NULL)
        return malformed(json);
    *(*out)++ = to[known - from];
    json->at++;
    return true;
}

// The text behind an opening quote, to the closing one. With `keep` *text is made of it.
static bool read_string(struct json *json, bool keep, struct assay_text *text, bool *empty)
{
    const char *quote = json->at;
    char *made = NULL, *out, spare[8];

    while (quote < json->end && *quote != '"')
        quote += *quote == '\\' && quote + 1 < json->end ? 2 : 1;
    if (keep) {
        made = assay_arena_alloc(json->run->arena, (size_t)(quote - json->at) + 1);
        if (made == NULL) {
            json->run->no_memory = true;
            return fail(json, "MemoryError");
        }
    }
    *empty = quote == json->at;
    for (out = made; !take(json, '"');) {
        if (json->at == json->end || (unsigned char)*json->at < ' ')
            return malformed(json);
        if (!keep)
            out = spare;
        if (take(json, '\\')) {
            if (!read_escape(json, &out))
                return false;
        } else {
            *out++ = *json->at++;
        }
    }
    *text = (struct assay_text){made, keep ? (size_t)(out - made) : 0};
    return true;
}

// --- the rest ------------------------------------------------------------------------------------

static bool at_digit(const struct json *json)
{
    return json->at < json->end && *json->at >= '0' && *json->at <= '9';
}

static bool read_number(struct json *json)
{
    const char *back;

    (void)take(json, '-');
    if (!at_digit(json))
        return malformed(json);
    if (!take(json, '0'))
        while (at_digit(json))
            json->at++;
    // A point or an "e" without digits behind it is not the number's.
    back = json->at;
    if (take(json, '.')) {
        if (!at_digit(json))
            json->at = back;
        while (at_digit(json))
            json->at++;
    }
    back = json->at;
    if (take(json, 'e') || take(json, 'E')) {
        if (!take(json, '+'))
            (void)take(json, '-');
        if (!at_digit(json))
            json->at = back;
        while (at_digit(json))
            json->at++;
    }
    return true;
}

// One member behind its key's opening quote. The member of interest of a test is its title.
static bool read_member(struct json *json, struct value *object)
{
    struct assay_text key, title = {NULL, 0};
    struct value value;
    bool empty;

    if (!read_string(json, true, &key, &empty))
        return false;
    skip_space(json);
    if (!take(json, ':'))
        return malformed(json);
    skip_space(json);
    if (key.data == NULL || !assay_text_is(key, "fullTitle"))
        return read_value(json, &value);
    object->has_title = true;
    if (take(json, '"')) {
        if (!read_string(json, true, &title, &empty))
            return false;
    } else if (!read_value(json, &value)) {
        return false;
    }
    object->title = title;
    return true;
}

static bool read_object(struct json *json, struct value *value)
{
    value->kind = KIND_OBJECT;
    skip_space(json);
    value->empty = take(json, '}');
    if (value->empty)
        return true;
    do {
        skip_space(json);
        if (!take(json, '"'))
            return malformed(json);
        if (!read_member(json, value))
            return false;
        skip_space(json);
    } while (take(json, ','));
    return take(json, '}') || malformed(json);
}

static bool read_array(struct json *json, struct value *value)
{
    struct value element;

    value->kind = KIND_ARRAY;
    skip_space(json);
    value->empty = take(json, ']');
    if (value->empty)
        return true;
    do {
        skip_space(json);
        if (!read_value(json, &element))
            return false;
        skip_space(json);
    } while (take(json, ','));
    return take(json, ']') || malformed(json);
}

static bool read_value(struct json *json, struct value *value)
{
    static const char *const words[] = {
            "null", "true", "false", "NaN", "Infinity", "-Infinity", NULL};
    struct assay_text text;
    bool good;

    *value = (struct value){.kind = KIND_OTHER};
    if (take(json, '"')) {
        value->kind = KIND_STRING;
        return read_string(json, false, &text, &value->empty);
    }
    for (size_t i = 0; words[i] != NULL; i++)
        if (take_word(json, words[i]))
            return true;
    if (json->at == json->end || (*json->at != '{' && *json->at != '['))
        return read_number(json);
    if (json->depth == DEPTH_MAX)
        return fail(json, "RecursionError");
    json->depth++;
    good = *json->at++ == '{' ? read_object(json, value) : read_array(json, value);
    json->depth--;
    return good;
}

// --- the report ----------------------------------------------------------------------------------

// Where the last "failures" and "passes" of the report stand; at is NULL for none.
struct report {
    const char *failures, *passes;
};

static bool read_report(struct json *json, struct report *report)
{
    struct assay_text key;
    struct value value;
    bool empty;

    skip_space(json);
    if (take(json, '}'))
        return true;
    do {
        skip_space(json);
        if (!take(json, '"'))
            return malformed(json);
        if (!read_string(json, true, &key, &empty))
            return false;
        skip_space(json);
        if (!take(json, ':'))
            return malformed(json);
        skip_space(json);
        if (key.data != NULL && assay_text_is(key, "failures"))
            report->failures = json->at;
        else if (key.data != NULL && assay_text_is(key, "passes"))
            report->passes = json->at;
        if (!read_value(json, &value))
            return false;
        skip_space(json);
    } while (take(json, ','));
    return take(json, '}') || malformed(json);
}

static bool put_title(struct json *json, const struct value *test, enum assay_test_status status)
{
    if (test->kind != KIND_OBJECT)
        return fail(json, "TypeError");
    if (!test->has_title)
        return fail(json, "KeyError");
    if (test->title.data == NULL)
        return fail(json, "TypeError"); // an id that is no text
    assay_log_put(json->run, test->title, status);
    return true;
}

// One list of the report, known to be well formed. What is no list is taken as Python iterates it.
static bool put_titles(struct json *json, const char *at, enum assay_test_status status)
{
    struct value value;
    bool more;

    if (at == NULL)
        return fail(json, "KeyError");
    json->at = at;
    if (*at != '[') {
        if (!read_value(json, &value))
            return false;
        return (value.empty && value.kind != KIND_OTHER) || fail(json, "TypeError");
    }
    json->at++;
    skip_space(json);
    for (more = !take(json, ']'); more; more = take(json, ',')) {
        skip_space(json);
        if (!read_value(json, &value) || !put_title(json, &value, status))
            return false;
        skip_space(json);
    }
    return true;
}

// From the first "{" behind the command to the last "}".
static void prismjs_run(struct assay_log_run *run, struct assay_text log)
{
    struct assay_text before, body, after;
    struct report report = {NULL, NULL};
    struct json json = {.run = run};
    char *text;

    body = assay_py_cut(log, "{", &before, &after) ? after : log;
    assay_py_rcut(body, "}", &body, &after);
    text = assay_arena_alloc(run->arena, body.len + 2);
    if (text == NULL) {
        run->no_memory = true;
        return;
    }
    memcpy(text, body.data, body.len);
    text[body.len] = '}';
    json.at = text;
    json.end = text + body.len + 1;
    if (!read_report(&json, &report) ||
            (skip_space(&json), json.at != json.end && !malformed(&json)) ||
            !put_titles(&json, report.failures, ASSAY_TEST_FAILED) ||
            !put_titles(&json, report.passes, ASSAY_TEST_PASSED))
        assay_log_raise(run, json.fault);
}

void assay_parse_prismjs(struct assay_log_run *run)
{
    static const char command[] = "./node_modules/.bin/mocha tests/run.js --reporter json";
    struct assay_text rest, log;
    bool more = assay_py_cut(run->text, command, &log, &rest);

    while (more && !assay_log_stopped(run)) {
        more = assay_py_cut(rest, command, &log, &rest);
        prismjs_run(run, log);
    }
}
