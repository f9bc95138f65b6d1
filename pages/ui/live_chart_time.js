// Time axes in the browser's time zone. A figure holds UTC; for local time, every moment in the copy that is drawn is moved by the zone's offset then.
import { isLocal, zone } from "./live_time.js";

const MINUTE = 60000; // ms
const TIME_AXIS = /^x\d*$/;
const two = (value) => String(value).padStart(2, "0");

const axisOf = (figure, ref) => figure.layout[`xaxis${ref.slice(1)}`] || {};
const isTime = (figure, ref) => TIME_AXIS.test(ref) && axisOf(figure, ref).type === "date";
const move = (at) => (typeof at === "number" ? at - new Date(at).getTimezoneOffset() * MINUTE : at);
const rename = (text) => (typeof text === "string" ? text.replace(/\bUTC\b/g, "local") : text);

// Moves all moments of a figure to local time where the reader has chosen that; hovers of its own say "local", those with a text of the server keep UTC.
export function moveTimes(figure) {
  if (!isLocal()) return figure;
  for (const trace of figure.data) {
    if (!isTime(figure, trace.xaxis || "x")) continue;
    trace.x = (trace.x || []).map(move);
    if (/%\{x[|}]/.test(trace.hovertemplate)) trace.hovertemplate = rename(trace.hovertemplate);
  }
  for (const part of [...(figure.layout.shapes || []), ...(figure.layout.annotations || [])]) {
    if (isTime(figure, part.xref || "x")) for (const key of ["x", "x0", "x1"]) if (key in part) part[key] = move(part[key]);
  }
  for (const [name, axis] of Object.entries(figure.layout)) {
    if (!/^xaxis\d*$/.test(name) || axis.type !== "date") continue;
    if (axis.range) axis.range = axis.range.map(move);
    axis.hoverformat = rename(axis.hoverformat);
    axis.uirevision = "local"; // a zoom in the other zone would show other times
  }
  return figure;
}

// "11-30 14:02:05" by the clock that the reader has chosen, with the year left out.
export function formatTime(at) {
  const date = new Date(at);
  if (!isLocal()) return date.toISOString().slice(5, 19).replace("T", " ");
  return `${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

// The same with its zone, and with UTC beside local time.
export function formatMoment(at) {
  const utc = `${new Date(at).toISOString().slice(5, 19).replace("T", " ")} UTC`, name = zone(new Date(at));
  return isLocal() && name !== "UTC" ? `${formatTime(at)} ${name} (${utc.slice(6)})` : utc;
}

// Remembers the moment of the point under the pointer, which the hover of a moved figure does not say in UTC.
export function rememberHover(node) {
  node.on("plotly_hover", ({ points: [point] }) => {
    const trace = node.podiumValue.data[point.curveNumber], place = [point.pointNumber ?? point.pointNumbers?.[0]].flat().at(-1);
    const at = trace && trace.x && isTime(node.podiumValue, trace.xaxis || "x") ? trace.x[place] : null;
    node.podiumHover = typeof at === "number" ? at : null;
  });
}
