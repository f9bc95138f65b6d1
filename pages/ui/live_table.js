// Keeps a table's rows by their id: unchanged rows stay untouched, so scroll, focus and text selection survive an update.
// Ages count by themselves (live_clock.js): a row with another age only is unchanged.
import { localise } from "./live_time.js";
import { receive } from "./live_wire.js";

const marked = (row) => row.outerHTML.replace(/(<span class="pd-ticking"[^>]*>)[^<]*/g, "$1");

function update(node, markup) {
  const fresh = document.createElement("template");
  fresh.innerHTML = markup;
  localise(fresh.content);
  const table = node.querySelector("table");
  const other = fresh.content.querySelector("table");
  if (!table || !other || (table.tHead || {}).innerHTML !== (other.tHead || {}).innerHTML) {
    node.replaceChildren(...fresh.content.childNodes);
    return;
  }
  const body = table.tBodies[0];
  const known = new Map([...body.rows].map((row) => [row.dataset.id, row]));
  const rows = [...other.tBodies[0].rows].map((row) => {
    const old = known.get(row.dataset.id);
    if (old && old.querySelector("details[open]") && row.querySelector("details")) row.querySelector("details").setAttribute("open", "");
    return old && marked(old) === marked(row) ? old : row;
  });
  const keep = new Set(rows);
  const held = body.contains(document.activeElement) ? document.activeElement.dataset.act : undefined;
  for (const row of [...body.rows]) if (!keep.has(row)) row.remove();
  rows.forEach((row, place) => { if (body.rows[place] !== row) body.insertBefore(row, body.rows[place] || null); });
  if (held === undefined || body.contains(document.activeElement)) return;
  const again = [...body.querySelectorAll("[data-act]")].find((button) => button.dataset.act === held);
  if (again) again.focus({ preventScroll: true });
}

const LONGEST_WAIT = 3000; // ms, for a chart that does not come

// Shows the markup: at once, or in the frame in which the chart of the same tick is drawn, so that the two are never of two ticks.
function show(node, markup, after) {
  const apply = () => {
    clearTimeout(node.podiumTimer);
    window.removeEventListener("podium-drawn", node.podiumWait);
    update(node, markup);
    node.podiumMarkup = markup;
  };
  clearTimeout(node.podiumTimer);
  window.removeEventListener("podium-drawn", node.podiumWait);
  if (!after || node.podiumMarkup === undefined || window.podiumDrawn === after) { apply(); return; }
  node.podiumWait = () => { if (window.podiumDrawn === after) apply(); };
  window.addEventListener("podium-drawn", node.podiumWait);
  node.podiumTimer = setTimeout(apply, LONGEST_WAIT);
}

// As the browser's own back and forward do it: a trigger of a live part that then changes the page leaves it blank now and then.
function open(address) {
  window.history.pushState({}, "", address);
  window.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}

// Scrolls to a part of the page that the step opens, once it is open.
function reveal(part) {
  [300, 800, 1600].forEach((ms) => setTimeout(() => document.querySelector(part)?.scrollIntoView({ block: "start" }), ms));
}

const scroller = () => document.querySelector('[data-testid="stMain"]');
const remembered = () => `podium-place:${window.location.pathname}${window.location.search}`;

// Whoever comes back from a row finds the same rows, scrolled as they were.
function leave(node, row) {
  if (!node.podiumPlace) return;
  window.history.replaceState(window.history.state, "", node.podiumPlace);
  const main = scroller();
  window.sessionStorage.setItem(remembered(), JSON.stringify({ row: row.dataset.id, inner: node.scrollTop, outer: main ? main.scrollTop : 0 }));
}

function comeBack(node) {
  const stored = node.podiumPlace && window.sessionStorage.getItem(remembered());
  if (!stored) return;
  window.sessionStorage.removeItem(remembered());
  const { row, inner, outer } = JSON.parse(stored);
  const place = () => {
    node.scrollTop = inner;
    if (scroller()) scroller().scrollTop = outer;
  };
  const timers = [0, 100, 300, 700].map((ms) => setTimeout(place, ms)); // what is above may still grow
  const stop = () => timers.forEach(clearTimeout);
  for (const name of ["wheel", "touchstart", "keydown", "pointerdown"]) window.addEventListener(name, stop, { once: true, passive: true });
  const link = [...node.querySelectorAll("tr[data-id]")].find((line) => line.dataset.id === row)?.querySelector("a");
  if (link) link.focus({ preventScroll: true });
}

const AGAIN_MS = 1000; // within which a second press of a button is the same one

// A button names what it does, so it acts on its own row wherever that is by now.
function press(node, button) {
  const now = performance.now(), { act } = button.dataset;
  if (button.getAttribute("aria-disabled") === "true" || (node.podiumAct === act && now - node.podiumActAt < AGAIN_MS)) return;
  node.podiumAct = act;
  node.podiumActAt = now;
  node.podiumTrigger("act", act);
}

export default function ({ data, parentElement, setTriggerValue }) {
  const node = parentElement.querySelector(".podium-rows");
  node.style.maxHeight = data.height ? `${data.height}px` : "";
  node.classList.toggle("pd-reserved", Boolean(data.reserved));
  node.style.setProperty("--pd-rows", data.reserved || 0);
  if (data.label !== "Table" || !node.hasAttribute("aria-label")) node.setAttribute("aria-label", data.label);
  node.podiumPlace = data.place;
  node.podiumTrigger = setTriggerValue;
  receive(node, data, (rows) => {
    const isNew = node.podiumMarkup === undefined;
    show(node, rows.flat().join(""), data.after);
    const table = node.querySelector("table[aria-label]");
    if (table && data.label === "Table") node.setAttribute("aria-label", `${table.getAttribute("aria-label")}, scrollable`); // landmarks have names of their own
    if (isNew) comeBack(node);
  });
  node.onclick = (event) => {
    const button = event.target.closest("button[data-act]");
    if (button) { press(node, button); return; }
    if (event.target.closest("details") && !event.target.closest("a")) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const step = event.target.closest("a[data-step]");
    const row = event.target.closest("tr[data-id]");
    const link = step || (row && row.querySelector("a"));
    if (!link || (!event.target.closest("a") && String(window.getSelection()))) return;
    event.preventDefault();
    if (!step) leave(node, row);
    open(link.href);
    if (link.dataset.reveal) reveal(`.st-key-${link.dataset.reveal}`);
  };
}
