// SPDX-License-Identifier: MIT
// main.c - the command table. What a command does is in cmd_<name>.c.
#include <stdio.h>

#include "orchestrator/commands.h"
#include "tasks/verdict.h"

static const struct assay_option no_options[] = {{NULL, 0, NULL, NULL, false}};

static const struct assay_command commands[] = {
        {"doctor", "",
                "Show what this host permits, the isolation tier, and how to mend what is missing",
                "assay doctor", assay_doctor_options, 0, 0, assay_cmd_doctor, false},
        {"suite add", "PATH",
                "Add a suite: a folder of tasks, rows of SWE-bench or a relative, package releases",
                "assay suite add tasks/data/quick\n"
                "assay suite add rows.jsonl.zst --repos ~/repos --name mine\n"
                "assay suite add terminal-bench/tasks --name terminal",
                assay_suite_add_options, 1, 1, assay_cmd_suite_add, false},
        {"suite list", "", "List the suites and how many of their instances are certified",
                "assay suite list", assay_suite_list_options, 0, 0, assay_cmd_suite_list, false},
        {"suite show", "SUITE", "Show the instances of a suite",
                "assay suite show quick\n"
                "assay suite show quick --rated-by RUN --pass-rate 0.2:0.8 # what it sometimes solved",
                assay_suite_show_options, 1, 1, assay_cmd_suite_show, false},
        {"suite export", "SUITE PATH",
                "Write a suite as a native folder, as SWE-bench rows, or as Harbor folders",
                "assay suite export quick quick.jsonl\n"
                "assay suite export quick ~/quick --format native",
                assay_suite_export_options, 2, 2, assay_cmd_suite_export, false},
        {"suite du", "", "Show what suites take of the disk, and what they share", "assay suite du",
                assay_suite_list_options, 0, 0, assay_cmd_suite_du, false},
        {"suite overlap", "SUITE [SUITE]",
                "Look for tasks of one suite in another: same base trees, nearly the same patches",
                "assay suite overlap mined pypi\n"
                "assay suite overlap mined # with itself",
                assay_suite_overlap_options, 1, 2, assay_cmd_suite_overlap, false},
        {"suite remove", "SUITE", "Remove a suite; its runs and verdicts stay",
                "assay suite remove quick", no_options, 1, 1, assay_cmd_suite_remove, false},
        {"suite certify", "SUITE",
                "Certify what measures true: gold, the unchanged tree, other orders, clocks, CPUs, ...",
                "assay suite certify quick\n"
                "assay suite certify quick --runs 100 --checks gold,empty -i quick__ini-reader-1",
                assay_suite_certify_options, 1, 1, assay_cmd_suite_certify},
        {"suite mine", "[REPO] DIR",
                "Walk a repository's history for commits whose tests tell, and write the tasks",
                "assay suite mine ~/src/toolz mined --framework pytest --test-cmd 'python3 -m pytest -q'\n"
                "assay suite add mined && assay suite certify mined\n"
                "assay suite mine --releases pypi:toolz --releases pypi:boltons plan && assay suite add plan",
                assay_suite_mine_options, 1, 2, assay_cmd_suite_mine, false},
        {"suite mutate", "SUITE DIR",
                "Break the fixed trees of a suite where their tests tell, and write the tasks",
                "assay suite mutate quick mutants --count 4 --seed 7\n"
                "assay suite add mutants && assay suite certify quick-mutants\n"
                "assay suite mutate registry many --certify --newest --count 120",
                assay_suite_mutate_options, 2, 2, assay_cmd_suite_mutate, false},
        {"suite make-repair", "DIR", "Write small repair tasks that a seed draws",
                "assay suite make-repair tasks --seed 1 --count 64 --split rl\n"
                "assay suite add tasks && assay eval repair --gold",
                assay_suite_make_repair_options, 1, 1, assay_cmd_suite_make_repair, false},
        {"suite mutants", "FILE...", "List what could be broken in a file; nothing is run",
                "assay suite mutants base/rng.c --count 20", assay_suite_mutants_options, 1,
                SIZE_MAX, assay_cmd_suite_mutants, false},
        {"suite describe", "DIR",
                "Let a model write the problem statements of a folder of tasks, as users would",
                "assay suite mutate quick mutants && assay suite describe mutants --actor openai:qwen\n"
                "assay suite add mutants",
                assay_suite_describe_options, 1, 1, assay_cmd_suite_describe, false},
        {"recipe detect", "DIR | SUITE INSTANCE",
                "Tell from a tree what its tests need, and which file says so; nothing is run",
                "assay recipe detect ~/src/project\n"
                "assay recipe detect quick quick__ini-reader-1 --json",
                assay_recipe_detect_options, 1, 2, assay_cmd_recipe_detect, false},
        {"recipe show", "SUITE [RECIPE]",
                "Show what a suite's environments are made of, and whether they are there",
                "assay recipe show quick", assay_recipe_show_options, 1, 2, assay_cmd_recipe_show,
                false},
        {"recipe edit", "SUITE RECIPE", "Change a recipe of a suite in the store",
                "assay recipe edit quick python --env PYTHONHASHSEED=1", assay_recipe_edit_options,
                2, 2, assay_cmd_recipe_edit, false},
        {"recipe rebuild", "SUITE [RECIPE]",
                "Make a recipe's layer anew; a step that fails shows the end of its log",
                "assay recipe rebuild quick python", assay_recipe_rebuild_options, 1, 2,
                assay_cmd_recipe_rebuild, false},
        {"image import", "PATH",
                "Import a container image (an OCI layout, or what docker save writes) for recipes",
                "assay image import python-3.11.tar --name python-3.11\n"
                "assay image import layout --ref stable",
                assay_image_import_options, 1, 1, assay_cmd_image_import, false},
        {"eval", "SUITE", "Evaluate model patches on a suite and tell the resolved rate",
                "assay eval quick --predictions tasks/data/quick-predictions.jsonl\n"
                "assay eval quick --gold",
                assay_eval_options, 1, 1, assay_cmd_eval, false},
        {"grade", "SUITE INSTANCE [PATCH]",
                "Grade one answer: a patch, or places for a task to localize (- or none: standard input)",
                "assay grade quick quick__ini-reader-1 fix.patch\n"
                "assay grade quick quick__ini-reader-1 fix.patch --shaping shaping.json",
                assay_grade_options, 2, 3, assay_cmd_grade},
        {"run", "SUITE", "Let an actor work on a suite's instances; grade what it leaves",
                "assay run quick --actor gold\n"
                "assay run quick --actor openai:qwen --base-url http://127.0.0.1:8000/v1 -n 4 -j 8",
                assay_run_options, 1, 1, assay_cmd_run, false},
        {"episodes list", "[RUN]", "List the episodes of a run (the newest that has any)",
                "assay episodes list", assay_episodes_list_options, 0, 1, assay_cmd_episodes_list,
                false},
        {"episodes show", "EPISODE", "Show an episode turn by turn", "assay episodes show 1",
                assay_episodes_list_options, 1, 1, assay_cmd_episodes_show, false},
        {"episodes replay", "EPISODE",
                "Do an episode's actions again and tell which observations differ",
                "assay episodes replay 1", assay_episodes_replay_options, 1, 1,
                assay_cmd_episodes_replay, false},
        {"episodes fork", "EPISODE",
                "Go on from a turn of an episode, as before or with another actor",
                "assay episodes fork 1 --turn 1", assay_episodes_fork_options, 1, 1,
                assay_cmd_episodes_fork, false},
        {"episodes export", "EPISODE|RUN",
                "Write episodes as others read them, a line each: messages, swe-agent, ...",
                "assay episodes export 1 --format swe-agent", assay_episodes_export_options, 1, 1,
                assay_cmd_episodes_export, false},
        {"episodes import", "FILE",
                "Keep a trajectory of SWE-agent or mini-swe-agent as an episode",
                "assay episodes import quick__ini-reader-1.traj --suite quick --grade",
                assay_episodes_import_options, 1, 1, assay_cmd_episodes_import, false},
        {"regrade", "[RUN]",
                "Judge a run (the newest if none is named) again from its evidence: nothing is run",
                "assay regrade\n"
                "assay regrade 20261130-101500-4f2a --write",
                assay_regrade_options, 0, 1, assay_cmd_regrade, false},
        {"report", "[RUN]",
                "Report a run or a training (the newest if none is named): text, JSON, HTML",
                "assay report --html report.html", assay_report_options, 0, 1, assay_cmd_report,
                false},
        {"store backup", "FILE", "Copy the database as it is at one moment, while others use it",
                "assay store backup ~/assay-backup.db", no_options, 1, 1, assay_cmd_store_backup,
                false},
        {"store check", "", "Is the database whole, and are the base trees as they were imported?",
                "assay store check", assay_store_check_options, 0, 0, assay_cmd_store_check, false},
        {"store prune", "", "Remove the evidence of old runs; their verdicts stay",
                "assay store prune --older-than 30", assay_store_prune_options, 0, 0,
                assay_cmd_store_prune, false},
        {"box run", "[--] COMMAND...",
                "Run one command in a box: stdin, stdout, stderr and exit status pass through",
                "assay box run -- python3 -c 'print(6 * 7)'\n"
                "assay box run --tree . --limit memory=512M --limit wall=60s -- make test\n"
                "assay box run --tree . --shell",
                assay_box_run_options, 0, SIZE_MAX, assay_cmd_box_run, true},
        {"selftest attacks", "",
                "Grade the corpus of forged patches and honest twins; print what each got",
                "assay selftest attacks --jobs 2", assay_selftest_attacks_options, 0, 0,
                assay_cmd_selftest_attacks, false},
        {"train", "CONFIG",
                "Train a policy: demonstrations, then rollouts and rewards; goes on after a stop",
                "assay train docs/train-demo.yaml --dry-run\n"
                "assay train docs/train-demo.yaml --set rl.steps=60 --set loss.name=dapo\n"
                "assay train docs/train-demo.yaml --explain-loss",
                assay_train_options, 1, 1, assay_cmd_train, false},
        {"demo cispo", "",
                "Train a tiny policy by GRPO, DAPO and CISPO in five minutes, and compare",
                "assay demo cispo\n"
                "assay demo cispo --seeds 5 --minutes 15 --json",
                assay_demo_options, 0, 0, assay_cmd_demo_cispo, false},
        {"serve", "[SUITE...]",
                "Serve environments and rewards to others' trainers over HTTP (docs/service.md)",
                "assay serve\n"
                "assay serve quick --listen 0.0.0.0:8080 --tokens tokens --host-name grader.example",
                assay_service_command_options, 0, SIZE_MAX, assay_cmd_serve, .stop_s = 700},
        {"mcp", "[SUITE...]",
                "Offer tasks, episodes and verdicts as tools of the Model Context Protocol (stdio)",
                "assay mcp quick", assay_mcp_options, 0, SIZE_MAX, assay_cmd_mcp, false},
        {"top", "[RUN]", "Watch what is running (or one run): steps, rates, time left",
                "assay top\n"
                "assay top --once --json\n"
                "assay top --url http://127.0.0.1:8080 --token-file token",
                assay_top_options, 0, 1, assay_cmd_top, false},
        {"model info", "MODEL", "Show a model's graph, parameters, bytes and operations by length",
                "assay model info ~/models/minimind-3\n"
                "assay model info config.json --json",
                assay_model_info_options, 1, 1, assay_cmd_model_info, false},
        {"model check", "MODEL", "Load a model and see whether it is at one with itself",
                "assay model check ~/models/minimind-3", assay_model_check_options, 1, 1,
                assay_cmd_model_check, false},
        {"model convert", "MODEL DIR",
                "Write a model as safetensors, in its own family's names or another's",
                "assay model convert minimind-3.gguf ~/models/minimind-3 --type F16",
                assay_model_convert_options, 2, 2, assay_cmd_model_convert, false},
        {"model plan", "MODEL", "Tell memory, time and cost of training or serving on N GPUs",
                "assay model plan config.json --gpus 512 --gpu h800 --context 80000 --sequences 512\n"
                "assay model plan config.json --serve --gpus 8 --gpu h200 --context 1000000",
                assay_model_plan_options, 1, 1, assay_cmd_model_plan, false},
        {"model generate", "MODEL", "Continue a prompt; one sample is written as it comes",
                "assay model generate ~/models/minimind-3 --prompt 'Once upon a time' --max 64\n"
                "assay model generate model.gguf --prompt '1 + 1 =' --samples 8 --stop ';' --json\n"
                "assay model generate ~/models/minimind-3 --chat messages.json --thinking off",
                assay_model_generate_options, 1, 1, assay_cmd_model_generate, false},
        {"model tokenizer-train", "TEXT...", "Make a byte-level BPE tokenizer.json from texts",
                "assay model tokenizer-train docs/*.md --vocab 2000 --special '<|endoftext|>'",
                assay_model_tokenizer_options, 1, SIZE_MAX, assay_cmd_model_tokenizer_train, false},
        {"version", "", "Show the version", "assay version", no_options, 0, 0, assay_cmd_version,
                false},
        {NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, false},
};

enum assay_exit assay_cmd_version(struct assay_invocation *invocation)
{
    (void)invocation;
    printf("assay %s (grader %s)\n", ASSAY_VERSION, ASSAY_GRADER_VERSION);
    return ASSAY_EXIT_OK;
}

int main(int argc, char **argv)
{
    return (int)assay_cli_main(commands, argc, argv);
}
