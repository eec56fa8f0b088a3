// SPDX-License-Identifier: MIT
#include "sandbox/plan.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "sandbox/layer.h"

#define PLAN_MAGIC 0x4e4c5041U // "APLN"
#define PLAN_VERSION 3U
#define NO_TEXT UINT32_MAX

void assay_box_limits_default(struct assay_box_limits *limits)
{
    *limits = (struct assay_box_limits){
            .wall_ms_max = 600000,
            .cpu_ms_max = 300000,
            .memory_bytes_max = (uint64_t)2 << 30,
            .disk_bytes_max = (uint64_t)1 << 30,
            .inodes_max = 200000,
            .output_bytes_max = (uint64_t)64 << 20,
            .process_count_max = 512,
            .open_file_count_max = 4096,
    };
}

void assay_box_plan_default(struct assay_box_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    plan->name = "box";
    plan->cwd = "/";
    plan->stdin_fd = plan->stdout_fd = plan->stderr_fd = -1;
    assay_box_limits_default(&plan->limits);
    plan->profile = ASSAY_PROFILE_STRICT;
    plan->network = ASSAY_NETWORK_NONE;
    plan->cpu_count = 1;
}

// --- what a plan must be -------------------------------------------------------------------------

static bool path_is_absolute(const char *path)
{
    const char *at = path;

    if (path == NULL || path[0] != '/' || strlen(path) >= PATH_MAX)
        return false;
    while ((at = strstr(at, "/..")) != NULL) {
        if (at[3] == '/' || at[3] == '\0')
            return false;
        at += 3;
    }
    return true;
}

// Length of the path up to its last '/'.
static size_t parent_len(const char *path)
{
    return (size_t)(strrchr(path, '/') - path);
}

static enum assay_status check_tree(const char *const *lowers, size_t lower_count,
        const char *upper, const char *work, const char *what, struct assay_error *err)
{
    if (lower_count > ASSAY_MOUNT_LOWERS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%s: %zu lowers, at most %d", what, lower_count,
                ASSAY_MOUNT_LOWERS_MAX);
    for (size_t i = 0; i < lower_count; i++)
        if (!path_is_absolute(lowers[i]))
            return assay_fail(err, ASSAY_EINVAL, "%s: lower %zu is not an absolute path", what, i);
    if ((upper == NULL) != (work == NULL))
        return assay_fail(err, ASSAY_EINVAL, "%s: upper and work come together", what);
    if (upper == NULL)
        return ASSAY_OK;
    if (lower_count == 0)
        return assay_fail(err, ASSAY_EINVAL, "%s: an upper without a lower", what);
    if (!path_is_absolute(upper) || !path_is_absolute(work) ||
            parent_len(upper) != parent_len(work) || strncmp(upper, work, parent_len(upper)) != 0 ||
            strcmp(upper, work) == 0 || upper[parent_len(upper) + 1] == '\0' ||
            work[parent_len(work) + 1] == '\0')
        return assay_fail(
                err, ASSAY_EINVAL, "%s: upper and work are not two paths in one folder", what);
    return ASSAY_OK;
}

static enum assay_status check_mount(const struct assay_mount *mount, struct assay_error *err)
{
    const bool has_lowers = mount->kind != ASSAY_MOUNT_TMPFS;

    if (!path_is_absolute(mount->target) || mount->target[1] == '\0')
        return assay_fail(err, ASSAY_EINVAL, "mount: target is not an absolute path below /");
    if (mount->kind > ASSAY_MOUNT_TMPFS)
        return assay_fail(err, ASSAY_EINVAL, "mount %s: unknown kind", mount->target);
    if ((mount->lower_count > 0) != has_lowers ||
            (mount->kind == ASSAY_MOUNT_BIND_RO && mount->lower_count != 1))
        return assay_fail(err, ASSAY_EINVAL, "mount %s: %zu lowers do not fit its kind",
                mount->target, mount->lower_count);
    if (mount->kind != ASSAY_MOUNT_OVERLAY && mount->upper != NULL)
        return assay_fail(
                err, ASSAY_EINVAL, "mount %s: only an overlay has an upper", mount->target);
    return check_tree(
            mount->lowers, mount->lower_count, mount->upper, mount->work, mount->target, err);
}

static enum assay_status check_limits(
        const struct assay_box_limits *limits, struct assay_error *err)
{
    const struct {
        const char *name;
        uint64_t value, max;
    } rows[] = {
            {"wall_ms_max", limits->wall_ms_max, UINT32_MAX},
            {"cpu_ms_max", limits->cpu_ms_max, UINT32_MAX},
            {"memory_bytes_max", limits->memory_bytes_max, INT64_MAX},
            {"disk_bytes_max", limits->disk_bytes_max, INT64_MAX},
            {"inodes_max", limits->inodes_max, INT32_MAX},
            {"output_bytes_max", limits->output_bytes_max, INT64_MAX},
            {"process_count_max", limits->process_count_max, INT32_MAX},
            {"open_file_count_max", limits->open_file_count_max, INT32_MAX},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].value == 0 || rows[i].value > rows[i].max)
            return assay_fail(err, ASSAY_EINVAL, "limit %s is %" PRIu64 ", not 1..%" PRIu64,
                    rows[i].name, rows[i].value, rows[i].max);
    if (limits->open_file_count_max < 16)
        return assay_fail(err, ASSAY_EINVAL, "limit open_file_count_max is below 16");
    if (limits->idle_ms_max > UINT32_MAX)
        return assay_fail(err, ASSAY_EINVAL, "limit idle_ms_max is too large");
    return ASSAY_OK;
}

static enum assay_status check_command(const struct assay_box_plan *plan, struct assay_error *err)
{
    size_t count = 0;

    if (plan->name == NULL || plan->name[0] == '\0' || strlen(plan->name) > 64 ||
            strspn(plan->name,
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                    "0123456789_.-") != strlen(plan->name))
        return assay_fail(err, ASSAY_EINVAL, "name is not 1..64 of [A-Za-z0-9_.-]");
    if (plan->argv == NULL || plan->argv[0] == NULL || plan->argv[0][0] == '\0')
        return assay_fail(err, ASSAY_EINVAL, "argv is empty");
    while (count <= ASSAY_PLAN_WORDS_MAX && plan->argv[count] != NULL)
        count++;
    if (count > ASSAY_PLAN_WORDS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "argv is longer than %d", ASSAY_PLAN_WORDS_MAX);
    if (plan->env == NULL)
        return assay_fail(err, ASSAY_EINVAL, "env is missing");
    for (count = 0; plan->env[count] != NULL; count++)
        if (count >= ASSAY_PLAN_WORDS_MAX || strchr(plan->env[count], '=') == NULL)
            return assay_fail(err, ASSAY_EINVAL, "env entry %zu is not NAME=value", count);
    if (!path_is_absolute(plan->cwd))
        return assay_fail(err, ASSAY_EINVAL, "cwd is not an absolute path");
    if ((plan->stdout_fd < 0) != (plan->stderr_fd < 0))
        return assay_fail(err, ASSAY_EINVAL, "stdout_fd and stderr_fd come together");
    if (plan->terminal && (plan->stdin_fd < 0 || plan->stdout_fd < 0))
        return assay_fail(err, ASSAY_EINVAL, "a terminal needs stdin_fd and stdout_fd");
    if (plan->report_fd != 0 && (plan->report_fd < 3 || plan->report_fd > ASSAY_PLAN_REPORT_FD_MAX))
        return assay_fail(err, ASSAY_EINVAL, "report_fd is %d, not 0 or 3..%d", plan->report_fd,
                ASSAY_PLAN_REPORT_FD_MAX);
    return ASSAY_OK;
}

enum assay_status assay_plan_check(const struct assay_box_plan *plan, struct assay_error *err)
{
    enum assay_status status = check_command(plan, err);

    if (status == ASSAY_OK)
        status = check_limits(&plan->limits, err);
    if (status == ASSAY_OK)
        status = check_tree(plan->root_lowers, plan->root_lower_count, plan->root_upper,
                plan->root_work, "root", err);
    if (status == ASSAY_OK && plan->mount_count > ASSAY_PLAN_MOUNTS_MAX)
        status = assay_fail(err, ASSAY_EINVAL, "%zu mounts, at most %d", plan->mount_count,
                ASSAY_PLAN_MOUNTS_MAX);
    for (size_t i = 0; status == ASSAY_OK && i < plan->mount_count; i++)
        status = check_mount(&plan->mounts[i], err);
    if (status == ASSAY_OK)
        status = assay_layers_check(plan, assay_snapshot_layers(plan->from), err);
    if (status == ASSAY_OK && plan->out_dir != NULL &&
            (!path_is_absolute(plan->out_dir) || plan->out_dir[1] == '\0'))
        status = assay_fail(err, ASSAY_EINVAL, "out_dir is not an absolute path below /");
    if (status == ASSAY_OK && plan->profile > ASSAY_PROFILE_COMPAT)
        status = assay_fail(err, ASSAY_EINVAL, "unknown profile");
    if (status == ASSAY_OK && plan->network > ASSAY_NETWORK_ALLOWLIST)
        status = assay_fail(err, ASSAY_EINVAL, "unknown network");
    return status;
}

// --- writing -------------------------------------------------------------------------------------

static void put_u32(struct assay_buf *buf, uint32_t value)
{
    (void)assay_buf_add(buf, &value, sizeof(value));
}

static void put_u64(struct assay_buf *buf, uint64_t value)
{
    (void)assay_buf_add(buf, &value, sizeof(value));
}

static void put_text(struct assay_buf *buf, const char *text)
{
    if (text == NULL) {
        put_u32(buf, NO_TEXT);
        return;
    }
    put_u32(buf, (uint32_t)strlen(text));
    (void)assay_buf_add(buf, text, strlen(text) + 1);
}

static void put_texts(struct assay_buf *buf, const char *const *texts, size_t count)
{
    put_u32(buf, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        put_text(buf, texts[i]);
}

static void put_words(struct assay_buf *buf, const char *const *words)
{
    size_t count = 0;

    while (words[count] != NULL)
        count++;
    put_texts(buf, words, count);
}

static void put_limits(struct assay_buf *buf, const struct assay_box_limits *limits)
{
    put_u64(buf, limits->wall_ms_max);
    put_u64(buf, limits->cpu_ms_max);
    put_u64(buf, limits->idle_ms_max);
    put_u64(buf, limits->memory_bytes_max);
    put_u64(buf, limits->disk_bytes_max);
    put_u64(buf, limits->inodes_max);
    put_u64(buf, limits->output_bytes_max);
    put_u32(buf, limits->process_count_max);
    put_u32(buf, limits->open_file_count_max);
}

static void put_layers(struct assay_buf *buf, const struct assay_layers *layers)
{
    put_u32(buf, layers == NULL ? 0 : (uint32_t)layers->part_count);
    if (layers == NULL || layers->part_count == 0)
        return;
    for (size_t i = 0; i < layers->part_count; i++)
        put_u64(buf, layers->part_ids[i]);
    put_u32(buf, (uint32_t)layers->count);
    for (size_t i = 0; i < layers->count; i++) {
        put_text(buf, layers->items[i].target);
        put_text(buf, layers->items[i].name);
        put_u32(buf, layers->items[i].part);
    }
}

enum assay_status assay_plan_pack(
        struct assay_buf *buf, const struct assay_box_plan *plan, struct assay_error *err)
{
    enum assay_status status = assay_plan_check(plan, err);

    if (status != ASSAY_OK)
        return status;
    put_u32(buf, PLAN_MAGIC);
    put_u32(buf, PLAN_VERSION);
    put_text(buf, plan->name);
    put_texts(buf, plan->root_lowers, plan->root_lower_count);
    put_text(buf, plan->root_upper);
    put_text(buf, plan->root_work);
    put_u32(buf, plan->host_usr);
    put_u32(buf, (uint32_t)plan->mount_count);
    for (size_t i = 0; i < plan->mount_count; i++) {
        const struct assay_mount *mount = &plan->mounts[i];

        put_u32(buf, mount->kind);
        put_text(buf, mount->target);
        put_texts(buf, mount->lowers, mount->lower_count);
        put_text(buf, mount->upper);
        put_text(buf, mount->work);
        put_u64(buf, mount->bytes_max);
        put_u64(buf, mount->inodes_max);
        put_u32(buf, mount->optional);
        put_u32(buf, mount->owned);
        put_u32(buf, mount->owner_uid);
        put_u32(buf, mount->owner_gid);
    }
    put_layers(buf, assay_snapshot_layers(plan->from));
    put_u32(buf, plan->snapshot);
    put_text(buf, plan->out_dir);
    put_words(buf, plan->argv);
    put_words(buf, plan->env);
    put_text(buf, plan->cwd);
    put_u32(buf, (uint32_t)plan->report_fd);
    put_u32(buf, plan->stderr_fd >= 0);
    put_u32(buf, plan->terminal);
    put_u32(buf, plan->learn);
    put_limits(buf, &plan->limits);
    put_u32(buf, plan->profile);
    put_u32(buf, plan->network);
    put_u32(buf, plan->cpu_count);
    (void)assay_buf_add(buf, &plan->cpus, sizeof(plan->cpus));
    put_u32(buf, plan->no_aslr);
    put_u32(buf, plan->serves);
    return assay_buf_check(buf, "plan", err);
}

// --- reading -------------------------------------------------------------------------------------

// Errors stick, as in a buffer that is written: check `failed` once at the end.
struct reader {
    const char *at, *end;
    struct assay_arena *arena; // borrowed
    bool failed, out_of_memory;
};

static void take(struct reader *reader, void *out, size_t size)
{
    memset(out, 0, size);
    if (reader->failed || (size_t)(reader->end - reader->at) < size) {
        reader->failed = true;
        return;
    }
    memcpy(out, reader->at, size);
    reader->at += size;
}

static uint32_t take_u32(struct reader *reader)
{
    uint32_t value = 0;

    take(reader, &value, sizeof(value));
    return value;
}

static uint64_t take_u64(struct reader *reader)
{
    uint64_t value = 0;

    take(reader, &value, sizeof(value));
    return value;
}

static const char *take_text(struct reader *reader)
{
    const uint32_t len = take_u32(reader);
    const char *text = reader->at;

    if (reader->failed || len == NO_TEXT)
        return NULL;
    if ((size_t)(reader->end - reader->at) < (size_t)len + 1 || text[len] != '\0' ||
            memchr(text, '\0', len) != NULL) {
        reader->failed = true;
        return NULL;
    }
    reader->at += (size_t)len + 1;
    return text;
}

// A NULL-terminated array; no element is NULL.
static const char *const *take_texts(struct reader *reader, size_t *count, size_t count_max)
{
    const char **texts = NULL;

    *count = 0;
    const uint32_t wanted = take_u32(reader);

    // Each text takes 5 bytes at least: a wild count cannot ask for wild memory.
    if (reader->failed || wanted > count_max || wanted > (size_t)(reader->end - reader->at) / 5) {
        reader->failed = true;
        return NULL;
    }
    texts = assay_arena_array(reader->arena, (size_t)wanted + 1, sizeof(*texts));
    if (texts == NULL) {
        reader->failed = reader->out_of_memory = true;
        return NULL;
    }
    for (size_t i = 0; i < wanted; i++) {
        texts[i] = take_text(reader);
        if (texts[i] == NULL)
            reader->failed = true;
    }
    if (reader->failed)
        return NULL;
    *count = wanted;
    return texts;
}

static void take_mount(struct reader *reader, struct assay_mount *mount)
{
    mount->kind = (enum assay_mount_kind)take_u32(reader);
    mount->target = take_text(reader);
    mount->lowers = take_texts(reader, &mount->lower_count, ASSAY_MOUNT_LOWERS_MAX);
    mount->upper = take_text(reader);
    mount->work = take_text(reader);
    mount->bytes_max = take_u64(reader);
    mount->inodes_max = take_u64(reader);
    mount->optional = take_u32(reader) != 0;
    mount->owned = take_u32(reader) != 0;
    mount->owner_uid = take_u32(reader);
    mount->owner_gid = take_u32(reader);
}

static void take_mounts(struct reader *reader, struct assay_box_plan *plan)
{
    struct assay_mount *mounts = NULL;
    const uint32_t count = take_u32(reader);

    if (reader->failed || count > ASSAY_PLAN_MOUNTS_MAX) {
        reader->failed = true;
        return;
    }
    mounts = assay_arena_array(reader->arena, (size_t)count + 1, sizeof(*mounts));
    if (mounts == NULL) {
        reader->failed = reader->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < count && !reader->failed; i++)
        take_mount(reader, &mounts[i]);
    plan->mounts = mounts;
    plan->mount_count = count;
}

// A snapshot of which only the layers are known.
static void take_layers(struct reader *reader, struct assay_box_plan *plan)
{
    const uint32_t part_count = take_u32(reader);
    struct assay_layers layers = {.part_count = part_count};
    uint64_t *ids = NULL;
    struct assay_layer *items = NULL;

    if (reader->failed || part_count == 0)
        return;
    if (part_count <= ASSAY_PARTS_MAX)
        ids = assay_arena_array(reader->arena, part_count, sizeof(*ids));
    for (size_t i = 0; ids != NULL && i < part_count; i++)
        ids[i] = take_u64(reader);
    layers.count = take_u32(reader);
    if (layers.count <= ASSAY_LAYERS_MAX)
        items = assay_arena_array(reader->arena, layers.count, sizeof(*items));
    if (ids == NULL || items == NULL) {
        reader->failed = true;
        return;
    }
    for (size_t i = 0; i < layers.count && !reader->failed; i++) {
        items[i].target = take_text(reader);
        items[i].name = take_text(reader);
        items[i].part = take_u32(reader);
        reader->failed = reader->failed || items[i].target == NULL || items[i].name == NULL;
    }
    layers.part_ids = ids;
    layers.items = items;
    plan->from = assay_snapshot_of_layers(reader->arena, &layers);
    reader->failed = reader->failed || plan->from == NULL;
}

static void take_limits(struct reader *reader, struct assay_box_limits *limits)
{
    limits->wall_ms_max = take_u64(reader);
    limits->cpu_ms_max = take_u64(reader);
    limits->idle_ms_max = take_u64(reader);
    limits->memory_bytes_max = take_u64(reader);
    limits->disk_bytes_max = take_u64(reader);
    limits->inodes_max = take_u64(reader);
    limits->output_bytes_max = take_u64(reader);
    limits->process_count_max = take_u32(reader);
    limits->open_file_count_max = take_u32(reader);
}

// Which streams pass through. The numbers mean nothing here: the descriptors come beside the plan.
static void take_streams(struct reader *reader, struct assay_box_plan *plan)
{
    plan->stdin_fd = plan->stdout_fd = plan->stderr_fd = take_u32(reader) != 0 ? 0 : -1;
    plan->terminal = take_u32(reader) != 0;
    plan->learn = take_u32(reader) != 0;
}

enum assay_status assay_plan_unpack(struct assay_box_plan *out, struct assay_arena *arena,
        const void *bytes, size_t size, struct assay_error *err)
{
    struct reader reader = {.at = bytes, .end = (const char *)bytes + size, .arena = arena};
    struct assay_box_plan plan;
    enum assay_status status = ASSAY_OK;
    size_t words = 0;

    memset(&plan, 0, sizeof(plan));
    if (take_u32(&reader) != PLAN_MAGIC || take_u32(&reader) != PLAN_VERSION)
        return assay_fail(err, ASSAY_EINVAL, "not a plan of this version");
    plan.name = take_text(&reader);
    plan.root_lowers = take_texts(&reader, &plan.root_lower_count, ASSAY_MOUNT_LOWERS_MAX);
    plan.root_upper = take_text(&reader);
    plan.root_work = take_text(&reader);
    plan.host_usr = take_u32(&reader) != 0;
    take_mounts(&reader, &plan);
    take_layers(&reader, &plan);
    plan.snapshot = take_u32(&reader) != 0;
    plan.out_dir = take_text(&reader);
    plan.argv = take_texts(&reader, &words, ASSAY_PLAN_WORDS_MAX);
    plan.env = take_texts(&reader, &words, ASSAY_PLAN_WORDS_MAX);
    plan.cwd = take_text(&reader);
    plan.report_fd = (int)take_u32(&reader);
    take_streams(&reader, &plan);
    take_limits(&reader, &plan.limits);
    plan.profile = (enum assay_profile)take_u32(&reader);
    plan.network = (enum assay_network)take_u32(&reader);
    plan.cpu_count = take_u32(&reader);
    take(&reader, &plan.cpus, sizeof(plan.cpus));
    plan.no_aslr = take_u32(&reader) != 0;
    plan.serves = take_u32(&reader) != 0;
    if (reader.out_of_memory)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a plan");
    if (reader.failed || reader.at != reader.end)
        return assay_fail(err, ASSAY_EINVAL, "the plan is cut short, too long or malformed");
    status = assay_plan_check(&plan, err);
    if (status == ASSAY_OK)
        *out = plan;
    return status;
}
