// What a chart offers beside Plotly: a crosshair through all panels, a read-out, value axes that fit what is seen, and saving.
import { formatMoment, formatTime, isTime, placeTime } from "./live_chart_time.js";
import { isLocal, zone } from "./live_time.js";

const PAD = 0.09; // of the values' span, above and below: room for the marks beside the bars
const SHARE = "Podium";

const meta = (figure) => figure.layout.meta || {};
const axisOf = (trace) => trace.yaxis || "y";
const placesOf = (figure, trace) => (isTime(figure, trace.xaxis || "x") ? trace.x.map(placeTime) : trace.x); // on the axis as it is drawn

// Lowest and highest value on an axis between two times; logarithms where the axis is logarithmic.
function findBounds(figure, axis, from, to) {
  const name = `y${axis.slice(5)}`, isLog = figure.layout[axis].type === "log";
  let low = Infinity, high = -Infinity;
  const take = (value) => {
    if (value === null || value === undefined || !Number.isFinite(Number(value)) || (isLog && value <= 0)) return;
    const at = isLog ? Math.log10(value) : Number(value);
    if (at < low) low = at;
    if (at > high) high = at;
  };
  for (const trace of figure.data) {
    if (axisOf(trace) !== name || trace.type === "heatmap") continue;
    const columns = trace.type === "candlestick" ? [trace.low, trace.high] : [trace.y];
    placesOf(figure, trace).forEach((x, i) => { if (x >= from && x <= to) for (const column of columns) take(column[i]); });
    if (trace.type === "bar") take(0);
  }
  if (low > high) return null;
  const floor = figure.layout[axis].rangemode === "tozero", span = high - (floor ? Math.min(0, low) : low) || Math.abs(high) * 0.01 || 1;
  return [floor ? Math.min(0, low) : low - PAD * span, high + PAD * span];
}

// Sets the ranges of the axes that the figure lists, for the times that the reader has zoomed to.
export function fitValues(node, figure) {
  const axis = node._fullLayout && node._fullLayout.xaxis, zoomed = axis && axis.autorange === false;
  const [from, to] = zoomed ? axis.range.map((end) => axis.r2l(end)) : [-Infinity, Infinity];
  const ranges = {};
  for (const name of meta(figure).fit || []) {
    const range = findBounds(figure, name, from, to);
    if (range) ranges[name] = range;
  }
  return ranges;
}

const number = (value, digits) => Number(value).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

function brief(value, digits) {
  const size = Math.abs(value);
  return size >= 1e4 && digits === null ? `${number(value / 1e3, 1)}k` : number(value, digits === null ? (size < 10 ? 2 : 1) : digits);
}

// The place of the bar nearest to a time; -1 where there is none.
function nearest(times, at) {
  let best = -1, apart = Infinity;
  times.forEach((x, i) => { if (Math.abs(x - at) < apart) [best, apart] = [i, Math.abs(x - at)]; });
  return best;
}

// The place to read out where no pointer is: the newest with a value.
const findNewest = (values) => values.findLastIndex((value) => value !== null && value !== undefined);

function readOut(node, place) {
  const wanted = meta(node.podiumValue).readout, text = node.parentElement.querySelector(".podium-readout");
  if (!wanted || !text) return;
  const narrow = node.clientWidth < 560; // the hour is enough there
  const trace = node.podiumValue.data[wanted.trace], i = place >= 0 ? place : findNewest(trace.close || trace.y);
  const parts = i < 0 ? [] : trace.close ? listPrices(trace, i, wanted) : listLines(node.podiumValue, trace.x[i], wanted);
  const when = i < 0 ? "" : narrow ? formatTime(trace.x[i]).slice(6) : formatMoment(trace.x[i]);
  text.textContent = i < 0 ? (trace.close ? "no bar yet" : "no value yet") : `${wanted.word || ""}${when}  ${parts.join(narrow ? " " : "  ")}`;
}

// The value of each line at a time; a line without one there is left out.
function listLines(figure, at, { lines, digits, suffix }) {
  const shown = [];
  for (const [place, name] of lines) {
    const trace = figure.data[place], value = trace ? trace.y[trace.x.indexOf(at)] : null;
    if (value === null || value === undefined) continue;
    const size = number(Math.abs(value), digits), sign = Number(size) === 0 ? "" : value < 0 ? "\u2212" : "+";
    shown.push(`${name} ${sign}${size}${suffix}`);
  }
  return shown.length ? shown : ["no value"];
}

function listPrices(bars, i, { digits }) {
  if (bars.close[i] === null) return ["no bar"];
  const parts = ["open", "high", "low", "close"].map((part) => `${part[0].toUpperCase()} ${number(bars[part][i], digits)}`);
  const before = i > 0 ? bars.close[i - 1] : null;
  if (before === null) return parts;
  const change = (bars.close[i] / before - 1) * 100;
  return [...parts, `${change >= 0 ? "+" : "\u2212"}${number(Math.abs(change), 2)} %`];
}

function line(parent, kind) {
  const made = document.createElement("i");
  made.className = kind;
  made.hidden = true;
  parent.append(made);
  return made;
}

// Moves the crosshair to where the pointer is: the vertical line goes through all panels and stands on the nearest bar.
function point(node) {
  const cross = node.podiumCross, full = node._fullLayout;
  if (!cross || !full) return;
  const axis = full.xaxis, panels = Object.keys(full).filter((key) => /^yaxis\d*$/.test(key)).map((key) => full[key]);
  const at = cross.at, inside = at && at.x >= axis._offset && at.x <= axis._offset + axis._length && cross.times().length;
  const panel = inside && panels.find((each) => at.y >= each._offset && at.y <= each._offset + each._length);
  for (const part of cross.parts) part.hidden = !panel;
  if (!panel) { readOut(node, -1); return; }
  const times = cross.times(), place = nearest(times, axis.p2l(at.x - axis._offset));
  const x = axis._offset + axis.l2p(times[place]);
  const top = Math.min(...panels.map((each) => each._offset)), bottom = Math.max(...panels.map((each) => each._offset + each._length));
  const [down, across, value, when] = cross.parts;
  down.style.cssText = `left:${x}px;top:${top}px;height:${bottom - top}px`;
  across.style.cssText = `left:${axis._offset}px;top:${at.y}px;width:${axis._length}px`;
  const level = panel.p2l(at.y - panel._offset), shown = panel.type === "log" ? 10 ** level : level;
  value.textContent = brief(shown, panel._name === "yaxis" && meta(node.podiumValue).readout ? meta(node.podiumValue).readout.digits : null);
  value.hidden = panel.showticklabels === false; // a panel of events has no values
  value.style.cssText = `top:${at.y}px;width:${axis._offset}px`;
  when.textContent = formatTime(cross.moments()[place]);
  when.style.cssText = `left:${x}px;top:${bottom + 2}px`;
  readOut(node, place);
}

function addCross(node) {
  const layer = document.createElement("div");
  layer.className = "podium-cross";
  layer.setAttribute("aria-hidden", "true");
  node.append(layer);
  const main = () => node.podiumValue.data[(meta(node.podiumValue).readout || { trace: 0 }).trace];
  node.podiumCross = { at: null, times: () => placesOf(node.podiumValue, main()), moments: () => main().x, parts: ["down", "across", "value", "when"].map((kind) => line(layer, kind)) };
  const move = (event) => {
    const box = node.getBoundingClientRect();
    node.podiumCross.at = { x: event.clientX - box.left, y: event.clientY - box.top };
    point(node);
  };
  node.addEventListener("pointermove", move);
  node.addEventListener("pointerdown", move);
  node.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "touch") return; // a finger that is lifted leaves the crosshair where it was
    node.podiumCross.at = null;
    point(node);
  });
}

// The line above the chart, there before the chart is, so that nothing moves when it comes.
export function addReadOut(node) {
  if (node.parentElement.querySelector(".podium-readout")) return;
  const made = document.createElement("div");
  made.className = "podium-readout";
  node.before(made);
}

// After every drawing: what belongs to the figure beside its picture.
export function showTools(node) {
  const wanted = meta(node.podiumValue);
  const frame = node.parentElement;
  if (wanted.cross && !node.podiumCross) addCross(node);
  if (!frame.querySelector(".podium-save")) frame.append(saveMenu(node));
  point(node);
}

const cell = (value) => {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value); // a spreadsheet takes it for a formula
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

// All points of a figure as rows: the name of the trace, x, and its values; times are UTC.
export function figureToCsv(figure) {
  const rows = [["trace", "x", "y", "open", "high", "low", "close", "z"]];
  figure.data.forEach((trace, place) => {
    const name = trace.name || trace.type + " " + (place + 1), axis = figure.layout[`xaxis${(trace.xaxis || "x").slice(1)}`] || {};
    const shown = (x) => (axis.type === "date" && typeof x === "number" ? new Date(x).toISOString() : x);
    if (trace.type === "heatmap") {
      trace.z.forEach((row, i) => row.forEach((z, j) => rows.push([name, shown(trace.x[j]), trace.y[i], "", "", "", "", z])));
      return;
    }
    const many = trace.x || trace.y || [];
    many.forEach((_, i) => rows.push([
      name, shown(trace.x ? trace.x[i] : i), trace.y ? trace.y[i] : "", ...["open", "high", "low", "close"].map((part) => (trace[part] ? trace[part][i] : "")), "",
    ]));
  });
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

// What a picture says of its time axis where that is not in UTC.
const describeZone = () => (isLocal() && zone(new Date()) !== "UTC" ? `, time axis in ${zone(new Date())}` : "");

async function picture(node, format) {
  const { data, layout, _fullLayout: full } = node, top = full.margin.t + 34, escape = (text) => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  const note = {
    text: `<b>${escape(node.getAttribute("aria-label"))}</b>  ${SHARE}, ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC${describeZone()}`, showarrow: false,
    xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "bottom", xshift: 8 - full.margin.l, yshift: full.margin.t + 8, font: { size: 12 },
  };
  const copy = {
    ...layout, paper_bgcolor: getComputedStyle(node).getPropertyValue("--st-background-color").trim() || "#ffffff", margin: { ...full.margin, t: top },
    height: full.height + 34, width: full.width, annotations: [...(layout.annotations || []), note],
  };
  const size = { width: full.width, height: full.height + 34 };
  const vector = await window.Plotly.toImage({ data, layout: copy }, { format: "svg", ...size });
  return format === "svg" ? vector : paintBitmap(vector, size);
}

// Plotly's own way to a PNG goes through a blob: address, which the pages' content security policy does not let an image have.
async function paintBitmap(vector, { width, height }) {
  const image = new Image();
  image.src = vector;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  canvas.getContext("2d").drawImage(image, 0, 0, 2 * width, 2 * height);
  return canvas.toDataURL("image/png");
}

async function save(node, format) {
  const name = `podium-${node.getAttribute("aria-label").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60)}.${format}`;
  const address = format === "csv"
    ? URL.createObjectURL(new Blob([figureToCsv(node.podiumValue)], { type: "text/csv" }))
    : await picture(node, format);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  if (format === "csv") setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function saveMenu(node) {
  const menu = document.createElement("details");
  menu.className = "podium-save";
  const button = document.createElement("summary");
  button.setAttribute("aria-label", `Save the chart: ${node.getAttribute("aria-label")}`);
  button.innerHTML = '<svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d="M8 2v7M5 6.5 8 9.5l3-3M3 13h10" fill="none" stroke="currentColor" stroke-width="1.6"/></svg>';
  const list = document.createElement("div");
  for (const [format, words] of [["png", "PNG"], ["svg", "SVG"], ["csv", "CSV"]]) {
    const choice = document.createElement("button");
    choice.type = "button";
    choice.textContent = words;
    choice.addEventListener("click", () => {
      menu.open = false;
      button.focus();
      save(node, format).catch((problem) => { list.setAttribute("data-problem", String(problem.message || problem)); menu.open = true; });
    });
    list.append(choice);
  }
  menu.append(button, list);
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape" && menu.open) { menu.open = false; button.focus(); event.stopPropagation(); } });
  menu.addEventListener("focusout", (event) => { if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false; });
  return menu;
}
