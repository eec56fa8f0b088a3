// SPDX-License-Identifier: MIT
// fleet.js - what is at work now; the suites and their certificates.
import { get } from "./api.js";
import { facts, h, link, number, path, put, table, when } from "./dom.js";

// --- Fleet ---

const tile = (value, words) => h("div", { class: "tile" }, h("b", {}, value), h("span", {}, words));
const seconds = (ms) => `${number(Math.round(ms / 1000))} s`;

export async function fleet(parts, parameters, signal) {
  const top = h("div", {}), place = h("div", {});
  async function load() {
    const [f, e] = await Promise.all([get("/v1/fleet", {}, signal), get("/v1/episodes", {}, signal)]);
    const g = f.gradings, l = f.leases, n = f.network;
    put(top,
      h("div", { class: "tiles" },
        tile(`${number(g.running)} / ${number(g.slots)}`, "gradings at work, slots"), tile(`${number(g.queued)} / ${number(g.queue_max)}`, "answers waiting, at most"),
        tile(number(g.graded), "graded"), tile(number(g.executed), "of them ran tests"), tile(number(g.joined + g.remembered), "answered without a run"), tile(number(g.unscored), "came to no verdict"),
        tile(`${number(l.open)} / ${number(l.open_max)}`, "episodes leased, at most"), tile(number(l.turns), "turns"), tile(number(l.reaped), "leases that ran out"),
        tile(number(n.connections), "connections"), tile(number(n.streams), "watchers"), tile(number(n.requests), "requests")),
      facts(["Version", f.version], ["Tier", f.tier], ["Up for", seconds(f.uptime_s * 1000)], ["State", f.draining ? "draining" : "ready"]));
    put(place, e.episodes.length
      ? table("Leases", ["Episode", "Task", "Owner", "State", "#Turns", "#Open for", "#Silent for"],
          e.episodes.map((x) => [link(path("run", x.episode_id), x.episode_id), x.instance_id, x.owner, x.cause + (x.busy ? ", busy" : ""), number(x.turns), seconds(x.age_ms), seconds(x.idle_ms)]))
      : h("p", { class: "q" }, "No episode is leased."));
  }
  await load();
  const clock = setInterval(() => document.hidden || load().catch(() => {}), 2000); // what is at work is in no store
  signal.addEventListener("abort", () => clearInterval(clock));
  return { title: "Fleet", nodes: [h("h1", {}, "Fleet"), top, h("h2", {}, "Leases"), place] };
}

// --- Suites ---

export async function suites(parts, parameters, signal) {
  const { suites: rows } = await get("/v1/suites", {}, signal);
  return {
    title: "Suites",
    nodes: [h("h1", {}, "Suites"), rows.length
      ? table("Suites that are served", ["Suite", "Version", "#Tasks"], rows.map((s) => [link(path("suite", s.name), s.name), s.version, number(s.instances)]))
      : h("p", { class: "q" }, "No suite is served.")],
  };
}

const holds = (c) => (!c?.certified ? h("span", { class: "none" }, "· not certified") : c.holds ? h("span", { class: "good" }, "✓ holds") : h("span", { class: "bad" }, "✗ does not hold"));

export async function suite([name], parameters, signal) {
  const route = `/v1/suites/${encodeURIComponent(name)}`;
  const [s, { certificates }] = await Promise.all([get(route, {}, signal), get(`${route}/certificates`, {}, signal)]);
  const of = new Map(certificates.map((c) => [c.instance_id, c]));
  const good = certificates.filter((c) => c.certified && c.holds).length;
  return {
    title: `Suite ${name}`,
    nodes: [h("h1", {}, `Suite ${name}`), h("p", { class: "q" }, `Version ${s.version}; ${number(good)} of ${number(s.instances.length)} tasks have a certificate that holds.`),
      table("Tasks and their certificates", ["Task", "Kind", "Certificate", "Checks", "Made"],
        s.instances.map((i) => {
          const c = of.get(i.instance_id);
          return [h("details", {}, h("summary", {}, i.instance_id), h("pre", { class: "box", tabindex: 0, role: "region", "aria-label": `Problem of ${i.instance_id}` }, i.problem)), i.task,
            h("span", {}, holds(c), c?.reason ? h("div", { class: "q" }, c.reason) : null), c?.certified ? `${c.checks} (${number(c.runs)} runs)` : "–", when(c?.made_at)];
        }))],
  };
}
