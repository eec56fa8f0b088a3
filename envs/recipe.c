// SPDX-License-Identifier: MIT
// recipe.c - environment layers: built once, in scratch, under a lock, and then renamed.
//
//   layers/<key>.lock        held by the one who builds
//   tmp/.../layer/root       grows with every set-up command
//   layers/<key>/            root, log, meta.json: appears when all of them are whole
//   layers/<key>.failed.log  of the last build that failed
#include "envs/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "envs/depot_tree.h"
#include "envs/host.h"
#include "envs/image.h"
#include "envs/registry.h"
#include "envs/setup.h"

#define META_BYTES_MAX ((size_t)4 << 20)
#define HOSTS_BYTES_MAX ((size_t)4 << 20)

struct building {
    struct assay_depot *depot;
    struct assay_sandbox *sandbox;
    const struct assay_recipe *recipe;
    const struct assay_access *access; // NULL: nothing is reached
    struct assay_strings hosts;        // the recipe's and the registries'
    const char *image;                 // "" for the host
    char base_digest[ASSAY_SHA256_HEX_BYTES];
    char key[ASSAY_SHA256_HEX_BYTES]; // of the layer
    char scratch[PATH_MAX], dir[PATH_MAX], root[PATH_MAX], log[PATH_MAX];
    int log_fd;
};

// --- what it is made of -------------------------------------------------------------------------

// "host", "image:" and the name of an imported one, or "dir:" / "oci:" and the absolute path of an
// unpacked root (or of a bundle that has one).
static enum assay_status find_base(struct assay_depot *depot, const struct assay_recipe *recipe,
        struct assay_environment *out, char digest[ASSAY_SHA256_HEX_BYTES], struct assay_error *err)
{
    const char *path = NULL;
    char inner[PATH_MAX];
    enum assay_status status = ASSAY_OK;
    int fd = -1;

    if (strcmp(recipe->base, "host") == 0) {
        out->host_usr = true;
        return assay_host_digest(digest, err);
    }
    if (strncmp(recipe->base, "image:", 6) == 0)
        return assay_image_find(depot, recipe->base + 6, out->image, digest, err);
    if (strncmp(recipe->base, "dir:", 4) == 0 || strncmp(recipe->base, "oci:", 4) == 0)
        path = recipe->base + 4;
    if (path == NULL || path[0] != '/')
        return assay_fail(err, ASSAY_EINVAL,
                "base is neither host, image:NAME, dir:/PATH nor oci:/PATH: %.110s", recipe->base);
    status = assay_depot_path(inner, path, "rootfs", err);
    if (status != ASSAY_OK)
        return status;
    snprintf(out->image, sizeof(out->image), "%s", access(inner, F_OK) == 0 ? inner : path);
    fd = open(out->image, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return assay_fail(err, ASSAY_ENOTFOUND, "no unpacked image at %.150s", out->image);
    status = assay_image_digest(digest, fd, err);
    close(fd);
    return status;
}

static void add_list(struct assay_sha256 *sha, const struct assay_strings *list)
{
    assay_sha256_field(sha, &list->count, sizeof(list->count));
    for (size_t i = 0; i < list->count; i++)
        assay_sha256_field_text(sha, list->items[i]);
}

// The layer depends on what was run on what; the environment on its variables and workdir, too.
static enum assay_status make_keys(
        struct building *building, struct assay_environment *out, struct assay_error *err)
{
    struct assay_sha256 *sha = NULL;
    enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay layer 1");
    assay_sha256_field_text(sha, out->host_usr ? "host" : "image");
    assay_sha256_field_text(sha, building->base_digest);
    add_list(sha, &building->recipe->setup);
    add_list(sha, &building->recipe->env);
    if (building->recipe->hosts.count > 0)
        add_list(sha, &building->recipe->hosts);
    assay_sha256_hex(sha, building->key);
    assay_sha256_destroy(sha);

    status = assay_sha256_create(&sha, err);
    if (status != ASSAY_OK)
        return status;
    assay_sha256_field_text(sha, "assay environment 1");
    assay_sha256_field_text(sha, building->key);
    assay_sha256_field_text(sha, building->recipe->workdir);
    assay_sha256_hex(sha, out->key);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

// --- building -----------------------------------------------------------------------------------

static enum assay_status make_places(struct building *building, struct assay_error *err)
{
    static const char *const dirs[] = {"env", "home", "home/box"};
    enum assay_status status = assay_depot_tmp(building->depot, building->scratch, err);
    char path[PATH_MAX];

    if (status == ASSAY_OK)
        status = assay_depot_path(building->dir, building->scratch, "layer", err);
    if (status == ASSAY_OK)
        status = assay_depot_mkdir(building->depot, AT_FDCWD, building->dir, err);
    if (status == ASSAY_OK)
        status = assay_depot_path(building->root, building->dir, "root", err);
    if (status == ASSAY_OK)
        status = assay_depot_mkdir(building->depot, AT_FDCWD, building->root, err);
    // /env is where recipes put what they install: the box's user has to own it.
    for (size_t i = 0; status == ASSAY_OK && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        status = assay_depot_path(path, building->root, dirs[i], err);
        if (status == ASSAY_OK)
            status = assay_depot_mkdir(building->depot, AT_FDCWD, path, err);
    }
    if (status == ASSAY_OK)
        status = assay_depot_path(building->log, building->dir, "log", err);
    if (status != ASSAY_OK)
        return status;
    building->log_fd =
            open(building->log, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (building->log_fd < 0)
        return assay_fail_errno(err, errno, "create %.150s", building->log);
    return ASSAY_OK;
}

static enum assay_network network_of(const struct building *building)
{
    return building->access == NULL ? ASSAY_NETWORK_NONE : building->access->network;
}

// The recipe's list, and where this host's package managers fetch from.
static enum assay_status find_hosts(
        struct building *building, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_strings *listed = &building->recipe->hosts;
    struct assay_strings registries = {NULL, 0};
    const char **items = NULL;
    enum assay_status status = ASSAY_OK;

    if (network_of(building) != ASSAY_NETWORK_ALLOWLIST)
        return ASSAY_OK;
    status = assay_registry_hosts(&registries, building->depot, building->sandbox, arena, err);
    if (status != ASSAY_OK)
        return status;
    items = assay_arena_array(arena, listed->count + registries.count + 1, sizeof(*items));
    if (items == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "list of hosts");
    for (size_t i = 0; i < listed->count; i++)
        items[building->hosts.count++] = listed->items[i];
    for (size_t i = 0; i < registries.count; i++)
        items[building->hosts.count++] = registries.items[i];
    building->hosts.items = items;
    return ASSAY_OK;
}

static enum assay_status run_commands(struct building *building, struct assay_error *err)
{
    const struct assay_strings *commands = &building->recipe->setup;

    for (size_t i = 0; i < commands->count; i++) {
        const char *const argv[] = {"/bin/sh", "-ec", commands->items[i], NULL};
        const struct assay_setup setup = {.name = "setup",
                .argv = argv,
                .env = &building->recipe->env,
                .image = building->image[0] == '\0' ? NULL : building->image,
                .root = building->root,
                .log_fd = building->log_fd,
                .access = building->access,
                .hosts = building->hosts,
                .alone = true};
        enum assay_status status = ASSAY_OK;

        dprintf(building->log_fd, "+ %s\n", commands->items[i]);
        status = assay_setup_run(building->depot, building->sandbox, &setup, err);
        if (status != ASSAY_OK) {
            (void)assay_wrap(err, "'%.60s'", commands->items[i]);
            return status;
        }
    }
    return ASSAY_OK;
}

// What boxes leave in a kept root though no command wrote it: where something
// was mounted, how the host's network looked, and temporary files.
static enum assay_status tidy_root(const struct building *building, struct assay_error *err)
{
    static const char *const paths[] = {"dev", "etc/hosts", "etc/pip.conf", "etc/resolv.conf",
            "home/box/.config/pip", "home/box/.pip", "proc", "run", "sys", "tmp", "var/tmp"};
    enum assay_status status = ASSAY_OK;
    const int fd = open(building->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", building->root);
    for (size_t i = 0; status == ASSAY_OK && i < sizeof(paths) / sizeof(paths[0]); i++)
        status = assay_fs_remove_tree(fd, paths[i], err);
    // The kept upper was mounted volatile: nothing of it is on the disk for sure yet.
    if (status == ASSAY_OK && syncfs(fd) != 0)
        status = assay_fail_errno(err, errno, "sync layer");
    close(fd);
    return status;
}

static enum assay_status write_meta(const struct building *building, struct assay_error *err)
{
    char path[PATH_MAX], now[ASSAY_TIME_TEXT_BYTES];
    struct assay_buf text;
    struct assay_json_writer w;
    enum assay_status status = assay_depot_path(path, building->dir, "meta.json", err);

    if (status != ASSAY_OK)
        return status;
    assay_clock_utc(now);
    assay_buf_init(&text, META_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "key", building->key);
    assay_json_put_text(&w, "base", building->recipe->base);
    assay_json_put_text(&w, "base_digest", building->base_digest);
    assay_json_begin_array(&w, "setup");
    for (size_t i = 0; i < building->recipe->setup.count; i++)
        assay_json_put_text(&w, NULL, building->recipe->setup.items[i]);
    assay_json_end_array(&w);
    assay_json_begin_array(&w, "env");
    for (size_t i = 0; i < building->recipe->env.count; i++)
        assay_json_put_text(&w, NULL, building->recipe->env.items[i]);
    assay_json_end_array(&w);
    assay_json_put_text(&w, "network", assay_network_name(network_of(building)));
    assay_json_begin_array(&w, "hosts");
    for (size_t i = 0; i < building->hosts.count; i++)
        assay_json_put_text(&w, NULL, building->hosts.items[i]);
    assay_json_end_array(&w);
    assay_json_put_text(&w, "made", now);
    assay_json_end_object(&w);
    assay_buf_addc(&text, '\n');
    status = assay_buf_check(&text, "meta.json", err);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(path, text.data, text.len, 0644, err);
    assay_buf_free(&text);
    return status;
}

// Where the log of a build that failed lies is part of the message.
static void keep_log(struct building *building, struct assay_error *err)
{
    char path[PATH_MAX], name[96];

    snprintf(name, sizeof(name), "layers/%s.failed.log", building->key);
    if (building->log_fd < 0 ||
            assay_depot_path(path, assay_depot_home(building->depot), name, NULL) != ASSAY_OK ||
            rename(building->log, path) != 0)
        return;
    (void)assay_wrap(err, "set-up (log: %s)", name);
}

static enum assay_status build_layer(struct building *building, struct assay_error *err)
{
    char target[80];
    bool moved = false;
    struct assay_arena *arena = NULL;
    enum assay_status status = assay_arena_create(&arena, HOSTS_BYTES_MAX, err);

    if (status != ASSAY_OK)
        return status;
    status = find_hosts(building, arena, err);
    if (status == ASSAY_OK)
        status = make_places(building, err);
    if (status == ASSAY_OK) {
        status = run_commands(building, err);
        if (status != ASSAY_OK && status != ASSAY_EINTERRUPTED)
            keep_log(building, err);
    }
    if (status == ASSAY_OK)
        status = tidy_root(building, err);
    if (status == ASSAY_OK)
        status = write_meta(building, err);
    snprintf(target, sizeof(target), "layers/%s", building->key);
    if (status == ASSAY_OK)
        status = assay_depot_publish(building->depot, building->dir, target, &moved, err);
    if (building->log_fd >= 0)
        close(building->log_fd);
    building->log_fd = -1;
    assay_depot_drop_tmp(building->depot, building->scratch);
    assay_arena_destroy(arena);
    building->hosts = (struct assay_strings){NULL, 0};
    return status;
}

// Look, lock, look again: whoever waited finds what the builder made.
static enum assay_status have_layer(
        struct building *building, const char *layer, struct assay_error *err)
{
    char lock[PATH_MAX], name[96];
    int lock_fd = -1;
    enum assay_status status = ASSAY_OK;

    if (access(layer, F_OK) == 0)
        return ASSAY_OK;
    snprintf(name, sizeof(name), "layers/%s.lock", building->key);
    status = assay_depot_path(lock, assay_depot_home(building->depot), name, err);
    if (status == ASSAY_OK)
        status = assay_depot_lock(building->depot, &lock_fd, lock, err);
    if (status != ASSAY_OK)
        return status;
    if (access(layer, F_OK) != 0)
        status = build_layer(building, err);
    close(lock_fd);
    return status;
}

// What a layer's own record says of the network that it was made with.
static enum assay_status read_network(
        enum assay_network *out, const char *layer, struct assay_error *err)
{
    const struct assay_json_limits limits = {.bytes_max = META_BYTES_MAX, .depth_max = 8};
    char path[PATH_MAX];
    struct assay_json *meta = NULL;
    struct assay_buf text;
    const char *name = NULL;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&text, META_BYTES_MAX);
    status = assay_depot_path(path, layer, "../meta.json", err);
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&text, path, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(&meta, text.data, text.len, limits, "meta.json", 1, err);
    if (status == ASSAY_OK) {
        name = assay_json_text(assay_json_get(meta, "network"));
        *out = ASSAY_NETWORK_HOST; // the most that it can have been
        for (int network = ASSAY_NETWORK_NONE; network <= ASSAY_NETWORK_ALLOWLIST; network++)
            if (name != NULL && strcmp(name, assay_network_name((enum assay_network)network)) == 0)
                *out = (enum assay_network)network;
    }
    assay_json_free(meta);
    assay_buf_free(&text);
    return status;
}

enum assay_status assay_recipe_prepare(struct assay_depot *depot, struct assay_sandbox *sandbox,
        const struct assay_recipe *recipe, const struct assay_access *access,
        struct assay_environment *out, struct assay_error *err)
{
    struct assay_environment environment = {0};
    struct building building = {
            .depot = depot, .sandbox = sandbox, .recipe = recipe, .access = access, .log_fd = -1};
    char name[96];
    enum assay_status status = find_base(depot, recipe, &environment, building.base_digest, err);

    building.image = environment.image;
    if (status == ASSAY_OK)
        status = make_keys(&building, &environment, err);
    if (status == ASSAY_OK && recipe->setup.count > 0) {
        snprintf(name, sizeof(name), "layers/%s/root", building.key);
        status = assay_depot_path(environment.layer, assay_depot_home(depot), name, err);
        if (status == ASSAY_OK)
            status = have_layer(&building, environment.layer, err);
        // When it was last used: what collects garbage looks at that.
        snprintf(name, sizeof(name), "layers/%s", building.key);
        if (status == ASSAY_OK) {
            (void)!utimensat(depot->home_fd, name, NULL, 0);
            status = read_network(&environment.network, environment.layer, err);
        }
    }
    if (status != ASSAY_OK) {
        (void)assay_wrap(err, "recipe %s", recipe->name);
        return status;
    }
    *out = environment;
    return ASSAY_OK;
}

// --- looking, forgetting ------------------------------------------------------------------------

enum assay_status assay_recipe_look(struct assay_recipe_state *out, struct assay_depot *depot,
        const struct assay_recipe *recipe, struct assay_error *err)
{
    struct assay_environment environment = {0};
    struct building building = {.depot = depot, .recipe = recipe, .log_fd = -1};
    char name[96];
    enum assay_status status = find_base(depot, recipe, &environment, building.base_digest, err);

    *out = (struct assay_recipe_state){.ready = recipe->setup.count == 0};
    if (status == ASSAY_OK)
        status = make_keys(&building, &environment, err);
    if (status != ASSAY_OK || recipe->setup.count == 0)
        return status;
    snprintf(out->key, sizeof(out->key), "%s", building.key);
    snprintf(name, sizeof(name), "layers/%s/root", building.key);
    out->ready = faccessat(depot->home_fd, name, F_OK, 0) == 0;
    snprintf(out->log, sizeof(out->log), out->ready ? "layers/%s/log" : "layers/%s.failed.log",
            building.key);
    if (faccessat(depot->home_fd, out->log, F_OK, 0) != 0)
        out->log[0] = '\0';
    return ASSAY_OK;
}

enum assay_status assay_recipe_forget(
        struct assay_depot *depot, const struct assay_recipe *recipe, struct assay_error *err)
{
    struct assay_recipe_state state;
    char name[96], lock[PATH_MAX], scratch[PATH_MAX], gone[PATH_MAX];
    int lock_fd = -1;
    enum assay_status status = assay_recipe_look(&state, depot, recipe, err);

    if (status != ASSAY_OK || state.key[0] == '\0')
        return status;
    snprintf(name, sizeof(name), "layers/%s.lock", state.key);
    status = assay_depot_path(lock, assay_depot_home(depot), name, err);
    if (status == ASSAY_OK)
        status = assay_depot_lock(depot, &lock_fd, lock, err);
    if (status != ASSAY_OK)
        return status;
    // Out of the way first: no reader ever sees half of it.
    status = assay_depot_tmp(depot, scratch, err);
    if (status == ASSAY_OK) {
        status = assay_depot_path(gone, scratch, "layer", err);
        snprintf(name, sizeof(name), "layers/%s", state.key);
        if (status == ASSAY_OK && renameat(depot->home_fd, name, AT_FDCWD, gone) != 0 &&
                errno != ENOENT)
            status = assay_fail_errno(err, errno, "remove %s", name);
        assay_depot_drop_tmp(depot, scratch);
    }
    close(lock_fd);
    return status;
}
