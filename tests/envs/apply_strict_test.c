// SPDX-License-Identifier: MIT
// What must hold: strict-swebench takes what SWE-bench's ladder takes and refuses what it refuses,
// the variants of a small diff that were put to the real commands among them; it never writes
// what no patch may write, and names the rung by its words.
#include <string.h>

#include "envs/apply_tree.h"
#include "support/harness.h"

static const char f_txt[] = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";

#define HEAD "--- a/f.txt\n+++ b/f.txt\n"
#define GIT_HEAD "diff --git a/f.txt b/f.txt\n" HEAD
#define BODY " two\n three\n four\n-five\n+FIVE\n six\n seven\n eight\n"
#define HUNK "@@ -2,7 +2,7 @@\n" BODY
#define FIVE "one\ntwo\nthree\nfour\nFIVE\nsix\nseven\neight\nnine\nten\n"

static const struct {
    const char *name, *patch, *path, *content, *tolerance;
    const char *message; // a part of it, when refused
} rows[] = {
        // Rung 1.
        {"clean", GIT_HEAD HUNK, "f.txt", FIVE, "exact", NULL},
        {"line numbers off", HEAD "@@ -19,7 +19,7 @@\n" BODY, "f.txt", FIVE, "offset", NULL},
        // Rung 4.
        {"one wrong context line",
                HEAD "@@ -2,7 +2,7 @@\n TWO\n three\n four\n-five\n+FIVE\n six\n seven\n eight\n",
                "f.txt", FIVE, "fuzz+gnu", NULL},
        {"trailing blank in context",
                HEAD "@@ -2,7 +2,7 @@\n two \n three\n four\n-five\n+FIVE\n six\n seven\n eight\n",
                "f.txt", FIVE, "fuzz+gnu", NULL},
        {"CRLF patch on an LF file",
                "--- a/f.txt\r\n+++ b/f.txt\r\n@@ -4,3 +4,3 @@\r\n four\r\n-five\r\n+FIVE\r\n six\r\n",
                "f.txt", FIVE, "gnu", NULL},
        {"no newline at the end of the patch: the last line is lost, then its blank is made up",
                HEAD "@@ -2,7 +2,7 @@\n two\n three\n four\n-five\n+FIVE\n six\n seven\n eight",
                "f.txt", FIVE, "fuzz+gnu", NULL},
        {"-U0", HEAD "@@ -5 +5 @@\n-five\n+FIVE\n", "f.txt", FIVE, "gnu", NULL},
        {"moved, and fuzzy",
                HEAD "@@ -4,7 +4,7 @@\n TWO\n three\n four\n-five\n+FIVE\n six\n seven\n eight\n",
                "f.txt", FIVE, "offset+fuzz+gnu", NULL},
        {"indented",
                "  --- a/f.txt\n  +++ b/f.txt\n  @@ -2,7 +2,7 @@\n   two\n   three\n   four\n"
                "  -five\n  +FIVE\n   six\n   seven\n   eight\n",
                "f.txt", FIVE, "gnu", NULL},
        {"Index: alone", "Index: b/f.txt\n" HUNK, "f.txt", FIVE, "gnu", NULL},
        {"of two names the one that exists", "--- a/f.txt\n+++ b/other.txt\n" HUNK, "f.txt", FIVE,
                "gnu", NULL},
        {"a file emptied and so deleted, in spite of fuzz",
                "--- a/g.txt\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-g\n", "g.txt", NULL, "exact", NULL},
        {"a new file and a fuzzy hunk",
                "diff --git a/n b/n\nnew file mode 100755\nindex 0000000..1234567\n--- /dev/null\n"
                "+++ b/n\n@@ -0,0 +1 @@\n+x\n" GIT_HEAD
                "@@ -2,7 +2,7 @@\n TWO\n three\n four\n-five\n+FIVE\n six\n seven\n eight\n",
                "n", "x\n", "gnu", NULL},
        {"renamed, and a fuzzy hunk",
                "diff --git a/f.txt b/h.txt\nsimilarity index 90%\nrename from f.txt\n"
                "rename to h.txt\n--- a/f.txt\n+++ b/h.txt\n@@ -2,7 +2,7 @@\n TWO\n three\n four\n"
                "-five\n+FIVE\n six\n seven\n eight\n",
                "h.txt", FIVE, "fuzz+gnu", NULL},
        {"counts too high by two, at the end: two blank lines are made up, and then fuzz",
                HEAD "@@ -2,9 +2,9 @@\n" BODY, "f.txt", FIVE, "fuzz+gnu", NULL},
        // The end of the ladder.
        {"applied already",
                HEAD "@@ -2,7 +2,7 @@\n two\n three\n four\n-FUNF\n+five\n six\n seven\n"
                     " eight\n",
                "f.txt", f_txt, "present", NULL},
        {"a new file that is there already",
                "diff --git a/g.txt b/g.txt\nnew file mode 100644\n--- /dev/null\n+++ b/g.txt\n"
                "@@ -0,0 +1 @@\n+g\n",
                "g.txt", "g\n", "present", NULL},
        // No rung.
        {"wrong hunk counts", HEAD "@@ -2,12 +2,12 @@\n" BODY, NULL, NULL, NULL, "malformed patch"},
        {"LF patch on a CRLF file",
                "--- a/crlf.txt\n+++ b/crlf.txt\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n", NULL,
                NULL, NULL, "GNU patch: the hunk does not match"},
        {"no a/ and b/ in a folder", "--- d/e.txt\n+++ d/e.txt\n@@ -1 +1 @@\n-e\n+E\n", NULL, NULL,
                NULL, "GNU patch: can't find the file to patch"},
        {"/testbed before the path", "--- /testbed/f.txt\n+++ /testbed/f.txt\n" HUNK, NULL, NULL,
                NULL, "GNU patch: can't find the file to patch"},
        {"modifies what does not exist", "--- a/no\n+++ b/no\n" HUNK, NULL, NULL, NULL,
                "GNU patch: can't find the file to patch"},
        {"prose", "I changed nothing.\n", NULL, NULL, NULL, "GNU patch: only garbage was found"},
        {"a binary change with a broken index line",
                "diff --git a/b b/b\nindex 1..2 100644\nGIT binary patch\nliteral 1\nIcmZPo000310RR91\n"
                "\n",
                NULL, NULL, NULL, "line "},
        // The holes of the ladder.
        {"bare header: exits 0, nothing changed",
                "diff --git a/f.txt b/f.txt\nindex 1234567..89abcde 100644\n" HEAD "@@ @@\n" BODY,
                NULL, NULL, NULL, "GNU patch would change nothing and exit 0"},
        {"a hook", "--- /dev/null\n+++ b/.git/hooks/post-checkout\n@@ -0,0 +1 @@\n+x\n", NULL, NULL,
                NULL, "line 1: .git/hooks/post-checkout: a patch may not name this path"},
        {"a hook that git would not read at all",
                "Index: b/.git/hooks/post-checkout\n@@ -0,0 +1 @@\n+x\n", NULL, NULL, NULL,
                "a patch may not name this path"},
        {"out of the tree", "Index: b/../evil\n@@ -0,0 +1 @@\n+x\n", NULL, NULL, NULL,
                "a patch may not name this path"},
        {"below a link", "--- a/link/e.txt\n+++ b/link/e.txt\n@@ -1 +1 @@\n-e \n+E\n", NULL, NULL,
                NULL, "is below a symbolic link"},
        {"a link that leads out, in a patch that git refuses",
                "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1,1 @@\n"
                "+/etc\n\\ No newline at end of file\n" HEAD
                "@@ -2,7 +2,7 @@\n TWO\n three\n four\n-five\n+FIVE\n six\n seven\n eight\n",
                NULL, NULL, NULL, "a symbolic link may only lead to a place inside the tree"},
        {"a submodule",
                "diff --git a/sub b/sub\nnew file mode 160000\nindex 0000000..1234567\n"
                "--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n+Subproject commit 1234567\n",
                NULL, NULL, NULL, "line 1: sub: mode 160000 is not 100644, 100755 or 120000"},
        {"an ed script behind a header", HEAD "1d\n", NULL, NULL, NULL,
                "GNU patch would read an ed script here"},
        {"a context diff",
                "*** a/f.txt\n--- b/f.txt\n***************\n*** 1,2 ****\n! one\n  two\n"
                "--- 1,2 ----\n! ONE\n  two\n",
                NULL, NULL, NULL, "GNU patch would read a context diff here"},
        {"a normal diff", HEAD "1c1\n< one\n---\n> ONE\n", NULL, NULL, NULL,
                "GNU patch would read a normal diff here"},
};

static void make_tree(struct tree *tree, struct assay_arena *arena)
{
    tree->arena = arena;
    tree_put(tree, "f.txt", ASSAY_FILE_REGULAR, false, f_txt, strlen(f_txt));
    tree_put(tree, "g.txt", ASSAY_FILE_REGULAR, false, "g\n", 2);
    tree_put(tree, "d/e.txt", ASSAY_FILE_REGULAR, false, "e\n", 2);
    tree_put(tree, "crlf.txt", ASSAY_FILE_REGULAR, false, "one\r\ntwo\r\nthree\r\n", 17);
    tree_put(tree, "link", ASSAY_FILE_LINK, false, "d", 1);
}

static void the_ladder_is_climbed_to_the_rung_that_holds(void **state)
{
    const struct assay_apply_options options = {.mode = ASSAY_APPLY_SWEBENCH, .list = tree_list};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_arena *arena = NULL;
        struct tree before = {0}, after = {0};
        struct assay_patch *patch = NULL;
        struct assay_edits *edits = NULL;
        struct assay_error err = {0};
        const struct tree_node *node = NULL;

        assert_int_equal(assay_arena_create(&arena, (size_t)16 << 20, NULL), ASSAY_OK);
        make_tree(&before, arena);
        assert_int_equal(
                assay_patch_read_exact(&patch, rows[i].patch, strlen(rows[i].patch), arena, &err),
                ASSAY_OK);
        const enum assay_status status =
                assay_patch_apply(&edits, patch, tree_read, &before, &options, arena, &err);

        print_message("%s: %s\n", rows[i].name,
                status == ASSAY_OK ? edits->hunks[0].tolerance : err.message);
        if (rows[i].message != NULL) {
            assert_int_equal(status, ASSAY_EPATCH);
            assert_non_null(strstr(err.message, rows[i].message));
            assert_null(edits);
        } else {
            assert_int_equal(status, ASSAY_OK);
            tree_edit(&after, &before, edits);
            node = tree_find(&after, rows[i].path);
            assert_int_equal(node == NULL, rows[i].content == NULL);
            if (node != NULL && rows[i].content != NULL) {
                assert_int_equal(node->file.content.len, strlen(rows[i].content));
                assert_memory_equal(
                        node->file.content.data, rows[i].content, node->file.content.len);
            }
            assert_string_equal(edits->hunks[0].tolerance, rows[i].tolerance);
        }
        assay_arena_destroy(arena);
    }
}

static void a_mode_of_a_new_file_is_set(void **state)
{
    static const char text[] = "diff --git a/n b/n\nnew file mode 100755\nindex 0000000..1234567\n"
                               "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n" GIT_HEAD
                               "@@ -2,3 +2,3 @@\n TWO\n-three\n+THREE\n four\n";
    const struct assay_apply_options options = {.mode = ASSAY_APPLY_SWEBENCH, .list = tree_list};
    struct assay_arena *arena = NULL;
    struct tree before = {0}, after = {0};
    struct assay_patch *patch = NULL;
    struct assay_edits *edits = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, (size_t)16 << 20, NULL), ASSAY_OK);
    make_tree(&before, arena);
    assert_int_equal(assay_patch_read_exact(&patch, text, strlen(text), arena, NULL), ASSAY_OK);
    assert_int_equal(
            assay_patch_apply(&edits, patch, tree_read, &before, &options, arena, NULL), ASSAY_OK);
    tree_edit(&after, &before, edits);
    assert_true(tree_find(&after, "n")->file.executable);
    assert_false(tree_find(&after, "f.txt")->file.executable);
    assay_arena_destroy(arena);
}

static void modes_have_names(void **state)
{
    enum assay_apply_mode mode = ASSAY_APPLY_EXACT;

    (void)state;
    assert_true(assay_apply_mode_find(&mode, "tolerant"));
    assert_int_equal(mode, ASSAY_APPLY_TOLERANT);
    assert_true(assay_apply_mode_find(&mode, "strict-swebench"));
    assert_int_equal(mode, ASSAY_APPLY_SWEBENCH);
    assert_false(assay_apply_mode_find(&mode, "exact"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_ladder_is_climbed_to_the_rung_that_holds),
            cmocka_unit_test(a_mode_of_a_new_file_is_set),
            cmocka_unit_test(modes_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
