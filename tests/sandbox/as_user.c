// SPDX-License-Identifier: MIT
// as_user PROGRAM - run a sandbox test as an ordinary user, with copies of what it needs.
//
// The build folder may lie where only root can look. Exit 77 (skipped) when we
// are not root: the plain test then ran as an ordinary user already.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_UID 61234
#define SKIPPED 77

static int copy(const char *from_dir, const char *from, const char *to_dir, const char *to)
{
    char source[PATH_MAX];
    char target[PATH_MAX];
    struct stat stat;
    int in = -1;
    int out = -1;
    int problem = 1;

    (void)snprintf(source, sizeof(source), "%s%s%s", from_dir, from_dir[0] ? "/" : "", from);
    (void)snprintf(target, sizeof(target), "%s/%s", to_dir, to);
    in = open(source, O_RDONLY | O_CLOEXEC);
    out = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    if (in >= 0 && out >= 0 && fstat(in, &stat) == 0) {
        ssize_t got = 1;

        while (stat.st_size > 0 && got > 0) {
            got = sendfile(out, in, NULL, (size_t)stat.st_size);
            stat.st_size -= got > 0 ? got : 0;
        }
        problem = stat.st_size != 0;
    }
    if (problem)
        (void)fprintf(stderr, "as_user: copy %s: %s\n", source, strerrordesc_np(errno));
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return problem;
}

static int copy_payloads(const char *build, const char *folder)
{
    char path[PATH_MAX];
    DIR *dir = NULL;
    const struct dirent *entry = NULL;
    int problem = 0;

    (void)snprintf(path, sizeof(path), "%s/tests/payloads", build);
    dir = opendir(path);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_type != DT_REG)
            continue;
        (void)snprintf(path, sizeof(path), "tests/payloads/%s", entry->d_name);
        problem += copy(build, path, folder, path);
    }
    if (dir != NULL)
        closedir(dir);
    return problem + (dir == NULL);
}

static int make_folder(const char *build, const char *program, const char *folder)
{
    char path[PATH_MAX];
    int problem = copy("", program, folder, "program") +
            copy(build, "assay-box", folder, "assay-box") +
            copy(build, "libassay_zygote.so", folder, "libassay_zygote.so");

    (void)snprintf(path, sizeof(path), "%s/tests", folder);
    problem += mkdir(path, 0755) != 0;
    (void)snprintf(path, sizeof(path), "%s/tests/payloads", folder);
    problem += mkdir(path, 0755) != 0;
    problem += copy(build, "tests/assay-box-faults", folder, "tests/assay-box-faults");
    return problem + copy_payloads(build, folder) + (chmod(folder, 0755) != 0);
}

static int run(const char *folder)
{
    char program[PATH_MAX];
    char build[PATH_MAX];
    int status = 0;
    const pid_t pid = fork();

    (void)snprintf(program, sizeof(program), "%s/program", folder);
    (void)snprintf(build, sizeof(build), "ASSAY_BUILD_DIR=%s", folder);
    if (pid == 0) {
        char path[] = "PATH=/usr/bin:/bin";
        char *argv[] = {program, NULL};
        char soak[] = "ASSAY_SOAK=1";
        char *environment[] = {
                build, path, secure_getenv("ASSAY_SOAK") != NULL ? soak : NULL, NULL};

        if (setgroups(0, NULL) != 0 || setresgid(TEST_UID, TEST_UID, TEST_UID) != 0 ||
                setresuid(TEST_UID, TEST_UID, TEST_UID) != 0 || chdir("/") != 0)
            _exit(1);
        (void)execve(program, argv, environment);
        _exit(1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void remove_folder(const char *folder)
{
    const char *const argv[] = {"rm", "-rf", "--", folder, NULL};
    const pid_t pid = fork();

    if (pid == 0) {
        char *const *words = NULL;

        memcpy(&words, &(const char *const *){argv}, sizeof(words));
        (void)execvp("rm", words);
        _exit(1);
    }
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/assay-test-XXXXXX";
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    int result = 1;

    if (argc != 2 || build == NULL)
        return 2;
    if (geteuid() != 0) {
        (void)printf("SKIP: not root: the plain test runs as an ordinary user\n");
        return SKIPPED;
    }
    if (mkdtemp(folder) == NULL)
        return 1;
    if (make_folder(build, argv[1], folder) == 0)
        result = run(folder);
    remove_folder(folder);
    return result;
}
