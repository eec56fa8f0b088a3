// SPDX-License-Identifier: MIT
// chart.js - lines on a canvas, with the same numbers as words and as a table.
import { h, put, short, table } from "./dom.js";

const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];

function scale(values) {
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) (low -= Math.abs(low) * 0.1 || 1), (high += Math.abs(high) * 0.1 || 1);
  return [low, high];
}

function draw(canvas, series) {
  const style = getComputedStyle(canvas), ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight, left = 60, bottom = 20, top = 8;
  const points = series.flatMap((s) => s.points);
  if (!width || !points.length) return;
  const [x0, x1] = scale(points.map((p) => p[0])), [y0, y1] = scale(points.map((p) => p[1]));
  const x = (v) => left + ((v - x0) / (x1 - x0)) * (width - left - 8);
  const y = (v) => height - bottom - ((v - y0) / (y1 - y0)) * (height - bottom - top);
  const c = canvas.getContext("2d");
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  c.scale(ratio, ratio);
  c.font = "11px system-ui, sans-serif";
  c.fillStyle = style.getPropertyValue("color");
  c.strokeStyle = style.borderTopColor;
  for (const v of [y0, (y0 + y1) / 2, y1]) {
    c.beginPath();
    c.moveTo(left, y(v));
    c.lineTo(width - 8, y(v));
    c.stroke();
    c.textAlign = "right";
    c.fillText((Math.abs(v) < (y1 - y0) / 1e4 ? 0 : v).toPrecision(3), left - 6, y(v) + 4);
  }
  c.textAlign = "left";
  c.fillText(short(x0), left, height - 5);
  c.textAlign = "right";
  c.fillText(short(x1), width - 8, height - 5);
  for (const [i, s] of series.entries()) {
    c.strokeStyle = probe(canvas, i);
    c.lineWidth = 1.6;
    c.setLineDash(DASHES[i % 4]);
    c.beginPath();
    for (const [j, p] of s.points.entries()) (j ? c.lineTo(x(p[0]), y(p[1])) : c.moveTo(x(p[0]), y(p[1])));
    if (s.points.length === 1) c.arc(x(s.points[0][0]), y(s.points[0][1]), 2, 0, 7);
    c.stroke();
  }
}

// light-dark() is resolved for properties that are used, and for no custom one.
function probe(canvas, i) {
  const key = canvas.parentElement.querySelector(`.k${i % 4}`);
  return key ? getComputedStyle(key).borderTopColor : getComputedStyle(canvas).color;
}

const words = (s) => {
  const values = s.points.map((p) => p[1]);
  return `from ${short(values[0])} to ${short(values.at(-1))}, least ${short(Math.min(...values))}, greatest ${short(Math.max(...values))}`;
};

// series: [{name, points: [[x, y]]}], at most four.
export function chart(title, series, about) {
  series = series.filter((s) => s.points.length);
  const canvas = h("canvas", { role: "img", "aria-label": `${title}: ${series.map((s) => `${s.name} ${words(s)}`).join("; ")}` });
  const rows = h("details", {}, h("summary", {}, "As a table"));
  rows.addEventListener("toggle", () => {
    if (!rows.open) return;
    const steps = [...new Set(series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b).slice(-200);
    const at = series.map((s) => new Map(s.points));
    put(rows, h("summary", {}, "As a table"),
      table(`${title}, the newest ${steps.length} steps`, ["#step", ...series.map((s) => `#${s.name}`)],
        steps.map((step) => [short(step), ...at.map((m) => short(m.get(step)))])));
  });
  const figure = h("figure", {}, h("h3", {}, title, about ? h("span", { class: "q" }, ` ${about}`) : null), canvas,
    h("figcaption", {}, series.map((s, i) => h("div", {}, h("span", { class: `key k${i % 4}` }), `${s.name}: ${words(s)}`))), rows);
  new ResizeObserver(() => draw(canvas, series)).observe(canvas);
  canvas.addEventListener("redraw", () => draw(canvas, series)); // the colours changed
  return figure;
}
