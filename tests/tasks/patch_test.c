// SPDX-License-Identifier: MIT
// What must hold: a patch is read as git reads it, or with a tolerance that is
// recorded, or refused with the line and the reason.
#include "tasks/patch.h"

#include <string.h>

#include "support/harness.h"

struct parsed {
    struct assay_arena *arena;
    struct assay_patch *patch;
    struct assay_error err;
    enum assay_status status;
};

static struct parsed parse(const char *text)
{
    struct parsed parsed = {0};

    assert_int_equal(assay_arena_create(&parsed.arena, 16 << 20, NULL), ASSAY_OK);
    parsed.status = assay_patch_parse(&parsed.patch, text, strlen(text), parsed.arena, &parsed.err);
    return parsed;
}

#define HUNK "@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n"

static void operations_and_names_are_read(void **state)
{
    static const struct {
        const char *text;
        enum assay_patch_op op;
        const char *old_path, *new_path;
    } rows[] = {
            {"--- a/x\n+++ b/x\n" HUNK, ASSAY_PATCH_MODIFY, "x", "x"},
            {"--- x\n+++ x\n" HUNK, ASSAY_PATCH_MODIFY, "x", "x"},
            {"--- a/d//x\t2026-01-02 03:04:05 +0100\n+++ b/d//x\n" HUNK, ASSAY_PATCH_MODIFY, "d/x",
                    "d/x"},
            {"--- a/x.orig\n+++ b/x\n" HUNK, ASSAY_PATCH_MODIFY, "x", "x"},
            {"--- a/x\t1970-01-01 01:00:00.000000000 +0100\n+++ b/x\n@@ -0,0 +1 @@\n+x\n",
                    ASSAY_PATCH_ADD, NULL, "x"},
            {"--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n", ASSAY_PATCH_ADD, NULL, "x"},
            {"--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", ASSAY_PATCH_DELETE, "x", NULL},
            {"diff --git a/x y b/x y\nold mode 100644\nnew mode 100755\n", ASSAY_PATCH_MODIFY,
                    "x y", "x y"},
            {"diff --git a/x b/x\nnew file mode 100644\n", ASSAY_PATCH_ADD, NULL, "x"},
            {"diff --git a/x b/x\ndeleted file mode 100644\n", ASSAY_PATCH_DELETE, "x", NULL},
            {"diff --git a/x b/y\nrename from x\nrename to y\n", ASSAY_PATCH_RENAME, "x", "y"},
            {"diff --git a/x b/y\ncopy from x\ncopy to y\n", ASSAY_PATCH_COPY, "x", "y"},
            {"diff --git \"a/\\303\\244\\t\\\"\" \"b/\\303\\244\\t\\\"\"\nold mode 100644\n"
             "new mode 100755\n--- \"a/\\303\\244\"\n+++ \"b/\\303\\244\"\n" HUNK,
                    ASSAY_PATCH_MODIFY, "\303\244", "\303\244"},
            {"diff --git a/x b/x\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n", ASSAY_PATCH_ADD,
                    NULL, "x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct parsed parsed = parse(rows[i].text);
        const struct assay_patch_file *file = NULL;

        print_message("%zu: %s\n", i, parsed.err.message);
        assert_int_equal(parsed.status, ASSAY_OK);
        assert_int_equal(parsed.patch->file_count, 1);
        file = &parsed.patch->files[0];
        assert_int_equal(file->op, rows[i].op);
        assert_int_equal(file->old_path == NULL, rows[i].old_path == NULL);
        assert_int_equal(file->new_path == NULL, rows[i].new_path == NULL);
        if (file->old_path != NULL)
            assert_string_equal(file->old_path, rows[i].old_path);
        if (file->new_path != NULL)
            assert_string_equal(file->new_path, rows[i].new_path);
        assay_arena_destroy(parsed.arena);
    }
}

static void lines_are_kept_byte_for_byte(void **state)
{
    const struct parsed parsed =
            parse("--- a/x\n+++ b/x\n@@ -1,4 +1,4 @@ f()\n a\r\n\n-b \n+c\n d\n"
                  "\\ No newline at end of file\n");
    const struct assay_patch_hunk *hunk = NULL;

    (void)state;
    assert_int_equal(parsed.status, ASSAY_OK);
    assert_ptr_equal(parsed.patch->exact, parsed.patch);
    hunk = &parsed.patch->files[0].hunks[0];
    assert_int_equal(hunk->line_count, 5);
    assert_int_equal(hunk->leading, 2);
    assert_int_equal(hunk->trailing, 1);
    assert_int_equal(hunk->patch_line, 3);
    assert_memory_equal(hunk->lines[0].text.data, "a\r\n", 3);
    assert_int_equal(hunk->lines[1].text.len, 1);
    assert_int_equal(hunk->lines[1].kind, ASSAY_LINE_CONTEXT);
    assert_memory_equal(hunk->lines[2].text.data, "b \n", 3);
    assert_int_equal(hunk->lines[3].kind, ASSAY_LINE_ADD);
    assert_true(hunk->lines[4].no_newline);
    assert_int_equal(hunk->lines[4].text.len, 1);
    assay_arena_destroy(parsed.arena);
}

static void tolerances_are_recorded(void **state)
{
    static const struct {
        const char *text;
        bool crlf, fenced, recounted, bare, exact;
    } rows[] = {
            {"--- a/x\n+++ b/x\n" HUNK, false, false, false, false, true},
            {"Text.\n```\n--- a/x\n+++ b/x\n" HUNK "```\n", false, true, false, false, true},
            {"--- a/x\r\n+++ b/x\r\n@@ -1,2 +1,2 @@\r\n-one\r\n+ONE\r\n two\r\n", true, false,
                    false, false, true},
            {"--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n-one\n+ONE\n two\n", false, false, true, false,
                    false},
            {"--- a/x\n+++ b/x\n@@\n-one\n+ONE\n two\n", false, false, false, true, false},
            {"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-one\n+ONE\n two", false, false, false, false,
                    false},
            {"--- a/x\n+++ b/x\n" HUNK "-- \n2.39.5\n", false, true, false, false, true},
            // git drops " three" without a word.
            {"--- a/x\n+++ b/x\n" HUNK " three\n", false, false, true, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct parsed parsed = parse(rows[i].text);

        print_message("%zu: %s\n", i, parsed.err.message);
        assert_int_equal(parsed.status, ASSAY_OK);
        assert_int_equal(parsed.patch->crlf, rows[i].crlf);
        assert_int_equal(parsed.patch->fenced, rows[i].fenced);
        assert_int_equal(parsed.patch->files[0].hunks[0].recounted, rows[i].recounted);
        assert_int_equal(parsed.patch->files[0].hunks[0].bare, rows[i].bare);
        assert_int_equal(parsed.patch->exact != NULL, rows[i].exact);
        assert_int_equal(parsed.patch->exact_refusal != NULL, !rows[i].exact);
        assay_arena_destroy(parsed.arena);
    }
}

static void broken_patches_are_refused_with_line_and_reason(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
            {"", "no diff found"},
            {"\n\n", "no diff found"},
            {"diff --git a/x\n--- a/x\n", "line 1: only one file name in the diff header"},
            {"diff --git a/x b/y\n\n", "line 1: no file name in the diff header"},
            {"diff --git a/x b/x\nnew file mode 100644\nrename from y\n",
                    "line 3: the header says two things about one file"},
            {"diff --git a/x b/x\nnew file mode abc\n", "line 2: no mode of six octal digits"},
            {"diff --git a/x b/x\ndeleted file mode 100644\n--- a/y\n+++ /dev/null\n",
                    "line 3: the name is not the one given before: x"},
            {"diff --git a/x b/x\nindex 1..2 100644\n",
                    "line 1: a file header without any change below it"},
            {"diff --git a/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n"
             "@@ -1 +1,2 @@\n x\n+y\n",
                    "line 1: x: a new file cannot have old lines"},
            {"--- a/x\n+++ b/x\n@@ -1 +1 @@\n x\n", "line 3: the hunk changes nothing"},
            {"--- a/x\n+++ b/\n" HUNK "--- \n+++ \n" HUNK,
                    "line 7: no file name in the diff header"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct parsed parsed = parse(rows[i].text);

        print_message("%zu: %s\n", i, parsed.err.message);
        assert_int_equal(parsed.status, ASSAY_EPATCH);
        assert_string_equal(parsed.err.message, rows[i].message);
        assert_null(parsed.patch);
        assay_arena_destroy(parsed.arena);
    }
}

static void paths_that_reach_git_are_not_allowed(void **state)
{
    static const char *const allowed[] = {"x", "a/b", ".github/x", ".gitignore", "git", "a.git",
            ".git_", "...", "a..b", "git~10", "d/.gitmodules", "caf\303\251"};
    static const char *const denied[] = {"", "/", "/x", "x/", "a//b", "./x", "../x", "a/..", ".git",
            "a/.git/b", ".GiT", ".git.", ".git ", ".git. .", ".git:x", "git~1", "GIT~1/x",
            ".\xe2\x80\x8cgit", ".git\xef\xbb\xbf", "a\\.git\\b", "a\nb", "a\tb", "\x7f"};

    (void)state;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        print_message("%s\n", allowed[i]);
        assert_true(assay_patch_path_allowed(allowed[i]));
    }
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
        print_message("%s\n", denied[i]);
        assert_false(assay_patch_path_allowed(denied[i]));
    }
}

static void formats_are_told_by_their_marks(void **state)
{
    // NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which rows read
    static const struct {
        const char *text;
        enum assay_patch_format format;
        size_t file_count, hunk_count; // hunks of the first file
        bool unwrapped;
    } rows[] = {
            {"--- a/x\n+++ b/x\n" HUNK, ASSAY_FORMAT_DIFF, 1, 1, false},
            {"### x\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n", ASSAY_FORMAT_SEARCH_REPLACE,
                    1, 1, false},
            {"x.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n<<<<<<< SEARCH\nc\n=======\n"
             ">>>>>>> REPLACE\ny.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n",
                    ASSAY_FORMAT_SEARCH_REPLACE, 2, 2, false},
            {"*** Begin Patch\n*** Update File: x\n@@\n-a\n+b\n@@ c\n-d\n*** Delete File: y\n"
             "*** End Patch\n",
                    ASSAY_FORMAT_APPLY_PATCH, 2, 2, false},
            {"x.py\n```\na\n```\n", ASSAY_FORMAT_WHOLE_FILE, 1, 0, false},
            // The marks of the others cannot be in a hunk, but in a diff's hunk is anything.
            {"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-<<<<<<< SEARCH\n+*** Update File: y\n two\n",
                    ASSAY_FORMAT_DIFF, 1, 1, false},
            {"x.py\n```diff\n--- a/x\n+++ b/x\n" HUNK "```\n", ASSAY_FORMAT_DIFF, 1, 1, false},
            {"<think>\nno\n</think>\n--- a/x\n+++ b/x\n" HUNK, ASSAY_FORMAT_DIFF, 1, 1, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct parsed parsed = {0};

        assert_int_equal(assay_arena_create(&parsed.arena, 16 << 20, NULL), ASSAY_OK);
        parsed.status = assay_patch_read(&parsed.patch, rows[i].text, strlen(rows[i].text),
                ASSAY_FORMAT_AUTO, parsed.arena, &parsed.err);
        print_message("%zu: %s\n", i, parsed.err.message);
        assert_int_equal(parsed.status, ASSAY_OK);
        assert_int_equal(parsed.patch->format, rows[i].format);
        assert_int_equal(parsed.patch->file_count, rows[i].file_count);
        assert_int_equal(parsed.patch->files[0].hunk_count, rows[i].hunk_count);
        assert_int_equal(parsed.patch->unwrapped, rows[i].unwrapped);
        assert_int_equal(parsed.patch->exact != NULL, rows[i].format == ASSAY_FORMAT_DIFF);
        assay_arena_destroy(parsed.arena);
    }
}

// Names as models set them above a block, and what is none.
static void names_are_found_in_their_trimmings(void **state)
{
    static const struct {
        const char *line, *name; // NULL: refused
    } rows[] = {
            {"### a/b.py", "a/b.py"},
            {"**a/b.py**", "a/b.py"},
            {"`a/b.py`:", "a/b.py"},
            {"**`a/b.py`**", "a/b.py"},
            {"File: a/b.py", "a/b.py"},
            {"./a/b.py", "a/b.py"},
            {"### `with blank.py`", NULL},
            {"`Makefile`", "Makefile"},
            {"Makefile", NULL},
            {"setup.py", "setup.py"},
            {".env", ".env"},
            {"Done.", NULL},
            {"...", NULL},
            {"and/or.", NULL},
            {"see https://example.org/x.py", NULL},
            {"I changed a/b.py", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct parsed parsed = {0};
        const char *text = NULL;

        assert_int_equal(assay_arena_create(&parsed.arena, 16 << 20, NULL), ASSAY_OK);
        text = assay_arena_printf(
                parsed.arena, "%s\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n", rows[i].line);
        parsed.status = assay_patch_read(
                &parsed.patch, text, strlen(text), ASSAY_FORMAT_AUTO, parsed.arena, &parsed.err);
        print_message("%s: %s\n", rows[i].line, parsed.err.message);
        assert_int_equal(parsed.status, rows[i].name != NULL ? ASSAY_OK : ASSAY_EPATCH);
        if (rows[i].name != NULL)
            assert_string_equal(parsed.patch->files[0].new_path, rows[i].name);
        assay_arena_destroy(parsed.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(operations_and_names_are_read),
            cmocka_unit_test(lines_are_kept_byte_for_byte),
            cmocka_unit_test(tolerances_are_recorded),
            cmocka_unit_test(broken_patches_are_refused_with_line_and_reason),
            cmocka_unit_test(paths_that_reach_git_are_not_allowed),
            cmocka_unit_test(formats_are_told_by_their_marks),
            cmocka_unit_test(names_are_found_in_their_trimmings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
