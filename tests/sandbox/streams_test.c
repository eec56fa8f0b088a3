// SPDX-License-Identifier: MIT
// What must hold: streams that pass through lose, add and mix up nothing, a box never has a
// descriptor of the caller's, and limits count what passes as they count what is kept.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sandbox/boxes.h"

// A caller's end: files, of which nothing is known to the box.
struct ends {
    char in[PATH_MAX], out[PATH_MAX], err[PATH_MAX];
    int fds[3];
};

static void open_ends(struct ends *ends, struct boxes_plan *plan, const char *input)
{
    static unsigned number;
    char name[32];

    (void)snprintf(name, sizeof(name), "in-%u", number);
    boxes_file(ends->in, name, input);
    (void)snprintf(name, sizeof(name), "out-%u", number);
    boxes_file(ends->out, name, "");
    (void)snprintf(name, sizeof(name), "err-%u", number++);
    boxes_file(ends->err, name, "");
    ends->fds[0] = plan->plan.stdin_fd = open(ends->in, O_RDONLY | O_CLOEXEC);
    ends->fds[1] = plan->plan.stdout_fd = open(ends->out, O_WRONLY | O_CLOEXEC);
    ends->fds[2] = plan->plan.stderr_fd = open(ends->err, O_WRONLY | O_CLOEXEC);
    for (size_t i = 0; i < 3; i++)
        assert_true(ends->fds[i] >= 0);
}

static void close_ends(const struct ends *ends)
{
    for (size_t i = 0; i < 3; i++)
        close(ends->fds[i]);
}

static void assert_content(const char *path, const char *wanted)
{
    char text[4096];

    boxes_read(text, sizeof(text), path);
    assert_string_equal(text, wanted);
}

static void each_stream_goes_its_own_way(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct ends ends;

    (void)state;
    boxes_plan_init(&plan, "cat; echo two >&2; exit 5");
    open_ends(&ends, &plan, "one\n");
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 5);
    assert_content(ends.out, "one\n");
    assert_content(ends.err, "two\n");
    assert_int_equal(result.output.len, 0);
    assert_int_equal(result.usage.output_bytes, 8);
    assert_false(result.output_truncated);
    assert_int_equal(result.stream_errno, 0);
    assay_box_result_release(&result);
    close_ends(&ends);
}

// The caller's files can neither be seen nor truncated nor seeked: the box has pipes.
static void the_box_has_pipes(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct ends ends;

    (void)state;
    boxes_plan_init(&plan,
            "for i in 0 1 2; do readlink /proc/self/fd/$i | sed 's/:.*//' >&3; done 3>/tmp/x; "
            "cat /tmp/x; ls /proc/self/fd | wc -l");
    open_ends(&ends, &plan, "");
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_content(ends.out, "pipe\npipe\npipe\n4\n");
    assay_box_result_release(&result);
    close_ends(&ends);
}

static void limits_count_what_passes(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct ends ends;

    (void)state;
    boxes_plan_init(&plan, "yes");
    plan.plan.limits.output_bytes_max = 100000;
    open_ends(&ends, &plan, "");
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_OUTPUT_LIMIT, 0);
    assert_true(result.usage.output_bytes > 100000);
    assay_box_result_release(&result);

    boxes_plan_init(&plan, "echo x; exec sleep 20");
    plan.plan.limits.idle_ms_max = 300;
    plan.plan.stdin_fd = ends.fds[0];
    plan.plan.stdout_fd = ends.fds[1];
    plan.plan.stderr_fd = ends.fds[2];
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_IDLE_LIMIT, 0);
    assay_box_result_release(&result);
    close_ends(&ends);
}

static void a_sink_that_takes_no_more_is_told(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    int ends[2];
    int full = -1;

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    boxes_plan_init(&plan, "exec yes");
    plan.plan.stdout_fd = plan.plan.stderr_fd = ends[1];
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_SIGNALLED, 0);
    assert_int_equal(result.signal, SIGPIPE);
    assert_int_equal(result.stream_errno, EPIPE);
    assay_box_result_release(&result);
    close(ends[1]);

    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    boxes_plan_init(&plan, "echo x");
    plan.plan.stdout_fd = plan.plan.stderr_fd = full;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_int_equal(result.stream_errno, ENOSPC);
    assay_box_result_release(&result);
    close(full);
}

#define MANY 4000000

static void *write_many(void *user)
{
    const int fd = *(int *)user;
    char *bytes = malloc(MANY);

    for (size_t i = 0; bytes != NULL && i < MANY; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    for (size_t at = 0; bytes != NULL && at < MANY;) {
        const ssize_t put = write(fd, bytes + at, MANY - at);

        if (put <= 0)
            break;
        at += (size_t)put;
    }
    free(bytes);
    close(fd);
    return NULL;
}

static void *count_wrong(void *user)
{
    const int fd = *(int *)user;
    char piece[1000]; // a reader that is slow and takes little
    size_t at = 0;
    size_t wrong = 0;
    ssize_t got = 0;

    while ((got = read(fd, piece, sizeof(piece))) > 0)
        for (ssize_t i = 0; i < got; i++, at++)
            wrong += piece[i] != (char)(at * 7 + at / 251);
    close(fd);
    return (void *)(uintptr_t)(wrong + (at != MANY)); // NOLINT(performance-no-int-to-ptr)
}

static void many_bytes_pass_both_ways_at_once(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    pthread_t writer;
    pthread_t reader;
    int in[2];
    int out[2];
    void *wrong = NULL;

    (void)state;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_many, &in[1]), 0);
    assert_int_equal(pthread_create(&reader, NULL, count_wrong, &out[0]), 0);
    boxes_plan_init(&plan, "exec cat");
    plan.plan.stdin_fd = in[0];
    plan.plan.stdout_fd = plan.plan.stderr_fd = out[1];
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_int_equal(result.usage.output_bytes, MANY);
    assay_box_result_release(&result);
    close(in[0]);
    close(out[1]);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(pthread_join(reader, &wrong), 0);
    assert_null(wrong);
}

static void a_terminal_is_the_boxs_own(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct ends ends;
    char text[4096];

    (void)state;
    boxes_plan_init(&plan,
            "tty; tty <&1; tty <&2; ls -1 /dev/pts; read -r line; echo \"<$line>\"; cat; exit 4");
    open_ends(&ends, &plan, "typed\nmore\n");
    plan.plan.terminal = true;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 4);
    boxes_read(text, sizeof(text), ends.out);
    assert_non_null(strstr(text, "/dev/pts/0\r\n")); // its echo of what is typed may be anywhere
    assert_null(strstr(text, "not a tty"));
    assert_null(strstr(text, "\n1\r\n")); // in /dev/pts
    assert_non_null(strstr(text, "<typed>\r\n"));
    assert_content(ends.err, "");
    assay_box_result_release(&result);
    close_ends(&ends);
}

static void wrong_plans_are_refused(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err;

    (void)state;
    boxes_plan_init(&plan, "true");
    plan.plan.stdout_fd = 1;
    assert_int_equal(assay_box_run(boxes_sandbox, &plan.plan, &result, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "stdout_fd and stderr_fd"));
    boxes_plan_init(&plan, "true");
    plan.plan.terminal = true;
    assert_int_equal(assay_box_run(boxes_sandbox, &plan.plan, &result, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "terminal"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(each_stream_goes_its_own_way),
            cmocka_unit_test(the_box_has_pipes),
            cmocka_unit_test(limits_count_what_passes),
            cmocka_unit_test(a_sink_that_takes_no_more_is_told),
            cmocka_unit_test(many_bytes_pass_both_ways_at_once),
            cmocka_unit_test(a_terminal_is_the_boxs_own),
            cmocka_unit_test(wrong_plans_are_refused),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return boxes_main("streams", tests, sizeof(tests) / sizeof(tests[0]));
}
