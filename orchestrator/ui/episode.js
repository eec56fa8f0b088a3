// SPDX-License-Identifier: MIT
// episode.js - one episode: what was done turn by turn, and what it left.
import { get } from "./api.js";
import { facts, h, link, marked, number, path, when } from "./dom.js";
import { diff, lines } from "./list.js";

const PAGE = 50;

function argumentsOf(text) {
  try {
    return Object.entries(JSON.parse(text)).map(([k, v]) => `${k}: ${typeof v === "string" ? v : JSON.stringify(v)}`).join("\n");
  } catch {
    return text ?? ""; // as the actor gave it
  }
}

function turn(t) {
  const ended = t.cause ? ` · ${t.cause}${t.cause === "exited" ? ` ${t.exit_code}` : ""}` : "";
  return h("section", { class: t.failed ? "turn failed" : "turn", "aria-label": `Turn ${t.turn}` },
    h("h3", {}, `${t.turn}. ${t.tool ?? "no action"}${t.failed ? " ✗ refused" : ""}`, h("span", { class: "q" }, `${ended} · ${number(t.step_ms)} ms`)),
    t.text ? h("p", {}, t.text) : null,
    t.tool ? lines(`Arguments of turn ${t.turn}`, argumentsOf(t.arguments)) : null,
    lines(`Observation of turn ${t.turn}`, t.observation));
}

export async function episode([id], parameters, signal) {
  const load = (offset) => get(`/v1/trajectories/${encodeURIComponent(id)}`, { offset, limit: PAGE }, signal);
  const e = await load(0);
  const place = h("div", {}, e.turns.map(turn));
  let shown = e.turns.length, total = e.turn_count;
  const more = h("button", { type: "button" }, "More turns");
  const draw = () => (more.hidden = shown >= total);
  async function next() {
    const part = await load(shown);
    total = part.turn_count;
    place.append(...part.turns.map(turn));
    shown += part.turns.length;
    draw();
  }
  more.addEventListener("click", next);
  draw();
  return {
    title: `Episode ${id}`,
    nodes: [
      h("h1", {}, `Episode ${id}`),
      facts(["Task", link(path("attempt", e.graded_in, e.instance_id), e.instance_id)], ["Run", link(path("run", e.run_id), e.run_id)], ["Sample", String(e.sample)], ["Actor", e.actor], ["Seed", e.seed],
        ["Ended", e.cause + (e.reason ? `: ${e.reason}` : "")], ["Verdict", e.verdict_cause ? marked({ cause: e.verdict_cause, resolved: e.resolved }) : null],
        ["Tokens", e.prompt_tokens + e.answer_tokens > 0 ? `${number(e.prompt_tokens)} read, ${number(e.answer_tokens)} written` : null], ["Begun", when(e.started_at)], ["Finished", e.finished_at && when(e.finished_at)],
        ["Replay", h("code", {}, `assay episodes replay ${id}`)]),
      h("h2", {}, "What it left"), e.patch ? diff("Patch", e.patch) : h("p", { class: "q" }, "Nothing yet."),
      h("h2", {}, `Turns (${number(total)})`), place, more,
    ],
    refresh: () => (e.cause === "running" && shown === total ? next() : undefined),
  };
}
