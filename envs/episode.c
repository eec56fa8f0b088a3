// SPDX-License-Identifier: MIT
// episode.c - the life of an episode: reset, step, limits, the patch that is left.
#include "envs/episode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "envs/episode_inner.h"

#define ARENA_BYTES_MAX ((size_t)1 << 30)        // a bound on all actions of an episode
#define OBSERVATION_BYTES_MAX ((size_t)64 << 20) // of a tool's text before it is cut
#define WALL_SLACK_MS UINT64_C(60000) // the box's own limit is a backstop behind the episode's

// What never belongs into a model patch: what interpreters and tools leave beside sources.
static const char *const litter[] = {"__pycache__", "*.pyc", ".pytest_cache", ".mypy_cache",
        ".ruff_cache", ".hypothesis", "node_modules/.cache"};

// --- reset ---------------------------------------------------------------------------------------

static enum assay_status set_limits(struct assay_episode_limits *limits, struct assay_error *err)
{
    if (limits->turns_max == 0)
        limits->turns_max = 100;
    if (limits->wall_ms_max == 0)
        limits->wall_ms_max = 3600000;
    if (limits->cpu_ms_max == 0)
        limits->cpu_ms_max = 1800000;
    if (limits->command_ms_max == 0)
        limits->command_ms_max = 120000;
    if (limits->observation_bytes_max == 0)
        limits->observation_bytes_max = 16000;
    if (limits->turns_max > ASSAY_EPISODE_TURNS_MAX)
        return assay_fail(
                err, ASSAY_EINVAL, "an episode has at most %u turns", ASSAY_EPISODE_TURNS_MAX);
    if (limits->observation_bytes_max < 200 ||
            limits->observation_bytes_max > OBSERVATION_BYTES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "an observation has 200 bytes to 64 MiB");
    return ASSAY_OK;
}

static enum assay_status lay_out(struct assay_episode *e, struct assay_error *err)
{
    const struct assay_workspace_options tree_alone = {.mode = ASSAY_APPLY_TOLERANT};
    const struct assay_episode_limits *limits = &e->options.limits;
    enum assay_status status = assay_workspace_make(
            &e->workspace, e->place.depot, e->place.instance, &tree_alone, e->arena, err);

    if (status != ASSAY_OK)
        return status;
    assay_box_plan_default(&e->plan);
    e->parts = (struct assay_box_parts){.recipe = e->place.recipe,
            .environment = e->place.environment,
            .workspace = &e->workspace};
    assay_box_parts_lay(&e->plan, &e->parts, e->place.instance);
    status = assay_environ_init(&e->vars, e->arena, err);
    if (status == ASSAY_OK)
        status = assay_box_parts_environ(&e->vars, e->place.recipe, NULL, false, err);
    if (status == ASSAY_OK)
        status = assay_box_parts_cpus(&e->vars, e->plan.cpu_count, err);
    e->plan.env = e->vars.items;
    e->plan.snapshot = true;
    e->plan.limits.wall_ms_max = limits->wall_ms_max + WALL_SLACK_MS;
    e->plan.limits.cpu_ms_max = limits->cpu_ms_max;
    e->plan.head_bytes_max = limits->observation_bytes_max / 2;
    e->plan.tail_bytes_max = limits->observation_bytes_max / 2;
    return status;
}

enum assay_status assay_episode_make(struct assay_episode **out,
        const struct assay_episode_place *place, const struct assay_episode_options *options,
        struct assay_error *err)
{
    struct assay_episode *e = calloc(1, sizeof(*e));
    enum assay_status status = ASSAY_OK;

    if (e == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "episode: out of memory");
    e->place = *place;
    e->options = *options;
    e->start_ms = assay_clock_ms();
    status = set_limits(&e->options.limits, err);
    if (status == ASSAY_OK)
        status = assay_arena_create(&e->arena, ARENA_BYTES_MAX, err);
    if (status == ASSAY_OK) {
        e->deeds = assay_arena_array(e->arena, e->options.limits.turns_max, sizeof(*e->deeds));
        status = e->deeds != NULL ? lay_out(e, err)
                                  : assay_fail(err, ASSAY_ENOMEM, "episode: out of memory");
    }
    if (status == ASSAY_OK)
        *out = e;
    else
        assay_episode_close(e);
    return status;
}

enum assay_status assay_episode_reset(struct assay_episode **out,
        const struct assay_episode_place *place, const struct assay_episode_options *options,
        struct assay_error *err)
{
    struct assay_episode *e = NULL;
    enum assay_status status = assay_episode_make(&e, place, options, err);

    if (status == ASSAY_OK)
        status = assay_session_start(&e->session, place->sandbox, &e->plan, err);
    if (status == ASSAY_OK)
        *out = e;
    else
        assay_episode_close(e);
    return status;
}

void assay_episode_close(struct assay_episode *e)
{
    if (e == NULL)
        return;
    assay_session_stop(e->session, NULL);
    assay_snapshot_release(e->snapshot);
    assay_edit_undos_free(&e->undos);
    if (e->workspace.lower_count > 0)
        assay_workspace_release(&e->workspace, e->place.depot);
    assay_arena_destroy(e->arena);
    free(e->answer);
    free(e);
}

void assay_episode_set_cancel(struct assay_episode *episode, const volatile bool *cancel)
{
    episode->place.cancel = cancel;
}

uint32_t assay_episode_turns(const struct assay_episode *episode)
{
    return episode->turns;
}

enum assay_episode_cause assay_episode_cause(const struct assay_episode *episode)
{
    return episode->cause;
}

const char *assay_episode_answer(const struct assay_episode *episode)
{
    return episode->answer;
}

void assay_episode_end(struct assay_episode *episode, enum assay_episode_cause cause)
{
    if (episode->cause == ASSAY_EPISODE_RUNNING)
        episode->cause = cause;
}

void assay_observation_release(struct assay_observation *observation)
{
    assay_buf_free(&observation->text);
}

// --- step ----------------------------------------------------------------------------------------

// A text that begins inside a character begins with it.
static size_t whole_character(const char *text, size_t at)
{
    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

// Head and tail of what is too long; commands have been cut as their output came.
static enum assay_status cap(
        struct assay_observation *out, size_t bytes_max, struct assay_error *err)
{
    const size_t slack = 256; // for what is said beside a command's output
    struct assay_buf cut;
    size_t head, tail;

    if (out->text.len <= bytes_max + slack)
        return assay_buf_check(&out->text, "observation", err);
    head = whole_character(out->text.data, bytes_max / 2);
    tail = whole_character(out->text.data, out->text.len - bytes_max / 2);
    assay_buf_init(&cut, OBSERVATION_BYTES_MAX);
    assay_buf_add(&cut, out->text.data, head);
    assay_buf_addf(&cut, "\n[assay: %zu bytes left out]\n", tail - head);
    assay_buf_add(&cut, out->text.data + tail, out->text.len - tail);
    // What is said beside it stands in the tail.
    if (out->text.len - out->written_bytes < cut.len)
        out->written_bytes = cut.len - (out->text.len - out->written_bytes);
    out->written_whole = false;
    assay_buf_free(&out->text);
    out->text = cut;
    return assay_buf_check(&out->text, "observation", err);
}

// What a limit that was reached makes of the episode. The actor's last word goes before a limit.
static void look_at_limits(struct assay_episode *e)
{
    const struct assay_episode_limits *limits = &e->options.limits;

    if (assay_clock_ms() - e->start_ms >= limits->wall_ms_max)
        assay_episode_end(e, ASSAY_EPISODE_WALL_LIMIT);
    if (e->cpu_us / 1000 >= limits->cpu_ms_max)
        assay_episode_end(e, ASSAY_EPISODE_CPU_LIMIT);
    if (e->turns >= limits->turns_max)
        assay_episode_end(e, ASSAY_EPISODE_TURN_LIMIT);
}

static enum assay_status keep_deed(
        struct assay_episode *e, const struct assay_action *action, struct assay_error *err)
{
    struct assay_deed *deed = &e->deeds[e->turns];

    if (action->tool != NULL)
        deed->tool = assay_arena_strdup(e->arena, action->tool);
    if (action->arguments != NULL)
        deed->arguments = assay_arena_strdup(e->arena, action->arguments);
    if (action->reply != NULL)
        deed->reply = assay_arena_strdup(e->arena, action->reply);
    if ((action->reply != NULL && deed->reply == NULL) ||
            (action->tool != NULL && deed->tool == NULL) ||
            (action->arguments != NULL && deed->arguments == NULL))
        return assay_fail(err, ASSAY_ENOMEM, "the actions of an episode take more than 1 GiB");
    return ASSAY_OK;
}

static bool copy_bytes(struct assay_bytes *bytes, struct assay_arena *arena)
{
    bytes->data = assay_arena_memdup(arena, bytes->data, bytes->len);
    return bytes->data != NULL;
}

static enum assay_status keep_seen(
        struct assay_episode *e, const struct assay_observation *seen, struct assay_error *err)
{
    struct assay_bytes *kept = &e->deeds[e->turns].seen;

    *kept = (struct assay_bytes){seen->text.data, seen->text.len};
    return copy_bytes(kept, e->arena)
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOMEM, "an episode shows more than 1 GiB");
}

enum assay_status assay_episode_step(struct assay_episode *e, const struct assay_action *action,
        struct assay_observation *out, struct assay_error *err)
{
    struct assay_observation seen = {.ran = false};
    enum assay_status status = ASSAY_OK;

    if (e->cause != ASSAY_EPISODE_RUNNING)
        return assay_fail(err, ASSAY_EINVAL, "the episode is over");
    look_at_limits(e); // the actor may have taken too long
    assay_buf_init(&seen.text, OBSERVATION_BYTES_MAX + 1024);
    if (e->cause == ASSAY_EPISODE_RUNNING) {
        status = assay_episode_thaw(e, err);
        if (status == ASSAY_OK)
            status = keep_deed(e, action, err);
        if (status == ASSAY_OK)
            status = assay_tools_call(e, action, &seen, err);
        if (status == ASSAY_OK)
            status = cap(&seen, e->options.limits.observation_bytes_max, err);
        if (status == ASSAY_OK)
            status = keep_seen(e, &seen, err);
        e->turns++;
        look_at_limits(e);
    } else {
        assay_buf_adds(&seen.text, "Nothing was done: the episode's time is over.");
        seen.failed = true;
    }
    if (status != ASSAY_OK) {
        assay_episode_end(e, ASSAY_EPISODE_INFRA_ERROR);
        assay_observation_release(&seen);
        return status;
    }
    seen.cause = e->cause;
    seen.terminated = e->cause == ASSAY_EPISODE_SUBMITTED || e->cause == ASSAY_EPISODE_STOPPED;
    seen.truncated = e->cause != ASSAY_EPISODE_RUNNING && !seen.terminated;
    *out = seen;
    return ASSAY_OK;
}

// --- fork ----------------------------------------------------------------------------------------

enum assay_status assay_episode_thaw(struct assay_episode *e, struct assay_error *err)
{
    if (e->session != NULL)
        return ASSAY_OK;
    return assay_session_resume(&e->session, e->place.sandbox, &e->plan, e->snapshot, err);
}

// The session as it is becomes a snapshot; a shell in it is gone.
static enum assay_status freeze(struct assay_episode *e, struct assay_error *err)
{
    struct assay_snapshot *snapshot = NULL;
    enum assay_status status = ASSAY_OK;

    if (e->session == NULL)
        return ASSAY_OK;
    status = assay_session_snapshot(e->session, &snapshot, err);
    if (status != ASSAY_OK)
        return status;
    assay_session_stop(e->session, NULL);
    e->session = NULL;
    assay_snapshot_release(e->snapshot);
    e->snapshot = snapshot;
    return ASSAY_OK;
}

static enum assay_status fork_snapshot(
        struct assay_episode *to, struct assay_episode *from, struct assay_error *err)
{
    enum assay_status status = freeze(from, err);

    if (status != ASSAY_OK)
        return status;
    if (!assay_edit_undos_copy(&to->undos, &from->undos))
        return assay_fail(err, ASSAY_ENOMEM, "fork: out of memory");
    for (; to->turns < from->turns; to->turns++) {
        const struct assay_deed *deed = &from->deeds[to->turns];

        status = keep_deed(
                to, &(struct assay_action){deed->tool, deed->arguments, deed->reply}, err);
        if (status != ASSAY_OK)
            return status;
        to->deeds[to->turns].seen = deed->seen; // `from` may end first, and its arena with it
        if (!copy_bytes(&to->deeds[to->turns].seen, to->arena))
            return assay_fail(err, ASSAY_ENOMEM, "fork: out of memory");
    }
    to->cpu_us = from->cpu_us;
    return assay_session_resume(&to->session, to->place.sandbox, &to->plan, from->snapshot, err);
}

static enum assay_status fork_again(struct assay_episode *to, const struct assay_episode *from,
        uint32_t turn, uint32_t *differs, struct assay_error *err)
{
    enum assay_status status = assay_session_start(&to->session, to->place.sandbox, &to->plan, err);

    while (status == ASSAY_OK && to->turns < turn && to->cause == ASSAY_EPISODE_RUNNING) {
        const struct assay_deed *deed = &from->deeds[to->turns];
        const struct assay_action action = {deed->tool, deed->arguments, deed->reply};
        struct assay_observation seen;

        status = assay_episode_step(to, &action, &seen, err);
        if (status != ASSAY_OK)
            return status;
        assay_observation_release(&seen);
        if (!assay_observation_same(to->deeds[to->turns - 1].seen, deed->seen) && *differs == 0)
            *differs = to->turns;
    }
    return status;
}

enum assay_status assay_episode_fork(struct assay_episode **out, struct assay_episode *from,
        uint32_t turn, uint32_t *differs, struct assay_error *err)
{
    const bool frozen_will_do = turn == from->turns && !from->shell_used &&
            from->cause == ASSAY_EPISODE_RUNNING && turn > 0 &&
            (from->snapshot == NULL ||
                    assay_snapshot_depth(from->snapshot) < ASSAY_SNAPSHOT_DEPTH_MAX - 1);
    struct assay_episode *to = NULL;
    uint32_t first = 0;
    enum assay_status status = ASSAY_OK;

    if (turn > from->turns)
        return assay_fail(err, ASSAY_EINVAL, "no turn %u: the episode has %u", turn, from->turns);
    status = assay_episode_make(&to, &from->place, &from->options, err);
    if (status == ASSAY_OK)
        status = frozen_will_do ? fork_snapshot(to, from, err)
                                : fork_again(to, from, turn, &first, err);
    if (status != ASSAY_OK) {
        assay_episode_close(to);
        return status;
    }
    if (differs != NULL)
        *differs = first;
    *out = to;
    return ASSAY_OK;
}

// --- what is left --------------------------------------------------------------------------------

enum assay_status assay_episode_patch(struct assay_episode *e, struct assay_buf *out,
        struct assay_tree_patch_report *report, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_tree_patch_options options = {
            .excludes = {litter, sizeof(litter) / sizeof(litter[0])}};
    int upper_fds[ASSAY_SNAPSHOT_DEPTH_MAX], lower_fds[4];
    struct assay_tree_layers layers = {.upper_fds = upper_fds, .lower_fds = lower_fds};
    enum assay_status status = freeze(e, err);

    if (status == ASSAY_OK)
        status = assay_snapshot_open(
                e->snapshot, e->place.recipe->workdir, upper_fds, &layers.upper_count, err);
    while (status == ASSAY_OK && layers.lower_count < e->workspace.lower_count) {
        const char *path = e->workspace.lowers[layers.lower_count];
        const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
            status = assay_fail_errno(err, errno, "open %.150s", path);
        else
            lower_fds[layers.lower_count++] = fd;
    }
    if (status == ASSAY_OK)
        status = assay_tree_patch(out, &layers, &options, report, arena, err);
    for (size_t i = 0; i < layers.upper_count; i++)
        close(upper_fds[i]);
    for (size_t i = 0; i < layers.lower_count; i++)
        close(lower_fds[i]);
    return status;
}
