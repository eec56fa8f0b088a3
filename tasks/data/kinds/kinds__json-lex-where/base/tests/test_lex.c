/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "json_lex.h"

#define CHECK(cond) \
    do { \
        if (!(cond)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
            return 1; \
        } \
    } while (0)

static char text[64];
static struct json_lexer lexer;

static enum json_token first(const char *json)
{
    json_open(&lexer, json, text, sizeof text);
    return json_next(&lexer);
}

static int tokens(void)
{
    CHECK(first(" {\"a\": [true, null]}") == JSON_PUNCTUATION && text[0] == '{');
    CHECK(json_next(&lexer) == JSON_STRING && strcmp(text, "a") == 0);
    CHECK(json_next(&lexer) == JSON_PUNCTUATION && text[0] == ':');
    CHECK(json_next(&lexer) == JSON_PUNCTUATION);
    CHECK(json_next(&lexer) == JSON_WORD && strcmp(text, "true") == 0);
    CHECK(json_next(&lexer) == JSON_PUNCTUATION);
    CHECK(json_next(&lexer) == JSON_WORD);
    CHECK(json_next(&lexer) == JSON_PUNCTUATION);
    CHECK(json_next(&lexer) == JSON_PUNCTUATION);
    CHECK(json_next(&lexer) == JSON_END);
    CHECK(first("nil") == JSON_BAD);
    return 0;
}

static int string(void)
{
    CHECK(first("\"caf\xc3\xa9\"") == JSON_STRING && strcmp(text, "caf\xc3\xa9") == 0);
    CHECK(first("\"open") == JSON_BAD);
    CHECK(first("\"a\nb\"") == JSON_BAD);
    return 0;
}

static int escapes(void)
{
    CHECK(first("\"\\n\\\"\\/\"") == JSON_STRING && strcmp(text, "\n\"/") == 0);
    CHECK(first("\"\\u0041\\u20ac\"") == JSON_STRING && strcmp(text, "A\xe2\x82\xac") == 0);
    CHECK(first("\"\\x\"") == JSON_BAD_ESCAPE);
    CHECK(first("\"\\u12") == JSON_BAD_ESCAPE);
    return 0;
}

static int numbers(void)
{
    CHECK(first("-12.5e+3,") == JSON_NUMBER && strcmp(text, "-12.5e+3") == 0);
    CHECK(first("0") == JSON_NUMBER);
    return 0;
}

static int too_long(void)
{
    char small[4];

    json_open(&lexer, "\"abc\" \"abcd\"", small, sizeof small);
    CHECK(json_next(&lexer) == JSON_STRING);
    CHECK(json_next(&lexer) == JSON_TOO_LONG);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} tests[] = {
    {"tokens", tokens},
    {"string", string},
    {"escapes", escapes},
    {"numbers", numbers},
    {"too_long", too_long},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof tests / sizeof *tests; i++) {
        if (strcmp(argv[1], tests[i].name) == 0) {
            return tests[i].run();
        }
    }
    return 2;
}
