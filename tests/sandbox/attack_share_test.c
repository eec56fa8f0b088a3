// SPDX-License-Identifier: MIT
// What must hold: two boxes that are alive at once share nothing that either could use: no channel
// between them, no quota of one that the other uses up, and nothing left for a box that comes
// later.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sandbox/attacks.h"

#define BESIDE_MAX 6

// What `channel find` tries.
#define FIND_ROWS                                                                                  \
    {"file_0", "ENOENT"}, {"file_1", "ENOENT"}, {"file_2", "ENOENT"}, {"file_3", "ENOENT"},        \
            {"file_4", "ENOENT"}, {"file_5", "ENOENT"}, {"shm", "ENOENT"},                         \
            {"shm_by_id", "EINVAL"}, {"sem", "ENOENT"}, {"msg", "ENOENT"}, {"mqueue", "ENOENT"},   \
            {"abstract", "ECONNREFUSED"}, {"abstract_bind", "done"}, {"socket_file", "ENOENT"},    \
            {"loopback", "ECONNREFUSED"}, {"loopback_bind", "done"}, {"key", "EPERM"},             \
            {"key_search", "EPERM"}, {"key_persistent", "EPERM"},                                  \
    {                                                                                              \
        "neighbour", "ESRCH"                                                                       \
    }

static const struct attack_row find_rows[] = {FIND_ROWS};
static const struct attack_row clean_rows[] = {{"tmp", "none"}, {"var_tmp", "none"},
        {"shm", "none"}, {"home", "none"}, {"sysv_shm", "none"}, {"sysv_sem", "none"},
        {"sysv_msg", "none"}, {"unix", "none"}, {"tcp", "none"}, {"tcp6", "none"}, {"udp", "none"},
        {"netlink", "none"}, {"interfaces", "none"}, {"routes", "none"}, {"locks", "none"},
        FIND_ROWS};

static void a_box_finds_nothing_of_one_beside_it(void **state)
{
    struct attack_beside *beside = attack_beside_start("exec channel leave");
    struct assay_box_result result;

    (void)state;
    ATTACK_RUN("exec channel find", find_rows);
    attack_beside_stop(beside, &result);
    boxes_assert(&result, ASSAY_BOX_CANCELLED, 0);
    assay_box_result_release(&result);
}

static void a_box_finds_nothing_of_one_before_it(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct assay_box_result result;

        attack_beside_stop(attack_beside_start("exec channel leave"), &result);
        assay_box_result_release(&result);
        ATTACK_RUN("exec channel clean", clean_rows);
    }
}

// Two that listen on one port and one name, and a host that does too.
static void ports_and_names_are_each_boxes_own(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
            .sin_port = htons(host_port),
            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct attack_beside *one = attack_beside_start("exec channel leave");
    struct attack_beside *two = attack_beside_start("exec channel leave");
    struct assay_box_result result;

    (void)state;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    ATTACK_RUN("exec channel find", find_rows);
    close(fd);
    attack_beside_stop(one, &result);
    assay_box_result_release(&result);
    attack_beside_stop(two, &result);
    assay_box_result_release(&result);
}

// --- quotas --------------------------------------------------------------------------------------

static const struct attack_row use_rows[] = {{"use_inotify", "done"}, {"use_watch", "done"},
        {"use_epoll", "done"}, {"use_mqueue", "done"}, {"use_signal", "done"},
        {"use_timer", "done"}, {"use_terminal", "done"}, {"use_pipe", "done"},
        {"use_flight", "done"}, {"use_shm", "done"}, {"use_message", "done"}, {"use_lock", "done"},
        {"use_file", "done"}, {"use_last_fork", "done"}};

// One box uses a little of everything while `count` others have taken all they can of `kind`.
static unsigned use_beside(const char *kind, size_t count)
{
    char script[64];
    struct attack_beside *beside[BESIDE_MAX] = {NULL};
    struct boxes_plan plan;
    struct assay_box_result result;
    unsigned wrong = 0;

    (void)snprintf(script, sizeof(script), "exec quota take %s", kind);
    for (size_t i = 0; i < count; i++)
        beside[i] = attack_beside_start(script);
    attack_plan_init(&plan, "exec quota use");
    boxes_run(&result, &plan);
    wrong = attack_count_wrong(&result, use_rows, sizeof(use_rows) / sizeof(use_rows[0]));
    // To the kernel an ordinary user's boxes are one user, whose descriptors in flight
    // it counts together: docs/sandbox.md says so.
    if (wrong == 1 && geteuid() != 0 && strcmp(kind, "flight") == 0)
        wrong = 0;
    assay_box_result_release(&result);
    for (size_t i = 0; i < count; i++) {
        attack_beside_stop(beside[i], &result);
        if (i == 0)
            print_message("%s", result.output.data);
        assay_box_result_release(&result);
    }
    if (wrong > 0)
        print_error("the box beside misses what was taken of %s\n", kind);
    return wrong;
}

static void what_boxes_take_no_other_misses(void **state)
{
    static const struct {
        const char *kind;
        bool many; // quick to take, and the host's own limit is low
    } rows[] = {{"inotify", true}, {"watch", false}, {"epoll", false}, {"mqueue", true},
            {"signal", true}, {"timer", true}, {"terminal", true}, {"pipe", false},
            {"flight", true}, {"process", true}, {"shm", false}, {"message", false}, {"lock", true},
            {"file", false}};
    unsigned wrong = 0;

    (void)state;
    // As root each box is a user of its own; an ordinary user's get a part each.
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        wrong += use_beside(rows[i].kind, rows[i].many && geteuid() == 0 ? BESIDE_MAX : 1);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    struct rlimit files;
    const struct CMUnitTest tests[] = {
            HOST_TEST(a_box_finds_nothing_of_one_beside_it),
            HOST_TEST(a_box_finds_nothing_of_one_before_it),
            HOST_TEST(ports_and_names_are_each_boxes_own),
            HOST_TEST(what_boxes_take_no_other_misses),
    };

    // As a login gives it: fewer than a box may have.
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 1;
    files.rlim_cur = 1024;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    return boxes_main("attack_share", tests, sizeof(tests) / sizeof(tests[0]));
}
