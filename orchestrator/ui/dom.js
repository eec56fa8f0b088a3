// SPDX-License-Identifier: MIT
// dom.js - elements from data. Text is always a text node: nothing that a model wrote is markup.

export function h(tag, attrs, ...kids) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  add(element, kids);
  return element;
}

// What would not be seen, or would turn the order of what is seen around, is shown as its number.
const unseen = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
export const plain = (text) => text.replace(unseen, (c) => `⟨${c.charCodeAt(0).toString(16).padStart(2, "0")}⟩`);

export function add(element, kids) {
  for (const kid of [kids].flat(Infinity)) {
    if (kid !== undefined && kid !== null && kid !== false) element.append(typeof kid === "string" ? plain(kid) : kid);
  }
  return element;
}

export const put = (element, ...kids) => add((element.replaceChildren(), element), kids);

// Words for what came out; a shape stands beside each colour.
export function outcome(x) {
  if (x.cause === undefined || x.cause === null) return { mark: "·", kind: "none", words: x.ended ?? "no verdict yet" };
  if (x.resolved === null || x.resolved === undefined) return { mark: "?", kind: "warn", words: `no verdict: ${x.cause}` };
  if (x.resolved) return { mark: "✓", kind: "good", words: "resolved" };
  return { mark: "✗", kind: "bad", words: x.cause };
}

export const marked = (x) => {
  const o = outcome(x);
  return h("span", { class: o.kind }, `${o.mark} ${o.words}`);
};

export const number = (n) => (n ?? 0).toLocaleString("en");
export const percent = (k, n) => (n > 0 ? `${((100 * k) / n).toFixed(1)} % (${number(k)} of ${number(n)})` : `0 of ${number(n)}`);
export const short = (v) => (v === null || v === undefined ? "–" : Number.isInteger(v) ? number(v) : v.toPrecision(4));
export const when = (t) => (t ? t.replace("T", " ").replace(/(\.\d+)?Z$/, "") : "–");
export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (n >= 1024 && unit < 3) (n /= 1024), unit++;
  return `${unit ? n.toFixed(1) : n} ${units[unit]}`;
}

export const facts = (...pairs) =>
  h("dl", { class: "facts" }, pairs.filter((p) => p && p[1] !== undefined && p[1] !== null && p[1] !== "").map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));

// A table of people's size; longer ones are list.js's.
export const table = (caption, heads, rows) =>
  h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {}, h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, heads.map((t) => h("th", { scope: "col", class: t.startsWith("#") ? "n" : null }, t.replace("#", ""))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => h("td", { class: heads[i].startsWith("#") ? "n" : null }, cell)))))));

export const link = (to, ...kids) => h("a", { href: to }, ...kids);
export const path = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;
