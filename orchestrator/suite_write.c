// SPDX-License-Identifier: MIT
#include "orchestrator/suite_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "envs/edits_tree.h"

#define JSON_BYTES_MAX ((size_t)64 << 20)
#define FILE_MODE 0644

enum assay_status assay_suite_write_file(int dir_fd, const char *path, struct assay_bytes content,
        mode_t mode, struct assay_error *err)
{
    const int fd =
            assay_fs_open_beneath(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    enum assay_status status;

    if (fd < 0)
        return assay_fail_errno(err, errno, "write %.150s", path);
    status = assay_fs_write_all(fd, content.data, content.len, err);
    if (status == ASSAY_OK && fchmod(fd, mode) != 0)
        status = assay_fail_errno(err, errno, "write %.150s", path);
    if (close(fd) != 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "write %.150s", path);
    return status;
}

static enum assay_status write_text(
        int dir_fd, const char *path, struct assay_buf *text, struct assay_error *err)
{
    enum assay_status status = assay_buf_check(text, path, err);

    assay_buf_addc(text, '\n');
    if (status == ASSAY_OK)
        status = assay_suite_write_file(
                dir_fd, path, (struct assay_bytes){text->data, text->len}, FILE_MODE, err);
    assay_buf_free(text);
    return status;
}

// --- suite.json ---------------------------------------------------------------------------------

static enum assay_status write_head(
        int dir_fd, const struct assay_suite *suite, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "name", suite->name);
    assay_json_put_text(&w, "version", suite->version ? suite->version : "1");
    assay_json_begin_object(&w, "recipes");
    for (size_t i = 0; i < suite->recipe_count; i++) {
        const struct assay_recipe *recipe = &suite->recipes[i];

        assay_json_begin_object(&w, recipe->name);
        assay_json_put_text(&w, "base", recipe->base);
        assay_strings_write(&w, "setup", &recipe->setup);
        assay_strings_write(&w, "env", &recipe->env);
        assay_json_put_text(&w, "workdir", recipe->workdir);
        assay_strings_write(&w, "hosts", &recipe->hosts);
        assay_json_end_object(&w);
    }
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    return write_text(dir_fd, "suite.json", &text, err);
}

static enum assay_status check_empty(int dir_fd, const char *dir, struct assay_error *err)
{
    const int fd = dup(dir_fd);
    DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
    enum assay_status status = ASSAY_OK;

    if (!stream) {
        status = assay_fail_errno(err, errno, "read %.150s", dir);
        if (fd >= 0)
            close(fd);
        return status;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this function's alone
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        status = assay_fail(err, ASSAY_EINVAL, "%.200s is not empty", dir);
        break;
    }
    closedir(stream);
    return status;
}

enum assay_status assay_suite_writer_open(struct assay_suite_writer *out, const char *dir,
        const struct assay_suite *suite, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    int fd;

    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return assay_fail_errno(err, errno, "make %.150s", dir);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", dir);
    status = check_empty(fd, dir, err);
    if (status == ASSAY_OK)
        status = write_head(fd, suite, err);
    if (status != ASSAY_OK) {
        close(fd);
        return status;
    }
    out->dir_fd = fd;
    return ASSAY_OK;
}

enum assay_status assay_suite_writer_reopen(
        struct assay_suite_writer *out, const char *dir, struct assay_error *err)
{
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", dir);
    if (faccessat(fd, "suite.json", R_OK, 0) != 0) {
        close(fd);
        return assay_fail(err, ASSAY_ENOTFOUND, "%.150s has no suite.json", dir);
    }
    out->dir_fd = fd;
    return ASSAY_OK;
}

void assay_suite_writer_close(struct assay_suite_writer *writer)
{
    if (writer->dir_fd >= 0)
        close(writer->dir_fd);
    writer->dir_fd = -1;
}

// --- an instance --------------------------------------------------------------------------------

static enum assay_status write_base(
        int folder_fd, int tree_fd, const struct assay_edits *edits, struct assay_error *err)
{
    enum assay_status status = assay_fs_mkdirs(folder_fd, "base", 0755, err);
    int base_fd = -1;

    if (status != ASSAY_OK)
        return status;
    base_fd = openat(folder_fd, "base", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base_fd < 0)
        return assay_fail_errno(err, errno, "open a base");
    if (tree_fd >= 0)
        status = assay_fs_copy_tree(tree_fd, base_fd, err);
    if (status == ASSAY_OK)
        status = assay_edits_write_tree(edits, base_fd, err);
    close(base_fd);
    return status;
}

static enum assay_status write_texts(
        int folder_fd, const struct assay_instance *instance, struct assay_error *err)
{
    const struct {
        const char *path;
        struct assay_bytes content;
    } files[] = {{"problem.md", instance->problem}, {"gold.patch", instance->gold_patch},
            {"test.patch", instance->test_patch}};
    struct assay_buf json;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&json, JSON_BYTES_MAX);
    assay_instance_write(&json, instance);
    status = write_text(folder_fd, "instance.json", &json, err);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && status == ASSAY_OK; i++)
        status = assay_suite_write_file(folder_fd, files[i].path, files[i].content, FILE_MODE, err);
    if (status == ASSAY_OK && instance->row.data != NULL)
        status = assay_suite_write_file(folder_fd, "row.json", instance->row, FILE_MODE, err);
    if (status == ASSAY_OK && instance->base.patch.data != NULL)
        status = assay_suite_write_file(
                folder_fd, ASSAY_BASE_PATCH_FILE, instance->base.patch, FILE_MODE, err);
    return status;
}

// What is copied as an instance's base.
struct base_of {
    int tree_fd;
    const struct assay_edits *edits;
};

// Complete or not at all. base NULL: it lies elsewhere.
static enum assay_status add_folder(struct assay_suite_writer *writer,
        const struct assay_instance *instance, const struct base_of *base, struct assay_error *err)
{
    char scratch[256];
    enum assay_status status;
    int fd = -1;

    // Names with a point in front are no instances.
    (void)snprintf(scratch, sizeof(scratch), ".%s", instance->instance_id);
    status = assay_fs_mkdirs(writer->dir_fd, scratch, 0755, err);
    if (status != ASSAY_OK)
        return status;
    fd = openat(writer->dir_fd, scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", scratch);
    if (base)
        status = write_base(fd, base->tree_fd, base->edits, err);
    if (status == ASSAY_OK)
        status = write_texts(fd, instance, err);
    close(fd);
    if (status == ASSAY_OK &&
            renameat(writer->dir_fd, scratch, writer->dir_fd, instance->instance_id) != 0)
        status = assay_fail_errno(err, errno, "name %.150s", instance->instance_id);
    // What is left of it is no instance to any reader.
    if (status != ASSAY_OK && assay_fs_remove_tree(writer->dir_fd, scratch, NULL) != ASSAY_OK)
        (void)assay_wrap(err, "%.100s is left", scratch);
    return status;
}

enum assay_status assay_suite_writer_add(struct assay_suite_writer *writer,
        const struct assay_instance *instance, int tree_fd, const struct assay_edits *edits,
        struct assay_error *err)
{
    const struct base_of base = {tree_fd, edits};
    struct assay_instance copy = *instance;

    copy.base = (struct assay_base){.kind = ASSAY_BASE_DIR, .where = "base"};
    return add_folder(writer, &copy, &base, err);
}

enum assay_status assay_suite_writer_add_patched(struct assay_suite_writer *writer,
        const struct assay_instance *instance, struct assay_error *err)
{
    return add_folder(writer, instance, NULL, err);
}
