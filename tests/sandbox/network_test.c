// SPDX-License-Identifier: MIT
// What must hold: a box with an allow-list reaches its own loopback and the door in it, and who
// holds the other side of the door hears it from outside.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sandbox/boxes.h"

// Answers each connection with one line; the first byte that it hears ends the conversation.
struct door {
    int listen_fd;
    int wake[2]; // closing [1] ends the thread
    unsigned heard;
    pthread_t thread;
};

static void *answer(void *argument)
{
    struct door *door = argument;

    for (;;) {
        struct pollfd watched[] = {
                {.fd = door->listen_fd, .events = POLLIN}, {.fd = door->wake[0]}};
        int fd = -1;
        char byte = 0;

        if (poll(watched, 2, -1) < 0 || watched[1].revents != 0)
            return NULL;
        fd = accept4(door->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        (void)send(fd, "from outside\n", 13, MSG_NOSIGNAL);
        if (recv(fd, &byte, 1, 0) == 1)
            door->heard++;
        close(fd);
    }
}

static void open_door(void *user, int listen_fd)
{
    struct door *door = user;

    door->listen_fd = listen_fd;
    assert_int_equal(pipe(door->wake), 0);
    assert_int_equal(pthread_create(&door->thread, NULL, answer, door), 0);
}

static void close_door(struct door *door)
{
    close(door->wake[1]);
    pthread_join(door->thread, NULL);
    close(door->wake[0]);
    close(door->listen_fd);
}

static void run_python(struct assay_box_result *result, struct door *door, const char *script)
{
    struct boxes_plan plan;

    boxes_plan_init(&plan, NULL);
    plan.argv[0] = "python3";
    plan.argv[1] = "-c";
    plan.argv[2] = script;
    plan.plan.network = ASSAY_NETWORK_ALLOWLIST;
    if (door != NULL) {
        plan.plan.on_listener = open_door;
        plan.plan.listener = door;
    }
    boxes_run(result, &plan);
}

static void the_door_is_the_only_way_out(void **state)
{
    struct door door = {.listen_fd = -1};
    struct assay_box_result result;

    (void)state;
    run_python(&result, &door,
            "import os, socket\n"
            "print(os.listdir('/proc/self/fd'))\n"
            "c = socket.create_connection(('127.0.0.1', 61080)); print(c.recv(99)); c.send(b'x')\n"
            "c = socket.create_connection(('127.0.0.1', 61080)); print(c.recv(99)); c.send(b'x')\n"
            "for a in ('1.1.1.1', '169.254.169.254', '10.0.0.1', '127.0.0.1'):\n"
            "    try: socket.create_connection((a, 80), 3); print('reached', a)\n"
            "    except OSError as e: print(e.errno)\n"
            "print(len(open('/proc/net/dev').read().strip().split(chr(10))))\n");
    if (result.exit_code == 127) { // the box was not waited for: the door is open all the same
        close_door(&door);
        assay_box_result_release(&result);
        ASSAY_SKIP("no python3 on this host");
    }
    close_door(&door);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result,
            "['0', '1', '2', '3']\nb'from outside\\n'\nb'from outside\\n'\n101\n101\n101\n111\n3\n");
    assert_int_equal(door.heard, 2);
    assay_box_result_release(&result);
}

static void nothing_is_reached_where_nobody_holds_the_door(void **state)
{
    struct assay_box_result result;

    (void)state;
    run_python(&result, NULL,
            "import socket\n"
            "try: print(socket.create_connection(('127.0.0.1', 61080)).recv(9))\n"
            "except OSError: print(b'')\n"); // refused, or reset: it is being closed
    if (result.exit_code != 127)
        boxes_assert_text(&result, "b''\n");
    assay_box_result_release(&result);
}

// The port is taken: what is in the box cannot stand in for the door.
static void the_door_cannot_be_taken_over(void **state)
{
    struct door door = {.listen_fd = -1};
    struct assay_box_result result;

    (void)state;
    run_python(&result, &door,
            "import socket\n"
            "for a in ('127.0.0.1', '0.0.0.0'):\n"
            "    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
            "    try: s.bind((a, 61080)); s.listen(); print('taken')\n"
            "    except OSError as e: print(e.errno)\n");
    close_door(&door);
    if (result.exit_code != 127)
        boxes_assert_text(&result, "98\n98\n");
    assay_box_result_release(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_door_is_the_only_way_out),
            cmocka_unit_test(nothing_is_reached_where_nobody_holds_the_door),
            cmocka_unit_test(the_door_cannot_be_taken_over),
    };

    return boxes_main("network", tests, sizeof(tests) / sizeof(tests[0]));
}
