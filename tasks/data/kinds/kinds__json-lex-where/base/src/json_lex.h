/* SPDX-License-Identifier: MIT */
/* Tokens of a JSON text. Strings are decoded into a buffer of the caller. */
#ifndef JSON_LEX_H
#define JSON_LEX_H

#include <stddef.h>

enum json_token {
    JSON_END,
    JSON_PUNCTUATION, /* text[0] is one of { } [ ] : , */
    JSON_STRING,
    JSON_NUMBER,
    JSON_WORD, /* true, false, null */
    JSON_BAD,
    JSON_BAD_ESCAPE,
    JSON_TOO_LONG
};

struct json_lexer {
    const char *at;
    char *text; /* the token, ended with '\0' */
    size_t size;
    size_t length;
};

void json_open(struct json_lexer *lexer, const char *json, char *text, size_t size);
enum json_token json_next(struct json_lexer *lexer);

/* Writes the UTF-8 form of a code point; returns its length, 1 to 4. */
size_t json_utf8(char *out, unsigned long point);

#endif
