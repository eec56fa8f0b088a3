// SPDX-License-Identifier: MIT
// list.js - long lists: only the rows in sight exist, and only their pages are asked for.
import { h } from "./dom.js";

const PAGE = 100, SPARE = 8;

// fetch(offset, limit) -> Promise of items; row(item, index) -> children of the row. A row's links are
// reached by arrows: one of all of them is in the tab order.
export function list({ label, count, height = 28, fetch, row, kind = "", first }) {
  const pad = h("div", { class: "pad", role: "presentation" });
  const box = h("div", { class: `list ${kind}`, tabindex: 0, role: "table", "aria-label": label, "aria-rowcount": count }, pad);
  const pages = new Map(), shown = new Map();
  let total = count, current = 0, column = 0;
  if (first) pages.set(0, first); // is known already

  function page(number) {
    if (!pages.has(number)) {
      pages.set(number, null);
      fetch(number * PAGE, PAGE).then(
        (items) => (pages.set(number, items), draw()),
        () => pages.delete(number));
    }
    return pages.get(number);
  }
  function make(index) {
    const item = page(Math.floor(index / PAGE))?.[index % PAGE];
    const element = h("div", { class: "r", role: "row", "aria-rowindex": index + 1 },
      item === undefined || item === null ? h("span", { role: "cell", class: "q" }, "…") : row(item, index));
    element.style.top = `${index * height}px`;
    element.dataset.known = item ? "1" : "";
    for (const [i, a] of element.querySelectorAll("a").entries()) a.tabIndex = index === current && i === column ? 0 : -1;
    return element;
  }
  function draw(anew) {
    const from = Math.max(0, Math.floor(box.scrollTop / height) - SPARE);
    const last = Math.min(total, Math.ceil((box.scrollTop + box.clientHeight) / height) + SPARE);
    for (const [index, element] of shown) {
      if (index >= from && index < last && !anew && (element.dataset.known || !pages.get(Math.floor(index / PAGE)))) continue;
      const focused = element.contains(document.activeElement);
      if (focused && index >= from && index < last && !anew) continue;
      if (focused) box.focus({ preventScroll: true });
      element.remove();
      shown.delete(index);
    }
    for (let index = from; index < last; index++) {
      if (shown.has(index)) continue;
      const element = make(index);
      shown.set(index, element);
      pad.append(element);
    }
  }
  function go(index, toColumn) {
    current = Math.max(0, Math.min(total - 1, index));
    column = Math.max(0, toColumn);
    const top = current * height;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + height - box.clientHeight;
    draw();
    const links = shown.get(current)?.querySelectorAll("a") ?? [];
    column = Math.min(column, Math.max(0, links.length - 1));
    const target = links[column];
    if (target) (target.tabIndex = 0), target.focus();
  }
  box.addEventListener("scroll", () => draw(), { passive: true });
  box.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15, Home: -total, End: total };
    const sideways = { ArrowRight: 1, ArrowLeft: -1 };
    if (kind.includes("text")) return; // scrolls
    if (event.key in steps) go(current + steps[event.key], column);
    else if (event.key in sideways) go(current, column + sideways[event.key]);
    else return;
    event.preventDefault();
  });
  box.addEventListener("focusin", (event) => {
    const element = event.target.closest(".r");
    if (!element) return;
    current = Number(element.getAttribute("aria-rowindex")) - 1;
    column = [...element.querySelectorAll("a")].indexOf(event.target);
  });
  const fit = () => {
    pad.style.height = `${total * height}px`;
    box.style.height = total * height < 500 ? `${Math.max(1, total) * height + 4}px` : "";
  };
  fit();
  new ResizeObserver(() => draw()).observe(box);
  return {
    box,
    // The same list of other items, or of more.
    renew(count) {
      total = count;
      box.setAttribute("aria-rowcount", count);
      fit();
      for (const number of [...pages.keys()]) {
        const from = box.scrollTop / height / PAGE - 1, to = (box.scrollTop + box.clientHeight) / height / PAGE + 1;
        if (number < from || number > to) pages.delete(number);
        else fetch(number * PAGE, PAGE).then((items) => (pages.set(number, items), draw(true)), () => {});
      }
      draw();
    },
  };
}

// Lines of a text; kindOf(line) -> a class. What is short is plain.
export function lines(label, text, kindOf = () => null) {
  const all = text.split("\n");
  if (all.at(-1) === "") all.pop();
  const line = (t) => h("span", { role: "cell", class: kindOf(t) }, t === "" ? " " : t);
  if (all.length <= 400)
    return h("pre", { class: "box", tabindex: 0, role: "region", "aria-label": label },
      all.map((t, i) => [i ? "\n" : null, h("span", { class: kindOf(t) }, t)]));
  return list({
    label, count: all.length, height: 19, kind: "text",
    fetch: async (offset, limit) => all.slice(offset, offset + limit).map((t) => ({ t })),
    row: (item) => line(item.t),
  }).box;
}

export const diff = (label, text) =>
  lines(label, text, (t) =>
    /^(diff |index |--- |\+\+\+ )/.test(t) ? "file" : t.startsWith("@@") ? "hunk" : t.startsWith("+") ? "add" : t.startsWith("-") ? "del" : null);
