// SPDX-License-Identifier: MIT
// read_reward.c - a reward that the tests write into a file, and results that a data set's own
// parser writes.
//
// reward.json: a number, or an object of numbers whose "reward" is it. reward.txt: a number. No
// file is no reward, which is not a reward of 0. What is written is the score of the one test
// "reward", which passes at 1.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rewards/reader.h"

#define REWARD_BYTES_MAX ((size_t)1 << 20)
#define PARSED_BYTES_MAX ((size_t)64 << 20)
#define DEPTH_MAX 16

static const struct assay_out_file *find_file(
        const struct assay_evidence *evidence, const char *name)
{
    for (size_t i = 0; i < evidence->file_count; i++)
        if (strcmp(evidence->files[i].name, name) == 0)
            return &evidence->files[i];
    return NULL;
}

static bool read_number(double *out, struct assay_text text)
{
    char digits[64];
    char *end = NULL;

    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL)
        text.len--;
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]) != NULL) {
        text.data++;
        text.len--;
    }
    if (text.len == 0 || text.len >= sizeof(digits))
        return false;
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    // No hexadecimal, "inf" or "nan", though strtod() knows them.
    if (digits[strspn(digits, "0123456789+-.eE")] != '\0')
        return false;
    *out = strtod(digits, &end);
    return *end == '\0' && isfinite(*out);
}

static struct assay_json *parse(
        const struct assay_out_file *file, size_t bytes_max, struct assay_reader *reader)
{
    const struct assay_json_limits limits = {.bytes_max = bytes_max, .depth_max = DEPTH_MAX};
    struct assay_error err = {0};
    struct assay_json *json = NULL;

    if (assay_json_parse(&json, file->content.data, file->content.len, limits, file->name, 1,
                &err) == ASSAY_OK)
        return json;
    assay_reader_problem(reader, "%s", assay_show(reader->arena, err.message, strlen(err.message)));
    return NULL;
}

// reward.json's score. False: it has none, and a problem says so.
static bool read_json(double *out, const struct assay_out_file *file, struct assay_reader *reader)
{
    struct assay_json *json = parse(file, REWARD_BYTES_MAX, reader);
    const struct assay_json *score = json;
    bool good = json != NULL;

    if (json == NULL)
        return false;
    if (assay_json_type(json) == ASSAY_JSON_OBJECT) {
        for (const struct assay_json *one = assay_json_first(json); one != NULL && good;
                one = assay_json_next(one))
            good = isfinite(assay_json_number(one));
        score = assay_json_get(json, "reward");
    }
    good = good && score != NULL && isfinite(assay_json_number(score));
    if (good)
        *out = assay_json_number(score);
    else
        assay_reader_problem(reader,
                "reward.json holds neither a number nor numbers by name, "
                "\"reward\" among them");
    assay_json_free(json);
    return good;
}

enum assay_status assay_read_reward(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_out_file *json = find_file(evidence, "reward.json");
    const struct assay_out_file *text = find_file(evidence, "reward.txt");
    struct assay_reader reader;
    double scores[2] = {0.0, 0.0};
    bool good = true;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    out->gives_score = true;
    out->has_score = json != NULL || text != NULL;
    out->exit_blind = true; // the file speaks; assay-harbor ends with 0
    if (json != NULL)
        good = read_json(&scores[0], json, &reader);
    if (text != NULL &&
            !read_number(&scores[1], (struct assay_text){text->content.data, text->content.len})) {
        assay_reader_problem(&reader, "reward.txt holds no number");
        good = false;
    }
    // Who reads one first and who the other differs: both must say the same.
    if (good && json != NULL && text != NULL && fabs(scores[0] - scores[1]) > 0.0) {
        assay_reader_problem(
                &reader, "reward.json says %g and reward.txt %g", scores[0], scores[1]);
        good = false;
    }
    if (out->has_score) {
        out->score = good ? scores[json == NULL] : 0.0;
        assay_reader_add(&reader, &out->log, assay_text_of("reward"),
                good && out->score >= 1.0 ? ASSAY_TEST_PASSED : ASSAY_TEST_FAILED);
    }
    return assay_reader_end(&reader, err);
}

// --- results.json: {"tests": [{"name", "status"}]} ----------------------------------------------

static void read_results(struct assay_reader *reader, const struct assay_json *tests)
{
    static const struct {
        const char *word;
        enum assay_test_status status;
    } words[] = {{"PASSED", ASSAY_TEST_PASSED}, {"FAILED", ASSAY_TEST_FAILED},
            {"SKIPPED", ASSAY_TEST_SKIPPED}, {"ERROR", ASSAY_TEST_ERROR}};

    for (const struct assay_json *one = assay_json_first(tests); one != NULL;
            one = assay_json_next(one)) {
        const char *name = assay_json_text(assay_json_get(one, "name"));
        const char *word = assay_json_text(assay_json_get(one, "status"));
        enum assay_test_status status = ASSAY_TEST_MISSING;

        for (size_t i = 0; word != NULL && i < sizeof(words) / sizeof(words[0]); i++)
            if (strcmp(word, words[i].word) == 0)
                status = words[i].status;
        if (name == NULL || name[0] == '\0' || status == ASSAY_TEST_MISSING) {
            assay_reader_problem(reader, "results.json has a test without a name or a status");
            return;
        }
        assay_reader_add(reader, &reader->reading->log, assay_text_of(name), status);
    }
}

enum assay_status assay_read_results(const struct assay_evidence *evidence,
        struct assay_reading *out, struct assay_arena *arena, struct assay_error *err)
{
    const struct assay_out_file *file = find_file(evidence, "results.json");
    struct assay_json *json = NULL;
    const struct assay_json *tests;
    struct assay_reader reader;
    enum assay_status status = assay_reader_begin(&reader, evidence, out, arena, err);

    if (status != ASSAY_OK)
        return status;
    out->exit_blind = true; // it is the parser's
    if (file != NULL)
        json = parse(file, PARSED_BYTES_MAX, &reader);
    tests = json == NULL || assay_json_type(json) != ASSAY_JSON_OBJECT
            ? NULL
            : assay_json_get(json, "tests");
    if (tests != NULL && assay_json_type(tests) == ASSAY_JSON_ARRAY)
        read_results(&reader, tests);
    else if (json != NULL)
        assay_reader_problem(&reader, "results.json has no list of tests");
    assay_json_free(json);
    return assay_reader_end(&reader, err);
}
