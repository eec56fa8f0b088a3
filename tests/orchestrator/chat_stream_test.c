// SPDX-License-Identifier: MIT
// What must hold: an answer in pieces says what the whole one would have said, wherever the pieces
// are cut; a stream that ends too early is no answer; the sampled tokens come with their logp.
#include "orchestrator/chat_stream.h"

#include <stdlib.h>
#include <string.h>

#include "orchestrator/chat.h"
#include "support/harness.h"

// What a server of transformers 5.24 sent for a tiny model, on 2026-11-30.
static const char recorded[] =
        "data: {\"id\":\"7bf8\",\"choices\":[{\"delta\":{\"role\":\"assistant\"},\"index\":0}],"
        "\"created\":1796055813,\"model\":\"tiny\",\"object\":\"chat.completion.chunk\","
        "\"system_fingerprint\":\"\"}\n\n"
        "data: {\"id\":\"7bf8\",\"choices\":[{\"delta\":{\"content\":\"\\n\\n\\n\"},\"index\":0}],"
        "\"created\":1796055813,\"model\":\"tiny\",\"object\":\"chat.completion.chunk\","
        "\"system_fingerprint\":\"\"}\n\n"
        "data: {\"id\":\"7bf8\",\"choices\":[{\"delta\":{},\"index\":0,\"finish_reason\":"
        "\"length\"}],\"created\":1796055813,\"model\":\"tiny\",\"object\":"
        "\"chat.completion.chunk\",\"system_fingerprint\":\"\",\"usage\":{\"completion_tokens\":8,"
        "\"prompt_tokens\":98,\"total_tokens\":106}}\n\n";

// Two calls whose arguments come in pieces, as the protocol has them, with logprobs and a comment.
static const char calls[] =
        ": keep-alive\r\n\r\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"So\"},"
        "\"logprobs\":{\"content\":[{\"token\":\"So\",\"logprob\":-0.5,\"bytes\":[83,111],"
        "\"top_logprobs\":[]}]},\"finish_reason\":null}],\"usage\":null}\r\n\r\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\","
        "\"type\":\"function\",\"function\":{\"name\":\"bash\",\"arguments\":\"\"}}]}}]}\r\n\r\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
        "\"arguments\":\"{\\\"command\\\":\"}}]}}]}\r\n\r\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
        "\"arguments\":\" \\\"ls\\\"}\"}},{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":"
        "\"submit\",\"arguments\":\"{}\"}}]},\"logprobs\":{\"content\":[{\"token\":\"<x>\",\"id\":"
        "7,\"logprob\":-1.25}]}}]}\r\n\r\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\r\n\r\n"
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":5}}\r\n\r\n"
        "data: [DONE]\r\n\r\n";

static enum assay_status read_stream(struct assay_actor_message *out, struct assay_arena **arena,
        const char *text, size_t len, struct assay_error *err)
{
    struct assay_buf whole;
    enum assay_status status;

    assert_int_equal(assay_arena_create(arena, (size_t)1 << 26, NULL), ASSAY_OK);
    *out = (struct assay_actor_message){.arena = *arena};
    assay_buf_init(&whole, (size_t)1 << 26);
    status = assay_chat_stream_gather(&whole, text, len, err);
    if (status == ASSAY_OK)
        status = assay_chat_read_answer(out, whole.data, whole.len, err);
    assay_buf_free(&whole);
    return status;
}

static void a_recorded_stream_is_read(void **state)
{
    struct assay_actor_message message;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(read_stream(&message, &arena, recorded, sizeof(recorded) - 1, &err), ASSAY_OK);
    assert_string_equal(message.text, "\n\n\n");
    assert_int_equal(message.call_count, 0);
    assert_int_equal(message.prompt_tokens, 98);
    assert_int_equal(message.answer_tokens, 8);
    assert_null(message.sampled);
    assay_arena_destroy(arena);
}

static void calls_come_together_with_their_tokens(void **state)
{
    struct assay_actor_message message;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(read_stream(&message, &arena, calls, sizeof(calls) - 1, &err), ASSAY_OK);
    assert_string_equal(message.text, "So");
    assert_int_equal(message.call_count, 2);
    assert_string_equal(message.calls[0].id, "c1");
    assert_string_equal(message.calls[0].tool, "bash");
    assert_string_equal(message.calls[0].arguments, "{\"command\": \"ls\"}");
    assert_string_equal(message.calls[1].tool, "submit");
    assert_int_equal(message.prompt_tokens, 11);
    assert_string_equal(message.sampled, "{\"pieces\":[\"So\",\"<x>\"],\"logp\":[-0.5,-1.25]}");
    assay_arena_destroy(arena);
}

// llama.cpp's server names alternatives by their text, NUL and all; an escaped backslash before
// u0000 is none.
static void a_nul_in_an_answer_is_spared(void **state)
{
    static const char whole[] = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
                                "\"content\":\"a\\u0000b\\\\u0000\"},\"logprobs\":{\"content\":[{"
                                "\"token\":\"a\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":"
                                "\"\\u0000\",\"logprob\":-2.5}]}]},\"finish_reason\":\"stop\"}]}";
    static const char streamed[] =
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":{"
            "\"content\":[{\"token\":\"a\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":"
            "\"\\u0000\",\"logprob\":-2.5}]}]},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    struct assay_actor_message message = {0};
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(read_stream(&message, &arena, streamed, sizeof(streamed) - 1, &err), ASSAY_OK);
    assert_string_equal(message.sampled, "{\"pieces\":[\"a\"],\"logp\":[-0.5]}");
    message = (struct assay_actor_message){.arena = arena};
    assert_int_equal(assay_chat_read_answer(&message, whole, sizeof(whole) - 1, &err), ASSAY_OK);
    assert_string_equal(message.text,
            "a\xef\xbf\xbd"
            "b\\u0000");
    assert_string_equal(message.sampled, "{\"pieces\":[\"a\"],\"logp\":[-0.5]}");
    assay_arena_destroy(arena);
}

// The calls are cut off at every byte: until a finish_reason has come whole, that is no answer.
static void a_stream_that_was_cut_is_no_answer(void **state)
{
    const char *finish = strstr(calls, "\"finish_reason\":\"tool_calls\"");
    const size_t end = (size_t)(strstr(finish, "\r\n\r\n") + 4 - calls);

    (void)state;
    for (size_t len = 0; len + 1 < end; len++) { // the carriage return alone ends a line as well
        struct assay_actor_message message;
        struct assay_arena *arena = NULL;
        struct assay_error err = {0};

        assert_int_equal(read_stream(&message, &arena, calls, len, &err), ASSAY_EIO);
        assert_string_equal(err.message, "the stream was cut");
        assay_arena_destroy(arena);
    }
}

static void what_goes_wrong_is_told(void **state)
{
    static const struct {
        const char *text;
        enum assay_status status;
        const char *words;
    } rows[] = {{"data: {\"error\":{\"message\":\"overloaded\"}}\n\n", ASSAY_EINVAL,
                        "the server says: overloaded"},
            {"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n"
             "data: {\"error\":{\"message\":\"died\"}}\n\n",
                    ASSAY_EINVAL, "the server says: died"},
            {"data: {\"choices\":[}\n\n", ASSAY_EINVAL, "an event:1"},
            {"<html>oops</html>", ASSAY_EIO, "the stream was cut"},
            {"{\"error\":{\"message\":\"no streams here\"}}", ASSAY_EINVAL,
                    "the server says: no streams here"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_actor_message message;
        struct assay_arena *arena = NULL;
        struct assay_error err = {0};

        assert_int_equal(read_stream(&message, &arena, rows[i].text, strlen(rows[i].text), &err),
                rows[i].status);
        assert_non_null(strstr(err.message, rows[i].words));
        assay_arena_destroy(arena);
    }
}

// A server that does not stream though it was asked to; one that leaves out "index".
static void servers_differ(void **state)
{
    static const char whole[] = "{\"choices\":[{\"message\":{\"content\":\"hi\"},\"logprobs\":{"
                                "\"content\":[{\"token\":\"hi\",\"id\":42,\"logprob\":-2}]}}]}";
    static const char bare[] =
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":"
            "\"bash\",\"arguments\":\"{\\\"command\\\"\"}}]}}]}\n\n"
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\":1}\"}"
            "}]}}]}\n\n"
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"submit\"}"
            "}]}}]}\n\n"
            "data: [DONE]";
    struct assay_actor_message message;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(read_stream(&message, &arena, whole, sizeof(whole) - 1, &err), ASSAY_OK);
    assert_string_equal(message.text, "hi");
    assert_string_equal(message.sampled, "{\"ids\":[42],\"pieces\":[\"hi\"],\"logp\":[-2]}");
    assay_arena_destroy(arena);
    assert_int_equal(read_stream(&message, &arena, bare, sizeof(bare) - 1, &err), ASSAY_OK);
    assert_int_equal(message.call_count, 2);
    assert_string_equal(message.calls[0].arguments, "{\"command\":1}");
    assert_string_equal(message.calls[1].tool, "submit");
    assay_arena_destroy(arena);
}

// A delta for a call far away makes no room for those before it.
static void a_call_too_many_is_not_heard(void **state)
{
    static const char text[] =
            "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":4000000000,\"function\":{"
            "\"name\":\"bash\",\"arguments\":\"{}\"}}]}}]}\n\ndata: [DONE]\n\n";
    struct assay_actor_message message;
    struct assay_arena *arena = NULL;
    struct assay_error err = {0};

    (void)state;
    assert_int_equal(read_stream(&message, &arena, text, sizeof(text) - 1, &err), ASSAY_OK);
    assert_int_equal(message.call_count, 0);
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_recorded_stream_is_read),
            cmocka_unit_test(calls_come_together_with_their_tokens),
            cmocka_unit_test(a_nul_in_an_answer_is_spared),
            cmocka_unit_test(a_stream_that_was_cut_is_no_answer),
            cmocka_unit_test(what_goes_wrong_is_told),
            cmocka_unit_test(servers_differ),
            cmocka_unit_test(a_call_too_many_is_not_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
