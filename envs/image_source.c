// SPDX-License-Identifier: MIT
// image_source.c - OCI layouts and docker's archives: which layers an image has, and its settings.
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "envs/image_parts.h"

#define JSON_BYTES_MAX ((size_t)32 << 20)
#define JSON_DEPTH_MAX 32
#define INDEX_DEPTH_MAX 4
#define READ_BYTES ((size_t)256 << 10)
#define FILES_MAX 100000
#define REF_KEY "org.opencontainers.image.ref.name"

struct opening {
    struct assay_image_source *out;
    struct assay_depot *depot;
    struct assay_arena *arena;
    const char *ref;
};

// --- a tar of either kind, unpacked into scratch
// ---------------------------------------------------

static enum assay_status save_file(
        int dir_fd, const char *path, struct archive *archive, struct assay_error *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    enum assay_status status = ASSAY_OK;
    int fd;

    if (slash != NULL) {
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
        status = assay_fs_mkdirs(dir_fd, dir, 0700, err);
    }
    if (status != ASSAY_OK)
        return status;
    (void)unlinkat(dir_fd, path, 0); // the last of a name counts
    fd = assay_fs_open_beneath(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return assay_fail_errno(err, errno, "write %.150s", path);
    if (archive_read_data_into_fd(archive, fd) != ARCHIVE_OK)
        status = assay_fail(err, ASSAY_EINVAL, "%.80s: %.120s", path,
                archive_error_string(archive) == NULL ? "unreadable"
                                                      : archive_error_string(archive));
    if (close(fd) != 0 && status == ASSAY_OK)
        status = assay_fail_errno(err, errno, "write %.150s", path);
    return status;
}

// "../x/layer.tar" of "y/layer.tar" is "x/layer.tar": equal layers of older archives.
static enum assay_status save_link(
        int dir_fd, const char *path, const char *target, struct assay_error *err)
{
    char to[PATH_MAX], dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t len;

    (void)snprintf(to, sizeof(to), "%.*s", slash == NULL ? 0 : (int)(slash - path), path);
    while (strncmp(target, "../", 3) == 0) {
        char *cut = strrchr(to, '/');

        *(cut == NULL ? to : cut) = '\0';
        target += 3;
    }
    len = strlen(to);
    (void)snprintf(to + len, sizeof(to) - len, "%s%s", len == 0 ? "" : "/", target);
    if (!assay_fs_path_is_plain(to))
        return assay_fail(err, ASSAY_EINVAL, "%.100s: a link out of the archive", path);
    if (slash != NULL) {
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
        const enum assay_status status = assay_fs_mkdirs(dir_fd, dir, 0700, err);

        if (status != ASSAY_OK)
            return status;
    }
    if (linkat(dir_fd, to, dir_fd, path, 0) != 0)
        return assay_fail_errno(err, errno, "%.80s: a link to %.80s", path, to);
    return ASSAY_OK;
}

static enum assay_status save_entry(int dir_fd, struct archive *archive,
        struct archive_entry *entry, uint64_t *bytes_left, struct assay_error *err)
{
    const char *path = archive_entry_pathname(entry);
    const char *link = archive_entry_hardlink(entry);
    const int64_t size = archive_entry_size(entry);

    while (path != NULL && strncmp(path, "./", 2) == 0)
        path += 2;
    if (path == NULL || path[0] == '\0' || archive_entry_filetype(entry) == AE_IFDIR)
        return ASSAY_OK;
    if (!assay_fs_path_is_plain(path))
        return assay_fail(err, ASSAY_EINVAL, "a path that leads out: '%.120s'", path);
    if (link != NULL)
        return assay_fs_path_is_plain(link) && linkat(dir_fd, link, dir_fd, path, 0) == 0
                ? ASSAY_OK
                : assay_fail(err, ASSAY_EINVAL, "%.100s: a hard link to nothing", path);
    if (archive_entry_filetype(entry) == AE_IFLNK)
        return save_link(dir_fd, path,
                archive_entry_symlink(entry) == NULL ? "" : archive_entry_symlink(entry), err);
    if (archive_entry_filetype(entry) != AE_IFREG)
        return assay_fail(err, ASSAY_EINVAL, "%.100s: neither file, folder nor link", path);
    if (size < 0 || (uint64_t)size > *bytes_left)
        return assay_fail(err, ASSAY_EINVAL, "%.100s: larger than an image may be", path);
    *bytes_left -= (uint64_t)size;
    return save_file(dir_fd, path, archive, err);
}

static enum assay_status unpack(
        struct opening *o, const char *path, uint64_t bytes_max, struct assay_error *err)
{
    struct archive *archive = archive_read_new();
    enum assay_status status = assay_depot_tmp(o->depot, o->out->scratch, err);

    if (status == ASSAY_OK) {
        o->out->dir_fd = open(o->out->scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (o->out->dir_fd < 0)
            status = assay_fail_errno(err, errno, "open scratch");
    }
    if (status == ASSAY_OK &&
            (archive == NULL || archive_read_support_format_tar(archive) != ARCHIVE_OK ||
                    archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
                    archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
                    archive_read_support_filter_xz(archive) != ARCHIVE_OK ||
                    archive_read_open_filename(archive, path, READ_BYTES) != ARCHIVE_OK))
        status = assay_fail(err, ASSAY_EINVAL, "neither a folder nor a tar: %.100s",
                archive == NULL ? "out of memory" : archive_error_string(archive));
    for (size_t i = 0; status == ASSAY_OK; i++) {
        struct archive_entry *entry = NULL;
        const int result = archive_read_next_header(archive, &entry);

        if (result == ARCHIVE_EOF)
            break;
        if ((result != ARCHIVE_OK && result != ARCHIVE_WARN) || i == FILES_MAX)
            status = assay_fail(err, ASSAY_EINVAL, "%.150s",
                    i == FILES_MAX ? "too many files" : archive_error_string(archive));
        else
            status = save_entry(o->out->dir_fd, archive, entry, &bytes_max, err);
    }
    if (archive != NULL)
        (void)archive_read_free(archive);
    return status;
}

// --- JSON of the layout
// ----------------------------------------------------------------------------

// *hex: of the file; NULL: not wanted. `digest`: what it must be; NULL: anything.
static enum assay_status load(struct opening *o, struct assay_json **out, const char *path,
        const char *digest, char hex[65], struct assay_error *err)
{
    const struct assay_json_limits limits = {
            .bytes_max = JSON_BYTES_MAX, .depth_max = JSON_DEPTH_MAX};
    char found[ASSAY_SHA256_HEX_BYTES];
    struct assay_buf text;
    enum assay_status status;
    const int fd = assay_fs_open_beneath(
            o->out->dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);

    if (fd < 0)
        return assay_fail_errno(err, errno, "%.150s", path);
    assay_buf_init(&text, JSON_BYTES_MAX);
    status = assay_fs_read_fd(&text, fd, err);
    close(fd);
    if (status == ASSAY_OK)
        status = assay_sha256_bytes(found, text.data, text.len, err);
    if (status == ASSAY_OK && digest != NULL && strcmp(found, digest) != 0)
        status = assay_fail(err, ASSAY_EINVAL, "%.80s: its SHA-256 is %.12s..., not %.12s...", path,
                found, digest);
    if (status == ASSAY_OK)
        status = assay_json_parse(out, text.data, text.len, limits, path, 1, err);
    if (status == ASSAY_OK && hex != NULL)
        memcpy(hex, found, sizeof(found));
    assay_buf_free(&text);
    return status;
}

// The hex digits of "sha256:<64 hex digits>"; NULL: it is something else.
static const char *digest_hex(const struct assay_json *json)
{
    const char *text = assay_json_text(json);

    if (text == NULL || strncmp(text, "sha256:", 7) != 0 || strlen(text + 7) != 64 ||
            text[7 + strspn(text + 7, "0123456789abcdef")] != '\0')
        return NULL;
    return text + 7;
}

static enum assay_status keep_strings(struct opening *o, struct assay_strings *out,
        const struct assay_json *list, struct assay_error *err)
{
    const size_t count = list == NULL ? 0 : assay_json_count(list);
    const char **items = assay_arena_array(o->arena, count + 1, sizeof(*items));
    size_t kept = 0;

    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "image");
    for (const struct assay_json *one = count == 0 ? NULL : assay_json_first(list); one != NULL;
            one = assay_json_next(one)) {
        const char *text = assay_json_text(one);

        items[kept] = text == NULL ? NULL : assay_arena_strdup(o->arena, text);
        if (items[kept++] == NULL)
            return assay_fail(err, ASSAY_EINVAL, "a list of texts has something else in it");
    }
    *out = (struct assay_strings){items, kept};
    return ASSAY_OK;
}

// Variables, working folder, and what the layers hold: rootfs.diff_ids.
static enum assay_status read_config(
        struct opening *o, const struct assay_json *config, struct assay_error *err)
{
    const struct assay_json *ids = assay_json_get(assay_json_get(config, "rootfs"), "diff_ids");
    const struct assay_json *settings = assay_json_get(config, "config");
    const char *workdir = assay_json_text(assay_json_get(settings, "WorkingDir"));
    const struct assay_json *env = assay_json_get(settings, "Env");
    struct assay_strings diff_ids = {NULL, 0};
    const struct assay_json *one = ids == NULL ? NULL : assay_json_first(ids);
    enum assay_status status = keep_strings(o, &diff_ids, ids, err);

    if (status == ASSAY_OK && env != NULL && assay_json_type(env) == ASSAY_JSON_ARRAY)
        status = keep_strings(o, &o->out->image->env, env, err);
    if (status != ASSAY_OK)
        return status;
    if (diff_ids.count != o->out->layer_count || diff_ids.count == 0)
        return assay_fail(err, ASSAY_EINVAL, "%zu layers, and %zu rootfs.diff_ids",
                o->out->layer_count, diff_ids.count);
    for (size_t i = 0; i < diff_ids.count; i++, one = assay_json_next(one)) {
        if (digest_hex(one) == NULL)
            return assay_fail(err, ASSAY_EINVAL, "rootfs.diff_ids[%zu] is no sha256", i);
        o->out->layers[i].diff_id = diff_ids.items[i] + 7;
    }
    o->out->image->layers = diff_ids;
    o->out->image->workdir = assay_arena_strdup(o->arena, workdir == NULL ? "" : workdir);
    return o->out->image->workdir == NULL ? assay_fail(err, ASSAY_ENOMEM, "image") : ASSAY_OK;
}

static enum assay_status room_for_layers(
        struct opening *o, const struct assay_json *layers, struct assay_error *err)
{
    const size_t count = layers == NULL ? 0 : assay_json_count(layers);

    if (count == 0 || count > ASSAY_IMAGE_LAYERS_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "%zu layers: 1 to %d are read", count, ASSAY_IMAGE_LAYERS_MAX);
    o->out->layers = assay_arena_array(o->arena, count, sizeof(*o->out->layers));
    return o->out->layers == NULL ? assay_fail(err, ASSAY_ENOMEM, "image") : ASSAY_OK;
}

static enum assay_status load_config(
        struct opening *o, const char *path, const char *digest, struct assay_error *err)
{
    struct assay_json *config = NULL;
    char hex[ASSAY_SHA256_HEX_BYTES];
    enum assay_status status = load(o, &config, path, digest, hex, err);

    if (status == ASSAY_OK)
        status = read_config(o, config, err);
    assay_json_free(config);
    if (status != ASSAY_OK)
        return status;
    o->out->config_digest = assay_arena_strdup(o->arena, hex);
    return o->out->config_digest == NULL ? assay_fail(err, ASSAY_ENOMEM, "image") : ASSAY_OK;
}

// --- OCI
// -------------------------------------------------------------------------------------------

static const char *blob_path(struct opening *o, const char *hex)
{
    return assay_arena_printf(o->arena, "blobs/sha256/%s", hex);
}

static enum assay_status read_manifest(
        struct opening *o, const struct assay_json *manifest, struct assay_error *err)
{
    const char *config = digest_hex(assay_json_get(assay_json_get(manifest, "config"), "digest"));
    const struct assay_json *layers = assay_json_get(manifest, "layers");
    enum assay_status status = room_for_layers(o, layers, err);

    if (status != ASSAY_OK)
        return status;
    for (const struct assay_json *one = assay_json_first(layers); one != NULL;
            one = assay_json_next(one)) {
        const char *hex = digest_hex(assay_json_get(one, "digest"));
        struct assay_image_layer *layer = &o->out->layers[o->out->layer_count];

        if (hex == NULL)
            return assay_fail(
                    err, ASSAY_EINVAL, "layer %zu has no sha256", o->out->layer_count + 1);
        layer->digest = assay_arena_strdup(o->arena, hex);
        layer->path = blob_path(o, hex);
        if (layer->digest == NULL || layer->path == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "image");
        o->out->layer_count++;
    }
    if (config == NULL)
        return assay_fail(err, ASSAY_EINVAL, "the manifest has no config with a sha256");
    return load_config(o, blob_path(o, config), config, err);
}

static bool for_this_host(const struct assay_json *entry)
{
    const struct assay_json *platform = assay_json_get(entry, "platform");
    const char *os = assay_json_text(assay_json_get(platform, "os"));
    const char *architecture = assay_json_text(assay_json_get(platform, "architecture"));

    return platform == NULL || os == NULL || architecture == NULL ||
            (strcmp(os, "linux") == 0 && strcmp(architecture, "amd64") == 0);
}

// "tag", or "repo:tag" where the index knows more or less of it.
static bool has_ref(const struct assay_json *entry, const char *ref)
{
    const struct assay_json *notes = assay_json_get(entry, "annotations");
    const char *names[2] = {assay_json_text(assay_json_get(notes, REF_KEY)),
            assay_json_text(assay_json_get(notes, "io.containerd.image.name"))};

    for (size_t i = 0; i < 2; i++) {
        const size_t len = names[i] == NULL ? 0 : strlen(names[i]);
        const size_t ref_len = strlen(ref);

        if (len == 0)
            continue;
        if (strcmp(names[i], ref) == 0 ||
                (len > ref_len && strcmp(names[i] + len - ref_len, ref) == 0 &&
                        strchr(":/", names[i][len - ref_len - 1]) != NULL) ||
                (ref_len > len && strcmp(ref + ref_len - len, names[i]) == 0 &&
                        ref[ref_len - len - 1] == ':'))
            return true;
    }
    return false;
}

static enum assay_status read_index(struct opening *o, const struct assay_json *index,
        const char *ref, unsigned depth, struct assay_error *err)
{
    const struct assay_json *list = assay_json_get(index, "manifests");
    const struct assay_json *chosen = NULL;
    struct assay_json *manifest = NULL;
    const char *hex;
    size_t count = 0;
    enum assay_status status;

    if (list == NULL || depth == INDEX_DEPTH_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%s",
                list == NULL ? "an index without manifests" : "indices without end");
    for (const struct assay_json *one = assay_json_first(list); one != NULL;
            one = assay_json_next(one)) {
        if (!for_this_host(one) || (ref != NULL && !has_ref(one, ref)))
            continue;
        chosen = one;
        count++;
    }
    if (count == 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no image%s%.80s for linux/amd64 in it",
                ref == NULL ? "" : " ", ref == NULL ? "" : ref);
    if (count > 1)
        return assay_fail(err, ASSAY_EINVAL, "%zu images in it: --ref must tell which", count);
    hex = digest_hex(assay_json_get(chosen, "digest"));
    if (hex == NULL)
        return assay_fail(err, ASSAY_EINVAL, "a manifest without a sha256");
    status = load(o, &manifest, blob_path(o, hex), hex, NULL, err);
    if (status == ASSAY_OK && assay_json_get(manifest, "manifests") != NULL)
        status = read_index(o, manifest, NULL, depth + 1, err);
    else if (status == ASSAY_OK)
        status = read_manifest(o, manifest, err);
    assay_json_free(manifest);
    return status;
}

static enum assay_status read_oci(struct opening *o, struct assay_error *err)
{
    struct assay_json *index = NULL;
    enum assay_status status = load(o, &index, "index.json", NULL, NULL, err);

    if (status == ASSAY_OK)
        status = read_index(o, index, o->ref, 0, err);
    assay_json_free(index);
    return status;
}

// --- docker save
// -----------------------------------------------------------------------------------

static bool has_tag(const struct assay_json *entry, const char *ref)
{
    const struct assay_json *tags = assay_json_get(entry, "RepoTags");
    const bool list = tags != NULL && assay_json_type(tags) == ASSAY_JSON_ARRAY;

    for (const struct assay_json *one = list ? assay_json_first(tags) : NULL; one != NULL;
            one = assay_json_next(one)) {
        const char *tag = assay_json_text(one);
        const char *colon = tag == NULL ? NULL : strrchr(tag, ':');

        if (tag != NULL &&
                (strcmp(tag, ref) == 0 || (colon != NULL && strcmp(colon + 1, ref) == 0)))
            return true;
    }
    return false;
}

static enum assay_status read_docker_image(
        struct opening *o, const struct assay_json *entry, struct assay_error *err)
{
    const char *config = assay_json_text(assay_json_get(entry, "Config"));
    const struct assay_json *layers = assay_json_get(entry, "Layers");
    enum assay_status status = room_for_layers(o, layers, err);

    if (status != ASSAY_OK)
        return status;
    for (const struct assay_json *one = assay_json_first(layers); one != NULL;
            one = assay_json_next(one)) {
        const char *path = assay_json_text(one);
        struct assay_image_layer *layer = &o->out->layers[o->out->layer_count];

        if (path == NULL || !assay_fs_path_is_plain(path))
            return assay_fail(err, ASSAY_EINVAL, "layer %zu has no path in the archive",
                    o->out->layer_count + 1);
        layer->path = assay_arena_strdup(o->arena, path);
        if (layer->path == NULL)
            return assay_fail(err, ASSAY_ENOMEM, "image");
        o->out->layer_count++;
    }
    if (config == NULL || !assay_fs_path_is_plain(config))
        return assay_fail(err, ASSAY_EINVAL, "the image has no Config in the archive");
    return load_config(o, config, NULL, err);
}

static enum assay_status read_docker(struct opening *o, struct assay_error *err)
{
    struct assay_json *list = NULL;
    const struct assay_json *chosen = NULL;
    size_t count = 0;
    enum assay_status status = load(o, &list, "manifest.json", NULL, NULL, err);

    for (const struct assay_json *one = status == ASSAY_OK ? assay_json_first(list) : NULL;
            one != NULL; one = assay_json_next(one)) {
        if (o->ref != NULL && !has_tag(one, o->ref))
            continue;
        chosen = one;
        count++;
    }
    if (status == ASSAY_OK && count != 1)
        status = count == 0
                ? assay_fail(err, ASSAY_ENOTFOUND, "no such image in it")
                : assay_fail(err, ASSAY_EINVAL, "%zu images in it: --ref must tell which", count);
    if (status == ASSAY_OK)
        status = read_docker_image(o, chosen, err);
    assay_json_free(list);
    return status;
}

// --- opening
// ---------------------------------------------------------------------------------------

enum assay_status assay_image_source_open(struct assay_image_source *out, struct assay_depot *depot,
        const char *path, const char *ref, struct assay_image *image, struct assay_arena *arena,
        struct assay_error *err)
{
    struct opening o = {out, depot, arena, ref};
    struct stat st;
    enum assay_status status = ASSAY_OK;

    *out = (struct assay_image_source){.dir_fd = -1, .image = image};
    if (stat(path, &st) != 0)
        return assay_fail_errno(err, errno, "%.200s", path);
    if (S_ISDIR(st.st_mode)) {
        out->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (out->dir_fd < 0)
            return assay_fail_errno(err, errno, "%.200s", path);
    } else {
        status = unpack(&o, path, depot->bounds.bytes_max, err);
    }
    if (status != ASSAY_OK)
        return status;
    if (faccessat(out->dir_fd, "oci-layout", F_OK, 0) == 0)
        return read_oci(&o, err);
    if (faccessat(out->dir_fd, "manifest.json", F_OK, 0) == 0)
        return read_docker(&o, err);
    return assay_fail(err, ASSAY_EINVAL, "neither an OCI layout nor what `docker save` writes");
}

void assay_image_source_close(struct assay_image_source *source, struct assay_depot *depot)
{
    if (source->dir_fd >= 0)
        close(source->dir_fd);
    if (source->scratch[0] != '\0')
        assay_depot_drop_tmp(depot, source->scratch);
}
