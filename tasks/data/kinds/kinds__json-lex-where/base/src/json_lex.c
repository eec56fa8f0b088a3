/* SPDX-License-Identifier: MIT */
#include "json_lex.h"

#include <string.h>

void json_open(struct json_lexer *lexer, const char *json, char *text, size_t size)
{
    lexer->at = json;
    lexer->text = text;
    lexer->size = size;
    lexer->length = 0;
}

static int put(struct json_lexer *lexer, const char *bytes, size_t count)
{
    if (lexer->length + count >= lexer->size) {
        return 0;
    }
    memcpy(lexer->text + lexer->length, bytes, count);
    lexer->length += count;
    lexer->text[lexer->length] = '\0';
    return 1;
}

static unsigned long hex4(const char *digits)
{
    unsigned long value = 0;

    for (int i = 0; i < 4 && digits[i] != '\0'; i++) {
        char c = digits[i];

        value <<= 4;
        if (c >= '0' && c <= '9') {
            value |= (unsigned long)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            value |= (unsigned long)((c | 0x20) - 'a' + 10);
        }
    }
    return value;
}

static enum json_token escape(struct json_lexer *lexer)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *lexer->at++;
    char bytes[4];
    const char *hit;

    if (c == 'u') {
        unsigned long point = hex4(lexer->at);

        if (strnlen(lexer->at, 4) < 4) {
            return JSON_BAD_ESCAPE;
        }
        lexer->at += 4;
        return put(lexer, bytes, json_utf8(bytes, point)) ? JSON_STRING : JSON_TOO_LONG;
    }
    hit = c == '\0' ? NULL : strchr(from, c);
    if (hit == NULL) {
        return JSON_BAD_ESCAPE;
    }
    return put(lexer, to + (hit - from), 1) ? JSON_STRING : JSON_TOO_LONG;
}

static enum json_token string(struct json_lexer *lexer)
{
    for (;;) {
        char c = *lexer->at++;

        if (c == '"') {
            return JSON_STRING;
        }
        if ((unsigned char)c < 0x20) {
            lexer->at--;
            return JSON_BAD;
        }
        if (c == '\\') {
            enum json_token token = escape(lexer);

            if (token != JSON_STRING) {
                return token;
            }
        } else if (!put(lexer, &c, 1)) {
            return JSON_TOO_LONG;
        }
    }
}

static enum json_token number(struct json_lexer *lexer)
{
    size_t length = strspn(lexer->at, "+-0123456789.eE");

    if (!put(lexer, lexer->at, length)) {
        return JSON_TOO_LONG;
    }
    lexer->at += length;
    return JSON_NUMBER;
}

enum json_token json_next(struct json_lexer *lexer)
{
    static const char *const words[] = {"true", "false", "null"};
    char c;

    lexer->length = 0;
    lexer->text[0] = '\0';
    lexer->at += strspn(lexer->at, " \t\r\n");
    c = *lexer->at;
    if (c == '\0') {
        return JSON_END;
    }
    if (strchr("{}[]:,", c) != NULL) {
        lexer->at++;
        return put(lexer, &c, 1) ? JSON_PUNCTUATION : JSON_TOO_LONG;
    }
    if (c == '"') {
        lexer->at++;
        return string(lexer);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return number(lexer);
    }
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);

        if (strncmp(lexer->at, words[i], length) == 0) {
            lexer->at += length;
            return put(lexer, words[i], length) ? JSON_WORD : JSON_TOO_LONG;
        }
    }
    return JSON_BAD;
}
