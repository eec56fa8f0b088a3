// SPDX-License-Identifier: MIT
#include "rewards/logs.h"

#include <string.h>

#include "rewards/log_parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID_BYTES_SPARE ((size_t)16 << 20)
#define ID_BYTES_FACTOR 8

#define LINES(parser, lines)                                                                       \
    {                                                                                              \
        .name = "parse_log_" parser, .parse = assay_parse_lines, .data = &assay_lines_##lines      \
    }
#define PARSER(parser, function)                                                                   \
    {                                                                                              \
        .name = "parse_log_" parser, .parse = assay_parse_##function                               \
    }
#define TRACED(parser, function)                                                                   \
    {                                                                                              \
        .name = "parse_log_" parser, .parse = assay_parse_##function, .traced = true               \
    }
#define FAILURES(parser, function)                                                                 \
    {                                                                                              \
        .name = "parse_log_" parser, .parse = assay_parse_##function, .failures_only = true        \
    }

static const struct assay_log_parser parsers[] = {
        // Python
        PARSER("pytest", pytest),
        PARSER("astroid", pytest),
        PARSER("flask", pytest),
        PARSER("marshmallow", pytest),
        PARSER("pvlib", pytest),
        PARSER("pyvista", pytest),
        PARSER("sqlfluff", pytest),
        PARSER("xarray", pytest),
        PARSER("pytest_options", pytest_options),
        PARSER("pydicom", pytest_options),
        PARSER("pylint", pytest_options),
        PARSER("requests", pytest_options),
        PARSER("pytest_v2", pytest_v2),
        PARSER("astropy", pytest_v2),
        PARSER("scikit", pytest_v2),
        PARSER("sphinx", pytest_v2),
        PARSER("matplotlib", matplotlib),
        PARSER("seaborn", seaborn),
        PARSER("django", django),
        PARSER("sympy", sympy),
        // JavaScript
        LINES("jest", jest),
        LINES("jest_json", jest_json),
        LINES("vitest", vitest),
        LINES("tap", tap),
        PARSER("immutable_js", immutable),
        TRACED("calypso", calypso),
        TRACED("next", next),
        TRACED("lighthouse", lighthouse),
        TRACED("prismjs", prismjs),
        PARSER("highlightjs", highlightjs),
        PARSER("karma", karma),
        PARSER("carbon", carbon),
        PARSER("react_pdf", carbon),
        PARSER("grommet", grommet),
        PARSER("quarto_cli", quarto),
        FAILURES("eslint", eslint),
        FAILURES("bpmn_js", bpmn),
        FAILURES("openlayers", openlayers),
        FAILURES("chart_js", chart),
        FAILURES("marked", marked),
        FAILURES("p5js", p5js),
        // C and C++
        LINES("redis", redis),
        LINES("jq", jq),
        LINES("micropython_test", micropython),
        LINES("googletest", googletest),
        PARSER("doctest", doctest),
        // Go, Rust
        LINES("gotest", gotest),
        LINES("cargo", cargo),
        // Java
        TRACED("maven", maven),
        LINES("ant", ant),
        PARSER("gradle_custom", gradle),
        // PHP
        PARSER("phpunit", phpunit),
        // Ruby
        LINES("minitest", minitest),
        LINES("cucumber", cucumber),
        LINES("ruby_unit", ruby_unit),
        LINES("rspec_transformed_json", rspec),
        PARSER("jekyll", jekyll),
};

const struct assay_log_parser *assay_log_parser_table(size_t *count)
{
    *count = COUNT(parsers);
    return parsers;
}

const struct assay_log_parser *assay_log_parser_find(const char *name)
{
    for (size_t i = 0; i < COUNT(parsers); i++)
        if (strcmp(parsers[i].name, name) == 0)
            return &parsers[i];
    return NULL;
}

// --- which repository's logs a parser reads -----------------------------------------------------

static const struct {
    const char *repo, *parser; // without "parse_log_"
    bool fail_only;
} repos[] = {
        {"astropy/astropy", "astropy", false},
        {"django/django", "django", false},
        {"marshmallow-code/marshmallow", "marshmallow", false},
        {"matplotlib/matplotlib", "matplotlib", false},
        {"mwaskom/seaborn", "seaborn", false},
        {"pallets/flask", "flask", false},
        {"psf/requests", "requests", false},
        {"pvlib/pvlib-python", "pvlib", false},
        {"pydata/xarray", "xarray", false},
        {"pydicom/pydicom", "pydicom", false},
        {"pylint-dev/astroid", "astroid", false},
        {"pylint-dev/pylint", "pylint", false},
        {"pytest-dev/pytest", "pytest", false},
        {"pyvista/pyvista", "pyvista", false},
        {"scikit-learn/scikit-learn", "scikit", false},
        {"sphinx-doc/sphinx", "sphinx", false},
        {"sqlfluff/sqlfluff", "sqlfluff", false},
        {"sympy/sympy", "sympy", false},
        {"Automattic/wp-calypso", "calypso", false},
        {"GoogleChrome/lighthouse", "lighthouse", false},
        {"PrismJS/prism", "prismjs", false},
        {"alibaba-fusion/next", "next", false},
        {"axios/axios", "tap", false},
        {"babel/babel", "jest", false},
        {"bpmn-io/bpmn-js", "bpmn_js", true},
        {"carbon-design-system/carbon", "carbon", false},
        {"chartjs/Chart.js", "chart_js", true},
        {"diegomura/react-pdf", "react_pdf", false},
        {"eslint/eslint", "eslint", true},
        {"facebook/docusaurus", "jest", false},
        {"grommet/grommet", "grommet", false},
        {"highlightjs/highlight.js", "highlightjs", false},
        {"immutable-js/immutable-js", "immutable_js", false},
        {"markedjs/marked", "marked", true},
        {"mrdoob/three.js", "tap", false},
        {"openlayers/openlayers", "openlayers", true},
        {"preactjs/preact", "karma", false},
        {"prettier/prettier", "carbon", false},
        {"processing/p5.js", "p5js", true},
        {"quarto-dev/quarto-cli", "quarto_cli", false},
        {"scratchfoundation/scratch-gui", "carbon", false},
        {"vuejs/core", "vitest", false},
        {"fmtlib/fmt", "googletest", false},
        {"jqlang/jq", "jq", false},
        {"micropython/micropython", "micropython_test", false},
        {"nlohmann/json", "doctest", false},
        {"redis/redis", "redis", false},
        {"valkey-io/valkey", "redis", false},
        {"caddyserver/caddy", "gotest", false},
        {"gin-gonic/gin", "gotest", false},
        {"gohugoio/hugo", "gotest", false},
        {"hashicorp/terraform", "gotest", false},
        {"prometheus/prometheus", "gotest", false},
        {"astral-sh/ruff", "cargo", false},
        {"burntsushi/ripgrep", "cargo", false},
        {"nushell/nushell", "cargo", false},
        {"sharkdp/bat", "cargo", false},
        {"tokio-rs/axum", "cargo", false},
        {"tokio-rs/tokio", "cargo", false},
        {"uutils/coreutils", "cargo", false},
        {"apache/druid", "maven", false},
        {"apache/lucene", "gradle_custom", false},
        {"google/gson", "maven", false},
        {"javaparser/javaparser", "maven", false},
        {"projectlombok/lombok", "ant", false},
        {"reactivex/rxjava", "gradle_custom", false},
        {"briannesbitt/carbon", "phpunit", false},
        {"laravel/framework", "phpunit", false},
        {"php-cs-fixer/php-cs-fixer", "phpunit", false},
        {"phpoffice/phpspreadsheet", "phpunit", false},
        {"fastlane/fastlane", "rspec_transformed_json", false},
        {"faker-ruby/faker", "ruby_unit", false},
        {"fluent/fluentd", "ruby_unit", false},
        {"jekyll/jekyll", "jekyll", false},
        {"jordansissel/fpm", "rspec_transformed_json", false},
        {"rubocop/rubocop", "rspec_transformed_json", false},
};

const char *assay_log_parser_of_repo(const char *repo)
{
    // The data writes some repositories in lower case.
    for (size_t i = 0; i < COUNT(repos); i++)
        if (strcasecmp(repos[i].repo, repo) == 0)
            for (size_t p = 0; p < COUNT(parsers); p++)
                if (strcmp(parsers[p].name + strlen("parse_log_"), repos[i].parser) == 0)
                    return parsers[p].name;
    return NULL;
}

bool assay_log_fail_only_repo(const char *repo)
{
    for (size_t i = 0; i < COUNT(repos); i++)
        if (strcasecmp(repos[i].repo, repo) == 0)
            return repos[i].fail_only;
    return false;
}

// --- one log -------------------------------------------------------------------------------------

bool assay_log_stopped(const struct assay_log_run *run)
{
    return run->no_memory || run->map->costly || run->map->raised != NULL;
}

void assay_log_raise(struct assay_log_run *run, const char *exception)
{
    if (!assay_log_stopped(run))
        run->map->raised = exception;
}

enum assay_status assay_log_parse(struct assay_log_map *out, const struct assay_log_parser *parser,
        struct assay_bytes log, const struct assay_log_context *context, struct assay_arena *arena,
        struct assay_error *err)
{
    const struct assay_bytes text = assay_log_decode(log, false, arena);
    struct assay_log_map map = {0};
    struct assay_log_run run = {.text = {text.data, text.len},
            .parser = parser,
            .context = context,
            .map = &map,
            .arena = arena,
            .id_bytes_left = ID_BYTES_SPARE + ID_BYTES_FACTOR * log.len,
            .work_left = ASSAY_LOG_WORK_SPARE + ASSAY_LOG_WORK_FACTOR * log.len};

    if (text.data == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to read a log of %zu bytes", log.len);
    assay_buf_init(&run.scratch, run.id_bytes_left);
    parser->parse(&run);
    assay_log_free_regexes(&run);
    assay_buf_free(&run.scratch);
    if (run.no_memory)
        return assay_fail(err, ASSAY_ENOMEM, "no memory to read a log of %zu bytes", log.len);
    if (map.raised != NULL || map.costly)
        map.count = 0;
    *out = map;
    return ASSAY_OK;
}
