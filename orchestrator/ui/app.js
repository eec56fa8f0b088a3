// SPDX-License-Identifier: MIT
// app.js - the frame: which page, its life, the keys, the colours, and what happens as it happens.
//
// A page is a function of (parts of the path, its parameters, signal) that gives {title, nodes,
// refresh?}. refresh() is called when the store changed, at most every two seconds.
import { Refused, token, watch } from "./api.js";
import { h, put } from "./dom.js";
import { compare, run, runs } from "./runs.js";
import { attempt } from "./attempt.js";
import { train, trainings } from "./train.js";
import { fleet, suite, suites } from "./fleet.js";
import { episode } from "./episode.js";

const REFRESH_MS = 2000, SAY_MS = 5000;
const pages = { "": runs, run, attempt, compare, train: trainings, training: train, fleet, suites, suite, episode };
const menu = [["r", "", "Runs"], ["c", "compare", "Compare"], ["t", "train", "Train"], ["f", "fleet", "Fleet"], ["s", "suites", "Suites"]];
const $ = (id) => document.getElementById(id);
let page = null, leaving = new AbortController(), busy = false, again = false, last = 0;

// --- pages ---

function place() {
  const [route, words] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...parts] = route.split("/").map(decodeURIComponent);
  return { name, parts, parameters: Object.fromEntries(new URLSearchParams(words ?? "")) };
}

function askToken(why) {
  const word = h("input", { type: "password", id: "token", autocomplete: "off" });
  const form = h("form", { class: "row" }, h("label", { for: "token" }, "Token"), word, h("button", {}, "Use"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(word.value);
    show();
  });
  put($("main"), h("h1", {}, "A token is wanted"), h("p", { class: "q" }, `${why}. One with the role read shows everything; it is kept in this tab alone.`), form);
  word.focus();
}

function fail(error) {
  if (error.name === "AbortError") return;
  if (error instanceof Refused && error.status === 401) askToken(error.message);
  else put($("main"), h("h1", {}, "That did not work"), h("p", { class: "error", role: "alert" }, error.message), h("p", {}, h("a", { href: "#/" }, "All runs")));
}

async function show() {
  const { name, parts, parameters } = place();
  leaving.abort();
  leaving = new AbortController();
  const mine = leaving.signal;
  page = null;
  for (const a of $("nav").children) a.removeAttribute("aria-current");
  const near = { run: "", attempt: "", episode: "", training: "train", suite: "suites" }[name] ?? name;
  $(`nav-${near || "runs"}`)?.setAttribute("aria-current", "page");
  try {
    if (!pages[name]) throw new Error("There is no such page.");
    const made = await pages[name](parts, parameters, mine);
    if (mine.aborted) return;
    page = made;
    last = performance.now(); // it is fresh
    document.title = `${made.title} · assay`;
    put($("main"), ...made.nodes);
    $("main").dataset.page = name || "runs"; // it is drawn
    if (document.activeElement === document.body) $("main").focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (error) {
    if (!mine.aborted) fail(error);
  }
}

// --- what happens ---

async function refresh() {
  const wait = last + REFRESH_MS - performance.now();
  again = true;
  if (busy || !page?.refresh) return;
  busy = true;
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  again = false;
  last = performance.now();
  try {
    await page?.refresh?.();
  } catch {
    // the next one may do better; the page stays as it was
  }
  busy = false;
  if (again) refresh();
}

let said = 0;
function say(words) {
  if (performance.now() - said < SAY_MS) return;
  said = performance.now();
  $("say").textContent = words;
}

function live() {
  watch(
    (name, data) => {
      if (!$("live").dataset.first) $("live").dataset.first = String(Math.round(performance.now())); // ms since the page began
      if (name === "graded") say(`${data.instance_id}: ${data.cause}`);
      refresh();
    },
    (state) => {
      $("live").textContent = state === "live" ? "● live" : "○ not connected";
    });
}

// --- keys and colours ---

const themes = ["", "light", "dark"];
function paint(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  $("theme").textContent = { "": "Colours: system", light: "Colours: light", dark: "Colours: dark" }[theme];
  for (const canvas of document.querySelectorAll("canvas")) canvas.dispatchEvent(new Event("redraw"));
}

let went = 0;
function key(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const target = performance.now() - went < 1000 ? menu.find(([letter]) => letter === event.key) : undefined;
  went = event.key === "g" ? performance.now() : 0;
  if (target) location.hash = `#/${target[1]}`;
  else if (event.key === "?") $("keys").showModal();
  else if (event.key === "/") $("main").querySelector("input, select")?.focus();
  else if (event.key === "j" && !event.target.closest(".list, table")) $("main").querySelector(".list, table a")?.focus();
  else if ((event.key === "j" || event.key === "k") && event.target.closest("table")) step(event.target, event.key === "j" ? 1 : -1);
  else return;
  event.preventDefault();
}

// The same column's link in the next or previous row.
function step(from, by) {
  const rows = [...from.closest("table").querySelectorAll("tbody tr")].filter((row) => row.querySelector("a"));
  rows[rows.indexOf(from.closest("tr")) + by]?.querySelector("a").focus();
}

put($("nav"), menu.map(([, name, words]) => h("a", { href: `#/${name}`, id: `nav-${name || "runs"}` }, words)));
$("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(document.documentElement.dataset.theme ?? "") + 1) % 3];
  localStorage.setItem("assay-theme", next);
  paint(next);
});
$("help").addEventListener("click", () => $("keys").showModal());
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => paint(document.documentElement.dataset.theme ?? ""));
paint(localStorage.getItem("assay-theme") ?? "");
addEventListener("keydown", key);
addEventListener("hashchange", show);
live();
show();
