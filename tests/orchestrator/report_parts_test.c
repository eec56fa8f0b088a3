// SPDX-License-Identifier: MIT
// What must hold: a patch and a log are shown as far as there is room, balanced, with what was left
// out counted; no file but a regular one below home is read.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "orchestrator/html_page.h"
#include "orchestrator/report_diff.h"
#include "orchestrator/report_log.h"
#include "support/harness.h"
#include "support/temp.h"

// --- diff ---------------------------------------------------------------------------------------

static void lines_of_a_diff_have_their_kind(void **state)
{
    static const char patch[] = "diff --git a/x b/x\n"
                                "--- a/x\n"
                                "+++ b/x\n"
                                "@@ -1,3 +1,2 @@ f<T>\n"
                                " keep\n"
                                "--- was a comment\n"
                                "-gone\n"
                                "+come\n"
                                "\\ No newline at end of file\n";
    static const char html[] = "<span class=\"df\">diff --git a/x b/x\n</span>"
                               "<span class=\"dm\">--- a/x\n+++ b/x\n</span>"
                               "<span class=\"dh\">@@ -1,3 +1,2 @@ f&lt;T&gt;\n</span>"
                               "<span> keep\n</span>"
                               "<del>--- was a comment\n-gone\n</del>"
                               "<ins>+come\n</ins>"
                               "<span class=\"dm\">\\ No newline at end of file\n</span>";
    const struct assay_report_diff_counts counts =
            assay_report_diff_count(patch, sizeof(patch) - 1);
    struct assay_buf out;

    (void)state;
    assay_buf_init(&out, 4096);
    assert_int_equal(
            assay_report_diff_write(&out, patch, sizeof(patch) - 1, 4096), sizeof(patch) - 1);
    assert_string_equal(out.data, html);
    assert_int_equal(counts.files, 1);
    assert_int_equal(counts.added, 1);
    assert_int_equal(counts.deleted, 2);
    assay_buf_free(&out);
}

static void a_diff_that_lies_is_shown_all_the_same(void **state)
{
    static const char *const patches[] = {
            "@@ -1,99999999999999999999999 +1 @@\n+a\nprose\n-b",
            "no diff at all, <b>\n\n",
            "@@\n+a\n@@ -\n-b\n@@ -1 +\n c\n",
            "+++ x",
            "\n\n\n",
            "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
        const size_t len = strlen(patches[i]);
        struct assay_buf out;

        assay_buf_init(&out, 4096);
        assert_int_equal(assay_report_diff_write(&out, patches[i], len, 4096), len);
        assert_int_equal(count_of(&out, "<span") + count_of(&out, "<ins") + count_of(&out, "<del"),
                count_of(&out, "</"));
        assert_lacks(&out, "<b>");
        assay_buf_free(&out);
    }
}

static void a_diff_stays_within_its_room(void **state)
{
    char patch[4000];

    (void)state;
    for (size_t i = 0; i < sizeof(patch); i++)
        patch[i] = "+\n-\n<&\"\xff"[i % 8];
    for (size_t room = 0; room < 3000; room += 7) {
        struct assay_buf out;
        size_t shown = 0;

        assay_buf_init(&out, 1 << 16);
        shown = assay_report_diff_write(&out, patch, sizeof(patch), room);
        assert_true(out.len <= room);
        assert_true(shown < sizeof(patch));
        assert_int_equal(count_of(&out, "<ins>"), count_of(&out, "</ins>"));
        assert_int_equal(count_of(&out, "<del>"), count_of(&out, "</del>"));
        assert_int_equal(count_of(&out, "<span"), count_of(&out, "</span>"));
        assay_buf_free(&out);
    }
}

// --- log ----------------------------------------------------------------------------------------

static void a_short_log_is_shown_whole(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_buf out;

    assay_temp_write(temp, "log.txt", "one\r\n\x1b[31mtwo\x1b[0m\n</pre><script>\n");
    assay_buf_init(&out, 1 << 16);
    assay_report_log_write(&out, temp->fd, "log.txt", "a-1", 1 << 15);
    assert_holds(&out, "\">\none\ntwo\n&lt;/pre&gt;&lt;script&gt;\n</pre>");
    assert_lacks(&out, "left out");
    assay_buf_free(&out);
}

static void a_long_log_keeps_its_head_and_its_tail(void **state)
{
    const struct assay_temp *temp = *state;
    const size_t lines = 5000, line_len = 20;
    char *text = malloc(lines * line_len + 1);

    assert_non_null(text);
    for (size_t i = 0; i < lines; i++)
        (void)snprintf(text + i * line_len, line_len + 1, "line %05zu \"<&>'\"\xff.\n", i);
    assay_temp_write(temp, "log.txt", text);
    for (size_t room = 1000; room <= 1 << 18; room *= 2) {
        struct assay_buf out;
        const char *gap = NULL;
        unsigned long long left_out = 0;
        size_t shown_lines = 0;

        assay_buf_init(&out, 1 << 20);
        assay_report_log_write(&out, temp->fd, "log.txt", "a-1", room);
        assert_true(out.len <= room + 400); // its frame
        assert_holds(&out, "\nline 00000 ");
        assert_holds(&out, "\nline 04999 ");
        shown_lines = count_of(&out, "line ");
        gap = strstr(out.data, "<span class=\"gap\">");
        assert_non_null(gap);
        left_out = strtoull(gap + strlen("<span class=\"gap\">"), NULL, 10);
        assert_int_equal(left_out + shown_lines * line_len, lines * line_len);
        assay_buf_free(&out);
    }
    free(text);
}

static void only_a_regular_file_below_home_is_a_log(void **state)
{
    const struct assay_temp *temp = *state;
    static const struct {
        const char *path, *says;
    } rows[] = {{"none.txt", "No such file"}, {"folder", "not a regular file"},
            {"fifo", "not a regular file"}, {"link", "cannot be shown"},
            {"../../etc/passwd", "cannot be shown"}, {"/etc/passwd", "cannot be shown"}};

    assert_int_equal(mkdirat(temp->fd, "folder", 0755), 0);
    assert_int_equal(mkfifoat(temp->fd, "fifo", 0600), 0);
    assert_int_equal(symlinkat("/etc/passwd", temp->fd, "link"), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_buf out;

        print_message("%s\n", rows[i].path);
        assay_buf_init(&out, 1 << 16);
        assay_report_log_write(&out, temp->fd, rows[i].path, "a-1", 1 << 15);
        assert_holds(&out, rows[i].says);
        assert_lacks(&out, "<pre");
        assert_lacks(&out, "root:");
        assay_buf_free(&out);
    }
}

#define WITH_FOLDER(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(lines_of_a_diff_have_their_kind),
            cmocka_unit_test(a_diff_that_lies_is_shown_all_the_same),
            cmocka_unit_test(a_diff_stays_within_its_room),
            WITH_FOLDER(a_short_log_is_shown_whole),
            WITH_FOLDER(a_long_log_keeps_its_head_and_its_tail),
            WITH_FOLDER(only_a_regular_file_below_home_is_a_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
