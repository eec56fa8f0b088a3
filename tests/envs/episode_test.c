// SPDX-License-Identifier: MIT
// What must hold: an actor's actions do what their tools say, in a box that holds the base tree and
// nothing of the tests or the gold patch; what makes no sense is answered with what would; limits
// end an episode and say so; a fork goes on as the original would have.
#include "envs/episode.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "envs/box_fixture.h"
#include "envs/tools.h"
#include "support/harness.h"

#define MARK "zu9Qk2vHidden"

static struct assay_sandbox *sandbox;
static const struct assay_recipe recipe = {.name = "plain", .base = "host", .workdir = "/testbed"};
static const struct assay_environment environment = {.host_usr = true};

static const char test_patch[] = "--- a/tests/test_a.sh\n+++ b/tests/test_a.sh\n@@ -1 +1 @@\n"
                                 "-echo visible test\n+echo " MARK "\n"
                                 "--- /dev/null\n+++ b/tests/hidden.sh\n@@ -0,0 +1 @@\n+" MARK "\n";
static const char gold_patch[] =
        "--- a/lib/code.py\n+++ b/lib/code.py\n@@ -1 +1 @@\n-code\n+" MARK "\n";
static const char *const test_cmd[] = {"/bin/sh", "tests/test_a.sh", "tests/hidden.sh"};
static const char *const hidden_ids[] = {MARK "::test_one"};

// An instance over a small tree, and an episode of it.
struct scene {
    struct fixture *f;
    struct assay_instance instance;
    struct assay_episode_place place;
    struct assay_episode *episode;
};

static void scene_make(struct scene *s, struct fixture *f, struct assay_episode_options options)
{
    memset(s, 0, sizeof(*s));
    s->f = f;
    s->instance = (struct assay_instance){.instance_id = "scene-1",
            .limits = {.wall_ms = 20000, .cpu_ms = 20000, .memory_bytes = (uint64_t)512 << 20},
            .test_cmd = {test_cmd, 3},
            .fail_to_pass = {hidden_ids, 1},
            .test_patch = {test_patch, sizeof(test_patch) - 1},
            .gold_patch = {gold_patch, sizeof(gold_patch) - 1}};
    fixture_shell(f,
            "rm -rf src; mkdir -p src/tests src/lib/deep; echo 'echo visible test' > "
            "src/tests/test_a.sh; echo code > src/lib/code.py; seq 1 300 > src/lib/numbers.txt; "
            "printf 'a\\r\\nb\\r\\nb2\\r\\n' > src/crlf.txt; printf 'x\\0y' > src/blob; printf "
            "'def f():\\n    return 1\\n\\ndef g():\\n    return 1\\n' > src/lib/deep/two.py");
    fixture_import(f, "src", s->instance.tree);
    s->place = (struct assay_episode_place){.sandbox = sandbox,
            .depot = f->depot,
            .instance = &s->instance,
            .recipe = &recipe,
            .environment = &environment};
    if (assay_episode_reset(&s->episode, &s->place, &options, &f->err) != ASSAY_OK)
        fail_msg("%s", f->err.message);
}

static void step(struct scene *s, struct assay_episode *episode, const char *tool,
        const char *arguments, struct assay_observation *seen)
{
    const struct assay_action action = {.tool = tool, .arguments = arguments};

    if (assay_episode_step(episode, &action, seen, &s->f->err) != ASSAY_OK)
        fail_msg("%s %s: %s", tool, arguments, s->f->err.message);
}

// The observation must be `text`, or hold what stands behind a leading '~'.
static void check(const struct assay_observation *seen, const char *text, bool failed)
{
    if (text[0] == '~' ? strstr(seen->text.data, text + 1) == NULL
                       : strcmp(seen->text.data, text) != 0)
        fail_msg("observed:\n%s\nexpected:\n%s", seen->text.data, text);
    if (seen->failed != failed)
        fail_msg("failed %d: %s", seen->failed, seen->text.data);
}

static void act(struct scene *s, const char *tool, const char *arguments, const char *text)
{
    struct assay_observation seen;

    step(s, s->episode, tool, arguments, &seen);
    check(&seen, text, strncmp(text[0] == '~' ? text + 1 : text, "Error:", 6) == 0);
    assay_observation_release(&seen);
}

static void bash(struct scene *s, const char *command, const char *text)
{
    struct assay_json_writer w;
    struct assay_buf json;

    assay_buf_init(&json, 65536);
    assay_json_writer_init(&w, &json, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "command", command);
    assay_json_end_object(&w);
    act(s, "bash", json.data, text);
    assay_buf_free(&json);
}

static const struct assay_episode_options usual = {.limits = {.turns_max = 200}};

// --- tools ---------------------------------------------------------------------------------------

static void commands_carry_their_state_and_nothing_runs_on(void **state)
{
    struct scene s;

    scene_make(&s, *state, usual);
    bash(&s, "pwd; ls", "/testbed\nblob\ncrlf.txt\nlib\ntests\n");
    bash(&s, "cd lib && export A=1 && B=2 && f() { echo f$1; }", "[no output; exit code 0]\n");
    bash(&s, "pwd; echo $A$B; f 3", "/testbed/lib\n12\nf3\n");
    bash(&s, "false", "[exit code 1]\n");
    act(&s, "bash", "{\"command\": \"pwd; cd tests; A=7; export A\", \"apart\": true}",
            "/testbed\n");
    bash(&s, "pwd; echo $A$B", "/testbed/lib\n12\n");
    bash(&s, "printf x; exit 3",
            "x\n[exit code 3]\n[the shell has ended; the next command gets a new "
            "one]\n");
    bash(&s, "pwd; echo $A$B", "/testbed/lib\n1\n");
    bash(&s, "sleep 100 & echo started", "started\n[what it had left running was killed]\n");
    bash(&s, "pgrep sleep", "[exit code 1]\n");
    act(&s, "bash", "{\"command\": \"echo a; sleep 60\", \"timeout_s\": 1}",
            "~a\n[killed after 1 s, with all that it had started]\n");
    bash(&s, "  \n", "Error: the command is empty");
    assay_episode_close(s.episode);
}

static void a_fresh_command_keeps_directory_and_exports(void **state)
{
    struct scene s;

    scene_make(&s, *state, (struct assay_episode_options){.fresh = true});
    bash(&s, "cd lib && export A=1 && B=2", "[no output; exit code 0]\n");
    bash(&s, "pwd; echo $A$B", "/testbed/lib\n1\n");
    assay_episode_close(s.episode);
}

static void files_are_viewed_and_searched(void **state)
{
    struct scene s;

    scene_make(&s, *state, usual);
    act(&s, "view", "{\"path\": \"lib/code.py\"}", "     1\tcode\n");
    act(&s, "view", "{\"path\": \"lib/numbers.txt\", \"start_line\": 299}",
            "   299\t299\n   300\t300\n[lines 299 to 300 of 300]\n");
    act(&s, "view",
            "{\"path\": \"/testbed/lib/numbers.txt\", \"start_line\": \"2\", \"end_line\": 2}",
            "     2\t2\n[lines 2 to 2 of 300]\n");
    act(&s, "view", "{\"path\": \"lib/numbers.txt\", \"start_line\": 301}",
            "Error: lib/numbers.txt has 300 lines: there is no line 301");
    act(&s, "view", "{\"path\": \"lib/numbers.txt\", \"start_line\": 5, \"end_line\": 4}",
            "Error: end_line 4 stands before start_line 5");
    act(&s, "view", "{\"path\": \".\"}",
            "blob\ncrlf.txt\nlib/\nlib/code.py\nlib/deep/\nlib/numbers.txt\ntests/\n"
            "tests/test_a.sh\n");
    act(&s, "view", "{\"path\": \"nosuch\"}", "Error: nosuch: no such file or directory");
    act(&s, "view", "{\"path\": \"blob\"}", "Error: blob is no text: it has 3 bytes");
    act(&s, "search", "{\"pattern\": \"return 1$\"}",
            "lib/deep/two.py:2:    return 1\nlib/deep/two.py:5:    return 1\n"
            "[2 matching lines in 1 of 6 files] [1 files are no text]\n");
    act(&s, "search", "{\"pattern\": \"^B2$\", \"ignore_case\": true, \"glob\": \"*.txt\"}",
            "crlf.txt:3:b2\n[1 matching lines in 1 of 2 files]\n");
    act(&s, "search", "{\"pattern\": \"two\", \"kind\": \"name\", \"path\": \"lib\"}",
            "lib/deep/two.py\n[1 of 3 files]\n");
    act(&s, "search", "{\"pattern\": \"30\", \"glob\": \"lib/*.txt\"}",
            "~[4 matching lines in 1 of 1 files]\n");
    act(&s, "search", "{\"pattern\": \"f(\"}", "~Error: the pattern is no regular expression");
    act(&s, "search", "{\"pattern\": \"x\", \"path\": \"nosuch\"}",
            "Error: nosuch: no such file or directory");
    bash(&s, "/usr/bin/python3 -c 'print(\"a\" * 100000 + \"!\")' > long",
            "[no output; exit code 0]\n");
    act(&s, "search", "{\"pattern\": \"^(a+)+$\", \"path\": \"long\"}",
            "~not everything was searched: the pattern takes too long");
    assay_episode_close(s.episode);
}

static void edits_want_one_place_and_can_be_taken_back(void **state)
{
    struct scene s;

    scene_make(&s, *state, usual);
    act(&s, "edit",
            "{\"command\": \"str_replace\", \"path\": \"lib/deep/two.py\", \"old_str\": \"return 1\", "
            "\"new_str\": \"return 2\"}",
            "Error: old_str stands 2 times in lib/deep/two.py (lines 2, 5): add lines around it "
            "until it is the only one");
    act(&s, "edit",
            "{\"command\": \"str_replace\", \"path\": \"lib/deep/two.py\", \"old_str\": \"def g():\\n  "
            "return 1\", \"new_str\": \"\"}",
            "~Error: old_str does not stand in lib/deep/two.py as it is written. What begins at "
            "line 4 differs in white space alone");
    act(&s, "edit",
            "{\"command\": \"str_replace\", \"path\": \"lib/deep/two.py\", \"old_str\": \"nothing\"}",
            "~Error: old_str does not stand in lib/deep/two.py. View the file");
    act(&s, "edit",
            "{\"command\": \"str_replace\", \"path\": \"lib/deep/two.py\", \"old_str\": \"def g():\\n   "
            " return 1\", \"new_str\": \"def g():\\n    return 2\"}",
            "Replaced in lib/deep/two.py:\n     1\tdef f():\n     2\t    return 1\n     3\t\n     "
            "4\tdef g():\n     5\t    return 2\n");
    act(&s, "edit",
            "{\"command\": \"insert\", \"path\": \"lib/deep/two.py\", \"insert_line\": 0, \"new_str\": "
            "\"# top\"}",
            "~     1\t# top\n     2\tdef f():\n");
    act(&s, "edit",
            "{\"command\": \"insert\", \"path\": \"lib/deep/two.py\", \"insert_line\": 99, "
            "\"new_str\": \"x\"}",
            "Error: lib/deep/two.py has 6 lines: insert_line is 99");
    act(&s, "edit", "{\"command\": \"undo_edit\", \"path\": \"lib/deep/two.py\"}",
            "lib/deep/two.py is as it was before the last edit.\n");
    bash(&s, "cat lib/deep/two.py", "def f():\n    return 1\n\ndef g():\n    return 2\n");
    // A file with CRLF keeps it, and need not be written so.
    act(&s, "edit",
            "{\"command\": \"str_replace\", \"path\": \"crlf.txt\", \"old_str\": \"a\\nb\\n\", "
            "\"new_str\": \"c\\nd\\n\"}",
            "~     1\tc\n     2\td\n");
    bash(&s, "od -c crlf.txt | head -1", "~c  \\r  \\n   d  \\r  \\n   b   2");
    act(&s, "edit",
            "{\"command\": \"create\", \"path\": \"new/a.txt\", \"file_text\": \"1\\n2\\n\"}",
            "Created new/a.txt (2 lines).\n");
    act(&s, "edit", "{\"command\": \"create\", \"path\": \"new/a.txt\", \"file_text\": \"3\\n\"}",
            "Replaced new/a.txt (1 lines).\n");
    act(&s, "edit", "{\"command\": \"view\", \"path\": \"new/a.txt\"}", "     1\t3\n");
    act(&s, "edit", "{\"command\": \"undo_edit\", \"path\": \"/testbed/new/a.txt\"}",
            "/testbed/new/a.txt is as it was before the last edit.\n");
    act(&s, "edit", "{\"command\": \"undo_edit\", \"path\": \"./new/a.txt\"}",
            "Removed ./new/a.txt, which the last edit had created.\n");
    act(&s, "edit", "{\"command\": \"undo_edit\", \"path\": \"new/a.txt\"}",
            "Error: there is no edit of new/a.txt to take back");
    act(&s, "edit", "{\"command\": \"create\", \"path\": \"/usr/x\", \"file_text\": \"\"}",
            "~Error: /usr/x: ");
    assay_episode_close(s.episode);
}

static void patches_apply_whole_or_not_at_all(void **state)
{
    struct scene s;

    scene_make(&s, *state, usual);
    act(&s, "apply_patch",
            "{\"patch\": \"--- a/lib/code.py\\n+++ b/lib/code.py\\n@@ -1 +1 @@\\n-code\\n+mended\\n--- "
            "a/blob2\\n+++ b/blob2\\n@@ -1 +1 @@\\n-x\\n+y\\n\"}",
            "~Error: the patch was not applied: ");
    bash(&s, "cat lib/code.py", "code\n");
    bash(&s, "cd lib; ln -s /tmp away", "[no output; exit code 0]\n");
    act(&s, "apply_patch",
            "{\"patch\": \"diff --git a/lib/away/x b/lib/away/x\\nnew file mode 100644\\n--- "
            "/dev/null\\n+++ b/lib/away/x\\n@@ -0,0 +1 @@\\n+x\\n\"}",
            "~Error: the patch was not applied: ");
    act(&s, "apply_patch",
            "{\"patch\": \"--- a/lib/code.py\\n+++ b/lib/code.py\\n@@ -1 +1 @@\\n-code\\n+mended\\n"
            "diff --git a/crlf.txt b/crlf.txt\\ndeleted file mode 100644\\n--- a/crlf.txt\\n+++ "
            "/dev/null\\n@@ -1,3 +0,0 @@\\n-a\\r\\n-b\\r\\n-b2\\r\\n"
            "diff --git a/bin/x b/bin/x\\nnew file mode 100755\\n--- /dev/null\\n+++ b/bin/x\\n@@ "
            "-0,0 +1 @@\\n+x\\n\"}",
            "Applied; 3 files changed:\nM bin/x\nD crlf.txt\nM lib/code.py\n");
    bash(&s, "cd ..; cat lib/code.py; ls; stat -c %a bin/x",
            "mended\nbin\nblob\nlib\ntests\n755\n");
    act(&s, "apply_patch",
            "{\"patch\": \"lib/code.py\\n<<<<<<< SEARCH\\nmended\\n=======\\nagain\\n>>>>>>> "
            "REPLACE\\n\"}",
            "Applied; 1 files changed:\nM lib/code.py\n");
    assay_episode_close(s.episode);
}

static void what_makes_no_sense_is_answered(void **state)
{
    struct scene s;

    scene_make(&s, *state, usual);
    act(&s, NULL, NULL,
            "~Error: your message called no tool. Every message must call one of: bash, ");
    act(&s, "run", "{}", "~Error: there is no tool 'run'; there are: bash, view, ");
    act(&s, "bash", "{\"command\": ", "~Error: the arguments of bash are no valid JSON (");
    act(&s, "bash", "[1]", "Error: the arguments of bash must be one JSON object");
    act(&s, "bash", "{}", "Error: bash needs the argument 'command'");
    act(&s, "bash", "", "Error: bash needs the argument 'command'");
    act(&s, "bash", "{\"cmd\": \"ls\"}",
            "Error: bash has no argument 'cmd'; it has: command, timeout_s, apart");
    act(&s, "bash", "{\"command\": 1}", "Error: bash: 'command' must be a string");
    act(&s, "bash", "{\"command\": \"ls\", \"timeout_s\": -1}",
            "Error: bash: 'timeout_s' must be a whole number, 0 or more");
    act(&s, "edit", "{\"command\": \"move\", \"path\": \"x\"}",
            "Error: edit: 'command' is 'move'; it must be one of: view, create, str_replace, "
            "insert, undo_edit");
    act(&s, "think", "{\"thought\": \"hm\"}", "Noted.");
    assert_int_equal(assay_episode_turns(s.episode), 11);
    assay_episode_close(s.episode);
}

static void every_tool_has_a_schema(void **state)
{
    const struct assay_json_limits limits = {1 << 20, 32};
    struct assay_json_writer w;
    struct assay_buf json;
    struct assay_json *parsed = NULL;
    size_t count = 0;

    (void)state;
    (void)assay_tool_table(&count);
    assay_buf_init(&json, 1 << 20);
    assay_json_writer_init(&w, &json, 0);
    assay_tools_write(&w, NULL);
    assert_int_equal(
            assay_json_parse(&parsed, json.data, json.len, limits, "tools", 1, NULL), ASSAY_OK);
    assert_int_equal(assay_json_count(parsed), count);
    assay_json_free(parsed);
    assay_buf_free(&json);
}

// --- what is in the box --------------------------------------------------------------------------

static void nothing_of_tests_or_gold_is_in_the_box(void **state)
{
    struct scene s;

    scene_make(&s, *state, usual);
    act(&s, "run_tests", "{}", "visible test\n"); // tests/hidden.sh is no argument
    // Everything but the host's programs: files, names, environments, command lines, mounts. The
    // mark is written so that no command finds itself.
    bash(&s,
            "m='[z]u9Qk2vHidden'; grep -rlsa -D skip $m / --exclude-dir=usr --exclude-dir=proc "
            "--exclude-dir=sys | grep -v /proc/; find / -path /proc -prune -o -name \"*$m*\" -print "
            "2>/dev/null; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/mounts 2>/dev/null | "
            "grep -ca $m; find / -name 'hidden.sh' 2>/dev/null; true",
            "0\n");
    bash(&s, "env | grep -c hidden; ls /assay /run/assay 2>&1 | grep -vc 'cannot access'; true",
            "0\n0\n");
    assay_episode_close(s.episode);
}

static void what_is_too_long_keeps_head_and_tail(void **state)
{
    struct scene s;
    struct assay_observation seen;

    scene_make(
            &s, *state, (struct assay_episode_options){.limits = {.observation_bytes_max = 1000}});
    step(&s, s.episode, "bash", "{\"command\": \"seq 1 100000\"}", &seen);
    assert_true(seen.text.len < 1300);
    check(&seen, "~1\n2\n3\n", false);
    check(&seen, "~[assay: 587895 bytes left out]\n", false);
    check(&seen, "~\n99999\n100000\n", false);
    assay_observation_release(&seen);
    step(&s, s.episode, "view", "{\"path\": \"lib/numbers.txt\"}", &seen);
    assert_true(seen.text.len < 1300);
    check(&seen, "~     1\t1\n", false);
    check(&seen, "~ bytes left out]\n", false);
    check(&seen, "~   300\t300\n", false);
    assay_observation_release(&seen);
    assay_episode_close(s.episode);
}

// --- limits --------------------------------------------------------------------------------------

static void ends(struct scene *s, const char *command, enum assay_episode_cause cause)
{
    struct assay_observation seen;
    const struct assay_action again = {.tool = "think", .arguments = "{\"thought\": \"\"}"};

    step(s, s->episode, "bash", command, &seen);
    if (seen.cause != cause)
        fail_msg("%s, not %s: %s", assay_episode_cause_name(seen.cause),
                assay_episode_cause_name(cause), seen.text.data);
    assert_true(seen.truncated);
    assert_false(seen.terminated);
    assay_observation_release(&seen);
    assert_int_equal(assay_episode_step(s->episode, &again, &seen, NULL), ASSAY_EINVAL);
}

static void limits_end_an_episode(void **state)
{
    struct scene s;

    scene_make(&s, *state, (struct assay_episode_options){.limits = {.turns_max = 1}});
    ends(&s, "{\"command\": \"true\"}", ASSAY_EPISODE_TURN_LIMIT);
    assay_episode_close(s.episode);
    scene_make(&s, *state, (struct assay_episode_options){.limits = {.wall_ms_max = 700}});
    ends(&s, "{\"command\": \"sleep 60\"}", ASSAY_EPISODE_WALL_LIMIT);
    assay_episode_close(s.episode);
    scene_make(&s, *state, (struct assay_episode_options){.limits = {.cpu_ms_max = 300}});
    ends(&s, "{\"command\": \"while :; do :; done\"}", ASSAY_EPISODE_CPU_LIMIT);
    assay_episode_close(s.episode);
}

static void submitting_terminates(void **state)
{
    struct scene s;
    struct assay_observation seen;

    scene_make(&s, *state, usual);
    step(&s, s.episode, "submit", "{\"answer\": \"lib/code.py\"}", &seen);
    assert_true(seen.terminated);
    assert_false(seen.truncated);
    assay_observation_release(&seen);
    assert_string_equal(assay_episode_answer(s.episode), "lib/code.py");
    assert_int_equal(assay_episode_cause(s.episode), ASSAY_EPISODE_SUBMITTED);
    assay_episode_close(s.episode);
}

// --- the patch, forks ----------------------------------------------------------------------------

static void assert_patch(struct scene *s, struct assay_episode *episode, const char *text)
{
    struct assay_tree_patch_report report;
    struct assay_arena *arena = NULL;
    struct assay_buf patch;

    assay_buf_init(&patch, 1 << 20);
    assert_int_equal(assay_arena_create(&arena, 1 << 24, NULL), ASSAY_OK);
    if (assay_episode_patch(episode, &patch, &report, arena, &s->f->err) != ASSAY_OK)
        fail_msg("%s", s->f->err.message);
    if (strstr(patch.data, text) == NULL)
        fail_msg("patch:\n%s\nlacks:\n%s", patch.data, text);
    assert_null(strstr(patch.data, "pyc"));
    assay_buf_free(&patch);
    assay_arena_destroy(arena);
}

static void the_tree_becomes_a_patch_however_the_episode_ended(void **state)
{
    struct scene s;

    scene_make(&s, *state, usual);
    bash(&s, "echo mended > lib/code.py; mkdir lib/__pycache__; echo x > lib/__pycache__/code.pyc",
            "[no output; exit code 0]\n");
    assert_patch(&s, s.episode, "+++ b/lib/code.py\n@@ -1 +1 @@\n-code\n+mended\n");
    assay_episode_close(s.episode);
    scene_make(&s, *state, (struct assay_episode_options){.limits = {.cpu_ms_max = 300}});
    ends(&s, "{\"command\": \"echo mended > lib/code.py; while :; do :; done\"}",
            ASSAY_EPISODE_CPU_LIMIT);
    assert_patch(&s, s.episode, "+mended\n");
    assay_episode_close(s.episode);
}

static const struct assay_action deeds[] = {
        {"bash",
                "{\"command\": \"cd lib; X=1; export Y=2; f() { echo $1 >> code.py; }; echo /tmp/* > "
                "/tmp/a\"}"},
        {"edit", "{\"command\": \"create\", \"path\": \"new.py\", \"file_text\": \"1\\n\"}"},
        {"bash", "{\"command\": \"f 3; cat code.py /tmp/a; pwd; echo $X$Y\"}"},
        {"edit", "{\"command\": \"undo_edit\", \"path\": \"new.py\"}"},
        {"bash", "{\"command\": \"ls; f 4; cat code.py\"}"},
};
#define DEEDS (sizeof(deeds) / sizeof(deeds[0]))

static void go_on(
        struct scene *s, struct assay_episode *episode, size_t from, struct assay_buf *text)
{
    struct assay_observation seen;

    for (size_t i = from; i < DEEDS; i++) {
        step(s, episode, deeds[i].tool, deeds[i].arguments, &seen);
        assay_buf_adds(text, seen.text.data);
        assay_observation_release(&seen);
    }
}

static void a_fork_goes_on_as_the_original(void **state)
{
    for (int fresh = 0; fresh < 2; fresh++) {
        struct scene s;
        struct assay_episode *fork = NULL;
        struct assay_observation seen;
        struct assay_buf whole, rest;
        size_t lengths[DEEDS];

        scene_make(&s, *state, (struct assay_episode_options){.fresh = fresh == 1});
        assay_buf_init(&whole, 1 << 20);
        assay_buf_init(&rest, 1 << 20);
        for (size_t i = 0; i < DEEDS; i++) {
            lengths[i] = whole.len;
            // Of now, before each action: the original itself goes on after it.
            if (assay_episode_fork(&fork, s.episode, (uint32_t)i, NULL, &s.f->err) != ASSAY_OK)
                fail_msg("%s", s.f->err.message);
            step(&s, s.episode, deeds[i].tool, deeds[i].arguments, &seen);
            assay_buf_adds(&whole, seen.text.data);
            assay_observation_release(&seen);
            step(&s, fork, deeds[i].tool, deeds[i].arguments, &seen);
            assert_string_equal(seen.text.data, whole.data + lengths[i]);
            assay_observation_release(&seen);
            assay_episode_close(fork);
        }
        for (size_t i = 0; i <= DEEDS; i++) { // and of each turn that is past
            uint32_t differs = 1;

            if (assay_episode_fork(&fork, s.episode, (uint32_t)i, &differs, &s.f->err) != ASSAY_OK)
                fail_msg("%s", s.f->err.message);
            assert_int_equal(differs, 0);
            assay_buf_clear(&rest);
            go_on(&s, fork, i, &rest);
            if (i < DEEDS)
                assert_string_equal(rest.data, whole.data + lengths[i]);
            assert_patch(&s, fork, fresh ? "" : "@@ -1 +1,3 @@\n code\n+3\n+4\n");
            assay_episode_close(fork);
        }
        assay_buf_free(&whole);
        assay_buf_free(&rest);
        assay_episode_close(s.episode);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(every_tool_has_a_schema),
#define WITH_DEPOT(name) cmocka_unit_test_setup_teardown(name, box_fixture_setup, fixture_teardown)
            WITH_DEPOT(commands_carry_their_state_and_nothing_runs_on),
            WITH_DEPOT(a_fresh_command_keeps_directory_and_exports),
            WITH_DEPOT(files_are_viewed_and_searched),
            WITH_DEPOT(edits_want_one_place_and_can_be_taken_back),
            WITH_DEPOT(patches_apply_whole_or_not_at_all),
            WITH_DEPOT(what_makes_no_sense_is_answered),
            WITH_DEPOT(nothing_of_tests_or_gold_is_in_the_box),
            WITH_DEPOT(what_is_too_long_keeps_head_and_tail),
            WITH_DEPOT(limits_end_an_episode),
            WITH_DEPOT(submitting_terminates),
            WITH_DEPOT(the_tree_becomes_a_patch_however_the_episode_ended),
            WITH_DEPOT(a_fork_goes_on_as_the_original),
    };
    int failed = 0;

    if (!box_fixture_start(&sandbox))
        return ASSAY_EXIT_SKIPPED;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    assay_sandbox_stop(sandbox);
    return failed;
}
