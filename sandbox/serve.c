// SPDX-License-Identifier: MIT
#include "sandbox/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/meter.h"
#include "sandbox/payload.h"
#include "sandbox/procfile.h"
#include "sandbox/reach.h"
#include "sandbox/sys.h"
#include "sandbox/wire.h"

#define TEND_MS 1             // between two looks at what is to die
#define ORDERS_WAITING_MAX 64 // that are heard at once

// --- what a command used ------------------------------------------------------------------------

static uint64_t time_us(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

// CPU time of the box until now: the group's, or without one what was reaped and one living
// process's.
static void read_cpu(const struct assay_serve *serve, pid_t alive, uint64_t *user, uint64_t *system)
{
    const struct assay_request *request = serve->request;
    struct rusage reaped = {0};
    uint64_t alive_us = 0;
    uint64_t alive_system_us = 0;

    if (request->cpu_count > 0) {
        assay_procfile_read_cpu(request->cpu_fds, request->cpu_count, user, system);
        return;
    }
    (void)getrusage(RUSAGE_CHILDREN, &reaped);
    if (alive > 0)
        assay_meter_process(serve->mounts->proc_fd, alive, &alive_us, &alive_system_us);
    *system = time_us(&reaped.ru_stime) + alive_system_us;
    *user = time_us(&reaped.ru_utime) + alive_us -
            (alive_system_us < alive_us ? alive_system_us : alive_us);
}

static void begin_count(const struct assay_serve *serve, struct assay_serve_command *command)
{
    command->started_us = assay_clock_us();
    command->ended_us = 0;
    read_cpu(serve, command->pid, &command->cpu_user_us, &command->cpu_system_us);
}

// --- starting -----------------------------------------------------------------------------------

// What EXEC brings; the texts point into `bytes`.
struct words {
    char *bytes;        // owned
    const char **texts; // owned; argv, NULL, env, NULL
    const char *cwd;
    const char *const *argv, *const *env;
};

static void free_words(struct words *words)
{
    free(words->bytes);
    free(words->texts);
}

static bool split_words(struct words *words, size_t size)
{
    struct assay_order_words counts;
    const char *at = words->bytes + sizeof(counts);
    const char *const end = words->bytes + size;

    if (size <= sizeof(counts) || end[-1] != '\0')
        return false;
    memcpy(&counts, words->bytes, sizeof(counts));
    if (counts.argc == 0 || counts.argc > ASSAY_ORDER_WORDS_MAX ||
            counts.envc > ASSAY_ORDER_WORDS_MAX)
        return false;
    words->texts = calloc((size_t)counts.argc + counts.envc + 2, sizeof(*words->texts));
    if (words->texts == NULL)
        return false;
    words->cwd = at;
    words->argv = words->texts;
    words->env = words->texts + counts.argc + 1;
    at += strlen(at) + 1;
    for (size_t i = 0; i < (size_t)counts.argc + counts.envc; i++) {
        if (at >= end)
            return false;
        words->texts[i < counts.argc ? i : i + 1] = at;
        at += strlen(at) + 1;
    }
    return at == end;
}

static bool read_words(struct words *words, int fd, struct assay_fault *fault)
{
    struct stat stat;

    if (fstat(fd, &stat) < 0)
        return assay_fault_set(fault, "read command");
    if (stat.st_size <= 0 || (uint64_t)stat.st_size > ASSAY_ORDER_WORDS_BYTES_MAX)
        return assay_fault_errno(fault, "read command", EINVAL);
    words->bytes = malloc((size_t)stat.st_size);
    if (words->bytes == NULL)
        return assay_fault_errno(fault, "read command", ENOMEM);
    if (pread(fd, words->bytes, (size_t)stat.st_size, 0) != stat.st_size)
        return assay_fault_set(fault, "read command");
    return split_words(words, (size_t)stat.st_size) ||
            assay_fault_errno(fault, "read command", EINVAL);
}

// Descriptors of an EXEC by what they are for; -1: none.
struct given {
    int words, input, report, state;
};

static struct given sort_given(const struct assay_order *order, const int fds[ASSAY_WIRE_FDS_MAX])
{
    struct given given = {.words = fds[0], .input = -1, .report = -1, .state = -1};
    size_t next = 1;

    if (order->flags & ASSAY_ORDER_STDIN)
        given.input = fds[next++];
    if (order->flags & ASSAY_ORDER_REPORT)
        given.report = fds[next++];
    if (order->flags & ASSAY_ORDER_STATE)
        given.state = fds[next];
    return given;
}

static _Noreturn void become_payload(const struct assay_serve *serve,
        const struct assay_order *order, const struct words *words, const struct given *given,
        int error_fd)
{
    struct assay_box_plan plan = serve->request->plan;
    struct assay_payload payload = {.plan = &plan,
            .profiles = serve->init->profiles,
            .stdin_fd = given->input >= 0 ? given->input : serve->request->stdin_fd,
            .output_fd = serve->request->output_fd,
            .errors_fd = -1,
            .report_fd = given->report,
            .state_fd = given->state,
            .learn_fd = -1,
            .state_number = order->state_number,
            .error_fd = error_fd,
            .limit_memory = serve->init->limit_memory,
            .limit_pids = serve->init->limit_pids};

    plan.argv = words->argv;
    plan.env = words->env;
    plan.cwd = words->cwd;
    plan.cpus = order->cpus;
    plan.report_fd = given->report < 0 ? 0 : order->report_number;
    assay_payload_exec(&payload);
}

// A folder that was deleted must not end a session.
static void find_cwd(
        const struct assay_serve *serve, struct words *words, struct assay_serve_command *command)
{
    const int fd = sys_open_in_root(serve->root_fd, words->cwd, O_PATH | O_DIRECTORY, 0);

    command->cwd_lost = fd < 0;
    if (fd < 0)
        words->cwd = serve->request->plan.cwd;
    else
        close(fd);
}

static bool fork_command(struct assay_serve *serve, struct assay_serve_command *command,
        const struct assay_order *order, struct words *words, const struct given *given,
        struct assay_fault *fault)
{
    int ends[2];

    find_cwd(serve, words, command);
    // A program may have made the pipe that all share non-blocking, and then died.
    (void)fcntl(serve->request->output_fd, F_SETFL, O_WRONLY);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return assay_fault_set(fault, "error pipe");
    command->error_fd = ends[0];
    begin_count(serve, command);
    command->pid = fork();
    if (command->pid == 0)
        become_payload(serve, order, words, given, ends[1]);
    close(ends[1]);
    return command->pid > 0 || assay_fault_set(fault, "fork");
}

static bool start_command(struct assay_serve *serve, struct assay_serve_command *command,
        const struct assay_order *order, const struct given *given, struct assay_fault *fault)
{
    struct words words = {0};
    bool started = read_words(&words, given->words, fault);

    if (started && (command->flags & ASSAY_ORDER_TAGGED)) {
        serve->tagged_ever = true;
        started = assay_sweep_enter(
                          serve->mounts->proc_fd, &command->sweep.tag_fd, &command->sweep.tag) ||
                assay_fault_set(fault, "tag");
    }
    started = started && fork_command(serve, command, order, &words, given, fault);
    if ((command->flags & ASSAY_ORDER_TAGGED) && !assay_sweep_return(serve->own_tag_fd))
        _exit(1); // the next command would be taken for this one
    free_words(&words);
    return started;
}

static void forget(struct assay_serve_command *command)
{
    if (command->error_fd >= 0)
        close(command->error_fd);
    if (command->sweep.tag_fd >= 0)
        close(command->sweep.tag_fd);
    command->used = false;
}

static struct assay_serve_command *find_place(struct assay_serve *serve)
{
    for (size_t i = 0; i < ASSAY_ORDER_COMMANDS_MAX; i++)
        if (!serve->commands[i].used)
            return &serve->commands[i];
    return NULL;
}

static void reply(const struct assay_serve *serve, const struct assay_order_reply *reply)
{
    // A library that is gone closes the socket, which ends the session.
    (void)assay_wire_send(serve->fd, reply, sizeof(*reply), NULL, 0);
}

static void exec_command(struct assay_serve *serve, const struct assay_order *order,
        const int fds[ASSAY_WIRE_FDS_MAX])
{
    struct assay_order_reply refused = {.kind = ASSAY_ORDER_ENDED, .id = order->id};
    const struct given given = sort_given(order, fds);
    struct assay_serve_command *command = find_place(serve);

    if (command == NULL) {
        (void)assay_fault_errno(&refused.fault, "too many commands", EAGAIN);
        reply(serve, &refused);
        return;
    }
    *command = (struct assay_serve_command){.used = true,
            .id = order->id,
            .flags = order->flags,
            .error_fd = -1,
            .pid = -1,
            .sweep = {.tag_fd = -1, .tag = serve->own_tag}};
    if (!start_command(serve, command, order, &given, &refused.fault)) {
        forget(command);
        reply(serve, &refused);
    }
}

// --- ending -------------------------------------------------------------------------------------

static void tell(struct assay_serve *serve, struct assay_serve_command *command, uint32_t kind)
{
    struct assay_order_reply record = {.kind = kind,
            .id = command->id,
            .wait_status = command->wait_status,
            .disk_full = assay_mounts_full(serve->mounts),
            .cwd_lost = command->cwd_lost,
            .begun = command->begun,
            .background = command->killed ? 0 : command->sweep.found};
    struct assay_fault fault;

    record.wall_us = command->ended_us - command->started_us;
    read_cpu(serve, command->dead ? 0 : command->pid, &record.cpu_user_us, &record.cpu_system_us);
    // Without a group what a process waited for comes in ticks: a sum may seem to fall by one.
    record.cpu_user_us -=
            record.cpu_user_us < command->cpu_user_us ? record.cpu_user_us : command->cpu_user_us;
    record.cpu_system_us -= record.cpu_system_us < command->cpu_system_us ? record.cpu_system_us
                                                                          : command->cpu_system_us;
    if (command->dead && read(command->error_fd, &fault, sizeof(fault)) == (ssize_t)sizeof(fault))
        record.fault = fault;
    if (command->dead) // before anybody who is told looks
        forget(command);
    reply(serve, &record);
}

// Is all dead that has to be?
static bool sweep(const struct assay_serve *serve, struct assay_serve_command *command)
{
    const int proc_fd = serve->mounts->proc_fd;

    if (!command->killed && !(command->flags & ASSAY_ORDER_KILL_REST)) {
        command->sweep.found = assay_sweep_count(&command->sweep, proc_fd);
        return true;
    }
    return serve->tagged_ever ? assay_sweep_round(&command->sweep, proc_fd)
                              : assay_sweep_all(&command->sweep, proc_fd);
}

int assay_serve_tend(struct assay_serve *serve)
{
    int timeout_ms = -1;

    for (size_t i = 0; i < ASSAY_ORDER_COMMANDS_MAX; i++) {
        struct assay_serve_command *command = &serve->commands[i];

        if (!command->used || !(command->dead || command->killed || command->finishing))
            continue;
        if (!sweep(serve, command)) {
            timeout_ms = TEND_MS;
        } else if (command->dead) {
            tell(serve, command, ASSAY_ORDER_ENDED);
        } else if (command->finishing) {
            command->finishing = false;
            tell(serve, command, ASSAY_ORDER_FINISHED);
        }
    }
    return timeout_ms;
}

static void note_death(struct assay_serve *serve, pid_t pid, int wait_status)
{
    for (size_t i = 0; i < ASSAY_ORDER_COMMANDS_MAX; i++) {
        struct assay_serve_command *command = &serve->commands[i];

        if (!command->used || command->dead || command->pid != pid)
            continue;
        command->dead = true;
        command->wait_status = wait_status;
        if (command->ended_us == 0)
            command->ended_us = assay_clock_us();
        if (!command->killed)
            assay_sweep_begin(&command->sweep, 0);
        return;
    }
}

// --- orders -------------------------------------------------------------------------------------

static void steer(struct assay_serve *serve, const struct assay_order *order)
{
    for (size_t i = 0; i < ASSAY_ORDER_COMMANDS_MAX; i++) {
        struct assay_serve_command *command = &serve->commands[i];

        if (!command->used || command->id != order->id || command->dead)
            continue;
        if (order->kind == ASSAY_ORDER_KILL) {
            command->killed = true;
            assay_sweep_begin(&command->sweep, 0);
        } else if (order->kind == ASSAY_ORDER_BEGIN) {
            command->flags = (command->flags & ~ASSAY_ORDER_KILL_REST) | order->flags;
            command->begun++;
            (void)fcntl(serve->request->output_fd, F_SETFL, O_WRONLY);
            if (CPU_COUNT(&order->cpus) > 0)
                (void)sched_setaffinity(command->pid, sizeof(order->cpus), &order->cpus);
            begin_count(serve, command);
            command->started_us = order->time_us;
        } else {
            command->finishing = true;
            command->ended_us = order->time_us;
            assay_sweep_begin(&command->sweep, command->pid);
        }
        return;
    }
    // One that is dead already: its ENDED is on its way.
}

static void obey_file(
        const struct assay_serve *serve, const struct assay_order_file *order, int content_fd)
{
    struct assay_order_done done;
    int fd = -1;

    assay_reach_obey(&done, &fd, order, serve->root_fd, serve->mounts->proc_fd, content_fd);
    (void)assay_wire_send(serve->fd, &done, sizeof(done), &fd, fd >= 0 ? 1 : 0);
    if (fd >= 0)
        close(fd);
}

// One order; what assay_wire_receive() says of it.
static long hear_order(struct assay_serve *serve)
{
    union {
        struct assay_order order;
        struct assay_order_file file;
    } record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    const long got =
            assay_wire_receive(serve->fd, &record, sizeof(record), fds, &fd_count, MSG_DONTWAIT);

    if (got == (long)sizeof(record.order) && record.order.kind == ASSAY_ORDER_EXEC)
        exec_command(serve, &record.order, fds);
    else if (got == (long)sizeof(record.order))
        steer(serve, &record.order);
    else if (got == (long)sizeof(record.file))
        obey_file(serve, &record.file, fds[0]);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    return got;
}

bool assay_serve_hear(struct assay_serve *serve)
{
    errno = 0;
    return hear_order(serve) > 0 || errno == EAGAIN;
}

void assay_serve_reaped(struct assay_serve *serve, pid_t pid, int wait_status)
{
    // What was ordered while it lived counts before its death: a shell's line is sent behind its
    // BEGIN, and one that has run must not be taken for one that was missed, and run again.
    for (int i = 0; i < ORDERS_WAITING_MAX && hear_order(serve) > 0; i++)
        ;
    note_death(serve, pid, wait_status);
}

bool assay_serve_start(struct assay_serve *serve, const struct assay_init *init,
        const struct assay_request *request, const struct assay_mounts *mounts,
        struct assay_fault *fault)
{
    const struct assay_order_reply ready = {.kind = ASSAY_ORDER_READY};

    *serve = (struct assay_serve){
            .init = init, .request = request, .mounts = mounts, .fd = request->serve_fd};
    serve->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (serve->root_fd < 0)
        return assay_fault_set(fault, "open root");
    serve->own_tag_fd = assay_sweep_tag(mounts->proc_fd, &serve->own_tag);
    if (serve->own_tag_fd < 0)
        return assay_fault_set(fault, "own tag");
    reply(serve, &ready);
    return true;
}
