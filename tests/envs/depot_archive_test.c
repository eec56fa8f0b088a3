// SPDX-License-Identifier: MIT
// What must hold: an archive becomes the tree that it describes, or nothing; no entry reaches
// outside of it, and no archive takes more room than it is allowed.
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envs/depot.h"
#include "envs/depot_tree.h"
#include "envs/fixture.h"
#include "support/harness.h"

struct member {
    const char *path, *content; // content: of a file, or where a link points
    mode_t type;                // S_IFREG, ...; 0: a hard link
    mode_t mode;
};

static void write_tar(const char *path, const struct member *members, size_t count)
{
    struct archive *archive = archive_write_new();

    assert_non_null(archive);
    archive_write_set_format_pax_restricted(archive);
    archive_write_add_filter_gzip(archive);
    assert_int_equal(archive_write_open_filename(archive, path), ARCHIVE_OK);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();

        archive_entry_set_pathname(entry, members[i].path);
        if (members[i].type == 0)
            archive_entry_set_hardlink(entry, members[i].content);
        else
            archive_entry_set_filetype(entry, members[i].type);
        archive_entry_set_perm(entry, members[i].mode);
        if (members[i].type == S_IFLNK)
            archive_entry_set_symlink(entry, members[i].content);
        archive_entry_set_size(
                entry, members[i].type == S_IFREG ? (la_int64_t)strlen(members[i].content) : 0);
        assert_int_equal(archive_write_header(archive, entry), ARCHIVE_OK);
        if (members[i].type == S_IFREG)
            archive_write_data(archive, members[i].content, strlen(members[i].content));
        archive_entry_free(entry);
    }
    assert_int_equal(archive_write_free(archive), ARCHIVE_OK);
}

static void add(struct fixture *f, const char *name, char hash[65])
{
    const enum assay_status status =
            assay_depot_add_archive(f->depot, fixture_path(f, name), NULL, &nothing, hash, &f->err);

    if (status != ASSAY_OK)
        print_error("%s: %s\n", name, f->err.message);
    assert_int_equal(status, ASSAY_OK);
}

static void every_kind_of_archive_gives_the_tree_that_was_packed(void **state)
{
    struct fixture *f = *state;
    static const char python[] =
            "/usr/bin/python3 -c \"import shutil; shutil.make_archive('y', 'zip', '.', 'project')\"; "
            "mv y.zip x";
    static const char *const commands[] = {
            "tar -cf x project",
            "tar -czf x project",
            "tar -cJf x project",
            "tar -cjf x project",
            "tar --format=pax -czf x project",
            "tar --format=ustar -czf x project",
            "tar --format=gnu -czf x project",
            "tar -C project -czf x .",
            python,
    };
    char wanted[65], hash[65];

    // No link and no empty directory: Python's zip keeps neither.
    fixture_shell(f,
            "mkdir -p project/src/deep; echo hello > project/src/a; printf x > "
            "project/src/deep/run; chmod 755 project/src/deep/run; : > project/nil; echo u "
            "> project/$(printf 'caf\\303\\251'); head -c 600000 /dev/urandom > project/big");
    fixture_import(f, "project", wanted);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (fixture_try(f, "rm -f x; %s 2>/dev/null", commands[i]) != 0) {
            print_message("not here: %s\n", commands[i]);
            continue;
        }
        add(f, "x", hash);
        print_message("%s\n", commands[i]);
        assert_string_equal(hash, wanted);
    }
}

static void links_of_both_kinds_come_through(void **state)
{
    struct fixture *f = *state;
    static const struct member members[] = {
            {"p/", "", S_IFDIR, 0755},
            {"p/early", "p/b", 0, 0644}, // before what it is a name of
            {"p/b", "text", S_IFREG, 0755},
            {"./p//c", "p/early", 0, 0644},
            {"p/d/link", "../b", S_IFLNK, 0777},
            {"p/twice", "old", S_IFREG, 0644},
            {"p/twice", "new", S_IFREG, 0644},
    };
    char hash[65], path[PATH_MAX];
    char *text = NULL;

    write_tar(fixture_path(f, "x"), members, sizeof(members) / sizeof(members[0]));
    add(f, "x", hash);
    assert_int_equal(assay_depot_tree(f->depot, hash, path, &f->err), ASSAY_OK);
    text = fixture_read(
            f, "cd %s; cat early b c twice; readlink d/link; stat -c %%a early; ls", path);
    assert_string_equal(text, "texttexttextnew../b\n755\nb\nc\nd\nearly\ntwice");
    free(text);
}

static void a_hostile_archive_is_refused_whole(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct member member;
        const char *text;
    } rows[] = {
            {{"p/../../evil", "x", S_IFREG, 0644}, "not allowed in a tree: 'p/../../evil'"},
            {{"/tmp/evil", "x", S_IFREG, 0644}, "absolute"},
            {{"p/abs", "/etc/passwd", S_IFLNK, 0777}, "link leaves the tree: '/etc/passwd'"},
            // Inside the archive, but outside of the top folder that is taken away.
            {{"p/up", "../ok", S_IFLNK, 0777}, "up: link leaves the tree"},
            {{"p/hard", "../../etc/passwd", 0, 0644}, "no file here: '../../etc/passwd'"},
            {{"p/hard", "/etc/passwd", 0, 0644}, "hard link out of the archive"},
            {{"p/self", "p/self", 0, 0644}, "no file here"},
            {{"p/null", "", S_IFCHR, 0644}, "p/null: neither file, directory nor link"},
            {{"p/disk", "", S_IFBLK, 0644}, "p/disk: neither"},
            {{"p/fifo", "", S_IFIFO, 0644}, "p/fifo: neither"},
            {{"p/ok/below", "x", S_IFREG, 0644}, "p/ok is not a directory"},
            {{"p/link/below", "x", S_IFREG, 0644}, "p/link is not a directory"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct member members[] = {{"p/ok", "fine", S_IFREG, 0644},
                {"p/link", "dir", S_IFLNK, 0777}, {"p/dir/x", "x", S_IFREG, 0644}, rows[i].member};
        char hash[65] = "untouched";

        write_tar(fixture_path(f, "x"), members, 4);
        fixture_refuse(f,
                assay_depot_add_archive(
                        f->depot, fixture_path(f, "x"), NULL, &nothing, hash, &f->err),
                ASSAY_EINVAL, rows[i].text, hash);
    }
    fixture_shell(f, "ls home/trees home/index | grep -c . | grep -qx 2; test ! -e evil");
}

static void a_bomb_ends_at_the_bound(void **state)
{
    struct fixture *f = *state;
    static const char *const scripts[] = {
            "head -c 40000000 /dev/zero > p/z; tar -czf x p",
            // A hole of a terabyte in a file of a few hundred bytes.
            "truncate -s 1T p/z; tar -cSzf x p",
            "cd p; for i in $(seq 300); do echo $i > $i; done; cd ..; tar -czf x p",
    };

    f->depot->bounds.bytes_max = 10000000;
    f->depot->bounds.entries_max = 200;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        char hash[65] = "untouched";

        fixture_shell(f, "rm -rf p x; mkdir p; %s", scripts[i]);
        fixture_refuse(f,
                assay_depot_add_archive(
                        f->depot, fixture_path(f, "x"), NULL, &nothing, hash, &f->err),
                ASSAY_ENOMEM, "more than", hash);
    }
    fixture_shell(f, "test $(du -sk home | cut -f1) -lt 20000");
}

static void damaged_or_foreign_bytes_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const scripts[] = {"head -c 100000 /dev/urandom > x", ": > x",
            "echo no archive > x",
            "mkdir -p p; head -c 900000 /dev/urandom > p/a; tar -czf y p; head -c 500000 y > x"};

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        char hash[65] = "untouched";

        fixture_shell(f, "%s", scripts[i]);
        fixture_refuse(f,
                assay_depot_add_archive(
                        f->depot, fixture_path(f, "x"), NULL, &nothing, hash, &f->err),
                ASSAY_EINVAL, "x: ", hash);
    }
}

static void the_sum_is_checked_before_anything_is_read(void **state)
{
    struct fixture *f = *state;
    char hash[65] = "untouched", sum[65];
    char *text = NULL;

    fixture_shell(f, "mkdir p; echo x > p/x; tar -czf x p");
    text = fixture_read(f, "sha256sum x | cut -c1-64 | tr a-f A-F");
    snprintf(sum, sizeof(sum), "%s", text);
    free(text);
    assert_int_equal(
            assay_depot_add_archive(f->depot, fixture_path(f, "x"), sum, &nothing, hash, &f->err),
            ASSAY_OK);
    snprintf(hash, sizeof(hash), "untouched");
    sum[0] = sum[0] == '0' ? '1' : '0';
    fixture_refuse(f,
            assay_depot_add_archive(f->depot, fixture_path(f, "x"), sum, &nothing, hash, &f->err),
            ASSAY_EINVAL, "SHA-256 is", hash);
    fixture_refuse(f,
            assay_depot_add_archive(
                    f->depot, "https://example.org/x.tar", NULL, &nothing, hash, &f->err),
            ASSAY_EINVAL, "has to be downloaded first", hash);
    fixture_refuse(f,
            assay_depot_add_archive(
                    f->depot, fixture_path(f, "none"), NULL, &nothing, hash, &f->err),
            ASSAY_ENOTFOUND, "no file", hash);
}

// What is known from an earlier import is used only for the same archive and the same globs.
static void a_second_import_is_remembered_by_bytes_and_globs(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {"x"};
    const struct assay_strings ignore = {items, 1};
    char all[65], less[65], again[65];

    fixture_shell(f, "mkdir p; echo x > p/x; echo y > p/y; tar -czf x p");
    add(f, "x", all);
    assert_int_equal(
            assay_depot_add_archive(f->depot, fixture_path(f, "x"), NULL, &ignore, less, &f->err),
            ASSAY_OK);
    assert_string_not_equal(all, less);
    add(f, "x", again);
    assert_string_equal(all, again);
    fixture_shell(f, "rm -rf home/trees/*");
    add(f, "x", again);
    assert_string_equal(all, again);
    fixture_shell(f, "test -f home/trees/%s/x", all);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(every_kind_of_archive_gives_the_tree_that_was_packed),
            TEST(links_of_both_kinds_come_through),
            TEST(a_hostile_archive_is_refused_whole),
            TEST(a_bomb_ends_at_the_bound),
            TEST(damaged_or_foreign_bytes_are_refused),
            TEST(the_sum_is_checked_before_anything_is_read),
            TEST(a_second_import_is_remembered_by_bytes_and_globs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
