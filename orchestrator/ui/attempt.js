// SPDX-License-Identifier: MIT
// attempt.js - one answer: its verdict, its patch, its tests before and after, its log by range.
import { get, log } from "./api.js";
import { bytes, facts, h, link, marked, number, path, plain, put, table, when } from "./dom.js";
import { diff, list } from "./list.js";

const CHUNK = 65536;

// --- tests ---

// What each listed test did on the base tree (its list says so) and what it did now.
function tests(x) {
  const now = new Map(x.tests), rows = [];
  const lists = x.verdict?.tests ?? {};
  for (const [name, before] of [["FAIL_TO_PASS", "✗ failed"], ["PASS_TO_PASS", "✓ passed"]]) {
    for (const [part, good] of [["failure", false], ["success", true]]) {
      for (const id of lists[name]?.[part] ?? []) rows.push({ id, list: name, before, good, after: now.get(id) ?? (good ? "passed" : "missing") });
    }
  }
  rows.sort((p, q) => p.good - q.good);
  const listed = new Set(rows.map((r) => r.id));
  for (const [id, after] of x.tests) if (!listed.has(id)) rows.push({ id, list: "not listed", before: "–", good: null, after });
  if (!rows.length) return h("p", { class: "q" }, "No test was run.");
  return [
    h("div", { class: "head", "aria-hidden": "true" }, h("span", { class: "id" }, "Test"), h("span", { class: "w" }, "List"), h("span", { class: "w" }, "Before"), h("span", { class: "w" }, "After")),
    list({
      label: "Tests before and after", count: rows.length, fetch: async (offset, limit) => rows.slice(offset, offset + limit),
      row: (r) => [h("span", { class: "id", role: "rowheader", title: r.id }, r.id), h("span", { class: "w q", role: "cell" }, r.list), h("span", { class: "w q", role: "cell" }, r.before),
        h("span", { class: `w ${r.good === null ? "q" : r.good ? "good" : "bad"}`, role: "cell" }, `${r.good === null ? "" : r.good ? "✓ " : "✗ "}${r.after}`)],
    }).box,
    x.test_count > x.tests.length ? h("p", { class: "q" }, `${number(x.test_count)} ran; the first ${number(x.tests.length)} are listed.`) : null,
  ];
}

// --- the log ---

// Bytes of a window as text; a part of a character or a line at either end is left out.
function textOf(part) {
  let { body, offset, size } = part;
  let from = 0, to = body.length;
  if (offset > 0) {
    const newline = body.subarray(0, 4096).indexOf(10);
    from = newline >= 0 && newline + 1 < body.length ? newline + 1 : 0;
  }
  while (offset + to < size && to > from && (body[to - 1] & 0xc0) === 0x80) to--;
  return plain(new TextDecoder().decode(body.subarray(from, to)).replace(/\x1b\[[0-9;]*m/g, "").replace(/\r\n/g, "\n"));
}

function logView(route, parameters, signal) {
  const text = h("pre", { class: "box log", tabindex: 0, role: "region", "aria-label": "Log", id: "log" });
  const where = h("span", { class: "q", id: "where" });
  const slide = h("input", { type: "range", min: 0, max: 1000, value: 1000, "aria-label": "Place in the log" });
  let at = 0, size = 0, task = null;
  async function show(offset) {
    task?.abort();
    task = new AbortController();
    signal.addEventListener("abort", () => task.abort());
    try {
      const part = await log(route, { ...parameters, offset, limit: CHUNK }, task.signal);
      (at = part.offset), (size = part.size);
      text.textContent = textOf(part);
      const end = at + part.body.length;
      where.textContent = `bytes ${number(at)} to ${number(end)} of ${number(size)} (${bytes(size)})`;
      slide.value = size > CHUNK ? Math.round((1000 * at) / (size - CHUNK)) : 1000;
      text.scrollTop = end >= size ? text.scrollHeight : 0;
      text.dataset.end = String(end >= size);
      first.disabled = previous.disabled = at === 0;
      last.disabled = next.disabled = end >= size;
    } catch (error) {
      if (error.name !== "AbortError") put(where, h("span", { class: "error" }, error.message));
    }
  }
  const button = (words, act) => h("button", { type: "button", onclick: act }, words);
  const first = button("Begin", () => show(0)), last = button("End", () => show(undefined));
  const previous = button("Earlier", () => show(Math.max(0, at - CHUNK))), next = button("Later", () => show(Math.min(at + CHUNK, Math.max(0, size - CHUNK))));
  slide.addEventListener("change", () => show(Math.floor((slide.value / 1000) * Math.max(0, size - CHUNK))));
  show(0);
  return [h("div", { class: "row" }, first, previous, next, last, slide, where), text];
}

// --- the page ---

function denied(v) {
  const rows = v?.denied ?? [];
  if (!rows.length) return h("p", { class: "q" }, "None.");
  return h("ul", {}, rows.map((d) => h("li", {}, h("code", {}, typeof d === "string" ? d : JSON.stringify(d)))));
}

const words = (v) => (v === null || v === undefined ? null : typeof v === "string" ? v : JSON.stringify(v));

function verdict(x) {
  const v = x.verdict;
  if (!v) return h("p", { class: "q" }, "No verdict yet.");
  return facts(
    ["Verdict", marked(v)], ["Cause", v.cause], ["Reason", v.reason], ["Reward", v.reward === null ? "none: trouble of ours" : String(v.reward)],
    ["Tamper", v.tamper?.length ? h("span", { class: "bad" }, words(v.tamper)) : null],
    ["Evidence", v.evidence], ["Tier", v.tier], ["Graded", when(x.recorded_at)],
    ["Wall, CPU", v.usage && `${number(v.usage.wall_ms)} ms, ${number(v.usage.cpu_ms)} ms`], ["Memory", v.usage && bytes(v.usage.memory_bytes_peak ?? 0)],
    ["From the cache", v.cached ? "yes" : null], ["Key", v.key && h("code", {}, v.key)]);
}

function hunks(v) {
  const odd = (v?.patch?.hunks ?? []).filter((k) => k.tolerance !== "exact" || k.offset);
  const dropped = v?.patch?.dropped ?? [];
  return [
    dropped.length ? h("p", {}, `Dropped, as the graders' own: ${dropped.map(words).join(", ")}`) : null,
    odd.length ? table("Hunks that needed tolerance", ["File", "#Hunk", "#Offset", "Tolerance"], odd.map((k) => [k.path, number(k.hunk_index ?? k.hunk), String(k.offset), k.tolerance])) : null,
  ];
}

export async function attempt([id, instance], { episode }, signal) {
  const route = `/v1/runs/${encodeURIComponent(id)}`;
  const x = await get(`${route}/attempt`, { instance_id: instance }, signal);
  return {
    title: instance,
    nodes: [
      h("h1", {}, instance),
      h("p", {}, "in ", link(path("run", id.replace(/\.\d+$/, "")), `run ${id}`), episode ? [" · ", link(path("episode", episode), "its turns")] : null),
      verdict(x),
      h("h2", {}, "Patch"), hunks(x.verdict), x.patch ? diff("Patch", x.patch) : h("p", { class: "q" }, x.patch === null ? "None was kept." : "It is empty."),
      h("h2", {}, "Tests before and after"), tests(x),
      h("h2", {}, "Calls that were refused"), denied(x.verdict),
      h("h2", {}, "Log"), x.log ? logView(`${route}/log`, { instance_id: instance }, signal) : h("p", { class: "q" }, "None was kept."),
    ],
  };
}
