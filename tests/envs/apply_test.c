// SPDX-License-Identifier: MIT
// What must hold: each shape in which a patch comes has one outcome, a tree or a
// message, in each mode; nothing is guessed and nothing is half done.
#include <stdio.h>
#include <string.h>

#include "envs/apply_tree.h"
#include "support/harness.h"

static const char f_txt[] = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n";
static const char crlf_txt[] = "one\r\ntwo\r\nthree\r\nfour\r\nfive\r\n";
static const char rep_txt[] = "start\na\nb\nc\nmiddle\na\nb\nc\nend\n";
static const char open_txt[] = "alpha\nbeta\ngamma";
static const char gap_txt[] = "def f():\n    x = 1\n\n    y = 2\n    return x\n";

static void make_tree(struct tree *tree, struct assay_arena *arena)
{
    // NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which rows read
    static const struct {
        const char *path;
        enum assay_file_kind kind;
        const char *content;
        bool executable;
    } nodes[] = {
            {"f.txt", ASSAY_FILE_REGULAR, f_txt, false},
            {"d/crlf.txt", ASSAY_FILE_REGULAR, crlf_txt, false},
            {"d/rep.txt", ASSAY_FILE_REGULAR, rep_txt, false},
            {"d/open.txt", ASSAY_FILE_REGULAR, open_txt, false},
            {"src/gap.py", ASSAY_FILE_REGULAR, gap_txt, true},
            {"src/pkg/only.py", ASSAY_FILE_REGULAR, "x = 1\n", false},
            {"empty.txt", ASSAY_FILE_REGULAR, "", false},
            {"with space", ASSAY_FILE_REGULAR, "s\n", false},
            {"t\303\244g", ASSAY_FILE_REGULAR, "q\n", false},
            {"link", ASSAY_FILE_LINK, "d", false},
            {"flink", ASSAY_FILE_LINK, "f.txt", false},
    };

    tree->arena = arena;
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        tree_put(tree, nodes[i].path, nodes[i].kind, nodes[i].executable, nodes[i].content,
                strlen(nodes[i].content));
}

struct row {
    const char *name, *patch;
    const char *path;             // what to look at afterwards; NULL: only the message
    const char *content;          // NULL: path is gone
    const char *tolerance;        // of the first hunk; tolerant mode
    const char *exact, *tolerant; // message when refused; NULL when applied
};

#define HEAD "--- a/f.txt\n+++ b/f.txt\n"
#define GIT_HEAD "diff --git a/f.txt b/f.txt\n" HEAD
#define BODY " two\n three\n four\n-five\n+FIVE\n six\n seven\n eight\n"
#define HUNK "@@ -2,7 +2,7 @@\n" BODY
#define FIVE "one\ntwo\nthree\nfour\nFIVE\nsix\nseven\neight\nnine\nten\n"

static const struct row rows[] = {
        {"clean", GIT_HEAD HUNK, "f.txt", FIVE, "exact", NULL, NULL},
        {"prose and fence", "Here it is:\n```diff\n" GIT_HEAD HUNK "```\nDone.\n", "f.txt", FIVE,
                "exact", NULL, NULL},
        {"no diff line", HEAD HUNK, "f.txt", FIVE, "exact", NULL, NULL},
        {"time stamps",
                "--- a/f.txt\t2026-01-01 00:00:00.1 +0100\n+++ b/f.txt\t2026-01-02 "
                "00:00:00.1 +0100\n" HUNK,
                "f.txt", FIVE, "exact", NULL, NULL},
        {"byte-order mark", "\xef\xbb\xbf" GIT_HEAD HUNK, "f.txt", FIVE, "exact", NULL, NULL},
        {"line numbers off", HEAD "@@ -19,7 +19,7 @@\n" BODY, "f.txt", FIVE, "offset", NULL, NULL},
        {"counts too high", HEAD "@@ -2,9 +2,9 @@\n" BODY, "f.txt", FIVE, "recount",
                "line 3: the hunk is not as long as its header says", NULL},
        {"counts too low: git drops the rest", HEAD "@@ -2,5 +2,5 @@\n" BODY, "f.txt", FIVE,
                "recount", NULL, NULL},
        {"no newline at the end",
                HEAD "@@ -2,7 +2,7 @@\n two\n three\n four\n-five\n+FIVE\n six\n"
                     " seven\n eight",
                "f.txt", FIVE, "exact", "line 3: the hunk is not as long as its header says", NULL},
        {"last new line cut", HEAD "@@ -9,2 +9,3 @@\n nine\n ten\n+eleven", "f.txt",
                "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\neleven\n", "exact",
                "line 3: the hunk is not as long as its header says", NULL},
        {"bare header", HEAD "@@\n" BODY, "f.txt", FIVE, "bare", "no diff found", NULL},
        {"bare header with dots", GIT_HEAD "@@ ... @@\n" BODY, "f.txt", FIVE, "bare",
                "line 1: a file header without any change below it", NULL},
        {"bare header, two places", "--- a/d/rep.txt\n+++ b/d/rep.txt\n@@ @@\n a\n-b\n+B\n c\n",
                NULL, NULL, NULL, "no diff found",
                "line 3: d/rep.txt: the hunk fits at lines 2 and 6, and nothing says which"},
        {"no a/ and b/",
                "--- src/gap.py\n+++ src/gap.py\n@@ -1,2 +1,2 @@\n def f():\n-    x = 1\n"
                "+    x = 3\n",
                "src/gap.py", "def f():\n    x = 3\n\n    y = 2\n    return x\n", "edge+strip",
                "line 1: gap.py: no such file", NULL},
        {"/testbed/ prefix", "--- /testbed/f.txt\n+++ /testbed/f.txt\n" HUNK, "f.txt", FIVE,
                "strip", "line 1: testbed/f.txt: no such file", NULL},
        {"a/testbed/ prefix",
                "--- a/testbed/src/pkg/only.py\n+++ b/testbed/src/pkg/only.py\n"
                "@@ -1 +1 @@\n-x = 1\n+x = 2\n",
                "src/pkg/only.py", "x = 2\n", "strip",
                "line 1: testbed/src/pkg/only.py: no such file", NULL},
        {"new file without b/", "--- /dev/null\n+++ src/new.py\n@@ -0,0 +1 @@\n+x\n", "src/new.py",
                "x\n", "strip", NULL, NULL},
        {"trailing blank in context",
                HEAD "@@ -2,7 +2,7 @@\n two \n three\n four\n-five\n+FIVE\n six\n seven\n eight\n",
                "f.txt", FIVE, "whitespace",
                "line 3: f.txt: the hunk does not match: its old line "
                "1 is not in the file",
                NULL},
        {"tabs for blanks",
                "--- a/src/gap.py\n+++ b/src/gap.py\n@@ -2,4 +2,4 @@\n \tx = 1\n \n-\ty = 2\n"
                "+    y = 3\n \treturn x\n",
                "src/gap.py", "def f():\n    x = 1\n\n    y = 3\n    return x\n", "whitespace",
                "line 3: src/gap.py: the hunk does not match: its old line 1 is not in the file",
                NULL},
        {"cut blank context",
                "--- a/src/gap.py\n+++ b/src/gap.py\n@@ -1,5 +1,5 @@\n def f():\n     x = 1\n\n"
                "-    y = 2\n+    y = 3\n     return x\n",
                "src/gap.py", "def f():\n    x = 1\n\n    y = 3\n    return x\n", "exact", NULL,
                NULL},
        {"CRLF patch, LF file",
                "--- a/f.txt\r\n+++ b/f.txt\r\n@@ -4,3 +4,3 @@\r\n four\r\n-five\r\n+FIVE\r\n six"
                "\r\n",
                "f.txt", FIVE, "crlf",
                "line 3: f.txt: the hunk does not match: its old line 1 is not in the file", NULL},
        {"LF patch, CRLF file",
                "--- a/d/crlf.txt\n+++ b/d/crlf.txt\n@@ -2,3 +2,3 @@\n two\n-three\n+THREE\n four\n",
                "d/crlf.txt", "one\r\ntwo\r\nTHREE\r\nfour\r\nfive\r\n", "crlf",
                "line 3: d/crlf.txt: the hunk does not match: its old line 1 is not in the file",
                NULL},
        {"lost no-newline marker",
                "--- a/d/open.txt\n+++ b/d/open.txt\n@@ -1,3 +1,3 @@\n alpha\n-beta\n+BETA\n "
                "gamma\n",
                "d/open.txt", "alpha\nBETA\ngamma", "newline",
                "line 3: d/open.txt: the hunk does not match: its old line 3 is not in the file",
                NULL},
        {"lost no-newline marker, line added below",
                "--- a/d/open.txt\n+++ b/d/open.txt\n@@ -2,2 +2,3 @@\n beta\n gamma\n+delta\n",
                "d/open.txt", "alpha\nbeta\ngamma\ndelta\n", "newline",
                "line 3: d/open.txt: the hunk does not match: its old line 2 is not in the file",
                NULL},
        {"one wrong context line",
                HEAD "@@ -2,7 +2,7 @@\n TWO\n three\n four\n-five\n+FIVE\n six\n seven\n eight\n",
                "f.txt", FIVE, "fuzz",
                "line 3: f.txt: the hunk does not match: its old line 1 is not in the file", NULL},
        {"a wrong line in the middle", HEAD "@@ -4,3 +4,3 @@\n four\n-FUNF\n+FIVE\n six\n", NULL,
                NULL, NULL,
                "line 3: f.txt: the hunk does not match: its old line 2 is not in the file",
                "line 3: f.txt: the hunk does not match: its old line 2 is not in the file"},
        {"no context at all", HEAD "@@ -5 +5 @@\n-five\n+FIVE\n", "f.txt", FIVE, "zero",
                "line 3: f.txt: the hunk does not match: its old lines are not in this order",
                NULL},
        {"only new lines, no context: git adds them at the end", HEAD "@@ -5,0 +6 @@\n+FIVE\n",
                "f.txt", "one\ntwo\nthree\nfour\nfive\nFIVE\nsix\nseven\neight\nnine\nten\n",
                "zero", NULL, NULL},
        {"hunks in the wrong order",
                HEAD "@@ -9,2 +9,2 @@\n nine\n-ten\n+TEN\n@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n",
                "f.txt", "ONE\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nTEN\n", "exact",
                NULL, NULL},
        {"same file twice",
                HEAD "@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n" HEAD "@@ -1,2 +1,2 @@\n-ONE\n+eins\n two"
                     "\n",
                "f.txt", "eins\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n", "exact",
                NULL, NULL},
        {"new empty file", "diff --git a/n b/n\nnew file mode 100644\nindex 0000000..e69de29\n",
                "n", "", "exact", NULL, NULL},
        {"delete",
                "diff --git a/src/pkg/only.py b/src/pkg/only.py\ndeleted file mode 100644\n"
                "--- a/src/pkg/only.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x = 1\n",
                "src/pkg", NULL, "exact", NULL, NULL},
        {"rename", "diff --git a/f.txt b/d/g.txt\nrename from f.txt\nrename to d/g.txt\n",
                "d/g.txt", f_txt, "exact", NULL, NULL},
        {"rename with a change",
                "diff --git a/f.txt b/d/g.txt\nsimilarity index 90%\nrename from f.txt\n"
                "rename to d/g.txt\n--- a/f.txt\n+++ b/d/g.txt\n" HUNK,
                "d/g.txt", FIVE, "exact", NULL, NULL},
        {"copy", "diff --git a/f.txt b/d/g.txt\ncopy from f.txt\ncopy to d/g.txt\n", "f.txt", f_txt,
                "exact", NULL, NULL},
        {"quoted path",
                "diff --git \"a/t\\303\\244g\" \"b/t\\303\\244g\"\n--- \"a/t\\303\\244g\"\n"
                "+++ \"b/t\\303\\244g\"\n@@ -1 +1 @@\n-q\n+Q\n",
                "t\303\244g", "Q\n", "exact", NULL, NULL},
        {"path with a blank",
                "diff --git a/with space b/with space\n--- a/with space\t\n+++ b/with space\t\n"
                "@@ -1 +1 @@\n-s\n+S\n",
                "with space", "S\n", "exact", NULL, NULL},
        {"a link inside",
                "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n"
                "@@ -0,0 +1 @@\n+src/pkg\n\\ No newline at end of file\n",
                "l", "src/pkg", "exact", NULL, NULL},
        {"a directory takes the place of a file",
                "diff --git a/empty.txt b/empty.txt\ndeleted file mode 100644\n"
                "diff --git a/empty.txt/x b/empty.txt/x\nnew file mode 100644\n"
                "--- /dev/null\n+++ b/empty.txt/x\n@@ -0,0 +1 @@\n+x\n",
                "empty.txt/x", "x\n", "exact", NULL, NULL},
        {"a file takes the place of a directory",
                "diff --git a/src/pkg/only.py b/src/pkg/only.py\ndeleted file mode 100644\n"
                "--- a/src/pkg/only.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x = 1\n"
                "diff --git a/src/pkg b/src/pkg\nnew file mode 100644\n--- /dev/null\n"
                "+++ b/src/pkg\n@@ -0,0 +1 @@\n+x\n",
                "src/pkg", "x\n", "exact", NULL, NULL},
};

#define NEW(path) "--- /dev/null\n+++ b/" path "\n@@ -0,0 +1 @@\n+x\n"
#define EDIT(path) "--- a/" path "\n+++ b/" path "\n@@ -1 +1 @@\n-x\n+y\n"
#define LINK(path, target)                                                                         \
    "diff --git a/" path " b/" path "\nnew file mode 120000\n--- /dev/null\n+++ b/" path           \
    "\n@@ -0,0 +1 @@\n+" target "\n\\ No newline at end of file\n"

// Refused in both modes, with the same message.
static const struct {
    const char *patch, *message;
} refused[] = {
        {NEW("../evil"), "line 1: ../evil: a patch may not name this path"},
        {NEW("/etc/passwd"), "line 1: /etc/passwd: a patch may not name this path"},
        {NEW("d/../../evil"), "line 1: d/../../evil: a patch may not name this path"},
        {NEW(".git/hooks/post-checkout"),
                "line 1: .git/hooks/post-checkout: a patch may not name this path"},
        {NEW("d/.GIT/config"), "line 1: d/.GIT/config: a patch may not name this path"},
        {NEW(".git. /config"), "line 1: .git. /config: a patch may not name this path"},
        {NEW("GIT~1/config"), "line 1: GIT~1/config: a patch may not name this path"},
        {NEW(".git::$INDEX_ALLOCATION/x"),
                "line 1: .git::$INDEX_ALLOCATION/x: a patch may not name this path"},
        {NEW(".g\xe2\x80\x8cit/x"), "line 1: .g\xe2\x80\x8cit/x: a patch may not name this path"},
        {"diff --git a/sub b/sub\nnew file mode 160000\nindex 0000000..1234567\n--- /dev/null\n"
         "+++ b/sub\n@@ -0,0 +1 @@\n+Subproject commit 1234567\n",
                "line 1: sub: mode 160000 is not 100644, 100755 or 120000"},
        {"diff --git a/n b/n\nnew file mode 104755\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\n",
                "line 1: n: mode 104755 is not 100644, 100755 or 120000"},
        {NEW("link/x"), "line 1: link/x: is below a symbolic link"},
        {EDIT("link/rep.txt"), "line 1: link/rep.txt: is below a symbolic link"},
        {LINK("s", "d") NEW("s/x"), "line 8: s/x: the patch makes s a symbolic link"},
        {LINK("s", "/etc"), "line 1: s: a symbolic link may only lead to a place inside the tree"},
        {LINK("d/s", "../../x"),
                "line 1: d/s: a symbolic link may only lead to a place inside the tree"},
        {LINK("d/s", "link/../x"),
                "line 1: d/s: a symbolic link may only lead to a place inside the tree"},
        {LINK("d/s", "../.git/hooks"),
                "line 1: d/s: a symbolic link may only lead to a place inside the tree"},
        {"diff --git a/flink b/flink\nindex 1234567..89abcde 100644\n--- a/flink\n+++ b/flink\n"
         "@@ -1 +1 @@\n-one\n+ONE\n",
                "line 1: flink: is a symbolic link, the patch is for a file"},
        {NEW("f.txt"), "line 1: f.txt: exists already"},
        {NEW("f.txt/x"), "line 1: f.txt/x: f.txt is a file, not a directory"},
        {NEW("src"), "line 1: src: a directory is in the way"},
        {EDIT("nothing"), "line 1: nothing: no such file"},
        {EDIT("src"), "line 1: src: not a file"},
        {"diff --git a/f.txt b/f.txt\nrename from f.txt\nrename to empty.txt\n",
                "line 1: empty.txt: exists already"},
        {"", "no diff found"},
        {"I changed nothing.\n", "no diff found"},
        {"@@ -1 +1 @@\n-one\n+ONE\n", "line 1: a hunk without a file header"},
};

static enum assay_status run(const char *text, enum assay_apply_mode mode, struct tree *before,
        struct tree *after, struct assay_edits **edits, struct assay_error *err)
{
    const struct assay_apply_options options = {.mode = mode, .list = tree_list};
    struct assay_patch *patch = NULL;
    enum assay_status status = assay_patch_parse(&patch, text, strlen(text), before->arena, err);

    if (status == ASSAY_OK)
        status = assay_patch_apply(edits, patch, tree_read, before, &options, before->arena, err);
    if (status == ASSAY_OK)
        tree_edit(after, before, *edits);
    return status;
}

static void check_row(const struct row *row, enum assay_apply_mode mode)
{
    const char *message = mode == ASSAY_APPLY_EXACT ? row->exact : row->tolerant;
    static struct tree before, after;
    struct assay_edits *edits = NULL;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;
    const struct tree_node *node = NULL;

    before.count = 0;
    assert_int_equal(assay_arena_create(&arena, 64 << 20, NULL), ASSAY_OK);
    make_tree(&before, arena);
    status = run(row->patch, mode, &before, &after, &edits, &err);
    print_message("%s, %s: %s\n", row->name, mode == ASSAY_APPLY_EXACT ? "exact" : "tolerant",
            status == ASSAY_OK ? "applied" : err.message);
    if (message != NULL) {
        assert_int_equal(status, ASSAY_EPATCH);
        assert_string_equal(err.message, message);
        assert_null(edits);
    } else {
        assert_int_equal(status, ASSAY_OK);
    }
    // Where git itself does something silly, only the tolerant outcome is looked at.
    if (status == ASSAY_OK && row->path != NULL &&
            (mode == ASSAY_APPLY_TOLERANT || strstr(row->name, "git ") == NULL) &&
            strcmp(row->name, "new file without b/") != 0) {
        node = tree_find(&after, row->path);
        assert_true((node != NULL) == (row->content != NULL));
        if (node != NULL) {
            assert_int_equal(node->file.content.len, strlen(row->content));
            assert_memory_equal(node->file.content.data, row->content, strlen(row->content));
        }
    }
    if (status == ASSAY_OK && edits != NULL && mode == ASSAY_APPLY_TOLERANT)
        assert_string_equal(edits->hunks[0].tolerance, row->tolerance);
    assay_arena_destroy(arena);
}

static void every_shape_has_its_outcome(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_row(&rows[i], ASSAY_APPLY_EXACT);
        check_row(&rows[i], ASSAY_APPLY_TOLERANT);
    }
}

static void what_could_escape_or_overwrite_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const struct row row = {.name = "refused",
                .patch = refused[i].patch,
                .exact = refused[i].message,
                .tolerant = refused[i].message};

        check_row(&row, ASSAY_APPLY_EXACT);
        check_row(&row, ASSAY_APPLY_TOLERANT);
    }
}

// A second application of a patch that went well says so.
static void an_applied_patch_is_recognised(void **state)
{
    static const char *const patches[] = {GIT_HEAD HUNK, NEW("n"),
            "diff --git a/f.txt b/d/g.txt\nrename from f.txt\nrename to d/g.txt\n",
            "diff --git a/empty.txt b/empty.txt\ndeleted file mode 100644\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        static struct tree before, after, again;
        struct assay_arena *arena = NULL;
        struct assay_edits *edits = NULL;
        struct assay_error err = {0};

        before.count = 0;
        assert_int_equal(assay_arena_create(&arena, 64 << 20, NULL), ASSAY_OK);
        make_tree(&before, arena);
        assert_int_equal(
                run(patches[i], ASSAY_APPLY_EXACT, &before, &after, &edits, &err), ASSAY_OK);
        assert_int_equal(
                run(patches[i], ASSAY_APPLY_EXACT, &after, &again, &edits, &err), ASSAY_EPATCH);
        assert_string_equal(err.message, "the patch is already applied");
        assay_arena_destroy(arena);
    }
}

static bool is_protected(void *user, const char *path)
{
    (void)user;
    return strncmp(path, "d/", 2) == 0;
}

static void protected_paths_are_left_out_and_named(void **state)
{
    static const char text[] = EDIT("d/no-such-file") NEW("d/new") HEAD HUNK
            "diff --git a/d/rep.txt b/rep2.txt\nrename from d/rep.txt\nrename to rep2.txt\n";
    const struct assay_apply_options options = {
            .mode = ASSAY_APPLY_TOLERANT, .skip = is_protected, .list = tree_list};
    static struct tree before;
    struct assay_arena *arena = NULL;
    struct assay_patch *patch = NULL;
    struct assay_edits *edits = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 64 << 20, NULL), ASSAY_OK);
    make_tree(&before, arena);
    assert_int_equal(assay_patch_parse(&patch, text, strlen(text), arena, NULL), ASSAY_OK);
    assert_int_equal(
            assay_patch_apply(&edits, patch, tree_read, &before, &options, arena, NULL), ASSAY_OK);
    assert_int_equal(edits->count, 2);
    assert_string_equal(edits->items[0].path, "f.txt");
    assert_string_equal(edits->items[1].path, "rep2.txt");
    assert_int_equal(edits->dropped.count, 3);
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_shape_has_its_outcome),
            cmocka_unit_test(what_could_escape_or_overwrite_is_refused),
            cmocka_unit_test(an_applied_patch_is_recognised),
            cmocka_unit_test(protected_paths_are_left_out_and_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
