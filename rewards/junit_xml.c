// SPDX-License-Identifier: MIT
// junit_xml.c - <testcase> elements of a JUnit document, by expat, without document types or
// entities.
#include <expat.h>
#include <string.h>

#include "rewards/reader.h"

#define DEPTH_MAX 64
#define CHUNK_BYTES (1 << 20)

struct junit {
    struct assay_reader *reader;
    assay_junit_visit visit;
    void *user;
    XML_Parser parser;
    unsigned depth, case_depth; // case_depth: depth of the open <testcase>; 0: none
    struct assay_junit_case test;
    bool refused;
    bool no_memory;
};

static const char *attribute(struct junit *junit, const XML_Char **attributes, const char *name)
{
    for (size_t i = 0; attributes[i] != NULL; i += 2)
        if (strcmp(attributes[i], name) == 0) {
            const char *copy = assay_arena_strdup(junit->reader->arena, attributes[i + 1]);

            junit->no_memory = junit->no_memory || copy == NULL;
            return copy != NULL ? copy : "";
        }
    return "";
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct junit *junit = user;

    if (++junit->depth > DEPTH_MAX) {
        junit->refused = true;
        (void)XML_StopParser(junit->parser, XML_FALSE);
        return;
    }
    if (junit->case_depth == 0 && strcmp(name, "testcase") == 0) {
        junit->case_depth = junit->depth;
        junit->test =
                (struct assay_junit_case){.classname = attribute(junit, attributes, "classname"),
                        .name = attribute(junit, attributes, "name"),
                        .status = attribute(junit, attributes, "status"),
                        .message = ""};
        return;
    }
    // Only its own children: a report may quote another in its output.
    if (junit->case_depth == 0 || junit->depth != junit->case_depth + 1)
        return;
    if (strcmp(name, "failure") == 0)
        junit->test.failure = true;
    else if (strcmp(name, "error") == 0)
        junit->test.error = true;
    else if (strcmp(name, "skipped") == 0)
        junit->test.skipped = true;
    else
        return;
    junit->test.message = attribute(junit, attributes, "message");
}

static void on_end(void *user, const XML_Char *name)
{
    struct junit *junit = user;

    (void)name;
    if (junit->case_depth == junit->depth) {
        junit->case_depth = 0;
        junit->visit(junit->reader, &junit->test, junit->user);
    }
    junit->depth--;
}

// Entities can grow without end and name files; no JUnit document has any.
static void on_doctype(void *user, const XML_Char *name, const XML_Char *system_id,
        const XML_Char *public_id, int has_internal_subset)
{
    struct junit *junit = user;

    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    junit->refused = true;
    (void)XML_StopParser(junit->parser, XML_FALSE);
}

bool assay_reader_junit(struct assay_reader *reader, const char *source, struct assay_text xml,
        assay_junit_visit visit, void *user)
{
    struct junit junit = {.reader = reader, .visit = visit, .user = user};
    bool good = true;

    junit.parser = XML_ParserCreate(NULL);
    if (junit.parser == NULL) {
        reader->reading->channel.failed = true; // assay_reader_end() says so
        return false;
    }
    XML_SetUserData(junit.parser, &junit);
    XML_SetElementHandler(junit.parser, on_start, on_end);
    XML_SetStartDoctypeDeclHandler(junit.parser, on_doctype);
    do {
        const size_t bytes = xml.len < CHUNK_BYTES ? xml.len : CHUNK_BYTES;

        good = XML_Parse(junit.parser, xml.data, (int)bytes, bytes == xml.len) == XML_STATUS_OK;
        xml.data += bytes;
        xml.len -= bytes;
    } while (good && xml.len > 0);
    if (junit.refused)
        assay_reader_problem(reader, "%s has a document type or is too deep", source);
    if (junit.no_memory)
        reader->reading->channel.failed = true;
    XML_ParserFree(junit.parser);
    return good;
}
