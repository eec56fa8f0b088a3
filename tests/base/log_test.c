// SPDX-License-Identifier: MIT
// What must hold: one event is one line whatever its values hold, and lines of many threads do not
// mix.
#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "support/harness.h"
#include "support/temp.h"

enum { TIME_BYTES = 24 }; // "2026-11-24T07:00:00.123Z"

// Everything written so far to log->fd.
static void read_back(struct assay_buf *text, const struct assay_log *log)
{
    assay_buf_init(text, 1 << 24);
    assert_int_equal(lseek(log->fd, 0, SEEK_SET), 0);
    assert_int_equal(assay_fs_read_fd(text, log->fd, NULL), ASSAY_OK);
}

static struct assay_log open_log(const struct assay_temp *temp)
{
    return (struct assay_log){
            .fd = openat(temp->fd, "log", O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600),
            .level_max = ASSAY_LOG_INFO,
    };
}

static void a_line_has_time_level_room_event_and_fields(void **state)
{
    const struct assay_log log = open_log(*state);
    struct assay_buf text;

    assay_log(&log, ASSAY_LOG_WARN, "envs", "workspace reset", "episode", "e1", "path", "a b", "n",
            "12", "empty", "", "null", NULL, NULL);
    read_back(&text, &log);
    assert_string_equal(text.data + TIME_BYTES,
            " warn envs workspace reset episode=e1 path=\"a b\" n=12 empty=\"\" null=\"\"\n");
    assert_int_equal(text.data[TIME_BYTES - 1], 'Z');
    assay_buf_free(&text);
    close(log.fd);
}

static void no_value_can_break_a_line_or_reach_the_terminal(void **state)
{
    static const struct {
        const char *value;
        const char *shown;
    } rows[] = {
            {"x\ny", "\"x\\ny\""},
            {"\x1b[2J", "\"\\x1b[2J\""},
            {"a\"b\\", "\"a\\\"b\\\\\""},
            {"a=b", "\"a=b\""},
            {"\tx\r", "\"\\tx\\x0d\""},
            {"\xff", "\"\\xff\""},
            {"\xc2\x9b"
             "2J",
                    "\"\\xc2\\x9b"
                    "2J\""},
            {"\xc3\xa9", "\"\xc3\xa9\""},
            {"\x7f", "\"\\x7f\""},
    };
    const struct assay_log log = open_log(*state);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_buf text;

        print_message("row %zu\n", i);
        assert_int_equal(ftruncate(log.fd, 0), 0);
        assay_log(&log, ASSAY_LOG_INFO, "r", "e", "k", rows[i].value, NULL);
        read_back(&text, &log);
        assert_memory_equal(text.data + TIME_BYTES, " info r e k=", 12);
        assay_buf_truncate(&text, text.len - 1);
        assert_string_equal(text.data + TIME_BYTES + 12, rows[i].shown);
        assay_buf_free(&text);
    }
    close(log.fd);
}

static void json_lines_have_the_same_keys(void **state)
{
    struct assay_log log = open_log(*state);
    struct assay_json *json = NULL;
    struct assay_buf text;

    log.format = ASSAY_LOG_JSON;
    assay_log(&log, ASSAY_LOG_ERROR, "sandbox", "box failed", "box", "b\n\xff", NULL);
    read_back(&text, &log);
    assert_int_equal(text.data[text.len - 1], '\n');
    assert_int_equal(assay_json_parse(&json, text.data, text.len,
                             (struct assay_json_limits){.bytes_max = 1 << 20, .depth_max = 2},
                             "log", 1, NULL),
            ASSAY_OK);
    assert_int_equal(assay_json_count(json), 5);
    assert_int_equal(strlen(assay_json_text(assay_json_get(json, "time"))), TIME_BYTES);
    assert_string_equal(assay_json_text(assay_json_get(json, "level")), "error");
    assert_string_equal(assay_json_text(assay_json_get(json, "room")), "sandbox");
    assert_string_equal(assay_json_text(assay_json_get(json, "event")), "box failed");
    assert_string_equal(assay_json_text(assay_json_get(json, "box")), "b\n\xef\xbf\xbd");
    assay_json_free(json);
    assay_buf_free(&text);
    close(log.fd);
}

static void a_long_value_is_cut_and_says_so(void **state)
{
    const struct assay_log log = open_log(*state);
    struct assay_buf text;
    char value[10000];

    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    assay_log(&log, ASSAY_LOG_INFO, "r", "e", "k", value, "next", "1", NULL);
    read_back(&text, &log);
    assert_true(text.len < 4200);
    assert_non_null(strstr(text.data, "vvv... next=1\n"));
    assay_buf_free(&text);
    close(log.fd);
}

static void levels_above_the_maximum_are_silent(void **state)
{
    const struct assay_log log = open_log(*state);
    struct assay_buf text;

    assay_log(&log, ASSAY_LOG_DEBUG, "r", "e", NULL);
    assay_log(NULL, ASSAY_LOG_ERROR, "r", "e", NULL);
    read_back(&text, &log);
    assert_string_equal(text.data, "");
    assay_buf_free(&text);
    close(log.fd);
}

static void note_call(void *user, bool before)
{
    char *calls = user;

    calls[strlen(calls)] = before ? '(' : ')';
}

static void a_progress_bar_is_told_before_and_after(void **state)
{
    struct assay_log log = open_log(*state);
    char calls[8] = "";

    log.around = note_call;
    log.user = calls;
    assay_log(&log, ASSAY_LOG_INFO, "r", "e", NULL);
    assay_log(&log, ASSAY_LOG_DEBUG, "r", "e", NULL);
    assert_string_equal(calls, "()");
    close(log.fd);
}

static void *write_many(void *user)
{
    const struct assay_log *log = user;

    for (int i = 0; i < 500; i++)
        assay_log(log, ASSAY_LOG_INFO, "r", "e", "k", "some value that is not short at all", NULL);
    return NULL;
}

static void lines_of_many_threads_do_not_mix(void **state)
{
    struct assay_log log = open_log(*state);
    pthread_t threads[4];
    struct assay_buf text;
    size_t lines = 0;

    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &log), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    read_back(&text, &log);
    for (const char *at = text.data; *at != '\0'; lines++) {
        static const char rest[] = " info r e k=\"some value that is not short at all\"\n";

        assert_memory_equal(at + TIME_BYTES, rest, sizeof(rest) - 1);
        at += TIME_BYTES + sizeof(rest) - 1;
    }
    assert_int_equal(lines, 2000);
    assay_buf_free(&text);
    close(log.fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define IN_TEMP(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)
            IN_TEMP(a_line_has_time_level_room_event_and_fields),
            IN_TEMP(no_value_can_break_a_line_or_reach_the_terminal),
            IN_TEMP(json_lines_have_the_same_keys),
            IN_TEMP(a_long_value_is_cut_and_says_so),
            IN_TEMP(levels_above_the_maximum_are_silent),
            IN_TEMP(a_progress_bar_is_told_before_and_after),
            IN_TEMP(lines_of_many_threads_do_not_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
