// SPDX-License-Identifier: MIT
#include "rewards/live.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/harness.h"

#define ARENA_BYTES ((size_t)256 << 20)
#define OUTPUT_BYTES ((size_t)16 << 20)
#define WORDS_MAX 40 // before those of the command

static const char *const base_env[] = {"/usr/bin/env", "-i", "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
        "PYTHONDONTWRITEBYTECODE=1", "ASSAY_REPORT_FD=3"};

bool live_has(const char *program)
{
    return access(program, X_OK) == 0;
}

static void write_below(const char *root, const char *path, const char *content, mode_t mode)
{
    const int dir_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *slash = strrchr(path, '/');
    struct assay_error err = {0};
    char parent[PATH_MAX];
    int fd;

    assert_true(dir_fd >= 0);
    if (slash != NULL) {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        assert_int_equal(assay_fs_mkdirs(dir_fd, parent, 0755, &err), ASSAY_OK);
    }
    fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(assay_fs_write_all(fd, content, strlen(content), &err), ASSAY_OK);
    close(fd);
    close(dir_fd);
}

static void sub_path(char path[PATH_MAX], const struct live *live, const char *name)
{
    const int len = snprintf(path, PATH_MAX, "%.2000s/%s", live->root, name);

    assert_true(len > 0 && len < PATH_MAX);
}

void live_open(struct live *live, const char *framework)
{
    size_t count = 0;
    const struct assay_trusted_file *files = assay_trusted_files(&count);
    char path[PATH_MAX];

    *live = (struct live){0};
    (void)snprintf(live->root, sizeof(live->root), "/tmp/assay-live-XXXXXX");
    assert_non_null(mkdtemp(live->root));
    assert_int_equal(assay_arena_create(&live->arena, ARENA_BYTES, NULL), ASSAY_OK);
    assay_buf_init(&live->log, OUTPUT_BYTES);
    assay_buf_init(&live->report, OUTPUT_BYTES);
    sub_path(path, live, "work");
    assert_int_equal(mkdir(path, 0755), 0);
    sub_path(path, live, "out");
    assert_int_equal(mkdir(path, 0755), 0);
    sub_path(path, live, "assay");
    assert_int_equal(mkdir(path, 0755), 0);
    for (size_t i = 0; i < count; i++)
        write_below(path, files[i].path, files[i].content, files[i].executable ? 0755 : 0644);
    live->instance.instance_id = "live-1";
    live->instance.framework = framework;
    live->instance.rules = ASSAY_RULES_NATIVE;
}

void live_close(struct live *live)
{
    const int fd = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(assay_fs_remove_tree(fd, live->root + strlen("/tmp/"), NULL), ASSAY_OK);
    close(fd);
    assay_buf_free(&live->log);
    assay_buf_free(&live->report);
    assay_arena_destroy(live->arena);
}

void live_file(const struct live *live, const char *path, const char *content)
{
    char work[PATH_MAX];

    sub_path(work, live, "work");
    write_below(work, path, content, 0755);
}

static struct assay_strings split(struct live *live, const char *text, char mark)
{
    const char **items = assay_arena_array(live->arena, strlen(text) + 1, sizeof(*items));
    struct assay_strings out = {items, 0};

    while (*text != '\0') {
        const char *end = strchrnul(text, mark);

        items[out.count++] = assay_arena_memdup(live->arena, text, (size_t)(end - text));
        text = *end == '\0' ? end : end + 1;
    }
    return out;
}

void live_expect(struct live *live, const char *fail_to_pass, const char *pass_to_pass)
{
    live->instance.fail_to_pass = split(live, fail_to_pass, '\n');
    live->instance.pass_to_pass = split(live, pass_to_pass, '\n');
}

// "/assay/..." and "/run/assay" stand for directories of this live.
static const char *in_live(struct live *live, const char *text)
{
    const char *at = strstr(text, ASSAY_TRUSTED_DIR "/");

    if (at == NULL || (at != text && at[-1] != '='))
        return text;
    return assay_arena_printf(live->arena, "%.*s%s%s", (int)(at - text), text, live->root, at);
}

// env(1) starts the command: with our variables alone, found in our PATH.
static char **child_words(struct live *live, const struct assay_framework *framework,
        const struct assay_strings *argv)
{
    char **words = assay_arena_array(live->arena, WORDS_MAX + argv->count + 1, sizeof(*words));
    size_t count = 0;

    for (size_t i = 0; i < sizeof(base_env) / sizeof(base_env[0]); i++)
        words[count++] = assay_arena_strdup(live->arena, base_env[i]);
    words[count++] = assay_arena_printf(live->arena, "HOME=%s", live->root);
    words[count++] = assay_arena_printf(live->arena, "ASSAY_OUT_DIR=%s/out", live->root);
    for (size_t i = 0; framework->env[i] != NULL; i++) {
        const char *pair = in_live(live, framework->env[i]);
        const bool path = strncmp(pair, "PATH=", 5) == 0;

        assert_true(count < WORDS_MAX);
        words[count++] =
                assay_arena_printf(live->arena, "%s%s", pair, path ? ":/usr/bin:/bin" : "");
    }
    for (size_t i = 0; i < argv->count; i++)
        words[count++] = assay_arena_strdup(live->arena, in_live(live, argv->items[i]));
    return words;
}

static void child(const struct live *live, char *const words[], int log_fd, int report_fd)
{
    char path[PATH_MAX];

    (void)dup2(log_fd, 1);
    (void)dup2(log_fd, 2);
    (void)dup2(report_fd, ASSAY_REPORT_FD);
    (void)close_range(ASSAY_REPORT_FD + 1, ~0U, 0);
    sub_path(path, live, "work");
    if (chdir(path) == 0)
        (void)execv(words[0], words);
    _exit(127);
}

static void drain(struct live *live, int log_fd, int report_fd)
{
    struct pollfd fds[2] = {{.fd = log_fd, .events = POLLIN}, {.fd = report_fd, .events = POLLIN}};
    struct assay_buf *const bufs[2] = {&live->log, &live->report};
    int open_count = 2;

    while (open_count > 0) {
        assert_true(poll(fds, 2, 50000) > 0);
        for (int i = 0; i < 2; i++) {
            char bytes[65536];
            ssize_t got;

            if (fds[i].fd < 0 || fds[i].revents == 0)
                continue;
            got = read(fds[i].fd, bytes, sizeof(bytes));
            if (got > 0) {
                assert_true(assay_buf_add(bufs[i], bytes, (size_t)got));
                continue;
            }
            close(fds[i].fd);
            fds[i].fd = -1;
            open_count--;
        }
    }
}

static struct assay_strings words_of(struct live *live, const char *command)
{
    const char *script = strstr(command, "sh -c ") == command ? command + strlen("sh -c ") : NULL;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    const char *python = getenv("ASSAY_TEST_PYTHON");
    const char **items;

    if (script == NULL) {
        const struct assay_strings words = split(live, command, ' ');

        if (python == NULL || strcmp(words.items[0], "/usr/bin/python3") != 0)
            return words;
        items = assay_arena_array(live->arena, words.count, sizeof(*items));
        memcpy(items, words.items, words.count * sizeof(*items));
        items[0] = python;
        return (struct assay_strings){items, words.count};
    }
    items = assay_arena_array(live->arena, 3, sizeof(*items));
    items[0] = "sh";
    items[1] = "-c";
    items[2] = script;
    return (struct assay_strings){items, 3};
}

static void read_out_files(struct live *live)
{
    static const char *const names[] = {"junit.xml", "second.xml"};
    struct assay_out_file *files = assay_arena_array(live->arena, 2, sizeof(*files));

    for (size_t i = 0; i < 2; i++) {
        char path[PATH_MAX], name[64];
        struct assay_buf buf;

        (void)snprintf(name, sizeof(name), "out/%s", names[i]);
        sub_path(path, live, name);
        assay_buf_init(&buf, OUTPUT_BYTES);
        if (access(path, R_OK) == 0 && assay_fs_read_file(&buf, path, NULL) == ASSAY_OK) {
            files[live->evidence.file_count].name = names[i];
            files[live->evidence.file_count++].content = (struct assay_bytes){
                    assay_arena_memdup(live->arena, buf.data, buf.len), buf.len};
        }
        assay_buf_free(&buf);
    }
    live->evidence.files = files;
}

static bool read_source(void *user, const char *path, struct assay_canary_file *out)
{
    struct live *live = user;
    char name[PATH_MAX], full[PATH_MAX];
    struct assay_buf buf;
    bool found = false;

    (void)snprintf(name, sizeof(name), "work/%.3000s", path);
    sub_path(full, live, name);
    assay_buf_init(&buf, OUTPUT_BYTES);
    found = access(full, R_OK) == 0 && assay_fs_read_file(&buf, full, NULL) == ASSAY_OK;
    if (found)
        *out = (struct assay_canary_file){
                path, {assay_arena_memdup(live->arena, buf.data, buf.len), buf.len}, false};
    assay_buf_free(&buf);
    return found;
}

// Canaries into the files, or the files as they were. Between the two the plan holds the others'.
static void exchange_files(struct live *live, struct assay_canary_file *kept)
{
    for (size_t i = 0; i < live->canaries.file_count; i++) {
        const struct assay_canary_file *file = &live->canaries.files[i];

        if (kept[i].path == NULL) {
            if (!read_source(live, file->path, &kept[i]))
                kept[i].path = file->path;
            live_file(live, file->path, file->content.data);
        } else if (kept[i].content.data != NULL) {
            live_file(live, file->path, kept[i].content.data);
        }
    }
}

static void draw_canaries(struct live *live)
{
    const struct assay_canary_source source = {
            .read = read_source, .user = live, .paths = live->canary_paths};

    live->canaries = (struct assay_canary_plan){.argv = live->instance.test_cmd};
    if (live->canary_seed != 0)
        assert_int_equal(assay_canary_draw(&live->canaries, &live->instance, &source,
                                 live->canary_seed, live->arena, NULL),
                ASSAY_OK);
}

void live_run(struct live *live, const char *command)
{
    struct assay_canary_file kept[ASSAY_CANARY_FILES_MAX] = {{0}};
    const struct assay_framework *framework = assay_framework_find(live->instance.framework);
    struct assay_strings argv;
    char **words;
    int log_fds[2], report_fds[2], status = 0;
    pid_t pid;

    assert_non_null(framework);
    live->instance.test_cmd = words_of(live, command);
    draw_canaries(live);
    exchange_files(live, kept);
    argv = live->canaries.argv;
    if (framework->command != NULL)
        assert_int_equal(
                framework->command(&live->canaries.argv, &argv, live->arena, NULL), ASSAY_OK);
    words = child_words(live, framework, &argv);
    assert_int_equal(pipe2(log_fds, O_CLOEXEC), 0);
    assert_int_equal(pipe2(report_fds, O_CLOEXEC), 0);
    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(live, words, log_fds[1], report_fds[1]);
    close(log_fds[1]);
    close(report_fds[1]);
    assay_buf_clear(&live->log);
    assay_buf_clear(&live->report);
    drain(live, log_fds[0], report_fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    live->evidence = (struct assay_evidence){.box_cause = !WIFEXITED(status) ? ASSAY_CAUSE_SIGNALLED
                    : WEXITSTATUS(status) == 0                               ? ASSAY_CAUSE_OK
                                               : ASSAY_CAUSE_TESTS_FAILED,
            .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
            .log = {live->log.data, live->log.len},
            .report = {live->report.data, live->report.len},
            .canaries = live->canary_seed != 0 ? &live->canaries : NULL};
    exchange_files(live, kept);
    read_out_files(live);
    live_judge(live);
}

void live_judge(struct live *live)
{
    struct assay_error err = {0};

    live->verdict = (struct assay_verdict){0};
    assert_int_equal(assay_judge(&live->verdict, &live->judgement, &live->instance,
                             assay_framework_find(live->instance.framework), &live->evidence,
                             live->arena, &err),
            ASSAY_OK);
}

static void show(const struct live *live)
{
    print_message("cause %s, resolved %d, exit %d: %s\n", assay_cause_name(live->verdict.cause),
            live->verdict.resolved, live->evidence.exit_code, live->verdict.reason);
    for (size_t i = 0; i < live->verdict.tamper.count; i++)
        print_message("tamper: %s\n", live->verdict.tamper.items[i]);
    for (size_t i = 0; i < live->judgement.outcome.count; i++)
        print_message("%s %s\n", live->judgement.outcome.results[i].id,
                assay_test_status_name(live->judgement.outcome.results[i].status));
    print_message("--- log\n%s\n--- report\n%s\n---\n", live->log.data, live->report.data);
}

void live_check(const struct live *live, enum assay_cause cause, bool resolved)
{
    if (live->verdict.cause != cause || live->verdict.resolved != resolved)
        show(live);
    assert_string_equal(assay_cause_name(live->verdict.cause), assay_cause_name(cause));
    assert_int_equal(live->verdict.resolved, resolved);
    assert_true(live->verdict.reward == (resolved ? 1.0 : 0.0));
    assert_true(live->verdict.scored);
    assert_non_null(live->verdict.reason);
    assert_int_equal(live->verdict.tamper.count > 0,
            cause == ASSAY_CAUSE_INCONSISTENT || cause == ASSAY_CAUSE_TAMPERED);
}

void live_check_status(const struct live *live, const char *id, enum assay_test_status status)
{
    const enum assay_test_status found = assay_outcome_find(&live->judgement.outcome, id);

    if (found != status) {
        show(live);
        print_message("id: %s\n", id);
    }
    assert_string_equal(assay_test_status_name(found), assay_test_status_name(status));
}

bool live_tamper_has(const struct live *live, const char *part)
{
    for (size_t i = 0; i < live->verdict.tamper.count; i++)
        if (strstr(live->verdict.tamper.items[i], part) != NULL)
            return true;
    show(live);
    return false;
}
