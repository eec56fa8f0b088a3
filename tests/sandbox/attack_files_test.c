// SPDX-License-Identifier: MIT
// What must hold: too much of anything ends the box for that cause and no other, whatever it hides
// behind; and what a box leaves behind for a reader (an out_dir, a kept upper, a layer that becomes
// a root) can neither lead out of itself nor harm who reads it.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "tests/sandbox/attacks.h"

// --- floods --------------------------------------------------------------------------------------

static void memory_in_every_form_is_one_limit(void **state)
{
    static const char *const kinds[] = {"memfd", "shared", "segment", "hidden"};

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;
        char script[32];

        (void)snprintf(script, sizeof(script), "exec flood %s", kinds[i]);
        attack_plan_init(&plan, script);
        plan.plan.limits.memory_bytes_max = (uint64_t)96 << 20;
        boxes_run(&result, &plan);
        print_message("%s\n", kinds[i]);
        boxes_assert(&result, ASSAY_BOX_MEMORY_LIMIT, 0);
        assay_box_result_release(&result);
    }
}

static void buffers_of_the_kernel_are_the_boxes_memory(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    if (assay_sandbox_cgroup_shape(boxes_sandbox) == ASSAY_CGROUP_NONE)
        ASSAY_SKIP("without control groups nobody counts the kernel's buffers");
    attack_plan_init(&plan, "exec flood sockets");
    plan.plan.limits.memory_bytes_max = (uint64_t)96 << 20;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_MEMORY_LIMIT, 0);
    assay_box_result_release(&result);
}

static void disks_and_names_have_their_end(void **state)
{
    static const struct attack_row sparse[] = {{"truncate", "EFBIG EINVAL"},
            {"fallocate", "EFBIG ENOSPC"}, {"fallocate_keep", "EFBIG ENOSPC"}, {"pwrite", "EFBIG"},
            {"memfd", "EFBIG EINVAL"}};
    static const char *const scripts[] = {"flood names", "flood deep", "flood files"};

    (void)state;
    ATTACK_RUN("exec flood sparse", sparse);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct assay_box_result result;
        struct boxes_plan plan;

        attack_plan_init(&plan, scripts[i]);
        plan.plan.limits.inodes_max = 5000;
        boxes_run(&result, &plan);
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        boxes_assert_has(&result, i == 2 ? "EMFILE" : "done");
        assay_box_result_release(&result);
    }
}

static void arguments_and_output_of_any_kind_are_taken(void **state)
{
    static const struct attack_row rows[] = {
            {"one_word", "done"}, {"many_words", "done"}, {"too_many", "E2BIG"}};
    struct assay_box_result result;
    struct boxes_plan plan;

    (void)state;
    ATTACK_RUN("exec flood argv", rows);
    attack_plan_init(&plan, "daemon & exec flood output");
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_in_range(result.usage.output_bytes, 16 * 70000, 16 * 70000 + 7); // the daemon's line
    assay_box_result_release(&result);
}

// --- what is left for a reader -------------------------------------------------------------------

static void only_plain_files_come_out_of_an_out_dir(void **state)
{
    static const char *const traps[] = {"link.xml", "proc.xml", "loop.xml", "fifo.xml", "white.xml",
            "socket.xml", "dir.xml", "swap/up/passwd", "swap/up"};
    struct assay_box_result result;
    struct boxes_plan plan;

    (void)state;
    attack_plan_init(&plan, "exec flood traps");
    plan.plan.out_dir = "/run/out";
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_true(result.out_dir_fd >= 0);
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++) {
        struct stat stat;
        const int fd = assay_fs_open_beneath(
                result.out_dir_fd, traps[i], O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

        if (fd < 0)
            continue;
        assert_int_equal(fstat(fd, &stat), 0);
        if (S_ISREG(stat.st_mode))
            fail_msg("%s was opened as a file", traps[i]);
        close(fd);
    }
    assay_box_result_release(&result);
}

// A layer that a box wrote, deep and full of odd names, can be walked and removed.
static void a_kept_upper_is_walked_and_removed_whatever_it_holds(void **state)
{
    char base[PATH_MAX];
    char upper[PATH_MAX];
    char work[PATH_MAX];
    char path[PATH_MAX];
    const char *const lowers[] = {base};
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_mount *mount = NULL;
    struct assay_error err = {0};

    (void)state;
    boxes_directory(base, "odd-base");
    boxes_directory(path, "odd");
    boxes_directory(upper, "odd/upper");
    boxes_directory(work, "odd/work");
    boxes_plan_init(&plan,
            "flood names > /dev/null; flood deep; cd /testbed; cp /usr/bin/id suid; "
            "chmod 6755 suid; mkdir closed; echo x > closed/x; chmod 0 closed; ln -s / root; "
            "mkfifo fifo; mknod white c 0 0; true");
    mount = boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 1);
    mount->upper = upper;
    mount->work = work;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_has(&result, "deep done");
    assay_box_result_release(&result);

    const int fd = open(boxes_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    if (assay_fs_remove_tree(fd, "odd", &err) != ASSAY_OK)
        fail_msg("remove: %s", err.message);
    close(fd);
}

// An image, or the layer of a set-up step, may have links where a box's own files go. They must
// end in the box's root: not in the folder of the host that has the same path.
static void links_of_a_root_do_not_lead_to_the_host(void **state)
{
    char host[PATH_MAX];
    char root[PATH_MAX];
    char path[PATH_MAX];
    char before[PATH_MAX];
    char text[64];
    const char *const lowers[] = {root};
    static const char *const names[] = {"etc", "tmp", "var", "home", "dev", "run"};
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_directory(host, "trap");
    (void)chmod(host, 0777);
    boxes_file(path, "trap/hosts", "kept\n");
    boxes_file(path, "trap/resolv.conf", "kept\n");
    boxes_file(path, "trap/hostname", "kept\n");
    boxes_directory(path, "trap/tmp");
    (void)chmod(path, 0700);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "root-%s", names[i]);
        boxes_directory(root, name);
        (void)snprintf(path, sizeof(path), "%s/%s", root, names[i]);
        assert_int_equal(symlink(host, path), 0);
        boxes_give(path);
        boxes_plan_init(&plan, "cat /etc/hosts; true");
        plan.plan.root_lowers = lowers;
        plan.plan.root_lower_count = 1;
        boxes_run(&result, &plan);
        print_message("%s: %s, %s\n", names[i], assay_box_cause_name(result.cause), result.step);
        assert_int_not_equal(result.cause, ASSAY_BOX_INFRA_ERROR);
        assay_box_result_release(&result);
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const kept[] = {"hosts", "resolv.conf", "hostname"};

        (void)snprintf(before, sizeof(before), "%s/%s", host, kept[i]);
        boxes_read(text, sizeof(text), before);
        assert_string_equal(text, "kept\n");
    }
    const int fd = open(host, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat stat;

    assert_int_equal(fstatat(fd, "tmp", &stat, 0), 0);
    assert_int_equal(stat.st_mode & 07777, 0700);
    assert_int_equal(faccessat(fd, "localtime", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(faccessat(fd, "mtab", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(faccessat(fd, "passwd", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(faccessat(fd, "box", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    close(fd);
}

// Privilege that a file carries is worth nothing in a box.
static void set_uid_programs_of_a_lower_give_nothing(void **state)
{
    struct assay_box_result result;
    struct boxes_plan plan;

    (void)state;
    attack_plan_init(&plan,
            "cp /usr/bin/id /tmp/id; chmod 6755 /tmp/id; /tmp/id -u; /canary/setuid; "
            "./setuid; su -c id 2>/dev/null; sudo -n id 2>/dev/null; id -u");
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "1000\n1000\n1000\n1000\n");
    assay_box_result_release(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            HOST_TEST(memory_in_every_form_is_one_limit),
            HOST_TEST(buffers_of_the_kernel_are_the_boxes_memory),
            HOST_TEST(disks_and_names_have_their_end),
            HOST_TEST(arguments_and_output_of_any_kind_are_taken),
            HOST_TEST(only_plain_files_come_out_of_an_out_dir),
            HOST_TEST(a_kept_upper_is_walked_and_removed_whatever_it_holds),
            HOST_TEST(links_of_a_root_do_not_lead_to_the_host),
            HOST_TEST(set_uid_programs_of_a_lower_give_nothing),
    };

    return boxes_main("attack_files", tests, sizeof(tests) / sizeof(tests[0]));
}
