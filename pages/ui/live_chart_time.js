// Time axes in UTC or in the browser's time zone. A figure holds UTC in ms; Plotly shows such a number in the browser's zone, and a text as it is written.
import { isLocal, zone } from "./live_time.js";

const MINUTE = 60000; // ms
const TIME_AXIS = /^x\d*$/;
const offset = (at) => -new Date(at).getTimezoneOffset() * MINUTE;
const write = (at) => new Date(at).toISOString().replace("T", " ").slice(0, 23);

export const isTime = (figure, ref) => TIME_AXIS.test(ref) && (figure.layout[`xaxis${ref.slice(1)}`] || {}).type === "date";

// Where a moment lies on a time axis as it is drawn, in the ms that Plotly counts there.
export const placeTime = (at) => (isLocal() && typeof at === "number" ? at + offset(at) : at);
const give = (at) => (typeof at === "number" && !isLocal() && offset(at) ? write(at) : at);
const rename = (text) => (typeof text === "string" ? text.replace(/\bUTC\b/g, "local") : text);

// Makes a figure show its moments by the clock that the reader has chosen. In local time, hovers of Plotly's own say "local"; those with a text of the server stay in UTC.
export function moveTimes(figure) {
  const local = isLocal();
  for (const trace of figure.data) {
    if (!trace.x || !isTime(figure, trace.xaxis || "x")) continue;
    if (!local) trace.x = trace.x.map(give);
    else if (/%\{x[|}]/.test(trace.hovertemplate)) trace.hovertemplate = rename(trace.hovertemplate);
  }
  for (const part of [...(figure.layout.shapes || []), ...(figure.layout.annotations || [])]) {
    if (isTime(figure, part.xref || "x")) for (const key of ["x", "x0", "x1"]) if (key in part) part[key] = give(part[key]);
  }
  for (const [name, axis] of Object.entries(figure.layout)) {
    if (!/^xaxis\d*$/.test(name) || axis.type !== "date") continue;
    if (axis.range) axis.range = axis.range.map(give);
    if (!local) continue;
    axis.hoverformat = rename(axis.hoverformat);
    axis.uirevision = "local"; // a zoom in the other zone would show other times
  }
  return figure;
}

// "11-30 14:02:05" by the clock that the reader has chosen, with the year left out.
export function formatTime(at) {
  return new Date(placeTime(at)).toISOString().slice(5, 19).replace("T", " ");
}

// The same with its zone, and with UTC beside local time.
export function formatMoment(at) {
  const utc = `${new Date(at).toISOString().slice(5, 19).replace("T", " ")} UTC`, name = zone(new Date(at));
  return isLocal() && name !== "UTC" ? `${formatTime(at)} ${name} (${utc.slice(6)})` : utc;
}

// Remembers the moment of the point under the pointer, which the hover of a chart in local time does not say in UTC.
export function rememberHover(node) {
  node.on("plotly_hover", ({ points: [point] }) => {
    const trace = node.podiumValue.data[point.curveNumber], place = [point.pointNumber ?? point.pointNumbers?.[0]].flat().at(-1);
    const at = trace && trace.x && isTime(node.podiumValue, trace.xaxis || "x") ? trace.x[place] : null;
    node.podiumHover = typeof at === "number" ? at : null;
  });
}
