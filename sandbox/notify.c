// SPDX-License-Identifier: MIT
#include "sandbox/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/procfile.h"
#include "sandbox/wire.h"

#define HEAR_MAX 64 // calls answered before the init looks at its other work
#define X32_BIT 0x40000000
#define LINE_BYTES 4352          // of /proc/PID/maps: a path and what stands before it
#define KILLABLE_FLAG (1UL << 5) // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19
#define THREAD_FLAG O_EXCL       // PIDFD_THREAD, Linux 6.9
#define LISTENER_FLAG (1UL << 3) // SECCOMP_FILTER_FLAG_NEW_LISTENER

// --- what the filters say ------------------------------------------------------------------------

static bool jumps(const struct sock_filter *at, uint32_t value)
{
    switch (BPF_OP(at->code)) {
    case BPF_JEQ:
        return value == at->k;
    case BPF_JGT:
        return value > at->k;
    case BPF_JGE:
        return value >= at->k;
    case BPF_JSET:
        return (value & at->k) != 0;
    default:
        return false;
    }
}

// What the kernel answers. What profile_compile.c does not write is taken for a kill.
uint32_t assay_notify_judge(const struct assay_profiles *profiles, enum assay_profile profile,
        const struct seccomp_data *call)
{
    const struct assay_profile_filter *filter = &profiles->filters[profile];
    uint32_t value = 0;

    for (size_t i = 0; i < filter->count; i++) {
        const struct sock_filter *at = &filter->code[i];

        if (at->code == (BPF_LD | BPF_W | BPF_ABS) && at->k <= sizeof(*call) - sizeof(value))
            memcpy(&value, (const char *)call + at->k, sizeof(value));
        else if (at->code == (BPF_JMP | BPF_JA))
            i += at->k;
        else if (BPF_CLASS(at->code) == BPF_JMP && BPF_SRC(at->code) == BPF_K)
            i += jumps(at, value) ? at->jt : at->jf;
        else
            return at->code == (BPF_RET | BPF_K) ? at->k : SECCOMP_RET_KILL_PROCESS;
    }
    return SECCOMP_RET_KILL_PROCESS;
}

// --- the filter ----------------------------------------------------------------------------------

// Is this answer one that the caller should hear of?
static bool refuses(uint32_t answer)
{
    const uint32_t action = answer & SECCOMP_RET_ACTION_FULL;

    return action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD ||
            (action == SECCOMP_RET_ERRNO && (answer & SECCOMP_RET_DATA) != 0);
}

// A filter whose refusals go to the listener; -1 with errno. By now the payload has its limits:
// what it needs is not asked for.
static int load(const struct assay_profiles *profiles, enum assay_profile profile)
{
    static struct assay_profile_filter filter;
    struct sock_fprog program = {.filter = filter.code};
    long fd = -1;

    filter = profiles->filters[profile];
    program.len = filter.count;
    for (size_t i = 0; i < filter.count; i++)
        if (filter.code[i].code == (BPF_RET | BPF_K) && refuses(filter.code[i].k))
            filter.code[i].k = SECCOMP_RET_USER_NOTIF;
    fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, LISTENER_FLAG | KILLABLE_FLAG, &program);
    if (fd < 0 && errno == EINVAL)
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, LISTENER_FLAG, &program);
    return (int)fd;
}

bool assay_notify_install(const struct assay_profiles *profiles, enum assay_profile profile,
        int socket_fd, struct assay_fault *fault)
{
    const char byte = 0;
    const int listener_fd = load(profiles, profile);
    bool handed = false;

    if (listener_fd < 0)
        return assay_fault_set(fault, "seccomp user notification");
    handed = assay_wire_send(socket_fd, &byte, sizeof(byte), &listener_fd, 1) == 0 ||
            assay_fault_set(fault, "seccomp listener");
    close(listener_fd);
    return handed;
}

bool assay_notify_open(struct assay_notify *notify, int page_fd, int *payload_fd,
        const struct assay_profiles *profiles, enum assay_profile profile,
        struct assay_fault *fault)
{
    int ends[2];

    notify->profiles = profiles;
    notify->profile = profile;
    notify->page =
            mmap(NULL, sizeof(*notify->page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
    if (notify->page == MAP_FAILED) {
        notify->page = NULL;
        return assay_fault_set(fault, "learning page");
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return assay_fault_set(fault, "learning socket");
    notify->socket_fd = ends[0];
    *payload_fd = ends[1];
    return true;
}

// --- who called ----------------------------------------------------------------------------------

static void name_call(char *name, size_t size, const struct seccomp_data *call)
{
    const bool x32 = call->arch == AUDIT_ARCH_X86_64 && (call->nr & X32_BIT) != 0;
    const uint32_t arch = x32 ? SCMP_ARCH_X32 : call->arch;
    char *known = seccomp_syscall_resolve_num_arch(arch, call->nr);
    const char *kind = x32                        ? "x32 "
            : call->arch == seccomp_arch_native() ? ""
            : call->arch == SCMP_ARCH_X86         ? "i386 "
                                                  : "foreign ";

    if (known != NULL)
        (void)snprintf(name, size, "%s%s", kind, known);
    else
        (void)snprintf(name, size, "%snumber %d", kind, x32 ? call->nr & ~X32_BIT : call->nr);
    free(known);
}

// The number that /proc has for a thread of the box: in tier B /proc is that of the
// namespace around it. 0: it cannot be told.
static pid_t number_in_proc(pid_t thread)
{
    char path[48];
    char text[512];
    const ssize_t len = readlink("/proc/self", path, sizeof(path) - 1);
    const char *at = NULL;
    int fd = -1;

    path[len > 0 ? len : 0] = '\0';
    if (strtol(path, NULL, 10) == getpid())
        return thread;
    fd = (int)syscall(SYS_pidfd_open, thread, 0U);
    if (fd < 0) // no process's first thread
        fd = (int)syscall(SYS_pidfd_open, thread, THREAD_FLAG);
    if (fd < 0)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    if (assay_procfile_read(AT_FDCWD, path, text, sizeof(text)))
        at = strstr(text, "\nPid:");
    close(fd);
    return at == NULL ? 0 : (pid_t)strtol(at + strlen("\nPid:"), NULL, 10);
}

// A path that is too long keeps its end.
static void copy_end(char *out, size_t size, const char *path)
{
    const size_t len = strlen(path);

    (void)snprintf(out, size, "%s%s", len < size ? "" : "...",
            len < size ? path : path + len - (size - 4));
}

// What is mapped where the call was made. Lines of /proc/PID/maps:
// "from-to rights offset device inode    path".
static void find_file(struct assay_denial *row, pid_t pid, uint64_t address)
{
    char path[32];
    char line[LINE_BYTES];
    FILE *maps = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    maps = fopen(path, "re");
    if (maps == NULL)
        return;
    while (fgets(line, sizeof(line), maps) != NULL) {
        uint64_t from = 0;
        uint64_t to = 0;
        uint64_t offset = 0;
        int at = 0;

        line[strcspn(line, "\n")] = '\0';
        // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %*s %*s %n", &from, &to, &offset,
                    &at) < 3 ||
                address < from || address >= to)
            continue;
        copy_end(row->file, sizeof(row->file),
                at > 0 && line[at] != '\0' ? line + at : "[anonymous]");
        row->offset = address - from + offset;
        break;
    }
    (void)fclose(maps);
}

static void describe(struct assay_denial *row, const struct seccomp_notif *notif, uint32_t answer)
{
    char path[32];
    const pid_t number = number_in_proc((pid_t)notif->pid);

    memset(row, 0, sizeof(*row));
    name_call(row->call, sizeof(row->call), &notif->data);
    if ((answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO)
        row->sys_errno = (int)(answer & SECCOMP_RET_DATA);
    memcpy(row->arguments, notif->data.args, sizeof(row->arguments));
    if (number <= 0)
        return;
    (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)number);
    (void)assay_procfile_read(AT_FDCWD, path, row->process, sizeof(row->process));
    row->process[strcspn(row->process, "\n")] = '\0';
    find_file(row, number, notif->data.instruction_pointer);
}

// The row that was counted, or NULL.
static struct assay_denial *note(struct assay_notify_page *page, const struct assay_denial *seen)
{
    struct assay_denial *row = page->rows;

    while (row < page->rows + page->count &&
            (strcmp(row->call, seen->call) != 0 || row->sys_errno != seen->sys_errno ||
                    strcmp(row->process, seen->process) != 0 ||
                    strcmp(row->file, seen->file) != 0 || row->offset != seen->offset))
        row++;
    if (row == page->rows + ASSAY_DENIALS_MAX) {
        page->lost++;
        return NULL;
    }
    if (row == page->rows + page->count) {
        *row = *seen;
        page->count++;
    }
    row->count++;
    return row;
}

// --- answering -----------------------------------------------------------------------------------

// The process of a thread, by the box's numbers; the thread's own when it cannot be told.
static pid_t process_of(pid_t thread)
{
    char path[32];
    char text[4096];
    const char *at = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)number_in_proc(thread));
    if (!assay_procfile_read(AT_FDCWD, path, text, sizeof(text)))
        return thread;
    at = strstr(text, "\nNStgid:"); // one number a namespace, the box's last
    if (at == NULL)
        return thread;
    at += strlen("\nNStgid:");
    text[at - text + (long)strcspn(at, "\n")] = '\0';
    at = strrchr(at, '\t');
    return at == NULL ? thread : (pid_t)strtol(at, NULL, 10);
}

static void answer_call(
        struct assay_notify *notify, const struct seccomp_notif *notif, uint32_t answer)
{
    struct seccomp_notif_resp response = {.id = notif->id, .error = -EPERM};

    if ((answer & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO) {
        response.error = -(int32_t)(answer & SECCOMP_RET_DATA);
    } else {
        const pid_t process = process_of((pid_t)notif->pid);

        if (ioctl(notify->listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &notif->id) < 0)
            return;
        notify->killed_pid = process;
        (void)kill(process, SIGKILL);
    }
    // A caller that died meanwhile needs no answer.
    (void)ioctl(notify->listener_fd, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void take_listener(struct assay_notify *notify)
{
    char byte = 0;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;

    if (assay_wire_receive(notify->socket_fd, &byte, sizeof(byte), fds, &fd_count, 0) == 1 &&
            fd_count == 1)
        notify->listener_fd = fds[0];
    close_fd(&notify->socket_fd);
}

// The same call with the same arguments, by the same thread, from the same instruction?
static bool is_last(const struct assay_notify *notify, const struct seccomp_notif *notif)
{
    return notify->last.row != NULL && notify->last.pid == notif->pid &&
            memcmp(&notify->last.call, &notif->data, sizeof(notif->data)) == 0;
}

// One call; false when none waits.
static bool hear_call(struct assay_notify *notify)
{
    struct pollfd ready = {.fd = notify->listener_fd, .events = POLLIN};
    struct seccomp_notif notif;
    struct assay_denial seen;
    uint32_t answer = 0;

    if (poll(&ready, 1, 0) <= 0)
        return false;
    if (!(ready.revents & POLLIN)) { // nobody is left who has the filter
        close_fd(&notify->listener_fd);
        return false;
    }
    memset(&notif, 0, sizeof(notif));
    if (ioctl(notify->listener_fd, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
        return false; // it died before we looked
    answer = assay_notify_judge(notify->profiles, notify->profile, &notif.data);
    if (is_last(notify, &notif)) {
        notify->last.row->count++;
    } else {
        describe(&seen, &notif, answer);
        // The number may be another's by now: then what was read in /proc is, too.
        if (ioctl(notify->listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &notif.id) == 0) {
            notify->last.row = note(notify->page, &seen);
            notify->last.pid = notif.pid;
            notify->last.call = notif.data;
        }
    }
    answer_call(notify, &notif, answer);
    return true;
}

void assay_notify_hear(struct assay_notify *notify)
{
    if (notify->socket_fd >= 0) {
        struct pollfd ready = {.fd = notify->socket_fd, .events = POLLIN};

        if (poll(&ready, 1, 0) > 0)
            take_listener(notify);
    }
    for (unsigned i = 0; i < HEAR_MAX && notify->listener_fd >= 0 && hear_call(notify); i++) {
        // Not for ever: the init has other work, and its death is in there.
    }
}

int assay_notify_status(const struct assay_notify *notify, pid_t pid, int wait_status)
{
    return notify->killed_pid == pid && wait_status == SIGKILL ? SIGSYS : wait_status;
}
