// Draws a figure with Plotly.react into a node that is kept, so zoom, hover and place survive every update.
import { moveTimes, rememberHover } from "./live_chart_time.js";
import { addReadOut, fitValues, showTools } from "./live_chart_tools.js";
import { receive } from "./live_wire.js";

const MISSING = "The chart library cannot be loaded: reload the page; if it stays so, run python -m engine doctor";

const NEAR = "60px"; // of the window: a chart so close to it is drawn at once
const IDLE_MS = 1200; // before a chart out of sight may be drawn, and at most as long again

function plotly(library) {
  if (!window.podiumPlotly) {
    window.podiumPlotly = new Promise((resolve, reject) => {
      if (window.Plotly) { resolve(window.Plotly); return; }
      const script = document.createElement("script");
      script.src = library;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => { window.podiumPlotly = undefined; reject(new Error(MISSING)); };
      document.head.appendChild(script);
    });
  }
  return window.podiumPlotly;
}

function rgb(colour) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = colour;
  const hex = probe.fillStyle;
  return hex.startsWith("#") ? [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)) : hex.match(/[\d.]+/g).slice(0, 3).map(Number);
}

function mix(over, under, share) {
  const [a, b] = [rgb(over), rgb(under)];
  return `rgb(${a.map((v, i) => Math.round(v * share + b[i] * (1 - share))).join(",")})`;
}

function palette(node) {
  const style = getComputedStyle(node);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const text = read("--st-text-color", "#1b2027");
  const ground = read("--st-background-color", "#ffffff");
  return {
    "#010101": text, "#050505": ground, "#040404": read("--st-secondary-background-color", "#f3f5f7"),
    "#020202": mix(text, ground, 0.68), "#030303": mix(text, ground, 0.11),
    family: read("--st-font", "sans-serif"),
  };
}

function paint(value, colours) {
  if (typeof value === "string") return value.startsWith("#0") && colours[value] ? colours[value] : value;
  if (Array.isArray(value)) return value.length > 600 ? value : value.map((one) => paint(one, colours));
  if (value && typeof value === "object") {
    for (const key of Object.keys(value)) value[key] = key === "customdata" ? value[key] : paint(value[key], colours);
  }
  return value;
}

async function draw(node) {
  const Plotly = await plotly(node.podiumLibrary);
  const stamp = node.podiumStamp;
  const colours = palette(node);
  const figure = moveTimes(paint(structuredClone(node.podiumValue), colours));
  figure.layout.font = { ...figure.layout.font, family: colours.family };
  if (node.clientWidth < 560) {
    figure.layout.dragmode = false; // a finger scrolls the page
    const narrow = figure.layout.meta && figure.layout.meta.narrow;
    if (narrow) for (const [path, to] of Object.entries(narrow)) {
      const keys = path.split(".");
      const last = keys.pop();
      const place = keys.reduce((at, key) => at && at[key], figure);
      if (place) place[last] = to;
    }
  }
  for (const [axis, range] of Object.entries(fitValues(node, node.podiumValue))) Object.assign(figure.layout[axis], { range, autorange: false });
  await Plotly.react(node, figure.data, figure.layout, { displayModeBar: false, responsive: false, doubleClick: "reset", locale: "en" });
  showTools(node);
  if (stamp) {
    window.podiumDrawn = stamp;
    window.dispatchEvent(new Event("podium-drawn")); // what is of the same tick waits for it (live_table.js)
  }
  if (!node.podiumBound) {
    node.podiumBound = true;
    rememberHover(node);
    // Plotly looks for the point under the pointer at most every 50 ms, at a click too: a quick one would open where the pointer was before, or nothing.
    // Unhover ends that pause, so that the click looks where it falls.
    const endPause = () => window.Plotly.Fx.unhover(node);
    node.addEventListener("pointerdown", () => window.addEventListener("pointerup", endPause, { capture: true, once: true }), { capture: true });
    node.on("plotly_relayout", (change) => {
      if (!Object.keys(change).some((key) => key.startsWith("xaxis."))) return;
      const ranges = Object.entries(fitValues(node, node.podiumValue)).map(([axis, range]) => [`${axis}.range`, range]);
      if (ranges.length) Plotly.relayout(node, Object.fromEntries(ranges)).catch(() => {}); // the page may have been left meanwhile
    });
    node.on("plotly_click", (event) => {
      const point = event.points[0] && event.points[0].customdata;
      const id = Array.isArray(point) ? point[0] : point;
      if (id !== undefined && id !== null && node.podiumSend) node.podiumSend(String(id), Boolean((node.podiumValue.layout.meta || {}).marks));
    });
  }
}

// Resolves when a chart may be drawn for the first time: one that is out of sight waits until it comes near, or until the browser is idle, so that what is
// in sight is there first. A chart with a stamp does not wait, since others wait for it.
function waitForTurn(node) {
  return new Promise((resolve) => {
    const begin = () => { near.disconnect(); window.removeEventListener("beforeprint", begin); resolve(); };
    const near = new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) begin(); }, { root: node.closest('[data-testid="stMain"]'), rootMargin: NEAR });
    near.observe(node);
    window.addEventListener("beforeprint", begin);
    setTimeout(() => (window.requestIdleCallback ?? setTimeout)(begin, { timeout: IDLE_MS }), IDLE_MS); // Safari has no idle callback
  });
}

async function drawInTurn(node) {
  if (node.podiumWaits) return; // what it then draws is the newest value
  if (!node.podiumBound && !node.podiumStamp) {
    node.podiumWaits = true;
    await waitForTurn(node);
    node.podiumWaits = false;
    if (!node.isConnected) return;
  }
  await draw(node);
}

// To the decision "tick SYMBOL", as the browser's own back and forward do it: a trigger of a live part that then changes the page leaves it blank now and then.
// Where the page marks a decision, its address remembers which, so that the way back shows it.
function open(id, marks) {
  const place = id.indexOf(" ");
  if (marks) {
    const address = new URL(window.location.href);
    address.searchParams.set("mark", id.slice(0, place));
    window.history.replaceState(window.history.state, "", address);
  }
  window.history.pushState({}, "", `/decision?tick=${id.slice(0, place)}&symbol=${encodeURIComponent(id.slice(place + 1))}`);
  window.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}

// Draws again for another width.
function watch(node) {
  if (node.podiumWatch) return;
  let width = node.clientWidth;
  node.podiumWatch = new ResizeObserver(() => {
    const shown = node.isConnected && node.clientWidth > 0 && getComputedStyle(node).display !== "none";
    if (!shown || !node.podiumBound || Math.abs(node.clientWidth - width) < 2) return;
    width = node.clientWidth;
    window.Plotly.Plots.resize(node).catch(() => {}); // the page may have been left meanwhile
  });
  node.podiumWatch.observe(node);
}

// Draws again in other colours or another time zone: one listener for all charts, so that none outlives its page.
function repaint() {
  for (const node of document.querySelectorAll(".podium-chart")) if (node.podiumBound) draw(node).catch(() => {});
}

window.addEventListener("podium-times", repaint);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(repaint, 400));

export default function ({ data, parentElement }) {
  const node = parentElement.querySelector(".podium-chart");
  node.style.height = `${data.height}px`;
  if (data.readout) addReadOut(node);
  node.setAttribute("aria-label", data.label);
  node.classList.toggle("podium-clickable", data.clickable);
  node.podiumSend = data.clickable ? open : null;
  const showProblem = (problem) => { if (!node.podiumBound) node.textContent = String(problem.message || problem); };
  receive(node, data, (value, digest) => {
    node.podiumValue = value;
    node.podiumFigure = digest;
    node.podiumLibrary = data.library;
    node.podiumStamp = data.stamp;
    drawInTurn(node).catch(showProblem);
    watch(node);
  });
}
