// SPDX-License-Identifier: MIT
// chat.c - the templates of the families, and how one is filled in.
#include "policy/chat.h"

#include <stdlib.h>
#include <string.h>

#define MINIMIND_TOKENS 6400

// A text of the template that is one token where the tokenizer has it.
struct marker {
    const char *token;
    bool frames; // turns are made of it: a tokenizer without it is another family's
    bool said;   // a model says it itself
};

// Which of its own thoughts a model is shown again.
enum thoughts {
    THOUGHTS_AS_SAID, // an answer is shown as it stands
    THOUGHTS_LATEST,  // of answers behind the last question
    THOUGHTS_ALWAYS,  // of each answer, even when there is none
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which a template reads
struct assay_chat_family {
    const char *name;
    const struct marker *markers;                    // ended by one without a token
    const char *begin;                               // of a conversation
    const char *system, *user, *assistant, *results; // what begins a turn
    const char *end;                                 // what ends any
    bool systems_first; // all that systems say is one turn at the beginning
    // What tells tools: a turn of its own, or behind what the system says, after tools_join.
    const char *tools_join;
    const char *tools_begin; // NULL: the template knows no tools
    const char *tool_before, *tool_after, *tools_end;
    // A result: result_before, its tool's name and result_named (NULL: no name), its content.
    const char *result_before, *result_named, *result_after;
    // Calls behind an answer. call_join: before a call that is not the first thing of the turn.
    const char *calls_begin, *call_join, *call_before, *call_named, *call_after, *calls_end;
    enum thoughts thoughts;
    const char *invitations[3]; // by enum assay_chat_thinking, behind the last `assistant`; or NULL
};

#define NO_THOUGHT "<think>\n\n</think>\n\n"

// Qwen3's, of which minimind's is a variant: ChatML, tools in the system's turn.
#define CHATML                                                                                     \
    .markers = chatml_markers, .begin = "", .system = "<|im_start|>system\n",                      \
    .user = "<|im_start|>user\n", .assistant = "<|im_start|>assistant\n",                          \
    .results = "<|im_start|>user", .end = "<|im_end|>\n", .tools_join = "\n\n",                    \
    .tools_begin = "# Tools\n\nYou may call one or more functions to assist with the user query."  \
                   "\n\nYou are provided with function signatures within <tools></tools> XML "     \
                   "tags:\n<tools>",                                                               \
    .tool_before = "\n", .tool_after = "",                                                         \
    .tools_end = "\n</tools>\n\nFor each function call, return a json object with function name "  \
                 "and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{\"name\":" \
                 " <function-name>, \"arguments\": <args-json-object>}\n</tool_call>",             \
    .result_before = "\n<tool_response>\n", .result_after = "\n</tool_response>",                  \
    .calls_begin = "", .call_join = "\n", .call_before = "<tool_call>\n{\"name\": \"",             \
    .call_named = "\", \"arguments\": ", .call_after = "}\n</tool_call>", .calls_end = ""

// MiniMax's. How an answer holds calls is from M1's guide to function calls; its template takes
// answers as they stand.
#define MINIMAX                                                                                    \
    .markers = minimax_markers, .system = "<beginning_of_sentence>system ai_setting=assistant\n",  \
    .user = "<beginning_of_sentence>user name=user\n",                                             \
    .assistant = "<beginning_of_sentence>ai name=assistant\n",                                     \
    .results = "<beginning_of_sentence>tool name=tools\n", .end = "<end_of_sentence>\n",           \
    .systems_first = true, .thoughts = THOUGHTS_AS_SAID, .invitations = {"", NULL, NULL}

static const struct marker chatml_markers[] = {
        {"<|im_start|>", true, false},
        {"<|im_end|>", true, false},
        {"<tool_call>", false, true},
        {"</tool_call>", false, true},
        {"<tool_response>", false, false},
        {"</tool_response>", false, false},
        {"<think>", false, true},
        {"</think>", false, true},
        {NULL, false, false},
};

static const struct marker minimax_markers[] = {
        {"<beginning_of_sentence>", true, false},
        {"<end_of_sentence>", true, false},
        {"<begin_of_document>", false, false},
        {"<tools>", false, false},
        {"</tools>", false, false},
        {"<tool_calls>", false, true},
        {"</tool_calls>", false, true},
        {"<think>", false, true},
        {"</think>", false, true},
        {NULL, false, false},
};

static const struct assay_chat_family families[] = {
        {.name = "qwen3", CHATML, .thoughts = THOUGHTS_LATEST, .invitations = {"", "", NO_THOUGHT}},
        {.name = "minimind",
                CHATML,
                .thoughts = THOUGHTS_ALWAYS,
                .invitations = {NO_THOUGHT, "<think>\n", NO_THOUGHT}},
        {.name = "minimax_m1",
                MINIMAX,
                .begin = "<begin_of_document>",
                .tools_begin = "<beginning_of_sentence>system tool_setting=tools\nYou are provided "
                               "with these tools:\n<tools>\n",
                .tool_before = "",
                .tool_after = "\n",
                .tools_end = "</tools>\n\nIf you need to call tools, please respond with "
                             "<tool_calls></tool_calls> XML tags, and provide tool-name and "
                             "json-object of arguments, following the format below:\n<tool_calls>\n"
                             "{\"name\": <tool-name-1>, \"arguments\": <args-json-object-1>}\n"
                             "...\n</tool_calls>",
                .result_before = "tool name: ",
                .result_named = "\ntool result: ",
                .result_after = "\n\n",
                .calls_begin = "<tool_calls>\n",
                .call_join = "\n",
                .call_before = "{\"name\": \"",
                .call_named = "\", \"arguments\": ",
                .call_after = "}",
                .calls_end = "\n</tool_calls>"},
        {.name = "minimax_text_01", MINIMAX, .begin = ""},
};
#define FAMILY_COUNT (sizeof(families) / sizeof(families[0]))

enum assay_status assay_chat_family_find(
        const struct assay_chat_family **out, const char *name, struct assay_error *err)
{
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        if (strcmp(families[i].name, name) == 0) {
            *out = &families[i];
            return ASSAY_OK;
        }
    return assay_fail(err, ASSAY_EINVAL,
            "\"%.64s\" is none of the templates qwen3, minimind, minimax_m1, minimax_text_01",
            name);
}

enum assay_status assay_chat_family_of(const struct assay_chat_family **out,
        const struct assay_model_config *config, struct assay_error *err)
{
    static const struct {
        const char *model_type, *family;
    } rows[] = {{"qwen3", "qwen3"}, {"qwen3_moe", "qwen3"}, {"minimind", "minimind"},
            {"minimax_m1", "minimax_m1"}, {"minimax_text_01", "minimax_text_01"}};
    const char *name = config->model_type;
    bool known = false;

    // transformers reads both of MiniMax's models as `minimax`.
    if (strcmp(name, "minimax") == 0)
        return assay_fail(err, ASSAY_EINVAL,
                "models of type minimax have one of the templates minimax_m1 and "
                "minimax_text_01: say which");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !known; i++) {
        known = strcmp(rows[i].model_type, name) == 0;
        if (known)
            name = rows[i].family;
    }
    if (!known)
        return assay_fail(err, ASSAY_EINVAL, "no chat template is known for models of type %.64s",
                config->model_type);
    // minimind-3 is described as the Qwen3 that it is; its vocabulary gives it away.
    if (strcmp(name, "qwen3") == 0 && config->vocab_size == MINIMIND_TOKENS)
        name = "minimind";
    return assay_chat_family_find(out, name, err);
}

// --- text with marks ----------------------------------------------------------------------------

void assay_chat_text_init(struct assay_chat_text *text)
{
    *text = (struct assay_chat_text){0};
    assay_buf_init(&text->text, ASSAY_CHAT_BYTES_MAX);
}

void assay_chat_text_free(struct assay_chat_text *text)
{
    assay_buf_free(&text->text);
    free(text->marks);
    *text = (struct assay_chat_text){0};
}

static void add_mark(struct assay_chat_text *out, const char *token)
{
    if (out->mark_count == out->mark_capacity) {
        const size_t capacity = out->mark_capacity ? 2 * out->mark_capacity : 64;
        struct assay_chat_mark *marks = realloc(out->marks, capacity * sizeof(*marks));

        if (!marks) {
            out->text.failed = true;
            return;
        }
        out->marks = marks;
        out->mark_capacity = capacity;
    }
    out->marks[out->mark_count++] = (struct assay_chat_mark){out->text.len, token};
}

struct writing {
    struct assay_chat_text *out;
    const struct assay_chat *chat;
    const struct assay_chat_family *family;
    size_t last_question; // a message
};

// A text of the template, or (`said`) of a model: with tokens in it.
static void put_marked(struct writing *w, const char *text, size_t len, bool said)
{
    const char *end = text + len, *plain = text;

    for (const char *at = text; at < end; at++) {
        const struct marker *m = w->family->markers;

        if (*at != '<')
            continue;
        while (m->token &&
                ((said && !m->said) || (size_t)(end - at) < strlen(m->token) ||
                        memcmp(at, m->token, strlen(m->token)) != 0))
            m++;
        if (!m->token)
            continue;
        (void)assay_buf_add(&w->out->text, plain, (size_t)(at - plain));
        add_mark(w->out, m->token);
        (void)assay_buf_adds(&w->out->text, m->token);
        plain = at + strlen(m->token);
        at = plain - 1;
    }
    (void)assay_buf_add(&w->out->text, plain, (size_t)(end - plain));
}

static void put(struct writing *w, const char *text)
{
    put_marked(w, text, strlen(text), false);
}

static void put_said(struct writing *w, const char *text, size_t len)
{
    put_marked(w, text, len, true);
}

static void put_plain(struct writing *w, const char *text)
{
    (void)assay_buf_adds(&w->out->text, text);
}

// --- what systems say, and tools ----------------------------------------------------------------

static void put_tools(struct writing *w)
{
    const struct assay_chat_family *f = w->family;

    put(w, f->tools_begin);
    for (size_t i = 0; i < w->chat->tool_count; i++) {
        put(w, f->tool_before);
        put_plain(w, w->chat->tools[i]);
        put(w, f->tool_after);
    }
    put(w, f->tools_end);
    put(w, f->end);
}

// All systems' texts and the tools, each a turn.
static void put_head_apart(struct writing *w)
{
    bool begun = false;

    for (size_t i = 0; i < w->chat->message_count; i++) {
        const struct assay_chat_message *m = &w->chat->messages[i];

        if (m->role != ASSAY_CHAT_SYSTEM || m->content[0] == '\0')
            continue;
        if (!begun)
            put(w, w->family->system);
        begun = true;
        put_plain(w, m->content);
    }
    if (begun)
        put(w, w->family->end);
    if (w->chat->tool_count > 0)
        put_tools(w);
}

// A system's text at the very beginning, and the tools behind it in the same turn.
static void put_head(struct writing *w)
{
    const bool system = w->chat->messages[0].role == ASSAY_CHAT_SYSTEM;
    const bool tools = w->chat->tool_count > 0;

    if (!system && !tools)
        return;
    put(w, w->family->system);
    if (system)
        put_plain(w, w->chat->messages[0].content);
    if (system && tools)
        put(w, w->family->tools_join);
    if (tools)
        put_tools(w);
    else
        put(w, w->family->end);
}

// --- turns --------------------------------------------------------------------------------------

struct span {
    const char *text;
    size_t len;
};

static struct span trim_lines(struct span s, bool front, bool back)
{
    while (front && s.len > 0 && s.text[0] == '\n') {
        s.text++;
        s.len--;
    }
    while (back && s.len > 0 && s.text[s.len - 1] == '\n')
        s.len--;
    return s;
}

// Behind the last `what` in s, or s itself.
static struct span behind_last(struct span s, const char *what)
{
    const size_t len = strlen(what);

    for (size_t i = s.len; i-- > 0;)
        if (s.len - i >= len && memcmp(s.text + i, what, len) == 0)
            return (struct span){s.text + i + len, s.len - i - len};
    return s;
}

// An answer's thought and what it says after it, as the ChatML templates take them apart.
static void split_answer(
        struct span *thought, struct span *content, const struct assay_chat_message *m)
{
    const char *end = strstr(m->content, "</think>");

    *content = (struct span){m->content, strlen(m->content)};
    *thought = (struct span){"", 0};
    if (m->reasoning) {
        *thought = (struct span){m->reasoning, strlen(m->reasoning)};
    } else if (end) {
        *thought = trim_lines((struct span){m->content, (size_t)(end - m->content)}, false, true);
        *thought = trim_lines(behind_last(*thought, "<think>"), true, false);
        *content = trim_lines(behind_last(*content, "</think>"), true, false);
    }
}

static void put_answer(struct writing *w, size_t index)
{
    const struct assay_chat_family *f = w->family;
    const struct assay_chat_message *m = &w->chat->messages[index];
    const bool last = index == w->chat->message_count - 1;
    struct span thought = {"", 0}, content = {m->content, strlen(m->content)};

    put(w, f->assistant);
    if (f->thoughts != THOUGHTS_AS_SAID)
        split_answer(&thought, &content, m);
    if (f->thoughts == THOUGHTS_ALWAYS ||
            (f->thoughts == THOUGHTS_LATEST && index > w->last_question &&
                    (last || thought.len > 0))) {
        const struct span shown = trim_lines(content, true, false);

        thought = trim_lines(thought, true, true);
        put(w, "<think>\n");
        put_said(w, thought.text, thought.len);
        put(w, "\n</think>\n\n");
        put_said(w, shown.text, shown.len);
    } else {
        put_said(w, content.text, content.len);
    }
    for (size_t i = 0; i < m->call_count; i++) {
        if (i > 0 || content.len > 0)
            put(w, f->call_join);
        if (i == 0)
            put(w, f->calls_begin);
        put(w, f->call_before);
        put_plain(w, m->calls[i].name);
        put(w, f->call_named);
        put_plain(w, m->calls[i].arguments);
        put(w, f->call_after);
    }
    if (m->call_count > 0)
        put(w, f->calls_end);
    put(w, f->end);
}

static enum assay_status put_result(struct writing *w, size_t index, struct assay_error *err)
{
    const struct assay_chat_family *f = w->family;
    const struct assay_chat_message *m = &w->chat->messages[index];

    if (!f->result_before)
        return assay_fail(
                err, ASSAY_EINVAL, "messages[%zu]: %s's template has no tools", index, f->name);
    if (f->result_named && !m->name)
        return assay_fail(err, ASSAY_EINVAL,
                "messages[%zu]: %s's template wants the name of the tool that answers", index,
                f->name);
    if (index == 0 || m[-1].role != ASSAY_CHAT_TOOL)
        put(w, f->results);
    put(w, f->result_before);
    if (f->result_named) {
        put_plain(w, m->name);
        put(w, f->result_named);
    }
    put_plain(w, m->content);
    put(w, f->result_after);
    if (index == w->chat->message_count - 1 || m[1].role != ASSAY_CHAT_TOOL)
        put(w, f->end);
    return ASSAY_OK;
}

static enum assay_status put_message(struct writing *w, size_t index, struct assay_error *err)
{
    const struct assay_chat_family *f = w->family;
    const struct assay_chat_message *m = &w->chat->messages[index];

    if (m->role == ASSAY_CHAT_TOOL)
        return put_result(w, index, err);
    if (m->role == ASSAY_CHAT_ASSISTANT && m->call_count > 0 && !f->call_before)
        return assay_fail(
                err, ASSAY_EINVAL, "messages[%zu]: %s's template has no tools", index, f->name);
    if (m->role == ASSAY_CHAT_ASSISTANT) {
        put_answer(w, index);
    } else if (m->role == ASSAY_CHAT_USER || (index > 0 && !f->systems_first)) {
        put(w, m->role == ASSAY_CHAT_USER ? f->user : f->system);
        put_plain(w, m->content);
        put(w, f->end);
    }
    return ASSAY_OK;
}

// The last message of a user that is no result of a tool in disguise.
static size_t find_question(const struct assay_chat *chat)
{
    static const char begin[] = "<tool_response>", end[] = "</tool_response>";

    for (size_t i = chat->message_count; i-- > 0;) {
        const char *content = chat->messages[i].content;
        const size_t len = strlen(content);
        const bool disguised = strncmp(content, begin, sizeof(begin) - 1) == 0 &&
                len >= sizeof(end) - 1 && strcmp(content + len - (sizeof(end) - 1), end) == 0;

        if (chat->messages[i].role == ASSAY_CHAT_USER && !disguised)
            return i;
    }
    return chat->message_count - 1;
}

enum assay_status assay_chat_write(struct assay_chat_text *out, const struct assay_chat *chat,
        const struct assay_chat_family *family, enum assay_chat_thinking thinking,
        struct assay_error *err)
{
    struct writing w = {
            .out = out, .chat = chat, .family = family, .last_question = find_question(chat)};
    enum assay_status status = ASSAY_OK;

    if (!family->invitations[thinking])
        return assay_fail(err, ASSAY_EINVAL, "%s's template does not say whether a model thinks",
                family->name);
    if (chat->tool_count > 0 && !family->tools_begin)
        return assay_fail(err, ASSAY_EINVAL, "%s's template has no tools", family->name);
    put(&w, family->begin);
    if (family->systems_first)
        put_head_apart(&w);
    else
        put_head(&w);
    for (size_t i = 0; i < chat->message_count && status == ASSAY_OK; i++)
        status = put_message(&w, i, err);
    put(&w, family->assistant);
    put(&w, family->invitations[thinking]);
    return status == ASSAY_OK ? assay_buf_check(&out->text, "the conversation", err) : status;
}

enum assay_status assay_chat_encode(struct assay_ids *ids, const struct assay_chat_text *text,
        const struct assay_chat_family *family, const struct assay_tokenizer *tokenizer,
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    size_t from = 0;

    for (const struct marker *m = family->markers; m->token; m++) {
        const int32_t id = assay_tokenizer_find(tokenizer, m->token);

        if (m->frames && (id < 0 || !assay_tokenizer_token(tokenizer, id)->added))
            return assay_fail(err, ASSAY_EINVAL,
                    "the tokenizer has no %s: the template of %s is not this model's", m->token,
                    family->name);
    }
    for (size_t i = 0; i < text->mark_count && status == ASSAY_OK; i++) {
        const struct assay_chat_mark *mark = &text->marks[i];
        const int32_t id = assay_tokenizer_find(tokenizer, mark->token);

        if (id < 0 || !assay_tokenizer_token(tokenizer, id)->added)
            continue; // text like any other, and one with what stands beside it
        status = assay_tokenizer_encode_plain(
                tokenizer, ids, text->text.data + from, mark->at - from, err);
        from = mark->at + strlen(mark->token);
        if (status == ASSAY_OK && !assay_ids_add(ids, id))
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    if (status == ASSAY_OK)
        status = assay_tokenizer_encode_plain(
                tokenizer, ids, text->text.data + from, text->text.len - from, err);
    return status;
}
