// SPDX-License-Identifier: MIT
// What must hold: a series is read as quilt reads it, a patch's header says what the patch is for,
// and names lose as many folders as the series says.
#include "tasks/quilt.h"

#include <string.h>

#include "support/harness.h"

static struct assay_bytes bytes(const char *text)
{
    return (struct assay_bytes){text, strlen(text)};
}

static void a_series_is_read(void **state)
{
    static const struct {
        const char *name;
        unsigned strip;
    } wanted[] = {
            {"first.patch", 1}, {"dir/second", 0}, {"third.diff", 1}, {"fourth", 2}, {"last", 1}};
    struct assay_arena *arena = NULL;
    struct assay_quilt_patch *patches = NULL;
    struct assay_error err;
    size_t count = 0;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, &err), ASSAY_OK);
    assert_int_equal(
            assay_quilt_series(&patches, &count,
                    bytes("# of upstream\nfirst.patch\n\n  dir/second -p0 # why\n#out.patch\n"
                          "third.diff\t-pab\r\nfourth -p 2\nlast"),
                    arena, &err),
            ASSAY_OK);
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(patches[i].name, wanted[i].name);
        assert_int_equal(patches[i].strip, wanted[i].strip);
    }
    assert_int_equal(assay_quilt_series(&patches, &count, bytes(""), arena, &err), ASSAY_OK);
    assert_int_equal(count, 0);
    assay_arena_destroy(arena);
}

static void a_series_that_leaves_its_folder_is_refused(void **state)
{
    static const struct {
        const char *series, *message;
    } rows[] = {
            {"ok\n/etc/passwd\n", "series:2: \"/etc/passwd\" is no name"},
            {"a/../../x\n", "series:1: \"a/../../x\" is no name"},
            {"a//b\n", "series:1: \"a//b\" is no name"},
            {"-p1\n", "series:1: \"-p1\" is no name"},
            {"x.patch -R\n", "series:1: option \"-R\" is unknown"},
            {"x.patch -p\n", "series:1: option \"-p\" is unknown"},
            {"x.patch -p12\n", "series:1: option \"-p12\" is unknown"},
            {"x.patch -pz\n", "series:1: option \"-pz\" is unknown"},
    };
    struct assay_arena *arena = NULL;
    struct assay_error err;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, &err), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_quilt_patch *patches = NULL;
        size_t count = 0;

        assert_int_equal(assay_quilt_series(&patches, &count, bytes(rows[i].series), arena, &err),
                ASSAY_EINVAL);
        assert_string_equal(err.message, rows[i].message);
    }
    assay_arena_destroy(arena);
}

static void a_header_says_what_a_patch_is_for(void **state)
{
    static const struct {
        const char *patch, *problem;
    } rows[] = {
            // DEP-3
            {"Description: Do not divide by zero\n The mean of nothing is an error.\n .\n"
             " It says so now.\nAuthor: A B <a@b>\nOrigin: upstream, http://x/y\n"
             "Bug-Debian: https://bugs/1\nLast-Update: 2024-01-02\n---\n"
             "This patch header follows DEP-3\n--- a/x\n+++ b/x\n",
                    "Do not divide by zero\nThe mean of nothing is an error.\n\nIt says so now.\n"},
            // git format-patch
            {"From 0123456789 Mon Sep 17 00:00:00 2001\nFrom: A B <a@b>\nDate: Mon, 1 Jan\n"
             "Subject: [PATCH 2/3] Keep the last line\n when it has no end\n\n"
             "Note: it was lost before.\n\n\nThat is all.\n\nSigned-off-by: A B <a@b>\n"
             "(cherry picked from commit 01234)\n---\n x.c | 2 +-\n\ndiff --git a/x.c b/x.c\n",
                    "Keep the last line\nwhen it has no end\n\nNote: it was lost before.\n\nThat is all.\n"},
            // gbp: a mail with fields below
            {"From: A B <a@b>\nDate: Mon, 1 Jan\nSubject: Keep the end\n\nForwarded: not-needed\n"
             "Origin: backport\n---\n x | 1 +\n",
                    "Keep the end\n"},
            // prose alone
            {"Names may hold blanks.\n\nIndex: x/y\n====\n--- x/y\n", "Names may hold blanks.\n"},
            {"--- a/x\n+++ b/x\n", ""},
            {"", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_buf text;

        assay_buf_init(&text, 1 << 16);
        assay_quilt_problem(&text, bytes(rows[i].patch));
        assert_string_equal(text.data, rows[i].problem);
        assay_buf_free(&text);
    }
}

static void names_lose_their_folders(void **state)
{
    static const char patch[] = "why\nIndex: x.c\ndiff -u x.c x.c\n--- x.c\t2001-01-01\n+++ x.c\n"
                                "@@ -1,2 +1,2 @@\n--- old\n+++ new\n same\n--- /dev/null\n"
                                "+++ d/new.c\n@@ -0,0 +1 @@\n+one\n";
    static const char wanted[] = "why\n--- a/x.c\t2001-01-01\n+++ b/x.c\n"
                                 "@@ -1,2 +1,2 @@\n--- old\n+++ new\n same\n--- /dev/null\n"
                                 "+++ b/d/new.c\n@@ -0,0 +1 @@\n+one\n";
    struct assay_buf text;

    (void)state;
    assay_buf_init(&text, 1 << 16);
    assay_quilt_diff(&text, bytes(patch), 0);
    assert_string_equal(text.data, wanted);
    assay_buf_clear(&text);
    assay_quilt_diff(&text, bytes("--- p/q/x\n+++ p/q/x\n@@ -1 +1 @@\n-a\n+b"), 2);
    assert_string_equal(text.data, "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b");
    assay_buf_clear(&text);
    assay_quilt_diff(&text, bytes(patch), 1);
    assert_string_equal(text.data, patch);
    assay_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_series_is_read),
            cmocka_unit_test(a_series_that_leaves_its_folder_is_refused),
            cmocka_unit_test(a_header_says_what_a_patch_is_for),
            cmocka_unit_test(names_lose_their_folders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
