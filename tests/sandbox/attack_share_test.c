// SPDX-License-Identifier: MIT
// What must hold: two boxes that are alive at once share nothing that either could use: no channel
// between them, no quota of one that the other uses up, and nothing left for a box that comes later.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sandbox/attacks.h"

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
            .sin_port = htons(HOST_PORT),
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

static unsigned use_beside(const char *kind)
{
    char script[64];
    struct attack_beside *beside = NULL;
    struct boxes_plan plan;
    struct assay_box_result result;
    unsigned wrong = 0;

    (void)snprintf(script, sizeof(script), "exec quota take %s", kind);
    beside = attack_beside_start(script);
    attack_plan_init(&plan, "exec quota use");
    boxes_run(&result, &plan);
    wrong = attack_count_wrong(&result, use_rows, sizeof(use_rows) / sizeof(use_rows[0]));
    assay_box_result_release(&result);
    attack_beside_stop(beside, &result);
    print_message("%s%s", result.output.data, wrong > 0 ? "and the other box misses it\n" : "");
    assay_box_result_release(&result);
    return wrong;
}

static void what_one_box_takes_no_other_misses(void **state)
{
    static const char *const kinds[] = {"inotify", "watch", "epoll", "mqueue", "signal", "timer",
            "terminal", "pipe", "flight", "process", "shm", "message", "lock", "file"};
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        wrong += use_beside(kinds[i]);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct rlimit files = {1024, 1 << 16};
    const struct CMUnitTest tests[] = {
            HOST_TEST(a_box_finds_nothing_of_one_beside_it),
            HOST_TEST(a_box_finds_nothing_of_one_before_it),
            HOST_TEST(ports_and_names_are_each_boxes_own),
            HOST_TEST(what_one_box_takes_no_other_misses),
    };

    // As a login gives it: fewer than a box may have.
    (void)setrlimit(RLIMIT_NOFILE, &files);
    return boxes_main("attack_share", tests, sizeof(tests) / sizeof(tests[0]));
}
