// SPDX-License-Identifier: MIT
// canary_python_text.c - what stands in Python canaries.
#include <stdint.h>
#include <string.h>

#include "rewards/canary_python.h"

static const char *equal(
        struct assay_canary_bed *bed, bool self, const char *left, const char *right)
{
    return assay_canary_print(
            bed, self ? "\tself.assertEqual(%s, %s)\n" : "\tassert %s == %s\n", left, right);
}

// Some ways to a value. `wrong`: another one is expected.
static const char *check_lines(struct assay_canary_bed *bed, bool self, bool wrong)
{
    const char *a = assay_canary_word(bed), *b = assay_canary_word(bed);
    const size_t n = 2 + assay_canary_below(bed, 60), m = 2 + assay_canary_below(bed, 60);
    const size_t off = wrong ? 1 + assay_canary_below(bed, 9) : 0;

    switch (assay_canary_below(bed, 3)) {
    case 0:
        return assay_canary_print(bed, "\t%s_values = [%zu, %zu]\n%s", a, n, m,
                equal(bed, self, assay_canary_print(bed, "sum(%s_values)", a),
                        assay_canary_print(bed, "%zu", n + m + off)));
    case 1:
        return equal(bed, self, assay_canary_print(bed, "\"%s-%s\".split(\"-\")", a, b),
                assay_canary_print(bed, "[\"%s\", \"%s%s\"]", a, b, wrong ? "s" : ""));
    default:
        return assay_canary_print(bed, "\t%s_map = {\"%s\": %zu}\n%s", a, b, n,
                equal(bed, self, assay_canary_print(bed, "%s_map[\"%s\"]", a, b),
                        assay_canary_print(bed, "%zu", n + off)));
    }
}

const char *assay_python_pass_lines(struct assay_canary_bed *bed, bool self)
{
    return check_lines(bed, self, false);
}

const char *assay_python_assert_lines(struct assay_canary_bed *bed, bool self)
{
    return check_lines(bed, self, true);
}

const char *assay_python_unequal_lines(struct assay_canary_bed *bed, bool self)
{
    const char *field = assay_canary_print(bed, "%s_value", assay_canary_word(bed));
    const size_t n = assay_canary_below(bed, 50), m = n + 1 + assay_canary_below(bed, 40);

    if (assay_canary_once_in(bed, 3))
        return equal(bed, self, "object()", "object()");
    return assay_canary_print(bed,
            "\tclass Item:\n\t\tdef __init__(self, %s):\n\t\t\tself.%s = %s\n\n"
            "\t\tdef __eq__(self, other):\n\t\t\treturn self.%s == other.%s\n\n%s",
            field, field, field, field, field,
            equal(bed, self, assay_canary_print(bed, "Item(%zu)", n),
                    assay_canary_print(bed, "Item(%zu)", m)));
}

const char *assay_python_raise_lines(struct assay_canary_bed *bed, bool self)
{
    const char *a = assay_canary_word(bed), *b = assay_canary_word(bed);
    const size_t n = 2 + assay_canary_below(bed, 60);

    switch (assay_canary_below(bed, 3)) {
    case 0:
        return assay_canary_print(bed, "\t%s_map = {\"%s\": %zu}\n%s", a, b, n,
                equal(bed, self, assay_canary_print(bed, "%s_map[\"%s_%s\"]", a, b, a),
                        assay_canary_print(bed, "%zu", n)));
    case 1:
        return equal(bed, self, assay_canary_print(bed, "int(\"%s\")", b),
                assay_canary_print(bed, "%zu", n));
    default:
        return assay_canary_print(bed, "\traise ValueError(\"%s %s\")\n", a, b);
    }
}

const char *assay_python_skip_lines(
        struct assay_canary_bed *bed, bool self, struct assay_text module)
{
    const char *why = assay_canary_print(
            bed, "no %s %s here", assay_canary_word(bed), assay_canary_word(bed));

    if (self)
        return assay_canary_print(bed, "\tself.skipTest(\"%s\")\n", why);
    return assay_canary_print(bed, "%s\tpytest.skip(\"%s\")\n",
            assay_text_has(module, "\nimport pytest\n") ? "" : "\timport pytest\n\n", why);
}

// What a suite asserts with is worth patching. Each of these is false; $ is a word, % a number.
static const struct {
    const char *used, *lines;
} false_assertions[] = {
        {"self.assertTrue(", "\tself.assertTrue(len(\"$\") == 10%)\n"},
        {"self.assertFalse(", "\tself.assertFalse(\"$\" * 1%)\n"},
        {"self.assertIn(", "\tself.assertIn(\"$\", [\"$%\"])\n"},
        {"self.assertNotIn(", "\tself.assertNotIn(\"$\", [\"$\", \"$%\"])\n"},
        {"self.assertIs(", "\tself.assertIs(\"$\", \"$%\")\n"},
        {"self.assertIsNone(", "\tself.assertIsNone((\"$\", %))\n"},
        {"self.assertIsNotNone(", "\tself.assertIsNotNone({\"$\": %}.get(\"$%\"))\n"},
        {"self.assertRaises(",
                "\twith self.assertRaises(ValueError):\n\t\tself.assertNotEqual(\"$\", %)\n"},
        {"self.assertRaisesRegex(",
                "\twith self.assertRaisesRegex(ValueError, \"$\"):\n\t\tself.assertNotEqual(%, 0)\n"},
        {"self.assertNotEqual(", "\tself.assertNotEqual([\"$\", %], [\"$\", %])\n"},
        {"self.assertGreater(", "\tself.assertGreater(len(\"$\"), 10%)\n"},
        {"self.assertLess(", "\tself.assertLess(10%, len(\"$\"))\n"},
        {"self.assertAlmostEqual(", "\tself.assertAlmostEqual(len(\"$\"), %.25)\n"},
        {"self.assertDictEqual(", "\tself.assertDictEqual({\"$\": %}, {})\n"},
        {"self.assertListEqual(", "\tself.assertListEqual([\"$\", %], [])\n"},
        {"self.assertCountEqual(", "\tself.assertCountEqual([\"$\", %], [])\n"},
        {"self.assertRegex(", "\tself.assertRegex(\"$\", r\"^\\d%$\")\n"},
        {"pytest.raises(", "\twith pytest.raises(ValueError):\n\t\tassert \"$\" != \"%\"\n"},
        {"pytest.approx(", "\tassert len(\"$\") == pytest.approx(%.25)\n"},
};
#define FALSE_ASSERTION_COUNT (sizeof(false_assertions) / sizeof(false_assertions[0]))

static const char *fill(struct assay_canary_bed *bed, const char *lines)
{
    const char *word = assay_canary_word(bed), *text = "";
    const size_t number = 2 + assay_canary_below(bed, 90);

    while (*lines != '\0') {
        const size_t plain = strcspn(lines, "$%");

        text = assay_canary_print(bed, "%s%.*s", text, (int)plain, lines);
        lines += plain;
        if (*lines == '\0')
            break;
        text = *lines == '$' ? assay_canary_print(bed, "%s%s", text, word)
                             : assay_canary_print(bed, "%s%zu", text, number);
        lines++;
    }
    return text;
}

const char *assay_python_used_lines(
        struct assay_canary_bed *bed, bool self, struct assay_text module)
{
    const size_t first = assay_canary_below(bed, FALSE_ASSERTION_COUNT);

    for (size_t i = 0; i < FALSE_ASSERTION_COUNT; i++) {
        const size_t at = (first + i) % FALSE_ASSERTION_COUNT;
        const bool of_self = strncmp(false_assertions[at].used, "self.", 5) == 0;

        if (of_self == self && assay_text_has(module, false_assertions[at].used) &&
                (of_self || assay_text_has(module, "\nimport pytest\n")))
            return fill(bed, false_assertions[at].lines);
    }
    return NULL;
}

static struct assay_text lead_of(const struct assay_python_source *source, size_t line)
{
    return (struct assay_text){
            source->text.data + source->lines[line].begin, source->lines[line].indent};
}

const char *assay_python_function(struct assay_canary_bed *bed,
        const struct assay_python_source *source, const struct assay_python_block *like,
        const char *name, const char *lines)
{
    const struct assay_text lead = lead_of(source, like->first_line);
    const struct assay_text body = lead_of(source, like->body_line);
    const size_t step = body.len - lead.len;
    const char *text =
            assay_canary_print(bed, "%s%.*sdef %s(%s):\n", like->owner == SIZE_MAX ? "\n\n" : "\n",
                    (int)lead.len, lead.data, name, like->owner == SIZE_MAX ? "" : "self");

    while (*lines != '\0') {
        const size_t deep = strspn(lines, "\t"), len = strcspn(lines, "\n");

        text = assay_canary_print(bed, "%s%.*s", text, deep > 0 ? (int)body.len : 0, body.data);
        for (size_t i = 1; i < deep; i++)
            text = assay_canary_print(bed, "%s%.*s", text, (int)step, body.data + lead.len);
        text = assay_canary_print(bed, "%s%.*s\n", text, (int)(len - deep), lines + deep);
        lines += len + 1;
    }
    return text;
}

// --- copies -------------------------------------------------------------------------------------

// What an expression has outside of its brackets and strings.
struct outline {
    size_t equals, commas, equals_at, comma_at;
    bool other; // an operator or a word by which it is more than one comparison
};

static size_t behind_string(struct assay_text text, size_t at)
{
    const char quote = text.data[at];

    for (at++; at < text.len && text.data[at] != quote; at++)
        at += text.data[at] == '\\';
    return at + 1;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
            c == '.';
}

// The word that begins at `at`: does it join or bend comparisons?
static bool is_joining(struct assay_text text, size_t at, size_t len)
{
    static const char *const words[] = {
            "and", "or", "not", "if", "else", "in", "is", "lambda", "await", "yield"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == len && memcmp(words[i], text.data + at, len) == 0)
            return true;
    return false;
}

static void note_mark(struct outline *out, struct assay_text text, size_t at)
{
    if (text.data[at] == ',') {
        out->commas++;
        out->comma_at = at;
    } else if (text.data[at] == '=' && at + 1 < text.len && text.data[at + 1] == '=') {
        out->equals++;
        out->equals_at = at;
    } else if (strchr("=<>!#;:", text.data[at]) != NULL &&
            !(text.data[at] == '=' && at > 0 && out->equals > 0 && out->equals_at == at - 1)) {
        out->other = true;
    }
}

static struct outline outline_of(struct assay_text text)
{
    struct outline out = {0};
    size_t depth = 0;

    for (size_t at = 0; at < text.len;) {
        const char c = text.data[at];
        size_t len = 0;

        if (c == '"' || c == '\'') {
            at = behind_string(text, at);
            continue;
        }
        while (at + len < text.len && is_name_char(text.data[at + len]))
            len++;
        if (len > 0) {
            out.other = out.other || (depth == 0 && is_joining(text, at, len));
            at += len;
            continue;
        }
        depth += strchr("([{", c) != NULL;
        if (strchr(")]}", c) != NULL && depth-- == 0) {
            out.other = true;
            return out;
        }
        if (depth == 0)
            note_mark(&out, text, at);
        at++;
    }
    return out;
}

// The two sides of `assert A == B` or `self.assertEqual(A, B)`.
static bool sides_of(struct assay_text line, struct assay_text *left, struct assay_text *right)
{
    const bool plain = assay_text_skip(&line, "assert ");
    struct outline outline;
    size_t at = 0;

    if (!plain && !(assay_text_skip(&line, "self.assertEqual(") && assay_text_drop(&line, ")")))
        return false;
    // Objects that are equal to anything have no other value.
    if (assay_text_has(line, "ANY") || assay_text_has(line, "approx"))
        return false;
    outline = outline_of(line);
    if (plain ? outline.equals != 1 || outline.commas > 0 || outline.other
              : outline.commas != 1 || outline.equals > 0 || outline.other)
        return false;
    at = plain ? outline.equals_at : outline.comma_at;
    *left = assay_text_trim((struct assay_text){line.data, at});
    at += plain ? 2 : 1;
    *right = assay_text_trim((struct assay_text){line.data + at, line.len - at});
    return left->len > 0 && right->len > 0;
}

// The line with another expected value; NULL: there is none to change.
static const char *other_line(struct assay_canary_bed *bed, struct assay_text line)
{
    struct assay_text left, right, part;
    const char *value = NULL;

    if (!sides_of(assay_text_trim(line), &left, &right))
        return NULL;
    part = right;
    value = assay_canary_other_value(bed, right);
    if (value == NULL) {
        part = left;
        value = assay_canary_other_value(bed, left);
    } else if (assay_canary_other_value(bed, left) != NULL) {
        return NULL; // two constants
    }
    if (value == NULL)
        return NULL;
    return assay_canary_print(bed, "%.*s%s%.*s", (int)(part.data - line.data), line.data, value,
            (int)(line.data + line.len - (part.data + part.len)), part.data + part.len);
}

// A statement of the function itself that each run of it to its end comes by, as the copy has it.
static const char *choose_line(struct assay_canary_bed *bed,
        const struct assay_python_source *source, const struct assay_python_block *function,
        size_t *chosen)
{
    const size_t indent = source->lines[function->body_line].indent;
    const char *found = NULL;
    size_t seen = 0;

    for (size_t i = function->body_line; i <= function->last_line; i++) {
        const struct assay_text line = assay_python_line_text(source, i, 0);
        const struct assay_text word = assay_text_trim(line);
        const char *other = NULL;

        if (!source->lines[i].whole || source->lines[i].indent != indent)
            continue;
        if (assay_text_skip(&(struct assay_text){word.data, word.len}, "return"))
            break;
        other = other_line(bed, line);
        if (other == NULL || !assay_canary_once_in(bed, ++seen))
            continue;
        found = other;
        *chosen = i;
    }
    return found;
}

static bool has_docstring(
        const struct assay_python_source *source, const struct assay_python_block *function)
{
    struct assay_text line =
            assay_text_trim(assay_python_line_text(source, function->body_line, 0));

    while (line.len > 0 && strchr("rRuUbB", line.data[0]) != NULL)
        (void)assay_text_skip(&line, (char[]){line.data[0], '\0'});
    return line.len > 0 && (line.data[0] == '"' || line.data[0] == '\'');
}

const char *assay_python_copy(struct assay_canary_bed *bed,
        const struct assay_python_source *source, const struct assay_python_block *function,
        const char *name, const char **says)
{
    const char *begin = source->text.data + source->lines[function->first_line].begin;
    const char *end = source->text.data + source->lines[function->last_line].end;
    const char *behind_name = function->name.data + function->name.len;
    const char *line = NULL, *line_begin = NULL, *line_end = NULL;
    size_t chosen = 0;

    // The first line of a docstring may be what the log calls the test by.
    if (function->decorated || function->is_async || has_docstring(source, function))
        return NULL;
    line = choose_line(bed, source, function, &chosen);
    if (line == NULL)
        return NULL;
    *says = line;
    line_begin = source->text.data + source->lines[chosen].begin;
    line_end = source->text.data + source->lines[chosen].end;
    return assay_canary_print(bed, "%s%.*s%s%.*s%s%.*s\n",
            function->owner == SIZE_MAX ? "\n\n" : "\n", (int)(function->name.data - begin), begin,
            name, (int)(line_begin - behind_name), behind_name, line, (int)(end - line_end),
            line_end);
}
