// SPDX-License-Identifier: MIT
// commands.h - one function per command; the table that names them is in main.c.
#ifndef ASSAY_ORCHESTRATOR_COMMANDS_H
#define ASSAY_ORCHESTRATOR_COMMANDS_H

#include "orchestrator/box_options.h"
#include "orchestrator/cli.h"

extern const struct assay_option assay_doctor_options[];
extern const struct assay_option assay_suite_add_options[];
extern const struct assay_option assay_image_import_options[];
extern const struct assay_option assay_recipe_detect_options[];
extern const struct assay_option assay_recipe_show_options[];
extern const struct assay_option assay_recipe_edit_options[];
extern const struct assay_option assay_recipe_rebuild_options[];
extern const struct assay_option assay_suite_mine_options[];
extern const struct assay_option assay_suite_list_options[];
extern const struct assay_option assay_suite_describe_options[];
extern const struct assay_option assay_suite_show_options[];
extern const struct assay_option assay_suite_export_options[];
extern const struct assay_option assay_suite_certify_options[];
extern const struct assay_option assay_suite_mutants_options[];
extern const struct assay_option assay_suite_overlap_options[];
extern const struct assay_option assay_suite_mutate_options[];
extern const struct assay_option assay_suite_make_repair_options[];
extern const struct assay_option assay_eval_options[];
extern const struct assay_option assay_grade_options[];
extern const struct assay_option assay_regrade_options[];
extern const struct assay_option assay_run_options[];
extern const struct assay_option assay_episodes_list_options[];
extern const struct assay_option assay_episodes_replay_options[];
extern const struct assay_option assay_episodes_fork_options[];
extern const struct assay_option assay_episodes_export_options[];
extern const struct assay_option assay_episodes_import_options[];
extern const struct assay_option assay_report_options[];
extern const struct assay_option assay_model_info_options[];
extern const struct assay_option assay_model_plan_options[];
extern const struct assay_option assay_model_convert_options[];
extern const struct assay_option assay_model_check_options[];
extern const struct assay_option assay_model_generate_options[];
extern const struct assay_option assay_model_tokenizer_options[];
extern const struct assay_option assay_mcp_options[];
extern const struct assay_option assay_service_command_options[];
extern const struct assay_option assay_store_prune_options[];
extern const struct assay_option assay_store_check_options[];
extern const struct assay_option assay_train_options[];
extern const struct assay_option assay_demo_options[];
extern const struct assay_option assay_top_options[];
extern const struct assay_option assay_selftest_attacks_options[];

enum assay_exit assay_cmd_box_run(struct assay_invocation *invocation);
enum assay_exit assay_cmd_doctor(struct assay_invocation *invocation);
enum assay_exit assay_cmd_mcp(struct assay_invocation *invocation);
enum assay_exit assay_cmd_serve(struct assay_invocation *invocation);
enum assay_exit assay_cmd_store_backup(struct assay_invocation *invocation);
enum assay_exit assay_cmd_store_check(struct assay_invocation *invocation);
enum assay_exit assay_cmd_store_prune(struct assay_invocation *invocation);
enum assay_exit assay_cmd_image_import(struct assay_invocation *invocation);
enum assay_exit assay_cmd_recipe_detect(struct assay_invocation *invocation);
enum assay_exit assay_cmd_recipe_show(struct assay_invocation *invocation);
enum assay_exit assay_cmd_recipe_edit(struct assay_invocation *invocation);
enum assay_exit assay_cmd_recipe_rebuild(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_add(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_list(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_show(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_describe(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_du(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_overlap(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_export(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_remove(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_certify(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_mine(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_mutants(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_mutate(struct assay_invocation *invocation);
enum assay_exit assay_cmd_suite_make_repair(struct assay_invocation *invocation);
enum assay_exit assay_cmd_eval(struct assay_invocation *invocation);
enum assay_exit assay_cmd_grade(struct assay_invocation *invocation);
enum assay_exit assay_cmd_regrade(struct assay_invocation *invocation);
enum assay_exit assay_cmd_run(struct assay_invocation *invocation);
enum assay_exit assay_cmd_episodes_list(struct assay_invocation *invocation);
enum assay_exit assay_cmd_episodes_show(struct assay_invocation *invocation);
enum assay_exit assay_cmd_episodes_replay(struct assay_invocation *invocation);
enum assay_exit assay_cmd_episodes_fork(struct assay_invocation *invocation);
enum assay_exit assay_cmd_episodes_export(struct assay_invocation *invocation);
enum assay_exit assay_cmd_episodes_import(struct assay_invocation *invocation);
enum assay_exit assay_cmd_report(struct assay_invocation *invocation);
enum assay_exit assay_cmd_selftest_attacks(struct assay_invocation *invocation);
enum assay_exit assay_cmd_model_info(struct assay_invocation *invocation);
enum assay_exit assay_cmd_model_plan(struct assay_invocation *invocation);
enum assay_exit assay_cmd_model_convert(struct assay_invocation *invocation);
enum assay_exit assay_cmd_model_check(struct assay_invocation *invocation);
enum assay_exit assay_cmd_model_generate(struct assay_invocation *invocation);
enum assay_exit assay_cmd_model_tokenizer_train(struct assay_invocation *invocation);
enum assay_exit assay_cmd_top(struct assay_invocation *invocation);
enum assay_exit assay_cmd_train(struct assay_invocation *invocation);
enum assay_exit assay_cmd_demo_cispo(struct assay_invocation *invocation);
enum assay_exit assay_cmd_version(struct assay_invocation *invocation);

#endif
