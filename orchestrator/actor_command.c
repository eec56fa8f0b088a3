// SPDX-License-Identifier: MIT
// actor_command.c - any program as an actor: JSON Lines on its standard input and output.
//
// The program is the user's own and runs on the host, one process an episode; what it asks for is
// done in the box. The protocol is in docs/episodes.md. A program that says nothing for too long,
// or ends, has failed; whatever it has started in its process group is killed with it.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "envs/tools.h"
#include "orchestrator/actor.h"

#define LINE_BYTES_MAX ((size_t)64 << 20)
#define LINE_DEPTH_MAX 32
#define WAIT_MS_DEFAULT 300000
#define LOOK_MS 100     // how often a cancelled episode is noticed
#define GOODBYE_MS 2000 // for a program to end by itself

struct command {
    char *line; // owned; for sh -c
    uint64_t wait_ms;
};

struct conversation {
    const struct command *command;
    const struct assay_actor_task *task;
    pid_t pid;
    int to_fd, from_fd; // O_NONBLOCK
    struct assay_buf heard;
};

// --- the process ---------------------------------------------------------------------------------

static enum assay_status configure(void **config, const char *rest,
        const struct assay_invocation *invocation, struct assay_error *err)
{
    struct command *command = NULL;
    uint64_t seconds = WAIT_MS_DEFAULT / 1000;
    enum assay_status status =
            assay_cli_number(&seconds, invocation, "request-timeout", 1, 1000000, err);

    if (status != ASSAY_OK)
        return status;
    if (rest[0] == '\0')
        return assay_fail(err, ASSAY_EUSAGE, "--actor command:PROGRAM wants a program");
    command = calloc(1, sizeof(*command));
    if (command == NULL || (command->line = strdup(rest)) == NULL) {
        free(command);
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    command->wait_ms = seconds * 1000;
    *config = command;
    return ASSAY_OK;
}

static void release(void *config)
{
    struct command *command = config;

    if (command != NULL)
        free(command->line);
    free(command);
}

extern char **environ; // NOLINT(readability-redundant-declaration): not in every unistd.h

static int spawn_program(struct conversation *c, int in_fd, int out_fd)
{
    char shell[] = "sh", flag[] = "-c";
    char *argv[] = {shell, flag, c->command->line, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int problem;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in_fd, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    problem = posix_spawn(&c->pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return problem;
}

static enum assay_status start(struct conversation *c, struct assay_error *err)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1};
    int problem = 0;

    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
        problem = errno;
    if (problem == 0)
        problem = spawn_program(c, to[0], from[1]);
    if (problem == 0) {
        c->to_fd = to[1];
        c->from_fd = from[0];
        (void)fcntl(c->to_fd, F_SETFL, O_NONBLOCK);
        (void)fcntl(c->from_fd, F_SETFL, O_NONBLOCK);
        to[1] = from[0] = -1;
    }
    for (int i = 0; i < 2; i++) {
        if (to[i] >= 0)
            close(to[i]);
        if (from[i] >= 0)
            close(from[i]);
    }
    return problem == 0 ? ASSAY_OK
                        : assay_fail_errno(err, problem, "start %.100s", c->command->line);
}

static bool wait_for_end(pid_t pid, uint64_t ms, int *status)
{
    const uint64_t deadline_ms = assay_clock_ms() + ms;
    const struct timespec moment = {.tv_nsec = 5L * 1000 * 1000};

    for (;;) {
        const pid_t got = waitpid(pid, status, WNOHANG);

        if (got == pid || (got < 0 && errno != EINTR))
            return true;
        if (assay_clock_left_ms(deadline_ms) == 0)
            return false;
        nanosleep(&moment, NULL);
    }
}

static void end(struct conversation *c)
{
    int status = 0;

    if (c->to_fd >= 0)
        close(c->to_fd);
    if (c->pid > 0 && !wait_for_end(c->pid, GOODBYE_MS, &status)) {
        kill(-c->pid, SIGKILL);
        (void)wait_for_end(c->pid, 60000, &status);
    } else if (c->pid > 0) {
        kill(-c->pid, SIGKILL); // what it has left behind
    }
    if (c->from_fd >= 0)
        close(c->from_fd);
    assay_buf_free(&c->heard);
    free(c);
}

// The program said no more: how it ended.
static enum assay_status say_how_it_ended(struct conversation *c, struct assay_error *err)
{
    int status = 0;

    if (!wait_for_end(c->pid, GOODBYE_MS, &status))
        return assay_fail(err, ASSAY_EIO, "the program closed its output");
    kill(-c->pid, SIGKILL);
    c->pid = -1;
    if (WIFSIGNALED(status))
        return assay_fail(err, ASSAY_EIO, "the program was killed by signal %d", WTERMSIG(status));
    return assay_fail(err, ASSAY_EIO, "the program ended with exit status %d", WEXITSTATUS(status));
}

// --- lines ---------------------------------------------------------------------------------------

// Until when a program may take: its own time, and the episode's.
static uint64_t deadline_of(const struct conversation *c)
{
    const uint64_t own_ms = assay_clock_ms() + c->command->wait_ms;

    return own_ms < c->task->deadline_ms ? own_ms : c->task->deadline_ms;
}

// Wait until the descriptor is ready. ASSAY_ETIMEOUT, ASSAY_EINTERRUPTED.
static enum assay_status await(
        struct conversation *c, int fd, short events, uint64_t deadline_ms, struct assay_error *err)
{
    for (;;) {
        struct pollfd watched = {.fd = fd, .events = events};
        const int ready = poll(&watched, 1, LOOK_MS);

        if (*c->task->cancel)
            return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
        if (ready > 0)
            return ASSAY_OK;
        if (ready < 0 && errno != EINTR)
            return assay_fail_errno(err, errno, "poll");
        if (assay_clock_left_ms(deadline_ms) == 0)
            return assay_fail(err, ASSAY_ETIMEOUT,
                    "the program took longer than it may (%" PRIu64 " s, or the episode's time)",
                    c->command->wait_ms / 1000);
    }
}

// SIGPIPE is ignored for the write alone: the command line may want it elsewhere.
static ssize_t write_quietly(int fd, const char *bytes, size_t len)
{
    sigset_t pipe_signal, before;
    const struct timespec now = {0};
    ssize_t got;
    int number;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
    got = write(fd, bytes, len);
    number = errno;
    if (got < 0 && number == EPIPE)
        while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = number;
    return got;
}

static enum assay_status say(
        struct conversation *c, const struct assay_buf *line, struct assay_error *err)
{
    const uint64_t deadline_ms = deadline_of(c);
    enum assay_status status = assay_buf_check(line, "line", err);

    for (size_t at = 0; at < line->len && status == ASSAY_OK;) {
        const ssize_t got = write_quietly(c->to_fd, line->data + at, line->len - at);

        if (got > 0)
            at += (size_t)got;
        else if (got < 0 && errno == EPIPE)
            return say_how_it_ended(c, err);
        else if (got < 0 && errno != EAGAIN && errno != EINTR)
            return assay_fail_errno(err, errno, "tell the program");
        else
            status = await(c, c->to_fd, POLLOUT, deadline_ms, err);
    }
    return status;
}

// The next line, without its end, into c->heard from its start; what follows it stays behind it.
static enum assay_status hear(struct conversation *c, size_t *len, struct assay_error *err)
{
    const uint64_t deadline_ms = deadline_of(c);
    size_t looked = 0;

    for (;;) {
        const char *newline = memchr(c->heard.data + looked, '\n', c->heard.len - looked);
        enum assay_status status;
        ssize_t got;

        if (newline != NULL) {
            *len = (size_t)(newline - c->heard.data);
            return ASSAY_OK;
        }
        looked = c->heard.len;
        status = await(c, c->from_fd, POLLIN, deadline_ms, err);
        if (status != ASSAY_OK)
            return status;
        if (!assay_buf_reserve(&c->heard, 65536))
            return assay_fail(err, ASSAY_ENOMEM, "the program's line is longer than 64 MiB");
        got = read(c->from_fd, c->heard.data + c->heard.len, 65536);
        if (got == 0)
            return say_how_it_ended(c, err);
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return assay_fail_errno(err, errno, "hear the program");
        if (got > 0) {
            c->heard.len += (size_t)got;
            c->heard.data[c->heard.len] = '\0';
        }
    }
}

// --- the protocol --------------------------------------------------------------------------------

// What was done before this program came, as a turn of `episodes show --json`.
static void write_done(struct assay_json_writer *w, const struct assay_turn *turn)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_u64(w, "message", turn->message);
    assay_json_put_text(w, "text", turn->text);
    assay_json_put_text(w, "id", turn->call_id);
    assay_json_put_text(w, "tool", turn->tool);
    assay_json_put_text(w, "arguments", turn->arguments);
    assay_json_put_bytes(w, "observation", turn->observation.data, turn->observation.len);
    assay_json_put_bool(w, "failed", turn->failed);
    assay_json_end_object(w);
}

static void write_reset(struct assay_buf *line, const struct assay_actor_task *task)
{
    const struct assay_instance *instance = task->instance;
    struct assay_json_writer w;
    char seed[24];

    snprintf(seed, sizeof(seed), "%" PRIu64, task->seed);
    assay_json_writer_init(&w, line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "type", "reset");
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "instance_id", instance->instance_id);
    assay_json_put_text(&w, "repo", instance->repo);
    assay_json_put_text(&w, "task", assay_task_kind_name(instance->task));
    assay_json_put_text(&w, "workdir", task->workdir);
    assay_json_put_bytes(&w, "problem",
            instance->problem.data != NULL ? instance->problem.data : "", instance->problem.len);
    assay_json_put_u64(&w, "sample", task->sample);
    assay_json_put_text(&w, "seed", seed);
    assay_json_put_u64(&w, "turns_max", task->turns_max);
    assay_tools_write(&w, "tools");
    if (task->history_count > 0) {
        assay_json_begin_array(&w, "history");
        for (size_t i = 0; i < task->history_count; i++)
            write_done(&w, &task->history[i]);
        assay_json_end_array(&w);
    }
    assay_json_end_object(&w);
    assay_buf_addc(line, '\n');
}

static void write_seen(
        struct assay_buf *line, const struct assay_actor_seen *seen, size_t seen_count)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "type", "observation");
    assay_json_begin_array(&w, "results");
    for (size_t i = 0; i < seen_count; i++) {
        assay_json_begin_object(&w, NULL);
        assay_json_put_text(&w, "id", seen[i].call_id);
        assay_json_put_bytes(&w, "text", seen[i].text.data, seen[i].text.len);
        assay_json_put_bool(&w, "failed", seen[i].failed);
        assay_json_end_object(&w);
    }
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    assay_buf_addc(line, '\n');
}

static enum assay_status open_conversation(void **state, const void *config,
        const struct assay_actor_task *task, struct assay_error *err)
{
    struct conversation *c = calloc(1, sizeof(*c));
    struct assay_buf line;
    enum assay_status status;

    if (c == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "command: out of memory");
    *c = (struct conversation){
            .command = config, .task = task, .pid = -1, .to_fd = -1, .from_fd = -1};
    assay_buf_init(&c->heard, LINE_BYTES_MAX);
    assay_buf_init(&line, LINE_BYTES_MAX);
    status = start(c, err);
    if (status == ASSAY_OK) {
        write_reset(&line, task);
        status = say(c, &line, err);
    }
    assay_buf_free(&line);
    if (status == ASSAY_OK)
        *state = c;
    else
        end(c);
    return status;
}

static enum assay_status read_message(struct conversation *c, size_t len,
        struct assay_actor_message *out, struct assay_error *err)
{
    const struct assay_json_limits limits = {LINE_BYTES_MAX, LINE_DEPTH_MAX};
    struct assay_json *json = NULL;
    enum assay_status status =
            assay_json_parse(&json, c->heard.data, len, limits, "the program's line", 1, err);

    if (status == ASSAY_OK)
        status = assay_actor_read_message(out, json, err);
    assay_json_free(json);
    return status;
}

static enum assay_status hear_message(
        struct conversation *c, struct assay_actor_message *out, struct assay_error *err)
{
    size_t len = 0;
    enum assay_status status = hear(c, &len, err);

    if (status != ASSAY_OK)
        return status;
    status = read_message(c, len, out, err);
    memmove(c->heard.data, c->heard.data + len + 1, c->heard.len - len - 1);
    assay_buf_truncate(&c->heard, c->heard.len - len - 1);
    return status;
}

static enum assay_status next(void *state, const struct assay_actor_seen *seen, size_t seen_count,
        struct assay_actor_message *out, struct assay_error *err)
{
    struct conversation *c = state;
    struct assay_buf line;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&line, LINE_BYTES_MAX);
    if (seen_count > 0) {
        write_seen(&line, seen, seen_count);
        status = say(c, &line, err);
    }
    assay_buf_free(&line);
    return status == ASSAY_OK ? hear_message(c, out, err) : status;
}

static void write_question(struct assay_buf *line, const struct assay_actor_question *question)
{
    struct assay_json_writer w;
    struct assay_buf messages;

    assay_buf_init(&messages, LINE_BYTES_MAX);
    assay_buf_addc(&messages, '[');
    assay_buf_add(&messages, question->messages->data, question->messages->len);
    assay_buf_addc(&messages, ']');
    assay_json_writer_init(&w, line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "type", "question");
    assay_json_put_written(&w, "messages", messages.data);
    assay_json_put_bool(&w, "tools", question->tools);
    assay_json_put_u64(&w, "draw", question->draw);
    assay_json_end_object(&w);
    assay_buf_addc(line, '\n');
    line->failed |= messages.failed || question->messages->failed;
    assay_buf_free(&messages);
}

static enum assay_status ask(void *state, const struct assay_actor_question *question,
        struct assay_actor_message *out, struct assay_error *err)
{
    struct conversation *c = state;
    struct assay_buf line;
    enum assay_status status;

    assay_buf_init(&line, LINE_BYTES_MAX);
    write_question(&line, question);
    status = say(c, &line, err);
    assay_buf_free(&line);
    return status == ASSAY_OK ? hear_message(c, out, err) : status;
}

static void close_conversation(void *state)
{
    end(state);
}

const struct assay_actor_kind assay_actor_command = {.name = "command",
        .configure = configure,
        .release = release,
        .open = open_conversation,
        .next = next,
        .ask = ask,
        .close = close_conversation};
