// SPDX-License-Identifier: MIT
// swebench_command.c - how a SWE-bench row says its tests are run and its log is read.
#include <string.h>

#include "base/buf.h"
#include "tasks/swebench.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SCRIPT_BYTES_MAX ((size_t)16 << 20)
#define HEREDOC_BYTES_MAX 128
#define PARSER_PREFIX "parse_log_"

// The field's log parsers, without "parse_log_", and which of our frameworks reads such suites.
static const struct {
    const char *parser, *framework;
} parsers[] = {
        {"pytest", "pytest"},
        {"pytest_options", "pytest"},
        {"pytest_v2", "pytest"},
        {"pytest_v3", "pytest"},
        {"pytest_pydantic", "pytest"},
        {"astroid", "pytest"},
        {"astropy", "pytest"},
        {"flask", "pytest"},
        {"marshmallow", "pytest"},
        {"matplotlib", "pytest"},
        {"pvlib", "pytest"},
        {"pydicom", "pytest"},
        {"pylint", "pytest"},
        {"pyvista", "pytest"},
        {"requests", "pytest"},
        {"scikit", "pytest"},
        {"seaborn", "pytest"},
        {"sphinx", "pytest"},
        {"sqlfluff", "pytest"},
        {"xarray", "pytest"},
        {"unittest", "unittest"},
        {"django", "unittest"},
        {"tap", "tap"},
        {"ctest", "ctest"},
        {"gotest", "gotest"},
        {"go", "gotest"},
        {"go_test", "gotest"},
        {"cargo", "cargo"},
        {"cargo_test", "cargo"},
        {"rust", "cargo"},
        {"junit", "junit"},
        {"junit_xml", "junit"},
        {"exit", "exit"},
        {"exit_code", "exit"},
        {"jest", "jest"},
        {"jest_json", "jest-json"},
        {"vitest", "vitest"},
        {"karma", "karma"},
        {"highlightjs", "mocha"},
        {"maven", "maven"},
        {"gradle_custom", "gradle"},
        {"ant", "ant"},
        {"phpunit", "phpunit"},
        {"minitest", "minitest"},
        {"ruby_unit", "test-unit"},
        {"cucumber", "cucumber"},
        {"rspec_transformed_json", "rspec"},
        {"googletest", "gtest"},
        {"doctest", "doctest"},
        {"sympy", "swebench-log"},
        {"immutable_js", "swebench-log"},
        {"calypso", "swebench-log"},
        {"next", "swebench-log"},
        {"lighthouse", "swebench-log"},
        {"prismjs", "swebench-log"},
        {"carbon", "swebench-log"},
        {"react_pdf", "swebench-log"},
        {"grommet", "swebench-log"},
        {"quarto_cli", "swebench-log"},
        {"eslint", "swebench-log"},
        {"bpmn_js", "swebench-log"},
        {"openlayers", "swebench-log"},
        {"chart_js", "swebench-log"},
        {"marked", "swebench-log"},
        {"p5js", "swebench-log"},
        {"redis", "swebench-log"},
        {"jq", "swebench-log"},
        {"micropython_test", "swebench-log"},
        {"jekyll", "swebench-log"},
};

static const char *framework_of(const char *parser)
{
    if (strncmp(parser, PARSER_PREFIX, strlen(PARSER_PREFIX)) == 0)
        parser += strlen(PARSER_PREFIX);
    for (size_t i = 0; i < COUNT(parsers); i++) {
        if (strcmp(parsers[i].parser, parser) == 0)
            return parsers[i].framework;
    }
    return NULL;
}

// --- eval_script ---------------------------------------------------------------------------------

struct script_line {
    const char *text;
    size_t len;
};

static bool next_line(struct script_line *line, const char **at)
{
    const char *end;

    if (**at == '\0')
        return false;
    end = strchr(*at, '\n');
    line->text = *at;
    line->len = end == NULL ? strlen(*at) : (size_t)(end - *at);
    *at += line->len + (end != NULL);
    return true;
}

static bool line_holds(const struct script_line *line, const char *marker)
{
    return memmem(line->text, line->len, marker, strlen(marker)) != NULL;
}

static bool name_start(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

// Length of the shell name at the start of the line, if '=' follows it; else 0.
static size_t assigned_name(const char *text, size_t len)
{
    size_t i = 0;

    while (i < len && (name_start(text[i]) || (i > 0 && text[i] >= '0' && text[i] <= '9')))
        i++;
    return i < len && text[i] == '=' ? i : 0;
}

static bool is_export(const struct script_line *line)
{
    static const char word[] = "export ";
    const size_t len = strlen(word);

    return line->len > len && strncmp(line->text, word, len) == 0 &&
            assigned_name(line->text + len, line->len - len) > 0;
}

// "VAR=$?", which only serves the lines behind the end marker.
static bool is_status_capture(const struct script_line *line)
{
    const size_t name = assigned_name(line->text, line->len);

    return name > 0 && line->len == name + 3 && strncmp(line->text + name, "=$?", 3) == 0;
}

// The word that ends a here-document which the line opens ("<<'EOF_1'"), or "".
static void heredoc_word(char word[HEREDOC_BYTES_MAX], const struct script_line *line)
{
    const char *end = line->text + line->len;
    const char *at = memmem(line->text, line->len, "<<", 2);
    size_t len = 0;

    word[0] = '\0';
    if (at == NULL || at + 2 == end || at[2] == '<') // "<<<" takes one word, no lines
        return;
    at += 2;
    while (at < end && strchr("-'\" ", *at) != NULL)
        at++;
    while (at + len < end && strchr("'\" \t;|&)", at[len]) == NULL)
        len++;
    if (len == 0 || len >= HEREDOC_BYTES_MAX)
        return;
    memcpy(word, at, len);
    word[len] = '\0';
}

// What stands between the two marker lines, behind the exports before them. A
// here-document (the test patch) is passed over: its lines are not the script's.
// NULL, or which marker is missing.
static const char *script_command(struct assay_buf *out, const char *script)
{
    char word[HEREDOC_BYTES_MAX] = "";
    struct script_line line;
    size_t last_start;

    for (;;) {
        if (!next_line(&line, &script))
            return "no line with '>>>>> Start Test Output'";
        if (word[0] != '\0') {
            if (line.len == strlen(word) && strncmp(line.text, word, line.len) == 0)
                word[0] = '\0';
            continue;
        }
        if (line_holds(&line, ">>>>> Start Test Output"))
            break;
        if (is_export(&line)) {
            assay_buf_add(out, line.text, line.len);
            assay_buf_addc(out, '\n');
        }
        heredoc_word(word, &line);
    }
    last_start = out->len;
    for (;;) {
        if (!next_line(&line, &script))
            return "no line with '>>>>> End Test Output'";
        if (line_holds(&line, ">>>>> End Test Output"))
            break;
        if (is_status_capture(&line))
            continue;
        assay_buf_add(out, line.text, line.len);
        assay_buf_addc(out, '\n');
    }
    if (strspn(out->data + last_start, " \t\r\n") == out->len - last_start)
        return "nothing stands between the test output markers";
    return NULL;
}

// --- the command ---------------------------------------------------------------------------------

enum assay_status assay_swebench_shell(struct assay_instance *instance,
        const struct assay_fields *fields, const char *text, struct assay_error *err)
{
    const char **argv = assay_arena_array(fields->source->arena, 3, sizeof(argv[0]));

    if (argv != NULL)
        argv[2] = assay_arena_strdup(fields->source->arena, text);
    if (argv == NULL || argv[2] == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    argv[0] = "bash";
    argv[1] = "-c";
    instance->test_cmd = (struct assay_strings){argv, 3};
    return ASSAY_OK;
}

static enum assay_status command_of_script(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char *script = "";
    const char *missing;
    struct assay_buf text;
    enum assay_status status = assay_fields_text(&script, fields, "eval_script", err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, SCRIPT_BYTES_MAX);
    missing = script_command(&text, script);
    if (missing != NULL)
        status = assay_fields_fail(fields, "eval_script", err, "%s", missing);
    if (status == ASSAY_OK)
        status = assay_buf_check(&text, "eval_script", err);
    if (status == ASSAY_OK)
        status = assay_swebench_shell(instance, fields, text.data, err);
    assay_buf_free(&text);
    return status;
}

// A shell command, or a list of them that run one after the other.
static enum assay_status command_of_field(struct assay_instance *instance,
        const struct assay_fields *fields, const char *key, struct assay_error *err)
{
    struct assay_strings commands = {0};
    const char *command = "";
    struct assay_buf text;
    enum assay_status status;

    if (assay_json_type(assay_json_get(fields->object, key)) != ASSAY_JSON_ARRAY) {
        status = assay_fields_text(&command, fields, key, err);
        if (status == ASSAY_OK && command[strspn(command, " \t\r\n")] == '\0')
            status = assay_fields_fail(fields, key, err, "must not be empty");
        return status != ASSAY_OK ? status : assay_swebench_shell(instance, fields, command, err);
    }
    status = assay_fields_strings(&commands, fields, key, err);
    if (status != ASSAY_OK)
        return status;
    if (commands.count == 0)
        return assay_fields_fail(fields, key, err, "must not be empty");
    assay_buf_init(&text, SCRIPT_BYTES_MAX);
    for (size_t i = 0; i < commands.count; i++)
        assay_buf_addf(&text, "%s%s", i == 0 ? "" : "\n", commands.items[i]);
    status = assay_buf_check(&text, key, err);
    if (status == ASSAY_OK)
        status = assay_swebench_shell(instance, fields, text.data, err);
    assay_buf_free(&text);
    return status;
}

static bool has(const struct assay_fields *fields, const char *key)
{
    const struct assay_json *member = assay_json_get(fields->object, key);

    return member != NULL && assay_json_type(member) != ASSAY_JSON_NULL;
}

// The parser under its full name, for `--compat` and for frameworks that read by it.
static enum assay_status parser_field(struct assay_instance *instance,
        const struct assay_fields *fields, const char *parser, struct assay_error *err)
{
    const bool full = strncmp(parser, PARSER_PREFIX, strlen(PARSER_PREFIX)) == 0;

    instance->log_parser =
            assay_arena_printf(fields->source->arena, "%s%s", full ? "" : PARSER_PREFIX, parser);
    if (instance->log_parser == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    return ASSAY_OK;
}

static enum assay_status framework_field(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char *parser = "";
    const enum assay_status status = assay_fields_text(&parser, fields, "log_parser", err);

    if (status != ASSAY_OK)
        return status;
    instance->framework = framework_of(parser);
    if (instance->framework == NULL)
        return assay_fields_fail(
                fields, "log_parser", err, "no framework reads what \"%.60s\" reads", parser);
    return parser_field(instance, fields, parser, err);
}

static enum assay_status eval_type_field(
        struct assay_instance *instance, const struct assay_fields *fields, struct assay_error *err)
{
    const char *eval_type = "pass_and_fail";
    const enum assay_status status = assay_fields_text_or(&eval_type, fields, "eval_type", err);

    if (status != ASSAY_OK)
        return status;
    instance->fail_only = strcmp(eval_type, "fail_only") == 0;
    if (!instance->fail_only && strcmp(eval_type, "pass_and_fail") != 0)
        return assay_fields_fail(
                fields, "eval_type", err, "expected \"pass_and_fail\" or \"fail_only\"");
    return ASSAY_OK;
}

static enum assay_status framework_of_row(struct assay_instance *instance,
        const struct assay_fields *row, const struct assay_fields *config,
        const struct assay_swebench_options *options, struct assay_error *err)
{
    if (has(row, "log_parser"))
        return framework_field(instance, row, err);
    if (config != NULL && has(config, "log_parser"))
        return framework_field(instance, config, err);
    if (options->framework == NULL)
        return assay_fields_fail(row, "log_parser", err, "missing; --framework stands in for it");
    instance->framework = assay_arena_strdup(row->source->arena, options->framework);
    if (instance->framework == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", row->source->file);
    return ASSAY_OK;
}

enum assay_status assay_swebench_command(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    const struct assay_json *config_member = assay_json_get(fields->object, "install_config");
    const struct assay_fields *config = NULL;
    struct assay_fields config_fields;
    enum assay_status status = ASSAY_OK;

    // Some rows carry it as text; only an object can tell us anything.
    if (config_member != NULL && assay_json_type(config_member) == ASSAY_JSON_OBJECT) {
        status = assay_fields_object(&config_fields, fields, "install_config", err);
        config = &config_fields;
    }
    if (status != ASSAY_OK)
        return status;
    if (has(fields, "eval_script"))
        status = command_of_script(instance, fields, err);
    else if (config != NULL && has(config, "test_cmd"))
        status = command_of_field(instance, config, "test_cmd", err);
    else if (has(fields, "test_cmd"))
        status = command_of_field(instance, fields, "test_cmd", err);
    else if (has(fields, "test_cmds"))
        status = command_of_field(instance, fields, "test_cmds", err);
    else if (options->test_cmd != NULL)
        status = assay_swebench_shell(instance, fields, options->test_cmd, err);
    else
        status = assay_fields_fail(
                fields, "test_cmd", err, "missing, as eval_script is; --test-cmd stands in for it");
    if (status == ASSAY_OK)
        status = framework_of_row(instance, fields, config, options, err);
    if (status == ASSAY_OK)
        status = eval_type_field(instance, fields, err);
    if (status == ASSAY_OK && assay_json_text(assay_json_get(fields->object, "version")) != NULL)
        status = assay_fields_text(&instance->version, fields, "version", err);
    return status;
}
