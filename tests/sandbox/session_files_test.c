// SPDX-License-Identifier: MIT
// What must hold: those outside read, write and list what is in the box and nothing else, as the
// box's user, whatever stands in the way; and are never held up.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sandbox/sessions.h"

#define FORBIDDEN "what only the host may see"

// --- helpers -------------------------------------------------------------------------------------

static void write_is(struct assay_session *session, const char *path, const char *text, int problem)
{
    struct assay_error err = {0};
    const enum assay_status status =
            assay_session_write(session, path, text, strlen(text), NULL, &err);

    if ((status == ASSAY_OK ? 0 : err.sys_errno) != problem)
        fail_msg("write %s: %d \"%s\", wanted errno %d", path, status, err.message, problem);
}

// Text NULL: any.
static void read_is(struct assay_session *session, const char *path, const char *text, int problem)
{
    struct assay_buf buf;
    struct assay_error err = {0};
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&buf, 1 << 20);
    status = assay_session_read(session, path, 0, 1 << 19, &buf, NULL, &err);
    if ((status == ASSAY_OK ? 0 : err.sys_errno) != problem)
        fail_msg("read %s: %d \"%s\", wanted errno %d, got \"%.100s\"", path, status, err.message,
                problem, buf.data);
    if (status == ASSAY_OK && text != NULL)
        assert_string_equal(buf.data, text);
    assert_null(strstr(buf.data, FORBIDDEN));
    assay_buf_free(&buf);
}

// --- tests ---------------------------------------------------------------------------------------

static void what_is_written_is_there_and_the_other_way_round(void **state)
{
    struct assay_session *session = sessions_start();
    struct assay_file_info info;
    struct assay_buf buf;

    (void)state;
    write_is(session, "/tmp/a", "from outside\n", 0);
    (void)sessions_line(PROCESS, session,
            "cat /tmp/a; stat -c %U:%a /tmp/a; cd /tmp; echo inside > b; chmod 755 b", 0,
            "from outside\nbox:644\n");
    read_is(session, "b", "inside\n", 0); // relative to the session's cwd
    write_is(session, "b", "again", 0);
    assert_int_equal(assay_session_stat(session, "b", false, &info, NULL), ASSAY_OK);
    assert_int_equal(info.mode, S_IFREG | 0755);
    assert_int_equal(info.size, 5);
    assert_int_equal(info.links, 1);
    assay_buf_init(&buf, 100);
    assert_int_equal(assay_session_read(session, "b", 2, 2, &buf, &info, NULL), ASSAY_OK);
    assert_string_equal(buf.data, "ai");
    assert_int_equal(assay_session_read(session, "b", 100, 2, &buf, NULL, NULL), ASSAY_OK);
    assert_string_equal(buf.data, "ai");
    assay_buf_free(&buf);
    write_is(session, "empty", "", 0);
    read_is(session, "empty", "", 0);
    sessions_stop(session);
}

static void a_write_makes_what_it_is_asked_to(void **state)
{
    struct assay_session *session = sessions_start();
    const struct assay_write_options parents = {.parents = true, .mode = 0600};
    const struct assay_write_options fresh = {.exclusive = true};
    const struct assay_write_options follow = {.follow = true};
    struct assay_error err;

    (void)state;
    assert_int_equal(
            assay_session_write(session, "/tmp/x/y/z", "deep", 4, &parents, &err), ASSAY_OK);
    (void)sessions_line(PROCESS, session,
            "stat -c %a /tmp/x/y/z; ln -s /tmp/x /tmp/l; ln -s /tmp/x/y/z /tmp/lz", 0, "600\n");
    assert_int_equal(assay_session_write(session, "/tmp/l/y/z", "via", 3, NULL, &err), ASSAY_OK);
    read_is(session, "/tmp/x/y/z", "via", 0);
    assert_int_equal(assay_session_write(session, "/tmp/x/y/z", "", 0, &fresh, &err), ASSAY_EIO);
    assert_int_equal(err.sys_errno, EEXIST);
    write_is(session, "/tmp/lz", "link", ELOOP);
    assert_int_equal(assay_session_write(session, "/tmp/lz", "link", 4, &follow, &err), ASSAY_OK);
    read_is(session, "/tmp/x/y/z", "link", 0);
    write_is(session, "/tmp/none/z", "", ENOENT);
    write_is(session, "/tmp/x/y/z/below", "", ENOTDIR);
    write_is(session, "/tmp/x", "", EISDIR);
    write_is(session, "/usr/x", "", EROFS);
    sessions_stop(session);
}

static void a_list_is_sorted_and_bounded(void **state)
{
    struct assay_session *session = sessions_start();
    struct assay_arena *arena = NULL;
    struct assay_file_list list;
    struct assay_error err;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    (void)sessions_line(PROCESS, session,
            "mkdir /tmp/d; cd /tmp/d; echo b > b; mkdir a; ln -s /nowhere c; mkfifo $'f\\nf'; "
            "mkdir /tmp/many; cd /tmp/many; seq 1 3000 | xargs touch",
            0, "");
    assert_int_equal(assay_session_list(session, "/tmp/d", 100, arena, &list, &err), ASSAY_OK);
    assert_int_equal(list.count, 4);
    assert_false(list.more);
    assert_string_equal(list.entries[0].name, "a");
    assert_true(S_ISDIR(list.entries[0].info.mode));
    assert_int_equal(list.entries[1].info.size, 2);
    assert_true(S_ISLNK(list.entries[2].info.mode));
    assert_string_equal(list.entries[3].name, "f\nf");
    assert_int_equal(assay_session_list(session, "/tmp/many", 1000, arena, &list, &err), ASSAY_OK);
    assert_int_equal(list.count, 1000);
    assert_true(list.more);
    assert_int_equal(assay_session_list(session, "/tmp/many", 3000, arena, &list, &err), ASSAY_OK);
    assert_false(list.more);
    assert_int_equal(assay_session_list(session, "/tmp/d/a", 0, arena, &list, &err), ASSAY_OK);
    assert_int_equal(list.count, 0);
    assert_int_equal(
            assay_session_list(session, "/tmp/d/b", 9, arena, &list, &err), ASSAY_ENOTFOUND);
    assert_int_equal(err.sys_errno, ENOTDIR);
    assert_int_equal(assay_session_list(session, "/proc", 9, arena, &list, &err), ASSAY_EIO);
    assay_arena_destroy(arena);
    sessions_stop(session);
}

// Links, magic links, special files, rights: what a payload can plant.
static void what_is_planted_is_refused(void **state)
{
    static const struct {
        const char *path;
        int problem;       // of a read, and of a write that follows links
        int write_problem; // of one that does not
    } rows[] = {
            {"/tmp/t/host", ENOENT, ELOOP},
            {"/tmp/t/up", ENOENT, ELOOP},
            {"/tmp/t/self", EPERM, ELOOP},
            {"/tmp/t/mem", EPERM, ELOOP},
            {"/tmp/t/environ", EPERM, ELOOP},
            {"/tmp/t/root/etc/passwd", ELOOP, ELOOP},
            {"/tmp/t/cwd/x", ELOOP, ELOOP},
            {"/tmp/t/fd", ELOOP, ELOOP},
            {"/proc/1/mem", EPERM, EPERM},
            {"/proc/self/mem", EPERM, EPERM},
            {"/proc/1/environ", EPERM, EPERM},
            {"/proc/1/root/etc/passwd", ELOOP, ELOOP},
            {"/proc/self/fd/0", ELOOP, EPERM},
            {"/proc/cpuinfo", EPERM, EPERM},
            {"/tmp/t/loop", ELOOP, ELOOP},
            {"/tmp/t/fifo", EINVAL, EINVAL},
            {"/tmp/t/socket", EINVAL, EINVAL},
            {"/dev/zero", EINVAL, EINVAL},
            {"/dev/tty", EINVAL, EINVAL},
            {"/tmp/t", EISDIR, EISDIR},
            {"/tmp/t/secret", EACCES, EACCES},
            {"/tmp/t/closed/x", EACCES, EACCES},
            {"/tmp/t/none", ENOENT, 0},
    };
    struct assay_session *session = sessions_start();
    char path[PATH_MAX];
    char line[2 * PATH_MAX];

    (void)state;
    boxes_file(path, "canary", FORBIDDEN);
    (void)snprintf(line, sizeof(line),
            "mkdir /tmp/t; cd /tmp/t; ln -s %s host; ln -s ../../../../../../..%s up; "
            "ln -s /proc/self/maps self; ln -s /proc/self/mem mem; ln -s /proc/1/environ environ; "
            "ln -s /proc/1/root root; ln -s /proc/1/cwd cwd; ln -s /proc/1/fd/3 fd; "
            "ln -s loop loop; mkfifo fifo; "
            "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'; "
            "echo x > secret; chmod 000 secret; mkdir closed; echo x > closed/x; chmod 000 closed",
            path, path);
    (void)sessions_line(PROCESS, session, line, 0, "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_write_options follow = {.follow = true};
        struct assay_error err;

        read_is(session, rows[i].path, NULL, rows[i].problem);
        write_is(session, rows[i].path, "overwritten", rows[i].write_problem);
        if (rows[i].problem != ENOENT) {
            assert_int_equal(
                    assay_session_write(session, rows[i].path, "x", 1, &follow, &err), ASSAY_EIO);
            assert_int_equal(err.sys_errno, rows[i].problem);
        }
    }
    boxes_read(line, sizeof(line), path);
    assert_string_equal(line, FORBIDDEN);
    (void)sessions_line(PROCESS, session, "echo fine", 0, "fine\n");
    sessions_stop(session);
}

static void large_files_holes_and_other_names_are_bounded(void **state)
{
    struct assay_session *session = sessions_start();
    struct assay_file_info info;
    struct assay_buf buf;
    struct assay_error err;
    char *big = calloc(1, ASSAY_SESSION_WRITE_BYTES_MAX + 1);

    (void)state;
    assert_non_null(big);
    (void)sessions_line(PROCESS, session,
            "cd /tmp; truncate -s 60M hole; echo one > name; ln name other; yes | head -c 3000000 > big",
            0, "");
    assay_buf_init(&buf, 1 << 20);
    assert_int_equal(
            assay_session_read(session, "hole", 50000000, 10, &buf, &info, &err), ASSAY_OK);
    assert_int_equal(buf.len, 10);
    assert_int_equal(info.size, 60 << 20);
    assert_int_equal(
            assay_session_read(session, "big", 0, SIZE_MAX / 4, &buf, NULL, &err), ASSAY_EIO);
    assert_int_equal(err.sys_errno, EFBIG);
    assay_buf_free(&buf);
    assert_int_equal(assay_session_stat(session, "other", false, &info, &err), ASSAY_OK);
    assert_int_equal(info.links, 2);
    write_is(session, "other", "two", 0);
    read_is(session, "name", "two", 0);
    // The box's disk is full before it is written: nothing of it is the host's.
    assert_int_equal(assay_session_write(
                             session, "/tmp/full", big, ASSAY_SESSION_WRITE_BYTES_MAX, NULL, &err),
            ASSAY_EIO);
    assert_int_equal(err.sys_errno, ENOSPC);
    assert_int_equal(assay_session_write(session, "/tmp/full", big,
                             ASSAY_SESSION_WRITE_BYTES_MAX + 1, NULL, &err),
            ASSAY_EINVAL);
    (void)sessions_line(PROCESS, session, "rm /tmp/full; echo fine", 0, "fine\n");
    free(big);
    sessions_stop(session);
}

static void odd_paths_are_refused(void **state)
{
    struct assay_session *session = sessions_start();
    char path[PATH_MAX + 16];
    struct assay_file_info info;

    (void)state;
    memset(path, 'a', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(assay_session_stat(session, path, false, &info, NULL), ASSAY_EINVAL);
    assert_int_equal(assay_session_stat(session, "", false, &info, NULL), ASSAY_EINVAL);
    assert_int_equal(
            assay_session_stat(session, "/../../../usr/bin/../bin", false, &info, NULL), ASSAY_OK);
    assert_true(S_ISDIR(info.mode));
    path[300] = '\0';
    assert_int_equal(assay_session_stat(session, path, false, &info, NULL), ASSAY_EIO);
    sessions_stop(session);
}

// A folder that becomes a link while it is walked, again and again.
static void a_swapped_folder_shows_nothing_else(void **state)
{
    struct assay_session *session = sessions_start();
    const struct assay_command command = {
            .line = "cd /tmp; mkdir real; echo mine > real/maps; ln -s /proc/self/ link; python3 -c \"\n"
                    "import ctypes\n"
                    "libc = ctypes.CDLL(None)\n"
                    "open('ready', 'w')\n"
                    "while True: libc.syscall(316, -100, b'real', -100, b'link', 2)\n"
                    "\" & until [ -e ready ]; do sleep 0.01; done",
            .background = ASSAY_BACKGROUND_KEEP};
    struct assay_command_result result;
    unsigned seen = 0;

    (void)state;
    sessions_run(PROCESS, session, &command, &result);
    sessions_check(&result, "swap", ASSAY_BOX_EXITED, 0, NULL);
    assay_command_result_release(&result);
    for (int i = 0; i < 500; i++) {
        struct assay_buf buf;
        struct assay_error err;

        assay_buf_init(&buf, 1 << 16);
        if (assay_session_read(session, "/tmp/real/maps", 0, 1000, &buf, NULL, &err) == ASSAY_OK) {
            assert_string_equal(buf.data, "mine\n");
            seen++;
        } else {
            assert_true(
                    err.sys_errno == EPERM || err.sys_errno == ENOENT || err.sys_errno == ELOOP);
        }
        assay_buf_free(&buf);
    }
    print_message("read %u of 500\n", seen);
    sessions_stop(session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_is_written_is_there_and_the_other_way_round),
            cmocka_unit_test(a_write_makes_what_it_is_asked_to),
            cmocka_unit_test(a_list_is_sorted_and_bounded),
            cmocka_unit_test(what_is_planted_is_refused),
            cmocka_unit_test(large_files_holes_and_other_names_are_bounded),
            cmocka_unit_test(odd_paths_are_refused),
            cmocka_unit_test(a_swapped_folder_shows_nothing_else),
    };

    return boxes_main("session_files", tests, sizeof(tests) / sizeof(tests[0]));
}
