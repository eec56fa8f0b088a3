// SPDX-License-Identifier: MIT
// serve_swerex_files.c - files of an episode, read and written by SWE-ReX's client.
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "orchestrator/serve_swerex_parts.h"

#define SCRIPT_BYTES_MAX ((size_t)16 << 20)
#define UPLOAD_BYTES_MAX ((size_t)12 << 20) // in base 64 it is one text of a tool
#define FIELD_BYTES_MAX ((size_t)4096)
#define COMMAND_S 60.0

enum { NOT_THERE = 2, A_DIRECTORY = 3 };

// The path that a request names, from the root. False: it was answered.
static bool read_path(struct assay_rex *rex, struct assay_buf *out)
{
    struct assay_error err = {0};
    const char *path = NULL;

    assay_buf_init(out, FIELD_BYTES_MAX);
    if (assay_json_read_text(&path, rex->body, "path", &err) == ASSAY_OK) {
        assay_rex_add_path(out, rex, path);
        if (assay_buf_check(out, "path", &err) == ASSAY_OK)
            return true;
    }
    assay_buf_free(out);
    assay_service_refuse(rex->request, 422, "validation", err.message);
    assay_rex_end(rex);
    return false;
}

static void write_content(struct assay_rex *rex, const struct assay_observation *seen)
{
    struct assay_json_writer w;
    struct assay_buf text;

    if (seen->exit_code == NOT_THERE) {
        assay_rex_raise(rex, "builtins.FileNotFoundError", "no such file");
    } else if (seen->exit_code == A_DIRECTORY) {
        assay_rex_raise(rex, "builtins.IsADirectoryError", "it is a directory");
    } else if (seen->exit_code != 0 || seen->box_cause != ASSAY_BOX_EXITED) {
        assay_rex_raise(rex, "builtins.OSError", seen->text.data);
    } else if (!seen->written_whole) {
        assay_rex_raise(rex, ASSAY_REX_ERROR "SwerexException",
                "the file is longer than an observation of this episode may be: open one with more "
                "observation_bytes");
    } else {
        assay_buf_init(&text, ASSAY_SERVE_REPLY_BYTES_MAX);
        assay_json_writer_init(&w, &text, 0);
        assay_json_begin_object(&w, NULL);
        assay_json_put_bytes(&w, "content", seen->text.data, seen->written_bytes);
        assay_json_end_object(&w);
        assay_service_reply(rex->request, 200, &text);
        assay_rex_end(rex);
    }
}

void assay_service_swerex_read_file(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, true);
    struct assay_buf path, script;

    if (rex == NULL || !read_path(rex, &path))
        return;
    assay_buf_init(&script, SCRIPT_BYTES_MAX);
    assay_buf_adds(&script, "f=");
    assay_buf_add_quoted(&script, path.data);
    assay_buf_addf(&script,
            "\n[ -e \"$f\" ] || exit %d\n[ -d \"$f\" ] && exit %d\nexec cat \"$f\"\n", NOT_THERE,
            A_DIRECTORY);
    assay_buf_free(&path);
    rex->write = write_content;
    assay_rex_run(rex, &script, COMMAND_S, true);
}

static void write_done(struct assay_rex *rex, const struct assay_observation *seen)
{
    if (seen->failed || (seen->ran && seen->exit_code != 0))
        assay_rex_raise(rex, "builtins.OSError", seen->text.data);
    else
        assay_rex_reply_empty(rex);
}

void assay_service_swerex_write_file(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, true);
    struct assay_error err = {0};
    const char *content = NULL;
    struct assay_buf path;

    if (rex == NULL || !read_path(rex, &path))
        return;
    rex->write = write_done;
    if (assay_json_read_text(&content, rex->body, "content", &err) == ASSAY_OK) {
        assay_rex_put_file(rex, path.data, content);
    } else {
        assay_service_refuse(rex->request, 422, "validation", err.message);
        assay_rex_end(rex);
    }
    assay_buf_free(&path);
}

// --- upload -------------------------------------------------------------------------------------

// multipart/form-data: file, target_path, unzip.
struct form {
    struct assay_buf file, path, unzip;
    bool has_file;
};

static bool take_part(void *user, const char *name, const char *bytes, size_t len)
{
    struct form *form = user;

    if (strcmp(name, "file") == 0) {
        form->has_file = true;
        return assay_buf_add(&form->file, bytes, len);
    }
    if (strcmp(name, "target_path") == 0)
        return assay_buf_add(&form->path, bytes, len);
    if (strcmp(name, "unzip") == 0)
        return assay_buf_add(&form->unzip, bytes, len);
    return true;
}

static void add_staged(struct assay_buf *out, const struct assay_rex *rex)
{
    assay_buf_addf(out, "/tmp/upload-%s", rex->mark);
}

// It lies in the box as text; from there to where it is to be, or what is in it.
static void unpack(struct assay_rex *rex, const struct assay_observation *seen)
{
    struct assay_buf script;

    (void)seen;
    assay_buf_init(&script, SCRIPT_BYTES_MAX);
    assay_buf_adds(&script, "f=");
    add_staged(&script, rex);
    assay_buf_adds(&script, "\nt=");
    assay_buf_add_quoted(&script, rex->path);
    assay_buf_adds(
            &script, "\ntrap 'rm -f \"$f\" \"$f.raw\"' EXIT\nbase64 -d \"$f\" >\"$f.raw\" &&");
    if (rex->unzip)
        assay_buf_adds(&script,
                " mkdir -p \"$t\" && if command -v unzip >/dev/null; then\n"
                "unzip -oq \"$f.raw\" -d \"$t\"\nelse python3 -m zipfile -e \"$f.raw\" \"$t\"\nfi\n");
    else
        assay_buf_adds(&script, " mkdir -p \"$(dirname \"$t\")\" && cp -T \"$f.raw\" \"$t\"\n");
    rex->write = write_done;
    assay_rex_run(rex, &script, COMMAND_S, true);
}

static void stage(struct assay_rex *rex, const struct form *form)
{
    struct assay_buf path, text;

    assay_buf_init(&path, FIELD_BYTES_MAX);
    assay_buf_init(&text, SCRIPT_BYTES_MAX);
    add_staged(&path, rex);
    if (assay_base64(&text, form->file.data, form->file.len) || form->file.len == 0) {
        rex->write = unpack;
        assay_rex_put_file(rex, path.data, text.data);
    } else {
        assay_rex_raise(rex, ASSAY_REX_ERROR "SwerexException", "the file is longer than 12 MiB");
    }
    assay_buf_free(&path);
    assay_buf_free(&text);
}

void assay_service_swerex_upload(struct assay_service_call *call)
{
    struct assay_rex *rex = assay_rex_begin(call, false);
    struct assay_buf path;
    struct form form = {.has_file = false};

    if (rex == NULL)
        return;
    assay_buf_init(&form.file, UPLOAD_BYTES_MAX);
    assay_buf_init(&form.path, FIELD_BYTES_MAX);
    assay_buf_init(&form.unzip, FIELD_BYTES_MAX);
    assay_buf_init(&path, FIELD_BYTES_MAX);
    if (assay_http_read_form(call->request, take_part, &form) && form.has_file &&
            form.path.len > 0) {
        rex->unzip = strcmp(form.unzip.data, "true") == 0;
        assay_rex_add_path(&path, rex, form.path.data);
        rex->path = strdup(path.data);
    }
    if (rex->path != NULL) {
        stage(rex, &form);
    } else {
        assay_service_refuse(call->request, form.file.failed ? 413 : 422, "validation",
                form.file.failed ? "a file of 12 MiB at most"
                                 : "multipart/form-data is wanted: file, target_path");
        assay_rex_end(rex);
    }
    assay_buf_free(&path);
    assay_buf_free(&form.file);
    assay_buf_free(&form.path);
    assay_buf_free(&form.unzip);
}
