// SPDX-License-Identifier: MIT
// tools.c - the table of tools, and the way from an actor's JSON to a row's function.
#include "envs/tools.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/episode_inner.h"

#define DEPTH_MAX 16
#define NUMBER_MAX UINT64_C(1000000000)

static const char *const search_kinds[] = {"content", "name", NULL};
static const char *const edit_commands[] = {
        "view", "create", "str_replace", "insert", "undo_edit", NULL};

static const struct assay_tool tools[] = {
        {"bash",
                "Run a command line in the repository's box. The working directory and exported "
                "variables carry over from one call to the next. Whatever still runs when the "
                "command ends is killed. There is no network and no terminal.",
                {{"command", ASSAY_TOOL_TEXT, true, "the command line, for bash", NULL},
                        {"timeout_s", ASSAY_TOOL_NUMBER, false,
                                "seconds after which it is killed; at most the episode's limit",
                                NULL},
                        {"apart", ASSAY_TOOL_FLAG, false,
                                "in a process of its own, in the repository's directory, by sh: "
                                "nothing of it carries over",
                                NULL}},
                assay_tool_bash},
        {"view", "Show a text file with line numbers, or what is in a directory, two levels deep.",
                {{"path", ASSAY_TOOL_TEXT, true, "file or directory", NULL},
                        {"start_line", ASSAY_TOOL_NUMBER, false, "first line, from 1", NULL},
                        {"end_line", ASSAY_TOOL_NUMBER, false, "last line; absent: to the end",
                                NULL}},
                assay_tool_view},
        {"search",
                "Search file contents, line by line, or file names, with a regular expression "
                "(PCRE). Hidden directories are left out.",
                {{"pattern", ASSAY_TOOL_TEXT, true, "the regular expression", NULL},
                        {"path", ASSAY_TOOL_TEXT, false,
                                "directory or file to search; absent: the current directory", NULL},
                        {"glob", ASSAY_TOOL_TEXT, false,
                                "only files whose path matches, as \"*.py\" or \"src/**/*.c\"",
                                NULL},
                        {"kind", ASSAY_TOOL_TEXT, false, "what is searched; absent: content",
                                search_kinds},
                        {"ignore_case", ASSAY_TOOL_FLAG, false, "upper and lower case are one",
                                NULL}},
                assay_tool_search},
        {"edit",
                "Look at and change text files. str_replace wants old_str to stand in the file "
                "exactly once, white space included. undo_edit takes the last edit of a file "
                "back.",
                {{"command", ASSAY_TOOL_TEXT, true, "what to do", edit_commands},
                        {"path", ASSAY_TOOL_TEXT, true, "the file", NULL},
                        {"file_text", ASSAY_TOOL_TEXT, false,
                                "create: the whole content; a file that is there is replaced",
                                NULL},
                        {"old_str", ASSAY_TOOL_TEXT, false, "str_replace: what is replaced", NULL},
                        {"new_str", ASSAY_TOOL_TEXT, false,
                                "str_replace: what takes its place (absent: nothing); insert: the "
                                "new lines",
                                NULL},
                        {"insert_line", ASSAY_TOOL_NUMBER, false,
                                "insert: the line after which new_str goes; 0: before the first",
                                NULL},
                        {"start_line", ASSAY_TOOL_NUMBER, false, "view: first line", NULL},
                        {"end_line", ASSAY_TOOL_NUMBER, false, "view: last line", NULL}},
                assay_tool_edit},
        {"apply_patch",
                "Apply a patch to the repository, all of it or nothing: a unified diff, "
                "SEARCH/REPLACE blocks, or \"*** Begin Patch\" hunks. Paths are relative to the "
                "repository.",
                {{"patch", ASSAY_TOOL_TEXT, true, "the patch", NULL}}, assay_tool_apply_patch},
        {"run_tests",
                "Run the tests that the repository has, with the project's own command, and show "
                "what it prints. The tests that judge the work are not among them.",
                {{NULL, ASSAY_TOOL_TEXT, false, NULL, NULL}}, assay_tool_run_tests},
        {"think", "Write down a thought. Nothing is run and nothing is changed.",
                {{"thought", ASSAY_TOOL_TEXT, true, "the thought", NULL}}, assay_tool_think},
        {"submit",
                "The work is done: the repository as it is now is judged. Nothing can be done "
                "afterwards.",
                {{"answer", ASSAY_TOOL_TEXT, false,
                        "only for tasks that ask for an answer in words instead of a change",
                        NULL}},
                assay_tool_submit},
};
#define TOOL_COUNT (sizeof(tools) / sizeof(tools[0]))

const struct assay_tool *assay_tool_table(size_t *count)
{
    *count = TOOL_COUNT;
    return tools;
}

const struct assay_tool *assay_tool_find(const char *name)
{
    for (size_t i = 0; i < TOOL_COUNT; i++)
        if (strcmp(tools[i].name, name) == 0)
            return &tools[i];
    return NULL;
}

static size_t parameter_count(const struct assay_tool *tool)
{
    size_t count = 0;

    while (count < ASSAY_TOOL_PARAMETERS_MAX && tool->parameters[count].name != NULL)
        count++;
    return count;
}

// --- told to actors ------------------------------------------------------------------------------

static const char *type_name(enum assay_tool_type type)
{
    return type == ASSAY_TOOL_TEXT ? "string" : type == ASSAY_TOOL_NUMBER ? "integer" : "boolean";
}

void assay_tool_write_schema(
        struct assay_json_writer *w, const char *key, const struct assay_tool *tool)
{
    const size_t count = parameter_count(tool);

    assay_json_begin_object(w, key);
    assay_json_put_text(w, "type", "object");
    assay_json_begin_object(w, "properties");
    for (size_t i = 0; i < count; i++) {
        const struct assay_tool_parameter *p = &tool->parameters[i];

        assay_json_begin_object(w, p->name);
        assay_json_put_text(w, "type", type_name(p->type));
        assay_json_put_text(w, "description", p->doc);
        if (p->choices != NULL) {
            assay_json_begin_array(w, "enum");
            for (size_t k = 0; p->choices[k] != NULL; k++)
                assay_json_put_text(w, NULL, p->choices[k]);
            assay_json_end_array(w);
        }
        assay_json_end_object(w);
    }
    assay_json_end_object(w);
    assay_json_begin_array(w, "required");
    for (size_t i = 0; i < count; i++)
        if (tool->parameters[i].required)
            assay_json_put_text(w, NULL, tool->parameters[i].name);
    assay_json_end_array(w);
    assay_json_put_bool(w, "additionalProperties", false);
    assay_json_end_object(w);
}

void assay_tools_write(struct assay_json_writer *w, const char *key)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < TOOL_COUNT; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "type", "function");
        assay_json_begin_object(w, "function");
        assay_json_put_text(w, "name", tools[i].name);
        assay_json_put_text(w, "description", tools[i].doc);
        assay_tool_write_schema(w, "parameters", &tools[i]);
        assay_json_end_object(w);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
}

// --- reading arguments ---------------------------------------------------------------------------

enum assay_status assay_observation_refuse(struct assay_observation *out, const char *fmt, ...)
{
    char reason[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    assay_buf_clear(&out->text);
    assay_buf_addf(&out->text, "Error: %s", reason);
    out->failed = true;
    return ASSAY_OK;
}

static void refuse_tool(struct assay_observation *out, const struct assay_action *action)
{
    const char *name = action->tool;
    char names[256] = "";
    size_t len = 0;

    if (name == NULL && action->reply != NULL) {
        assay_buf_adds(&out->text, action->reply);
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < TOOL_COUNT; i++)
        len += (size_t)snprintf(
                names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "", tools[i].name);
    if (name == NULL)
        (void)assay_observation_refuse(out,
                "your message called no tool. Every message must call one of: %s; submit ends the "
                "episode",
                names);
    else
        (void)assay_observation_refuse(
                out, "there is no tool '%.100s'; there are: %s", name, names);
}

// Words of the choices, or of the parameters, for a message.
static void list_words(char *out, size_t size, const char *const *words)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; words[i] != NULL && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", words[i]);
}

// Models write numbers and flags as text now and then; what they mean is clear.
static bool read_number(uint64_t *out, const struct assay_json *json)
{
    const char *text = assay_json_text(json);
    const double number = assay_json_number(json);
    char *end = NULL;

    if (text != NULL) {
        if (text[0] < '0' || text[0] > '9')
            return false;
        *out = strtoull(text, &end, 10);
        return *end == '\0' && *out <= NUMBER_MAX;
    }
    if (!(number >= 0 && number <= (double)NUMBER_MAX))
        return false;
    *out = (uint64_t)number;
    return (double)*out == number;
}

static bool read_flag(bool *out, const struct assay_json *json)
{
    const char *text = assay_json_text(json);

    if (assay_json_type(json) == ASSAY_JSON_BOOL)
        *out = assay_json_bool(json);
    else if (text != NULL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        *out = strcmp(text, "true") == 0;
    else
        return false;
    return true;
}

// False: the observation says what is wrong with it.
static bool read_value(struct assay_tool_value *value, const struct assay_tool *tool,
        const struct assay_tool_parameter *parameter, const struct assay_json *json,
        struct assay_observation *out)
{
    char words[256];

    value->given = true;
    switch (parameter->type) {
    case ASSAY_TOOL_TEXT:
        value->text = assay_json_text(json);
        if (value->text == NULL)
            (void)assay_observation_refuse(
                    out, "%s: '%s' must be a string", tool->name, parameter->name);
        break;
    case ASSAY_TOOL_NUMBER:
        if (!read_number(&value->number, json))
            (void)assay_observation_refuse(
                    out, "%s: '%s' must be a whole number, 0 or more", tool->name, parameter->name);
        break;
    case ASSAY_TOOL_FLAG:
        if (!read_flag(&value->flag, json))
            (void)assay_observation_refuse(
                    out, "%s: '%s' must be true or false", tool->name, parameter->name);
        break;
    }
    if (out->failed || parameter->choices == NULL || value->text == NULL)
        return !out->failed;
    for (size_t i = 0; parameter->choices[i] != NULL; i++)
        if (strcmp(parameter->choices[i], value->text) == 0)
            return true;
    list_words(words, sizeof(words), parameter->choices);
    (void)assay_observation_refuse(out, "%s: '%s' is '%.100s'; it must be one of: %s", tool->name,
            parameter->name, value->text, words);
    return false;
}

static bool refuse_unknown(
        const struct assay_tool *tool, const char *key, struct assay_observation *out)
{
    const char *names[ASSAY_TOOL_PARAMETERS_MAX + 1] = {NULL};
    char words[256];

    for (size_t i = 0; i < parameter_count(tool); i++)
        names[i] = tool->parameters[i].name;
    list_words(words, sizeof(words), names);
    (void)assay_observation_refuse(out, "%s has no argument '%.100s'; it has: %s", tool->name, key,
            words[0] != '\0' ? words : "none");
    return false;
}

static bool read_values(struct assay_tool_value *values, const struct assay_tool *tool,
        const struct assay_json *arguments, struct assay_observation *out)
{
    const size_t count = parameter_count(tool);

    for (const struct assay_json *member = assay_json_first(arguments); member != NULL;
            member = assay_json_next(member)) {
        const char *key = assay_json_key(member);
        size_t i = 0;

        while (i < count && strcmp(tool->parameters[i].name, key) != 0)
            i++;
        if (i == count)
            return refuse_unknown(tool, key, out);
        if (assay_json_type(member) == ASSAY_JSON_NULL)
            continue; // not given
        if (!read_value(&values[i], tool, &tool->parameters[i], member, out))
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!tool->parameters[i].required || values[i].given)
            continue;
        (void)assay_observation_refuse(
                out, "%s needs the argument '%s'", tool->name, tool->parameters[i].name);
        return false;
    }
    return true;
}

enum assay_status assay_tools_call(struct assay_episode *episode, const struct assay_action *action,
        struct assay_observation *out, struct assay_error *err)
{
    const struct assay_json_limits limits = {ASSAY_TOOL_ARGUMENTS_BYTES_MAX, DEPTH_MAX};
    const struct assay_tool *tool = action->tool != NULL ? assay_tool_find(action->tool) : NULL;
    struct assay_tool_value values[ASSAY_TOOL_PARAMETERS_MAX] = {{.given = false}};
    const char *text = action->arguments != NULL ? action->arguments : "{}";
    struct assay_json *arguments = NULL;
    struct assay_error wrong = {0};
    enum assay_status status = ASSAY_OK;

    if (tool == NULL) {
        refuse_tool(out, action);
        return ASSAY_OK;
    }
    status = assay_json_parse(&arguments, text[0] != '\0' ? text : "{}",
            text[0] != '\0' ? strlen(text) : 2, limits, "arguments", 1, &wrong);
    if (status == ASSAY_EINVAL)
        return assay_observation_refuse(out,
                "the arguments of %s are no valid JSON (%s). Call it again with one JSON object",
                tool->name, wrong.message);
    if (status != ASSAY_OK)
        return assay_fail(err, status, "%s", wrong.message);
    if (assay_json_type(arguments) != ASSAY_JSON_OBJECT)
        (void)assay_observation_refuse(
                out, "the arguments of %s must be one JSON object", tool->name);
    else if (read_values(values, tool, arguments, out))
        status = tool->run(episode, values, out, err);
    assay_json_free(arguments);
    return status;
}
