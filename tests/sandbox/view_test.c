// SPDX-License-Identifier: MIT
// What must hold: a box shows its command a small fixed world, and nothing of the host.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sandbox/boxes.h"

static void it_is_user_1000_in_a_named_machine(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result, "id -u; id -g; id -un; hostname; pwd; umask; date +%Z; nproc >/dev/null");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "1000\n1000\nbox\nbox\n/\n0022\nUTC\n");
    assay_box_result_release(&result);
}

static void the_environment_is_the_plans_alone(void **state)
{
    static const char *const env[] = {"A=1", "PATH=/usr/bin", NULL};
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, NULL);
    plan.argv[0] = "env";
    plan.argv[1] = NULL;
    plan.plan.env = env;
    boxes_run(&result, &plan);
    boxes_assert_text(&result, "A=1\nPATH=/usr/bin\n");
    assay_box_result_release(&result);
}

static void no_descriptor_is_inherited(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    const int leaked = open("/", O_RDONLY | O_DIRECTORY); // no O_CLOEXEC, on purpose

    (void)state;
    assert_true(leaked >= 0);
    assert_int_equal(assay_sandbox_restart(boxes_sandbox, NULL), ASSAY_OK); // spawned with it open
    boxes_plan_init(&plan, "exec fds");
    boxes_run(&result, &plan);
    boxes_assert_text(&result, "0 1 2 \n");
    assay_box_result_release(&result);

    plan.plan.report_fd = 77;
    boxes_run(&result, &plan);
    boxes_assert_text(&result, "0 1 2 77 \n");
    assay_box_result_release(&result);
    close(leaked);
}

static void the_host_is_not_visible(void **state)
{
    static const char *const scripts[] = {
            "ls -A /root /run /home/box /tmp /var/tmp /sys /usr/local 2>/dev/null | grep -v :",
            "ls /home | grep -v '^box$'",
            "ls -d /boot /opt /srv /mnt /media /lost+found /work 2>/dev/null",
            "ls /dev | grep -E 'vd|sd|nvidia|mem|kmsg|kvm|fuse'",
            "cat /etc/passwd | wc -l | grep -v '^3$'",
            "ls /etc | grep -E 'shadow|sudoers|ssh$|machine-id|fstab|pip.conf|gitconfig|npmrc'",
            "ls /tmp/.. | grep -E 'work|boot|mnt'",
            "ls -A /proc/1/root/ 2>/dev/null",
            "cat /proc/1/environ 2>/dev/null",
            "ls /proc/1/fd 2>/dev/null",
            "cat /proc/kcore /proc/kmsg /proc/keys /proc/timer_list 2>/dev/null",
            "ls /proc/acpi /proc/scsi 2>/dev/null | grep -v ':$'",
            "cat /etc/resolv.conf",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct assay_box_result result;

        print_message("row %zu: %s\n", i, scripts[i]);
        boxes_script(&result, scripts[i]);
        assert_int_equal(result.cause, ASSAY_BOX_EXITED);
        for (char *at = result.output.data; *at != '\0'; at++)
            if (*at != '\n')
                fail_msg("visible: %s", result.output.data);
        assay_box_result_release(&result);
    }
}

static void other_boxes_are_not_visible(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result,
            "ls /proc | grep -c '^[0-9]'; cat /proc/self/uid_map; "
            "cat /proc/self/cgroup | grep -v ':/$'; ls /dev/shm; ipcs -m | wc -l");
    boxes_assert_has(&result, "1000 ");
    assert_null(strstr(result.output.data, "assay-"));
    assay_box_result_release(&result);
}

// The host uid behind the box is never 0, and the host's sysctls know it.
static void root_is_never_behind_the_box(void **state)
{
    struct assay_box_result result;
    char before[256];
    char after[256];
    unsigned inside = 0;
    unsigned outside = 0;

    (void)state;
    boxes_read(before, sizeof(before), "/proc/sys/kernel/core_pattern");
    boxes_script(&result,
            "cat /proc/self/uid_map; for f in kernel/core_pattern kernel/modprobe "
            "kernel/hostname vm/drop_caches; do echo '|/tmp/x' > /proc/sys/$f; done; "
            "echo b > /proc/sysrq-trigger; true");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    // NOLINTNEXTLINE(cert-err34-c): the kernel's own table
    assert_int_equal(sscanf(result.output.data, "%u %u 1", &inside, &outside), 2);
    assert_int_equal(inside, 1000);
    assert_int_not_equal(outside, 0);
    boxes_read(after, sizeof(after), "/proc/sys/kernel/core_pattern");
    assert_string_equal(before, after);
    assay_box_result_release(&result);
}

static void it_has_no_capability_and_gains_none(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status");
    boxes_assert_text(&result,
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
            "CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
            "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    assay_box_result_release(&result);

    boxes_script(&result,
            "cp /usr/bin/id /tmp/id; chmod u+s /tmp/id; /tmp/id -u; "
            "mknod /tmp/sda b 8 0; mknod /tmp/mem c 1 1; test ! -e /tmp/mem");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_has(&result, "1000\n");
    assay_box_result_release(&result);
}

static void there_is_no_network_but_loopback(void **state)
{
    struct assay_box_result result;
    struct boxes_plan plan;

    (void)state;
    boxes_script(&result, "cat /proc/net/dev | grep -c :");
    boxes_assert_text(&result, "1\n");
    assay_box_result_release(&result);

    boxes_plan_init(&plan, NULL);
    plan.argv[0] = "python3";
    plan.argv[1] = "-c";
    plan.argv[2] = "import socket, threading\n"
                   "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()\n"
                   "c = socket.create_connection(s.getsockname()); print('loopback')\n"
                   "for a in ('1.1.1.1', '169.254.169.254', '10.0.0.1'):\n"
                   "    try: socket.create_connection((a, 80), 3); print('reached', a)\n"
                   "    except OSError as e: print(e.errno)\n";
    boxes_run(&result, &plan);
    if (result.exit_code != 127) // no python3 on this host
        boxes_assert_text(&result, "loopback\n101\n101\n101\n");
    assay_box_result_release(&result);
}

// An abstract socket of the host: its name lives in the host's network namespace.
static void abstract_sockets_of_the_host_are_not_there(void **state)
{
    struct assay_box_result result;
    struct boxes_plan plan;
    char script[256];
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct {
        sa_family_t family;
        char name[40];
    } address = {.family = AF_UNIX};
    const int len =
            snprintf(address.name + 1, sizeof(address.name) - 1, "assay-test-%d", (int)getpid());

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)(void *)&address,
                             (socklen_t)(sizeof(sa_family_t) + 1 + (size_t)len)),
            0);
    assert_int_equal(listen(fd, 1), 0);
    (void)snprintf(script, sizeof(script),
            "import socket; socket.socket(socket.AF_UNIX).connect('\\0%s')", address.name + 1);
    for (int network = ASSAY_NETWORK_NONE; network <= ASSAY_NETWORK_HOST; network++) {
        boxes_plan_init(&plan, NULL);
        plan.argv[0] = "python3";
        plan.argv[1] = "-c";
        plan.argv[2] = script;
        plan.plan.network = (enum assay_network)network;
        boxes_run(&result, &plan);
        assert_int_equal(result.cause, ASSAY_BOX_EXITED);
        // With the host's network only Landlock (ABI 6) keeps them apart.
        if (network == ASSAY_NETWORK_NONE)
            assert_int_not_equal(result.exit_code, 0);
        assay_box_result_release(&result);
    }
    close(fd);
}

static void the_hosts_network_is_there_when_asked_for(void **state)
{
    struct assay_box_result result;
    struct boxes_plan plan;
    char dev[8192];
    char count[16];
    unsigned lines = 0;

    (void)state;
    boxes_read(dev, sizeof(dev), "/proc/net/dev");
    for (const char *at = dev; (at = strchr(at, ':')) != NULL; at++)
        lines++;
    boxes_plan_init(&plan, "grep -c : /proc/net/dev; cat /etc/resolv.conf");
    plan.plan.network = ASSAY_NETWORK_HOST;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    (void)snprintf(count, sizeof(count), "%u\n", lines);
    assert_memory_equal(result.output.data, count, strlen(count));
    boxes_read(dev, sizeof(dev), "/etc/resolv.conf");
    assert_string_equal(result.output.data + strlen(count), dev);
    assay_box_result_release(&result);
}

static void system_folders_are_read_only_and_home_is_not(void **state)
{
    struct assay_box_result result;

    (void)state;
    boxes_script(&result,
            "for d in / /usr /usr/bin /usr/local /etc /etc/ssl /dev /proc/sys/kernel /sys; do "
            "touch $d/x 2>/dev/null && echo wrote $d; done; "
            "for d in /tmp /var/tmp /home/box /dev/shm; do "
            "touch $d/x || echo could not write $d; done; "
            "echo x > /usr/bin/true && echo wrote a program; "
            "mount -o remount,rw / 2>/dev/null && echo remounted; exit 0");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_null(strstr(result.output.data, "wrote"));
    assert_null(strstr(result.output.data, "could not"));
    assay_box_result_release(&result);
}

static void ordinary_tools_work(void **state)
{
    static const char *const scripts[] = {
            "echo 'int main(void){return 0;}' > /tmp/a.c && cc -o /tmp/a /tmp/a.c && /tmp/a",
            "perl -e 'use POSIX; exit 0'",
            "git init /tmp/r && git -C /tmp/r -c user.name=a -c user.email=b commit --allow-empty -mx",
            "python3 -c 'import multiprocessing as m; m.Pool(2).map(abs, [1, -2])'",
            "python3 -c 'import ssl; ssl.create_default_context()'",
            "script -qec true /dev/null",
            "echo | awk '{print}' > /dev/null; echo a > /dev/stderr; head -c 4 /dev/urandom > /dev/null",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct assay_box_result result;

        print_message("row %zu: %s\n", i, scripts[i]);
        boxes_script(&result, scripts[i]);
        if (result.exit_code != 127) // a tool that this host lacks
            boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        assay_box_result_release(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(it_is_user_1000_in_a_named_machine),
            cmocka_unit_test(the_environment_is_the_plans_alone),
            cmocka_unit_test(no_descriptor_is_inherited),
            cmocka_unit_test(the_host_is_not_visible),
            cmocka_unit_test(other_boxes_are_not_visible),
            cmocka_unit_test(root_is_never_behind_the_box),
            cmocka_unit_test(it_has_no_capability_and_gains_none),
            cmocka_unit_test(there_is_no_network_but_loopback),
            cmocka_unit_test(abstract_sockets_of_the_host_are_not_there),
            cmocka_unit_test(the_hosts_network_is_there_when_asked_for),
            cmocka_unit_test(system_folders_are_read_only_and_home_is_not),
            cmocka_unit_test(ordinary_tools_work),
    };

    return boxes_main("view", tests, sizeof(tests) / sizeof(tests[0]));
}
