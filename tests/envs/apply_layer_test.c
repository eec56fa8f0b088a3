// SPDX-License-Identifier: MIT
// What must hold: a layer holds exactly the edits, looks the same whenever and by
// whomever it is written, and no edit reaches outside it.
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/apply.h"
#include "support/harness.h"
#include "support/temp.h"

static const struct assay_edit sample[] = {
        {.path = "a", .kind = ASSAY_FILE_NONE},
        {.path = "a-b", .kind = ASSAY_FILE_REGULAR, .content = {.data = "x", .len = 1}},
        {.path = "a/b/c.sh",
                .kind = ASSAY_FILE_REGULAR,
                .executable = true,
                .content = {.data = "#!\n", .len = 3}},
        {.path = "a/link", .kind = ASSAY_FILE_LINK, .content = {.data = "b/c.sh", .len = 6}},
        {.path = "gone/file", .kind = ASSAY_FILE_NONE},
};

static enum assay_status write_edits(
        const struct assay_edit *items, size_t count, int fd, struct assay_error *err)
{
    struct assay_edit copies[8];
    const struct assay_edits edits = {.items = copies, .count = count};

    memcpy(copies, items, count * sizeof(*items));
    return assay_edits_write_layer(&edits, fd, getuid(), getgid(), err);
}

// Whiteouts need a kernel of 2020 or newer, or privilege.
static bool has_whiteouts(const struct assay_temp *temp)
{
    const bool has = mknodat(temp->fd, "probe", S_IFCHR, makedev(0, 0)) == 0;

    (void)unlinkat(temp->fd, "probe", 0);
    return has;
}

static void check(const struct assay_temp *temp, const char *path, mode_t mode)
{
    struct stat st;

    print_message("%s\n", path);
    assert_int_equal(fstatat(temp->fd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_mode, mode);
    assert_int_equal(st.st_mtim.tv_sec, ASSAY_LAYER_MTIME);
    assert_int_equal(st.st_mtim.tv_nsec, 0);
    assert_int_equal(st.st_uid, getuid());
}

static void a_layer_holds_files_links_and_whiteouts(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    mode_t mask = 0;

    if (!has_whiteouts(temp)) {
        print_message("no whiteouts on this file system\n");
        skip();
    }
    mask = umask(077); // must make no difference
    assert_int_equal(write_edits(sample, 5, temp->fd, &err), ASSAY_OK);
    (void)umask(mask);
    check(temp, "a-b", S_IFREG | 0644);
    check(temp, "a", S_IFDIR | 0755); // hides the file that was removed
    check(temp, "a/b", S_IFDIR | 0755);
    check(temp, "a/b/c.sh", S_IFREG | 0755);
    check(temp, "a/link", S_IFLNK | 0777);
    check(temp, "gone", S_IFDIR | 0755);
    check(temp, "gone/file", S_IFCHR | 0);
}

static void a_hostile_path_is_refused(void **state)
{
    static const char *const paths[] = {"../x", "/x", "a/../../x", ".git/x", ""};
    const struct assay_temp *temp = *state;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const struct assay_edit edit = {
                .path = paths[i], .kind = ASSAY_FILE_REGULAR, .content = {.data = "x", .len = 1}};

        assert_int_equal(write_edits(&edit, 1, temp->fd, NULL), ASSAY_EREFUSED);
    }
}

// Should a caller hand over edits that were not checked: a link is still not followed.
static void nothing_is_written_through_a_link(void **state)
{
    static const struct assay_edit edits[] = {
            {.path = "out", .kind = ASSAY_FILE_LINK, .content = {.data = "..", .len = 2}},
            {.path = "out/escaped", .kind = ASSAY_FILE_REGULAR, .content = {.data = "x", .len = 1}},
    };
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};

    assert_int_equal(write_edits(edits, 2, temp->fd, &err), ASSAY_EIO);
    assert_int_equal(faccessat(temp->fd, "../escaped", F_OK, 0), -1);
}

static void a_directory_is_read_without_following_links(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_arena *arena = NULL;
    struct assay_file file = {0};
    struct assay_strings names = {0};
    int fd = temp->fd;

    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(assay_fs_mkdirs(fd, "d", 0755, NULL), ASSAY_OK);
    assay_temp_write(temp, "d/f", "content\n");
    assert_int_equal(symlinkat("d", fd, "l"), 0);
    assert_int_equal(mkfifoat(fd, "pipe", 0600), 0);
    assert_int_equal(assay_file_read_dir(&fd, "d/f", arena, &file, NULL), ASSAY_OK);
    assert_int_equal(file.kind, ASSAY_FILE_REGULAR);
    assert_string_equal(file.content.data, "content\n");
    assert_int_equal(assay_file_read_dir(&fd, "l", arena, &file, NULL), ASSAY_OK);
    assert_int_equal(file.kind, ASSAY_FILE_LINK);
    assert_string_equal(file.content.data, "d");
    assert_int_equal(assay_file_read_dir(&fd, "d", arena, &file, NULL), ASSAY_OK);
    assert_int_equal(file.kind, ASSAY_FILE_DIR);
    assert_int_equal(assay_file_read_dir(&fd, "pipe", arena, &file, NULL), ASSAY_OK);
    assert_int_equal(file.kind, ASSAY_FILE_OTHER);
    assert_int_equal(assay_file_read_dir(&fd, "d/f/x", arena, &file, NULL), ASSAY_OK);
    assert_int_equal(file.kind, ASSAY_FILE_NONE);
    assert_int_equal(assay_file_read_dir(&fd, "l/f", arena, &file, NULL), ASSAY_EREFUSED);
    assert_int_equal(assay_dir_list_dir(&fd, "", arena, &names, NULL), ASSAY_OK);
    assert_int_equal(names.count, 3);
    assert_int_equal(assay_dir_list_dir(&fd, "d/f", arena, &names, NULL), ASSAY_EIO);
    assay_arena_destroy(arena);
}

#define IN_TEMP(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            IN_TEMP(a_layer_holds_files_links_and_whiteouts),
            IN_TEMP(a_hostile_path_is_refused),
            IN_TEMP(nothing_is_written_through_a_link),
            IN_TEMP(a_directory_is_read_without_following_links),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
