// SPDX-License-Identifier: MIT
// log_doctest.c - the XML report of doctest (C++), by expat.
#include <expat.h>
#include <string.h>

#include "rewards/log_parse.h"

#define CHUNK_BYTES (1 << 20)
#define COUNT_MIN 64
#define NONE ((size_t)-1)
// Test cases do not nest; a log in which many do is made to cost time.
#define CASE_DEPTH_MAX 64

enum kind { KIND_CASE, KIND_SUBCASE };

// A <TestCase> or <SubCase>, in the order of their start tags.
struct element {
    enum kind kind;
    const char *name; // "None" when it has none
    size_t parent;    // NONE: no open element of these kinds
    size_t end;       // of the elements inside it, when it is closed
    bool failed;      // an expression inside it did not succeed
};

struct doctest {
    struct assay_log_run *run;
    XML_Parser parser;
    struct element *items;
    size_t count, capacity;
    size_t open; // innermost; NONE
    size_t depth, case_depth;
};

static const char *attribute(const XML_Char **attributes, const char *name)
{
    for (; *attributes != NULL; attributes += 2)
        if (strcmp(attributes[0], name) == 0)
            return attributes[1];
    return NULL;
}

static bool grow(struct doctest *doctest)
{
    const size_t capacity = doctest->capacity == 0 ? COUNT_MIN : 2 * doctest->capacity;
    struct element *items = assay_arena_array(doctest->run->arena, capacity, sizeof(*items));

    if (items == NULL)
        return false;
    if (doctest->count > 0)
        memcpy(items, doctest->items, doctest->count * sizeof(*items));
    doctest->items = items;
    doctest->capacity = capacity;
    return true;
}

static void open_element(struct doctest *doctest, enum kind kind, const XML_Char **attributes)
{
    const char *name = attribute(attributes, "name");
    char *copy = assay_arena_strdup(doctest->run->arena, name != NULL ? name : "None");

    if (copy == NULL || (doctest->count == doctest->capacity && !grow(doctest))) {
        doctest->run->no_memory = true;
        (void)XML_StopParser(doctest->parser, XML_FALSE);
        return;
    }
    doctest->items[doctest->count] =
            (struct element){.kind = kind, .name = copy, .parent = doctest->open};
    doctest->open = doctest->count++;
    if (kind == KIND_CASE && ++doctest->case_depth > CASE_DEPTH_MAX) {
        doctest->run->map->costly = true;
        (void)XML_StopParser(doctest->parser, XML_FALSE);
    }
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct doctest *doctest = user;
    const char *success;

    // The outermost element is looked into, not at.
    if (doctest->depth++ == 0)
        return;
    if (strcmp(name, "TestCase") == 0) {
        open_element(doctest, KIND_CASE, attributes);
    } else if (strcmp(name, "SubCase") == 0) {
        open_element(doctest, KIND_SUBCASE, attributes);
    } else if (strcmp(name, "Expression") == 0 && doctest->open != NONE) {
        success = attribute(attributes, "success");
        if (success == NULL || strcmp(success, "true") != 0)
            doctest->items[doctest->open].failed = true;
    }
}

static void on_end(void *user, const XML_Char *name)
{
    struct doctest *doctest = user;
    struct element *element;

    doctest->depth--;
    if (doctest->open == NONE || (strcmp(name, "TestCase") != 0 && strcmp(name, "SubCase") != 0))
        return;
    element = &doctest->items[doctest->open];
    element->end = doctest->count;
    doctest->case_depth -= element->kind == KIND_CASE;
    doctest->open = element->parent;
    if (element->failed && element->parent != NONE)
        doctest->items[element->parent].failed = true;
}

static void put_case(struct doctest *doctest, size_t index)
{
    struct assay_log_run *run = doctest->run;
    const struct element *test = &doctest->items[index];

    for (size_t i = index + 1; i < test->end && !assay_log_stopped(run); i++) {
        if (doctest->items[i].kind != KIND_SUBCASE)
            continue;
        assay_log_id_begin(run);
        assay_log_id_adds(run, test->name);
        assay_log_id_adds(run, " > ");
        assay_log_id_adds(run, doctest->items[i].name);
        assay_log_id_put(run, doctest->items[i].failed ? ASSAY_TEST_FAILED : ASSAY_TEST_PASSED);
    }
}

static bool parse_xml(struct doctest *doctest, struct assay_text xml)
{
    bool good = true;

    while (good && xml.len > 0) {
        const size_t len = xml.len < CHUNK_BYTES ? xml.len : CHUNK_BYTES;

        good = XML_Parse(doctest->parser, xml.data, (int)len, len == xml.len) == XML_STATUS_OK;
        xml.data += len;
        xml.len -= len;
    }
    return good;
}

// From the first "<doctest" to the first "</doctest>" behind it. Without an end the reference
// hands a few characters to its XML reader, which raises.
void assay_parse_doctest(struct assay_log_run *run)
{
    struct doctest doctest = {.run = run, .open = NONE};
    struct assay_text before, after, xml;

    if (!assay_py_cut(run->text, "<doctest", &before, &after))
        return;
    xml = (struct assay_text){before.data + before.len, run->text.len - before.len};
    if (!assay_py_cut(xml, "</doctest>", &before, &after)) {
        assay_log_raise(run, "ParseError");
        return;
    }
    xml.len = before.len + strlen("</doctest>");
    doctest.parser = XML_ParserCreateNS("UTF-8", '}');
    if (doctest.parser == NULL) {
        run->no_memory = true;
        return;
    }
    XML_SetUserData(doctest.parser, &doctest);
    XML_SetElementHandler(doctest.parser, on_start, on_end);
    if (!parse_xml(&doctest, xml) && !assay_log_stopped(run))
        assay_log_raise(run, "ParseError");
    XML_ParserFree(doctest.parser);
    for (size_t i = 0; i < doctest.count && !assay_log_stopped(run); i++)
        if (doctest.items[i].kind == KIND_CASE)
            put_case(&doctest, i);
}
