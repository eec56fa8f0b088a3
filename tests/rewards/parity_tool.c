// SPDX-License-Identifier: MIT
// parity_tool.c - a test program: our parsers and grading rules over texts from a stream.
//
// Requests on stdin, one answer each on stdout, in order:
//     parse NAME LEN INSTANCE VERSION\n<LEN bytes>\n
//     grade NAME LEN INSTANCE VERSION EVAL_TYPE F2P P2P\n<LEN bytes>\n, then F2P + P2P ids, each
//     LEN\n<LEN bytes>\n
// Answer to parse: {"raised": null or NAME, "map": [[id, word], ...]} or {"costly": true}.
// Answer to grade: see put_grade().
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rewards/compat.h"
#include "rewards/logs.h"

#define TEXT_BYTES_MAX ((size_t)256 << 20)
#define ARENA_BYTES ((size_t)2 << 30)
#define IDS_MAX 100000

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "parity_tool: %s\n", what);
    abort();
}

// A number, and the one character behind it.
static size_t number(char **at)
{
    char *end;
    const size_t value = strtoul(*at, &end, 10);

    if (end == *at)
        die("a number is missing");
    *at = *end != '\0' ? end + 1 : end;
    return value;
}

static struct assay_bytes read_bytes(struct assay_arena *arena, size_t len)
{
    char *text = len < TEXT_BYTES_MAX ? assay_arena_alloc(arena, len + 1) : NULL;

    if (text == NULL || fread(text, 1, len, stdin) != len || getchar() != '\n')
        die("bad frame");
    return (struct assay_bytes){text, len};
}

static void put_string(const char *text, size_t len)
{
    putchar('"');
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)text[i];

        if (c < ' ' || c == '"' || c == '\\')
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void put_map(const struct assay_log_map *map)
{
    putchar('[');
    for (size_t i = 0; i < map->count; i++) {
        printf("%s[", i == 0 ? "" : ",");
        put_string(map->entries[i].id, map->entries[i].id_len);
        putchar(',');
        put_string(map->entries[i].word, map->entries[i].word_len);
        putchar(']');
    }
    putchar(']');
}

static void put_parse(const struct assay_log_map *map)
{
    if (map->costly) {
        puts("{\"costly\":true}");
        return;
    }
    printf("{\"raised\":");
    if (map->raised == NULL)
        printf("null");
    else
        put_string(map->raised, strlen(map->raised));
    printf(",\"map\":");
    put_map(map);
    puts("}");
}

static struct assay_strings read_ids(struct assay_arena *arena, size_t count)
{
    const char **ids = count < IDS_MAX ? assay_arena_array(arena, count, sizeof(*ids)) : NULL;
    char line[64], *at;

    if (ids == NULL)
        die("too many ids");
    for (size_t i = 0; i < count; i++) {
        at = fgets(line, sizeof(line), stdin);
        if (at == NULL)
            die("an id is missing");
        ids[i] = read_bytes(arena, number(&at)).data;
    }
    return (struct assay_strings){ids, count};
}

static void put_list(const char *name, const struct assay_strings *ids, const char *end)
{
    printf("\"%s\":[", name);
    for (size_t i = 0; i < ids->count; i++) {
        printf("%s", i == 0 ? "" : ",");
        put_string(ids->items[i], strlen(ids->items[i]));
    }
    printf("]%s", end);
}

static void put_grade(const struct assay_swebench_report *report)
{
    printf("{\"raised\":");
    if (report->raised != NULL)
        put_string(report->raised, strlen(report->raised));
    else
        printf("null");
    printf(",\"costly\":%s,\"found\":%s,\"resolution\":\"%s\",\"infra\":",
            report->costly ? "true" : "false", report->found ? "true" : "false",
            report->resolution == ASSAY_RESOLUTION_FULL              ? "RESOLVED_FULL"
                    : report->resolution == ASSAY_RESOLUTION_PARTIAL ? "RESOLVED_PARTIAL"
                                                                     : "RESOLVED_NO");
    if (report->infra.reason != NULL)
        printf("[\"%s\",\"%s\"],", report->infra.reason,
                report->infra.environment ? "environment" : "ambiguous");
    else
        printf("null,");
    put_list("f2p_success", &report->f2p_success, ",");
    put_list("f2p_failure", &report->f2p_failure, ",");
    put_list("p2p_success", &report->p2p_success, ",");
    put_list("p2p_failure", &report->p2p_failure, "}\n");
}

struct request {
    const char *kind, *parser, *instance, *version, *eval_type; // words of `line`
    char line[512];
    size_t len, f2p, p2p;
};

// The next word of a line, ended where it ends.
static const char *word(char **at)
{
    char *start = *at;

    *at += strcspn(start, " \n");
    if (**at != '\0')
        *(*at)++ = '\0';
    return start;
}

static bool read_request(struct request *request)
{
    char *at = request->line;

    if (fgets(request->line, sizeof(request->line), stdin) == NULL)
        return false;
    request->kind = word(&at);
    request->parser = word(&at);
    request->len = number(&at);
    request->instance = word(&at);
    request->version = word(&at);
    request->eval_type = word(&at);
    if (strcmp(request->kind, "grade") != 0)
        return true;
    request->f2p = number(&at);
    request->p2p = number(&at);
    return true;
}

static void answer(const struct request *request, struct assay_arena *arena)
{
    const struct assay_log_parser *parser = assay_log_parser_find(request->parser);
    const struct assay_log_context context = {request->instance, request->version};
    const struct assay_bytes text = read_bytes(arena, request->len);
    struct assay_swebench_report report;
    struct assay_log_map map;
    struct assay_strings f2p, p2p;

    if (parser == NULL)
        die("no such parser");
    if (strcmp(request->kind, "parse") == 0) {
        if (assay_log_parse(&map, parser, text, &context, arena, NULL) != ASSAY_OK)
            die("no memory");
        put_parse(&map);
        return;
    }
    f2p = read_ids(arena, request->f2p);
    p2p = read_ids(arena, request->p2p);
    if (assay_swebench_grade(&report, parser, text, &context, &f2p, &p2p,
                strcmp(request->eval_type, "fail_only") == 0, arena, NULL) != ASSAY_OK)
        die("no memory");
    put_grade(&report);
}

int main(void)
{
    struct request request = {.kind = NULL};
    struct assay_arena *arena;

    while (read_request(&request)) {
        if (assay_arena_create(&arena, ARENA_BYTES, NULL) != ASSAY_OK)
            die("no memory");
        answer(&request, arena);
        assay_arena_destroy(arena);
        if (fflush(stdout) != 0)
            die("cannot write");
    }
    return 0;
}
