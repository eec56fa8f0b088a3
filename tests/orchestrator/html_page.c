// SPDX-License-Identifier: MIT
#include "orchestrator/html_page.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "support/harness.h"

size_t count_of(const struct assay_buf *text, const char *part)
{
    size_t count = 0;

    for (const char *at = text->data; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

void assert_holds(const struct assay_buf *text, const char *part)
{
    if (!strstr(text->data, part))
        fail_msg("not there: %s", part);
}

void assert_lacks(const struct assay_buf *text, const char *part)
{
    if (strstr(text->data, part))
        fail_msg("there: %s", part);
}

// --- a whole page --------------------------------------------------------------------------------

struct checker {
    char open[64][16]; // names of the elements that are open
    size_t depth;
    unsigned heading; // level of the last one
};

static bool is_void(const char *name)
{
    return strcmp(name, "meta") == 0 || strcmp(name, "input") == 0;
}

// Elements that a page of ours has. A hostile text that became markup would show up here or as an
// element that is closed too early.
static bool is_ours(const char *name)
{
    static const char names[] =
            " html head meta title style body a header p h1 h2 h3 h4 span dl div "
            "dt dd code nav main section strong svg rect text line circle "
            "table caption thead tbody tr th td abbr fieldset legend label "
            "input ul li details summary pre ins del footer "
            "figure figcaption path b i ";
    char padded[20];

    (void)snprintf(padded, sizeof(padded), " %s ", name);
    return strstr(names, padded) != NULL;
}

static void check_tag(struct checker *c, const char *tag, size_t len)
{
    const bool closes = tag[0] == '/';
    char name[16] = "";
    size_t n = 0;

    for (size_t i = closes; i < len && isalnum((unsigned char)tag[i]) && n + 1 < sizeof(name); i++)
        name[n++] = tag[i];
    if (!is_ours(name))
        fail_msg("not an element of ours: %.*s", (int)len, tag);
    if (closes) {
        assert_true(c->depth > 0);
        if (strcmp(c->open[--c->depth], name) != 0)
            fail_msg("</%s> closes <%s>", name, c->open[c->depth]);
        return;
    }
    if (name[0] == 'h' && isdigit((unsigned char)name[1])) {
        const unsigned level = (unsigned)(name[1] - '0');

        assert_true(level <= c->heading + 1); // no level is left out on the way down
        c->heading = level;
    }
    if (is_void(name) || tag[len - 1] == '/')
        return;
    assert_true(c->depth < sizeof(c->open) / sizeof(c->open[0]));
    memcpy(c->open[c->depth++], name, sizeof(name));
}

void assert_well_formed(const struct assay_buf *page)
{
    struct checker c = {.depth = 0};
    const char *at = strstr(page->data, "<html");

    assert_non_null(at);
    while ((at = strchr(at, '<'))) {
        const char *end = strchr(at, '>');

        assert_non_null(end);
        check_tag(&c, at + 1, (size_t)(end - at) - 1);
        at = end;
        if (c.depth > 0 && strcmp(c.open[c.depth - 1], "style") == 0)
            at = strstr(at, "</style>");
    }
    assert_int_equal(c.depth, 0);
}

void assert_links(const struct assay_buf *page)
{
    for (const char *at = page->data; (at = strstr(at, " href=\"")); at++) {
        char id[300];
        const char *target = at + strlen(" href=\"");
        const size_t len = strcspn(target, "\"");

        assert_int_equal(target[0], '#');
        assert_true(len < sizeof(id) - 8);
        (void)snprintf(id, sizeof(id), " id=\"%.*s\"", (int)len - 1, target + 1);
        if (count_of(page, id) != 1)
            fail_msg("%zu places%s", count_of(page, id), id);
    }
}
