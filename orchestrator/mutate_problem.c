// SPDX-License-Identifier: MIT
// mutate_problem.c - the problem statement of a mutant, by template: what its failing tests ask for
// and what they got. Where the mistake is is not said.
#include <string.h>

#include "base/buf.h"
#include "orchestrator/mutate_parts.h"

#define TEXT_BYTES_MAX ((size_t)64 << 10)
#define LINE_BYTES 300u
#define SHOWN_MAX 5u // failures that are shown, each with another message

// What pytest's log says of one failure.
struct symptom {
    struct assay_bytes statement; // of the test: the line at which it stopped
    struct assay_bytes message;   // the first line of the error
};

static struct assay_bytes trim(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\r'))
        end--;
    return (struct assay_bytes){at, (size_t)(end - at)};
}

// "____ Class.test_b[c] ____": the name between; length 0: another line.
static struct assay_bytes title_of(const char *at, const char *end)
{
    // "_ _ _ _" parts the frames of one failure.
    if (end - at < 5 || at[0] != '_' || memcmp(at, "_ _ ", 4) == 0 ||
            memchr(at, ' ', (size_t)(end - at)) == NULL)
        return (struct assay_bytes){at, 0};
    while (at < end && *at == '_')
        at++;
    while (end > at && end[-1] == '_')
        end--;
    return *at == ' ' ? trim(at, end) : (struct assay_bytes){at, 0};
}

// Does the title "A.test_b[c]" head the failure of "tests/x.py::A::test_b[c]"?
static bool heads(struct assay_bytes title, const char *id)
{
    const char *name = strstr(id, "::");
    size_t i = 0;

    if (!name)
        return false;
    for (name += 2; *name && i < title.len; name++, i++) {
        if (name[0] == ':' && name[1] == ':' && title.data[i] == '.')
            name++;
        else if (*name != title.data[i])
            return false;
    }
    return *name == '\0' && i == title.len;
}

// "tests/x.py:12: " of the test's own file: what was shown last is of it.
static bool is_own_place(const char *at, const char *end, const char *id)
{
    const char *name = strstr(id, "::");
    const size_t len = name ? (size_t)(name - id) : 0;

    return len > 0 && (size_t)(end - at) > len && memcmp(at, id, len) == 0 && at[len] == ':';
}

// One exception led to another: what counts is what the last one says.
static bool is_chain(const char *at, const char *end)
{
    static const char *const links[] = {"During handling of the above", "The above exception was"};

    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if ((size_t)(end - at) > strlen(links[i]) && memcmp(at, links[i], strlen(links[i])) == 0)
            return true;
    return false;
}

static struct symptom find_symptom(struct assay_bytes log, const char *id)
{
    const char *const end = log.data ? log.data + log.len : NULL;
    struct symptom found = {{NULL, 0}, {NULL, 0}};
    struct assay_bytes shown = {NULL, 0};
    bool inside = false;

    for (const char *at = log.data; at && at < end;) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *stop = feed ? feed : end;
        const struct assay_bytes title = title_of(at, stop);

        if (inside && (title.len > 2 || *at == '='))
            break;
        if (title.len > 2)
            inside = heads(title, id);
        else if (inside && *at == '>')
            shown = trim(at + 1, stop);
        else if (inside && is_own_place(at, stop, id))
            found.statement = shown.data ? shown : found.statement;
        else if (inside && is_chain(at, stop))
            found.message = (struct assay_bytes){NULL, 0};
        else if (inside && stop - at > 2 && at[0] == 'E' && at[1] == ' ' && !found.message.data)
            found.message = trim(at + 1, stop);
        at = stop + 1;
    }
    return found;
}

static bool is_same(struct assay_bytes a, struct assay_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool is_hidden(const struct assay_strings *hidden, const char *id)
{
    for (size_t i = 0; i < hidden->count; i++)
        if (strcmp(hidden->items[i], id) == 0)
            return true;
    return false;
}

static void put_line(struct assay_buf *out, struct assay_bytes line)
{
    if (line.len == 0)
        return;
    assay_buf_addf(out, "      %.*s%s\n", (int)(line.len < LINE_BYTES ? line.len : LINE_BYTES),
            line.data, line.len > LINE_BYTES ? "..." : "");
}

// One failure of each kind, so many at most.
static void put_failures(struct assay_buf *out, const struct mutate_finding *finding,
        const struct assay_strings *hidden)
{
    struct symptom shown[SHOWN_MAX];
    size_t count = 0;

    for (size_t i = 0; i < finding->failing.count && count < SHOWN_MAX; i++) {
        const char *id = finding->failing.items[i];
        const struct symptom symptom = find_symptom(finding->log, id);
        bool known = false;

        for (size_t k = 0; k < count && symptom.message.data; k++)
            known = known ||
                    (is_same(shown[k].message, symptom.message) &&
                            is_same(shown[k].statement, symptom.statement));
        // What the log does not speak of is told once.
        if (known || (!symptom.message.data && i > 0))
            continue;
        assay_buf_addf(
                out, "- `%.300s`%s\n", id, is_hidden(hidden, id) ? " (not in the tree)" : "");
        put_line(out, symptom.statement);
        put_line(out, symptom.message);
        shown[count++] = symptom;
    }
}

static size_t count_visible(const struct assay_strings *ids, const struct assay_strings *hidden)
{
    size_t count = 0;

    for (size_t i = 0; i < ids->count; i++)
        count += !is_hidden(hidden, ids->items[i]);
    return count;
}

enum assay_status mutate_problem(struct assay_bytes *out, const struct mutate_finding *finding,
        const struct assay_strings *hidden, struct assay_arena *arena, struct assay_error *err)
{
    const char *repo = strrchr(finding->ground->repo, '/');
    const size_t visible = count_visible(&finding->failing, hidden);
    struct assay_buf text;
    enum assay_status status;

    repo = repo ? repo + 1 : finding->ground->repo;
    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_addf(&text,
            "Since the last change to %.100s, %zu of its %zu tests %s. What goes wrong:\n\n", repo,
            finding->failing.count, finding->failing.count + finding->passing.count,
            finding->failing.count == 1 ? "fails" : "fail");
    put_failures(&text, finding, hidden);
    if (hidden->count > 0 && visible == 0)
        assay_buf_adds(&text,
                "\nNone of this is tested in the tree: the repair is measured by tests "
                "that are not in it.\n");
    else if (hidden->count > 0)
        assay_buf_addf(&text,
                "\n%zu of the failing tests %s in the tree. The repair is measured by those that are "
                "not in it as well.\n",
                visible, visible == 1 ? "is" : "are");
    assay_buf_adds(&text,
            "\nFind the cause in the sources and mend it, so that these tests pass and the others go "
            "on passing.\n");
    status = assay_bytes_keep(out, &text, "problem of a mutant", arena, err);
    assay_buf_free(&text);
    return status;
}
