// SPDX-License-Identifier: MIT
// train.js - trainings, and the curves of one.
import { get } from "./api.js";
import { chart } from "./chart.js";
import { facts, h, link, number, path, put, table, when } from "./dom.js";

export async function trainings(parts, parameters, signal) {
  const place = h("div", {});
  const draw = (rows) => put(place, rows.length
    ? table("Trainings, newest first", ["Training", "State", "Begun", "Command"], rows.map((t) => [link(path("training", t.run_id), t.run_id), t.state, when(t.started_at), h("code", {}, t.command)]))
    : h("p", { class: "q" }, "No trainings yet: assay train CONFIG makes one."));
  const load = async () => draw((await get("/v1/trainings", {}, signal)).trainings);
  await load();
  return { title: "Train", nodes: [h("h1", {}, "Train"), place], refresh: load };
}

// Title, what it is, phase, numbers. What a training did not measure is not drawn; what is in none of
// these is below, each on its own.
const charts = [
  ["Held-out rate", "greedy answers", "eval", ["seeds_rate", "families_rate"]],
  ["Reward", "of sampled answers", "rl", ["reward", "pass_rate"]],
  ["Entropy", "nats a token", "rl", ["entropy"]],
  ["Clipped", "shares of tokens", "rl", ["capped_positive", "capped_negative", "masked"]],
  ["Gap of log-probabilities", "sampler to trainer, nats", "rl", ["agree_gap_max", "kl_old"]],
  ["Ratio", "trained to sampling probability", "rl", ["ratio", "ratio_max"]],
  ["Groups", "", "rl", ["groups_live", "groups_cliff", "groups_collapse"]],
  ["Staleness", "steps", "rl", ["staleness"]],
  ["Tokens", "per second", "rl", ["sampled_tokens_per_s"]],
  ["Verdicts", "executed per second", "rl", ["executed_per_s"]],
  ["Gradient norm", "", "rl", ["grad_norm", "grad_norm_max"]],
  ["Length", "tokens an answer", "rl", ["answer_tokens"]],
  ["Time of a step", "ms", "rl", ["sample_ms", "grade_ms", "train_ms", "agree_ms"]],
  ["Loss of demonstrations", "nats a token", "sft", ["loss"]],
];

const withRates = (series) => {
  for (const split of ["seeds", "families"]) {
    const of = (name) => series.find((s) => s.phase === "eval" && s.name === `${split}_${name}`);
    const solved = of("solved"), count = of("count");
    if (!solved || !count || of("rate")) continue;
    const total = new Map(count.points);
    series.push({ phase: "eval", name: `${split}_rate`, points: solved.points.filter(([x]) => total.get(x) > 0).map(([x, y]) => [x, y / total.get(x)]) });
  }
  return series;
};

export async function train([id], parameters, signal) {
  const route = `/v1/trainings/${encodeURIComponent(id)}`;
  const top = h("div", {}), curves = h("div", { class: "charts" }), others = h("div", { class: "charts" });
  const rest = h("details", {}, h("summary", {}, "All other numbers"), others);
  let known;
  async function load() {
    known = await get(route, {}, signal);
    const series = withRates(known.series);
    const used = new Set();
    put(top, facts(["State", known.state], ["Steps", `${number(known.steps_done)} of ${number(known.steps_total)}`], ["Begun", when(known.started_at)], ["Finished", known.finished_at && when(known.finished_at)], ["Command", h("code", {}, known.command)]));
    put(curves, charts.map(([title, about, phase, names]) => {
      const mine = names.map((n) => series.find((s) => s.phase === phase && s.name === n)).filter((s) => s?.points.length);
      for (const s of mine) used.add(s);
      return mine.length ? chart(title, mine, about) : null;
    }));
    const left = series.filter((s) => !used.has(s) && s.points.length);
    const drawRest = () => rest.open && put(others, left.map((s) => chart(`${s.name}`, [s], s.phase)));
    rest.ontoggle = drawRest;
    drawRest();
    rest.hidden = !left.length;
    if (!series.some((s) => s.points.length)) put(curves, h("p", { class: "q" }, "Nothing was measured yet."));
  }
  await load();
  return {
    title: `Training ${id}`,
    nodes: [h("h1", {}, `Training ${id}`), top, h("h2", {}, "Curves"), curves, h("h2", {}, "More"), rest,
      h("details", {}, h("summary", {}, "Settings"), h("pre", { class: "box", tabindex: 0, role: "region", "aria-label": "Settings" }, known.config))],
    refresh: async () => (known.state === "open" && !curves.contains(document.activeElement) ? load() : undefined),
  };
}
