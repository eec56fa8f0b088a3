// SPDX-License-Identifier: MIT
// serve_look_train.c - what people look at of trainings (curves) and episodes (turns).
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/report_train.h"
#include "orchestrator/serve_look.h"
#include "tasks/store_episode.h"

#define POINTS_MAX 1000 // of one series
#define TURNS_MAX 500

// --- trainings -----------------------------------------------------------------------------------

static void put_training(struct assay_json_writer *w, const struct assay_training *training)
{
    assay_json_put_text(w, "run_id", training->run_id);
    assay_json_put_text(w, "state", training->state == ASSAY_RUN_FINISHED ? "finished" : "open");
    assay_json_put_text(w, "command", training->command);
    assay_json_put_text(w, "started_at", training->started_at);
    assay_json_put_text(w, "finished_at", training->finished_at);
}

void assay_service_trainings(struct assay_service_call *call)
{
    struct assay_look look;
    struct assay_training *rows = NULL;
    size_t count = 0;

    if (assay_service_look_begin(&look, call))
        look.status = assay_store_list_trainings(look.store, look.arena, &rows, &count, &look.err);
    assay_json_begin_object(&look.w, NULL);
    assay_json_begin_array(&look.w, "trainings");
    for (size_t i = 0; look.status == ASSAY_OK && i < count; i++) {
        assay_json_begin_object(&look.w, NULL);
        put_training(&look.w, &rows[i]);
        assay_json_end_object(&look.w);
    }
    assay_json_end_array(&look.w);
    assay_json_end_object(&look.w);
    assay_service_look_end(&look);
}

struct point {
    double x, y;
};

// All points of one number of one phase; returns how many.
static size_t gather(struct point *out, const struct assay_train_report *report, const char *phase,
        const char *name)
{
    size_t count = 0;

    for (size_t i = 0; i < report->row_count; i++) {
        const struct assay_train_row *row = &report->rows[i];
        const double value =
                strcmp(row->phase, phase) == 0 ? assay_train_row_get(row, name) : (double)NAN;

        if (!isnan(value))
            out[count++] = (struct point){(double)row->step, value};
    }
    return count;
}

static void put_point(struct assay_json_writer *w, struct point point)
{
    assay_json_begin_array(w, NULL);
    assay_json_put_double(w, NULL, point.x);
    assay_json_put_double(w, NULL, point.y);
    assay_json_end_array(w);
}

// At most POINTS_MAX: of each stretch of steps its least and its greatest, so that no peak is lost.
static void put_points(struct assay_json_writer *w, const struct point *points, size_t count)
{
    const size_t stretches = POINTS_MAX / 2;

    assay_json_begin_array(w, "points");
    for (size_t i = 0; count <= POINTS_MAX && i < count; i++)
        put_point(w, points[i]);
    for (size_t s = 0; count > POINTS_MAX && s < stretches; s++) {
        const size_t end = (s + 1) * count / stretches;
        size_t least = s * count / stretches, greatest = least;

        for (size_t i = least; i < end; i++) {
            if (points[i].y < points[least].y)
                least = i;
            if (points[i].y > points[greatest].y)
                greatest = i;
        }
        put_point(w, points[least < greatest ? least : greatest]);
        if (least != greatest)
            put_point(w, points[least < greatest ? greatest : least]);
    }
    assay_json_end_array(w);
}

// Every number that any row of the phase has, in the order in which they first appear.
static enum assay_status put_phase(struct assay_look *look, const struct assay_train_report *report,
        const char *phase, struct point *room)
{
    const struct assay_train_row *first = assay_train_report_first(report, phase, NULL);
    const struct assay_train_row *last = assay_train_report_last(report, phase, NULL);

    for (size_t i = 0; last != NULL && i < last->count; i++) {
        const char *name = last->numbers[i].name;

        if (strcmp(name, "step") == 0 || strcmp(name, "position") == 0)
            continue;
        assay_json_begin_object(&look->w, NULL);
        assay_json_put_text(&look->w, "phase", phase);
        assay_json_put_text(&look->w, "name", name);
        assay_json_put_double(&look->w, "first", assay_train_row_get(first, name));
        assay_json_put_double(&look->w, "last", last->numbers[i].value);
        put_points(&look->w, room, gather(room, report, phase, name));
        assay_json_end_object(&look->w);
    }
    return assay_buf_check(&look->text, "curves", &look->err);
}

void assay_service_training(struct assay_service_call *call)
{
    static const char *const phases[] = {"eval", "rl", "sft"};
    struct assay_look look;
    struct assay_train_report report = {0};
    struct point *room = NULL;

    if (assay_service_look_begin(&look, call))
        look.status = assay_train_report_load(
                &report, look.store, call->argument, ASSAY_TRAIN_STEPS, look.arena, &look.err);
    if (look.status == ASSAY_OK) {
        room = assay_arena_array(look.arena, report.row_count + 1, sizeof(*room));
        if (room == NULL)
            look.status = assay_fail(&look.err, ASSAY_ENOMEM, "out of memory");
    }
    if (look.status == ASSAY_OK) {
        assay_json_begin_object(&look.w, NULL);
        put_training(&look.w, &report.training);
        assay_json_put_u64(&look.w, "steps_done", assay_train_report_done(&report));
        assay_json_put_u64(&look.w, "steps_total", report.sft_steps + report.rl_steps);
        assay_json_put_text(&look.w, "config", report.training.config);
        assay_json_begin_array(&look.w, "series");
        for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
            if (look.status == ASSAY_OK)
                look.status = put_phase(&look, &report, phases[i], room);
        assay_json_end_array(&look.w);
        assay_json_end_object(&look.w);
    }
    assay_service_look_end(&look);
}

// --- trajectories --------------------------------------------------------------------------------

static void put_episode(struct assay_json_writer *w, const struct assay_episode_row *row)
{
    assay_json_put_u64(w, "trajectory", row->number);
    assay_json_put_text(w, "run_id", row->run_id);
    assay_json_put_text(w, "suite", row->suite);
    assay_json_put_text(w, "instance_id", row->instance_id);
    assay_json_put_u64(w, "sample", row->sample);
    assay_json_put_text(w, "graded_in", row->graded_in);
    assay_json_put_text(w, "actor", row->actor);
    assay_json_put_text(w, "seed", row->seed);
    assay_json_put_text(w, "cause", assay_episode_cause_name(row->cause));
    assay_json_put_text(w, "reason", row->reason);
    assay_json_put_text(w, "started_at", row->started_at);
    assay_json_put_text(w, "finished_at", row->finished_at);
    assay_json_put_u64(w, "prompt_tokens", row->prompt_tokens);
    assay_json_put_u64(w, "answer_tokens", row->answer_tokens);
    if (row->has_verdict && row->scored)
        assay_json_put_bool(w, "resolved", row->resolved);
    else
        assay_json_put_null(w, "resolved");
    assay_json_put_text(w, "verdict_cause", row->verdict_cause);
    if (row->answer.data != NULL)
        assay_json_put_bytes(w, "patch", row->answer.data, row->answer.len);
    else
        assay_json_put_null(w, "patch");
}

static void put_turn(struct assay_json_writer *w, const struct assay_turn *turn)
{
    assay_json_begin_object(w, NULL);
    assay_json_put_u64(w, "turn", turn->turn);
    assay_json_put_text(w, "text", turn->text);
    assay_json_put_text(w, "tool", turn->tool);
    assay_json_put_text(w, "arguments", turn->arguments);
    assay_json_put_bytes(w, "observation", turn->observation.data, turn->observation.len);
    assay_json_put_bool(w, "failed", turn->failed);
    assay_json_put_text(w, "cause", turn->cause);
    if (turn->cause != NULL)
        assay_json_put_i64(w, "exit_code", turn->exit_code);
    assay_json_put_u64(w, "step_ms", turn->step_us / 1000);
    assay_json_put_u64(w, "actor_ms", turn->actor_us / 1000);
    assay_json_end_object(w);
}

void assay_service_trajectory(struct assay_service_call *call)
{
    struct assay_look look;
    struct assay_episode_row row = {0};
    struct assay_turn *turns = NULL;
    size_t count = 0;
    uint64_t offset, max;
    char *end = NULL;
    const uint64_t number = strtoull(call->argument, &end, 10);

    (void)assay_service_look_begin(&look, call);
    offset = assay_service_look_number(&look, "offset", 0, UINT32_MAX);
    max = assay_service_look_number(&look, "limit", 100, TURNS_MAX);
    if (look.status == ASSAY_OK && (*end != '\0' || number == 0 || number > INT64_MAX))
        look.status = assay_fail(&look.err, ASSAY_ENOTFOUND, "no such trajectory");
    if (look.status == ASSAY_OK)
        look.status = assay_store_get_episode(look.store, number, look.arena, &row, &look.err);
    if (look.status == ASSAY_OK)
        look.status =
                assay_store_get_turns(look.store, number, look.arena, &turns, &count, &look.err);
    if (look.status == ASSAY_OK) {
        assay_json_begin_object(&look.w, NULL);
        put_episode(&look.w, &row);
        assay_json_put_u64(&look.w, "turn_count", count);
        assay_json_put_u64(&look.w, "offset", offset);
        assay_json_begin_array(&look.w, "turns");
        for (uint64_t i = offset; i < count && i < offset + max; i++)
            put_turn(&look.w, &turns[i]);
        assay_json_end_array(&look.w);
        assay_json_end_object(&look.w);
    }
    assay_service_look_end(&look);
}
