// SPDX-License-Identifier: MIT
#include "envs/fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"

const struct assay_strings nothing = {NULL, 0};

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    void *temp = NULL;

    if (f == NULL)
        return -1;
    if (assay_temp_setup(&temp) != 0) {
        free(f);
        return -1;
    }
    *state = f;
    f->temp = temp;
    snprintf(f->home, sizeof(f->home), "%s/home", f->temp->path);
    if (assay_depot_open(&f->depot, f->home, getuid(), getgid(), &f->err) != ASSAY_OK) {
        print_error("%s\n", f->err.message);
        return -1;
    }
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    void *temp = f->temp;

    assay_depot_close(f->depot);
    free(f);
    return assay_temp_teardown(&temp);
}

static int run(const struct fixture *f, const char *script)
{
    const size_t size = strlen(script) + 512;
    char *command = malloc(size);
    int status = 0;

    assert_non_null(command);
    snprintf(command, size,
            "set -eu; cd %s; export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null "
            "GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a "
            "GIT_COMMITTER_EMAIL=a@example.org; %s",
            f->temp->path, script);
    // NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): a shell is what it is for; one thread
    status = system(command);
    free(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int fixture_try(const struct fixture *f, const char *fmt, ...)
{
    char *script = NULL;
    int status = 0;
    va_list args;

    va_start(args, fmt);
    assert_true(vasprintf(&script, fmt, args) >= 0);
    va_end(args);
    status = run(f, script);
    free(script);
    return status;
}

void fixture_shell(const struct fixture *f, const char *fmt, ...)
{
    char *script = NULL;
    int status = 0;
    va_list args;

    va_start(args, fmt);
    assert_true(vasprintf(&script, fmt, args) >= 0);
    va_end(args);
    status = run(f, script);
    if (status != 0)
        print_error("exit %d: %s\n", status, script);
    free(script);
    assert_int_equal(status, 0);
}

char *fixture_read(const struct fixture *f, const char *fmt, ...)
{
    char *script = NULL, *text = calloc(1, 65536);
    FILE *file = NULL;
    size_t len = 0;
    va_list args;

    assert_non_null(text);
    va_start(args, fmt);
    assert_true(vasprintf(&script, fmt, args) >= 0);
    va_end(args);
    fixture_shell(f, "{ %s\n} > .read", script);
    free(script);
    file = fopen(fixture_path(f, ".read"), "rb");
    assert_non_null(file);
    len = fread(text, 1, 65535, file);
    fclose(file);
    while (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    return text;
}

const char *fixture_path(const struct fixture *f, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", f->temp->path, name);
    return path;
}

void fixture_import(struct fixture *f, const char *name, char hash[65])
{
    const enum assay_status status =
            assay_depot_add_dir(f->depot, fixture_path(f, name), &nothing, hash, &f->err);

    if (status != ASSAY_OK)
        print_error("%s\n", f->err.message);
    assert_int_equal(status, ASSAY_OK);
}

void fixture_refuse(struct fixture *f, enum assay_status got, enum assay_status wanted,
        const char *text, const char *hash)
{
    print_message("%s\n", f->err.message);
    assert_int_equal(got, wanted);
    assert_int_equal(f->err.status, wanted);
    assert_non_null(strstr(f->err.message, text));
    assert_string_equal(hash, "untouched");
}
