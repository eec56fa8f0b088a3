// SPDX-License-Identifier: MIT
// runs.js - Runs, one run (tasks by attempts, causes), and two of them compared.
import { get } from "./api.js";
import { facts, h, link, marked, number, outcome, path, percent, put, table, when } from "./dom.js";
import { list } from "./list.js";

// --- Runs ---

const state = (r) => (r.state === "open" ? h("span", { class: "warn" }, `● open, ${number(r.done)} of ${number(r.total)}`) : h("span", { class: "q" }, "finished"));

function runTable(rows) {
  return table("Runs, newest first", ["Run", "Suite", "Model", "State", "Resolved", "#No verdict", "Begun"],
    rows.map((r) => [link(path("run", r.run_id), r.run_id), r.suite, r.model, state(r), percent(r.resolved, r.done), number(r.unscored), when(r.started_at)]));
}

export async function runs(parts, parameters, signal) {
  const jobs = parameters.jobs === "1" ? 1 : 0;
  const load = (before) => get("/v1/runs", { limit: 50, jobs, before }, signal);
  let rows = (await load()).runs;
  const place = h("div", {});
  const more = h("button", { type: "button" }, "Older runs");
  const box = h("input", { type: "checkbox", id: "jobs" });
  box.checked = jobs === 1;
  box.addEventListener("change", () => (location.hash = box.checked ? "#/?jobs=1" : "#/"));
  const draw = () => {
    put(place, rows.length ? runTable(rows) : h("p", { class: "q" }, "No runs yet: assay eval, assay run, or POST /v1/grade make them."));
    more.hidden = rows.length < 50;
  };
  more.addEventListener("click", async () => {
    const older = (await load(rows.at(-1).number)).runs;
    rows = rows.concat(older);
    draw();
    more.hidden = older.length < 50;
  });
  draw();
  return {
    title: "Runs",
    nodes: [h("h1", {}, "Runs"), h("div", { class: "row" }, box, h("label", { for: "jobs" }, "also answers that the service graded one by one")), place, more],
    async refresh() {
      const focused = document.activeElement?.getAttribute?.("href");
      const fresh = (await load()).runs;
      rows = fresh.concat(rows.filter((r) => r.number < (fresh.at(-1)?.number ?? Infinity)));
      draw();
      if (focused) [...place.querySelectorAll("a")].find((a) => a.getAttribute("href") === focused)?.focus();
    },
  };
}

// --- Run ---

function causes(run) {
  const all = run.causes.reduce((n, c) => n + c.count, 0);
  const bar = h("div", { class: "bar", "aria-hidden": "true" });
  for (const c of run.causes) {
    const part = h("i", { class: c.scored ? (c.resolved ? "good" : "bad") : "none" });
    part.style.width = `${(100 * c.count) / all}%`;
    bar.append(part);
  }
  return [bar, table("What attempts came to", ["Outcome", "Cause", "#Attempts", "#Share"],
    run.causes.map((c) => [marked({ cause: c.cause, resolved: c.scored ? c.resolved : null }), c.cause, number(c.count), `${((100 * c.count) / all).toFixed(1)} %`]))];
}

const target = (task, a) => `${path("attempt", a.run_id, task.instance_id)}${a.trajectory ? `?episode=${a.trajectory}` : ""}`;

function taskRow(task) {
  const solved = task.attempts.filter((a) => a.resolved).length;
  return [
    h("span", { class: "id", role: "rowheader", title: task.instance_id }, task.instance_id),
    h("span", { class: "w q", role: "cell" }, `${solved} of ${task.attempts.length}`),
    h("span", { class: "cells", role: "cell" }, task.attempts.map((a) => {
      const o = outcome(a);
      return h("a", { class: `c ${o.kind}`, href: target(task, a), "aria-label": `${task.instance_id}, attempt ${a.sample}: ${o.words}`, title: `attempt ${a.sample}: ${o.words}` }, o.mark);
    }), task.attempts.length === 1 ? h("span", { class: "q" }, ` ${outcome(task.attempts[0]).words}`) : null),
  ];
}

const head = (r) => facts(["Suite", r.suite], ["Model", r.model], ["Command", h("code", {}, r.command)], ["State", state(r)], ["Begun", when(r.started_at)], ["Finished", r.finished_at && when(r.finished_at)]);

export async function run([id], parameters, signal) {
  const route = `/v1/runs/${encodeURIComponent(id)}`;
  const fetch = async (offset, limit) => (await get(`${route}/attempts`, { offset, limit }, signal)).tasks;
  const top = h("div", {}), what = h("div", {});
  let known = null;
  const window = await get(`${route}/attempts`, { limit: 100 }, signal); // first: counting takes longer
  const map = list({ label: "Tasks and their attempts", count: window.total, fetch, first: window.tasks, row: (task) => taskRow(task) });
  const load = async () => {
    known = await get(route, {}, signal);
    put(top, head(known));
    put(what, known.causes.length ? causes(known) : h("p", { class: "q" }, "No verdicts yet."));
  };
  const counted = load();
  if (window.total <= 1000) await counted;
  else counted.catch(() => {});
  return {
    title: `Run ${id}`,
    nodes: [h("h1", {}, `Run ${id}`), top, h("p", {}, link(`#/compare?a=${encodeURIComponent(id)}`, "Compare it with another run")), h("h2", {}, "Causes"), what,
      h("h2", {}, "Tasks by attempts"), h("p", { class: "q" }, "✓ resolved, ✗ not, ? no verdict, · not yet. Each leads to its patch, its tests and its log."),
      h("div", { class: "head", "aria-hidden": "true" }, h("span", { class: "id" }, "Task"), h("span", { class: "w" }, "Resolved"), h("span", {}, "Attempts")), map.box],
    async refresh() {
      if (known?.state !== "open") return;
      await load();
      map.renew(known.total);
    },
  };
}

// --- Compare ---

const changeWords = { broken: "✗ resolved before, not now", fixed: "✓ not before, resolved now", unknown: "? a verdict is missing", cause: "· another cause", none: "unchanged" };
const changeKind = { broken: "bad", fixed: "good", unknown: "warn", cause: "q", none: "q" };

function changeRow(a, b, t) {
  const of = (id, cause, resolved) => h("span", { class: "w", role: "cell" }, cause === null ? "–" : link(path("attempt", id, t.instance_id), `${resolved ? "✓" : "✗"} ${cause}`));
  return [h("span", { class: "id", role: "rowheader", title: t.instance_id }, t.instance_id), of(a, t.cause_a, t.resolved_a), of(b, t.cause_b, t.resolved_b),
    h("span", { class: `rest ${changeKind[t.change]}`, role: "cell" }, changeWords[t.change])];
}

export async function compare(parts, { a, b }, signal) {
  const known = (await get("/v1/runs", { limit: 200 }, signal)).runs;
  const choose = (name, words, chosen) => {
    const ids = known.map((r) => r.run_id);
    if (chosen && !ids.includes(chosen)) ids.unshift(chosen);
    const field = h("select", { id: name }, h("option", { value: "" }, "–"), ids.map((id) => h("option", { value: id, selected: id === chosen }, id)));
    field.addEventListener("change", () => {
      const next = new URLSearchParams(Object.entries({ a, b, [name]: field.value }).filter(([, v]) => v));
      location.hash = `#/compare?${next}`;
    });
    return [h("label", { for: name }, words), field];
  };
  const nodes = [h("h1", {}, "Compare"), h("div", { class: "row" }, choose("a", "Before", a), choose("b", "After", b))];
  if (!a || !b) return { title: "Compare", nodes: nodes.concat(h("p", { class: "q" }, "Two runs of the same tasks: what changed stands first.")) };
  const fetch = async (offset, limit) => (await get("/v1/compare", { a, b, offset, limit }, signal)).tasks;
  const c = (await get("/v1/compare", { a, b, limit: 1 }, signal)).counts;
  const count = c.broken + c.fixed + c.unknown + c.cause + c.none;
  nodes.push(
    table("Changes", ["Change", "#Tasks"], [...Object.keys(changeWords).map((k) => [h("span", { class: changeKind[k] }, changeWords[k]), number(c[k])]),
      ["only in the first", number(c.only_a)], ["only in the second", number(c.only_b)]]),
    h("h2", {}, "Tasks, changed ones first"),
    h("div", { class: "head", "aria-hidden": "true" }, h("span", { class: "id" }, "Task"), h("span", { class: "w" }, "Before"), h("span", { class: "w" }, "After"), h("span", {}, "Change")),
    list({ label: "Tasks by what changed", count, fetch, row: (t) => changeRow(a, b, t) }).box);
  return { title: "Compare", nodes };
}
