// Keys of every page, and the buttons in the sidebar for whoever does not use them. Nothing here sends a command: actions press the page's buttons or open its forms.
import { addStyle, openKeys, openList, rank, watchTaps } from "./live_palette.js";
import { applyTimes, isLocal, setLocal, watchHover } from "./live_time.js";

const OFF = "podium.keys"; // "off": no single keys, for whoever speaks to the browser or types without looking
const SEQUENCE_MS = 1500; // within which the letter follows g
const WAIT_MS = 10000; // for a field of a page that has just been opened
const DRAWN_MS = 2000; // that a key waits for the page at most
const AREAS_MS = 1000; // between looks at areas of fixed height
const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const PALETTE_KEYS = IS_MAC ? ["\u2318 K"] : ["Ctrl K"];
const OWN_ARROWS = '[role="tab"], [role="slider"], [role="listbox"], [role="option"], [role="menu"], [role="radio"], [role="radiogroup"], [role="grid"], .podium-rows, .podium-chart';
const TIME = /^(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d?:\d\d(?::\d\d)?)$/;

// As the browser's own back and forward do it (live_table.js); a page that is still being drawn is waited for, or its parts would land on the next page.
function open(address, until = performance.now() + DRAWN_MS) {
  if (document.querySelector('[data-test-script-state="running"]') && performance.now() < until) { setTimeout(() => open(address, until), 50); return; }
  window.history.pushState({}, "", address);
  window.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
}

const button = (key) => document.querySelector(`.st-key-${key} button:not([disabled])`);

function focusWhenThere(key) {
  const find = () => document.querySelector(`[data-testid="stMain"] .st-key-${key} :is(input, textarea, button)`);
  const until = performance.now() + WAIT_MS;
  const look = () => {
    const field = find();
    if (field && field.checkVisibility()) { field.focus(); field.scrollIntoView({ block: "center" }); } else if (performance.now() < until) setTimeout(look, 120);
  };
  setTimeout(look, 300); // the page before it goes first
}

function isTyping(target) {
  const field = target.closest?.('input, textarea, select, [contenteditable=""], [contenteditable="true"], [role="textbox"]');
  return Boolean(field) && !["checkbox", "radio", "button", "submit"].includes(field.type);
}

function isOff() {
  try { return localStorage.getItem(OFF) === "off"; } catch { return false; }
}

const setKeys = (on) => { try { localStorage.setItem(OFF, on ? "on" : "off"); } catch { /* forgotten with the page */ } };
const search = () => document.querySelector('[data-testid="stMain"] .st-key-history_tools input, [data-testid="stMain"] input[type="search"]');
const step = (name) => [...document.querySelectorAll(".st-key-steps button:not([disabled])")].find((node) => node.textContent.includes(name));
const isDecision = () => /\/decision$/.test(window.location.pathname);

function pageOptions({ pages }) {
  return pages.map(([title, address, key]) => ({ label: title, about: "page", keys: key && !isOff() ? `g ${key}` : "", run: () => open(address) }));
}

function symbolOptions({ symbols }) {
  return symbols.flatMap((symbol) => {
    const query = `symbol=${encodeURIComponent(symbol)}`;
    return [["Market", `/market?${query}`], ["newest decision", `/decision?${query}`], ["decisions", `/decisions?${query}`]].map(([what, address]) => (
      { label: `${symbol}: ${what}`, about: "symbol", run: () => open(address) }
    ));
  });
}

function actionOptions({ actions }) {
  return actions.filter(([, , target, address]) => address || button(target)).map(([label, about, target, address]) => ({
    label, about,
    run: () => {
      if (address) { open(address); focusWhenThere(target); return; }
      button(target)?.click(); // the bar asks back where it does so for a click, and shows what comes of it
      if (label === "Flatten") focusWhenThere("bar_cancel");
    },
  }));
}

function browserOptions() {
  return [
    { label: isLocal() ? "Show times in UTC" : "Show times in local time", about: "this browser", run: () => setTimes(!isLocal()) },
    { label: "Keys", about: "the list of keys", keys: "?", run: showKeys },
    { label: "Terms on this page", about: "what they mean", keys: "t", run: showTerms },
    { label: "Print this page", about: "A4, without menus and buttons", run: () => window.print() },
  ];
}

// A tick or a time, with part of a symbol after it if wanted.
function momentOptions({ symbols }, typed) {
  const words = typed.split(/\s+/);
  const tick = /^[\d,]{1,20}$/.test(words[0]) && words[0].replaceAll(",", "");
  if (tick) {
    const part = words.slice(1).join(" ").toLowerCase();
    const shown = Number(tick).toLocaleString("en-US");
    const single = symbols.filter((symbol) => symbol.toLowerCase().includes(part)).map((symbol) => (
      { label: `Tick ${shown}: ${symbol}`, about: "decision", run: () => open(`/decision?tick=${tick}&symbol=${encodeURIComponent(symbol)}`) }
    ));
    return [...single, { label: `Tick ${shown}: every decision`, about: "and the ones before it", run: () => open(`/decisions?goto=${tick}`) }];
  }
  const match = TIME.exec(typed.replace(/\s*UTC$/i, ""));
  if (!match) return [];
  const head = document.querySelector(".pd-head");
  const day = match[1] || /market (\d{4}-\d\d-\d\d)/.exec(head ? head.textContent : "")?.[1] || new Date().toISOString().slice(0, 10);
  const moment = `${day} ${match[2].padStart(match[2].length > 5 ? 8 : 5, "0")}`;
  return [["Decisions", "/decisions"], ["Alerts", "/alerts"], ["Commands", "/control"]].map(([what, address]) => (
    { label: `${what} at ${moment} UTC`, about: "and before", run: () => open(`${address}?goto=${encodeURIComponent(moment)}`) }
  ));
}

function showPalette() {
  const { data } = window.podiumKeys;
  const all = [...pageOptions(data), ...actionOptions(data), ...symbolOptions(data), ...browserOptions()];
  openList("Command palette", "Page, symbol, tick, time or action", (typed) => [...momentOptions(data, typed), ...rank(all, typed)]);
}

function showTerms() {
  const terms = new Map();
  for (const node of document.querySelectorAll('[data-testid="stMain"] .pd [title]')) {
    const label = (node.querySelector("i") || node).innerText.trim().split("\n")[0];
    if (label && /[a-z].*\.$/.test(node.title) && node.checkVisibility()) terms.set(label.slice(0, 60), node.title);
  }
  const all = [...terms].map(([label, about]) => ({ label, about }));
  openList("Terms on this page", "Find a term", (typed) => rank(all, typed));
}

function showKeys() {
  const { pages } = window.podiumKeys.data;
  const rows = [
    [PALETTE_KEYS, "Go to a page, symbol, tick or time, or start an action"], [["/"], "Search this page"], [["?"], "Show this list"],
    [["t"], "Explain the terms on this page"], [["\u2190", "\u2192"], "Previous and next decision, on the page Decision"], [["Esc"], "Close what is open"],
    ...pages.filter(([, , key]) => key).map(([title, , key]) => [["g", key], title]),
  ];
  openKeys(rows, [{ label: "Use single keys", on: !isOff(), set: setKeys }]);
}

function setTimes(on) {
  setLocal(on);
  const box = document.querySelector(".podium-keys input");
  if (box) box.checked = on;
}

function press(state, event) {
  const follows = state.goingUntil > event.timeStamp; // of the keys, not of a busy browser
  state.goingUntil = 0;
  if (follows) {
    const page = window.podiumKeys.data.pages.find(([, , key]) => key === event.key);
    return page ? () => open(page[1]) : null;
  }
  if (event.key === "g") return () => { state.goingUntil = event.timeStamp + SEQUENCE_MS; };
  if (event.key === "?") return showKeys;
  if (event.key === "t") return showTerms;
  if (event.key === "/" && search()) return () => { search().focus(); search().select(); };
  const arrow = { ArrowLeft: "Previous", ArrowRight: "Next" }[event.key];
  const way = arrow && isDecision() && !event.target.closest?.(OWN_ARROWS) && step(arrow);
  return way ? () => way.click() : null;
}

function onKey(state, event) {
  if (event.defaultPrevented || event.isComposing || event.repeat && event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  if (isTyping(event.target) || document.querySelector('dialog[open], [role="dialog"]')) return;
  const isPalette = event.key.toLowerCase() === "k" && (IS_MAC ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey) && !event.shiftKey && !event.altKey;
  const act = isPalette ? showPalette : event.ctrlKey || event.metaKey || event.altKey || isOff() ? null : press(state, event);
  if (!act) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  act();
}

// Charts are drawn as wide as a sheet of paper before it is printed, and as before afterwards.
const SHEET = 680; // px, of A4 within its margins

function printCharts() {
  const charts = [...document.querySelectorAll(".podium-chart")].filter((node) => node.podiumBound && node.checkVisibility());
  const resize = (width) => { for (const node of charts) if (window.Plotly) window.Plotly.relayout(node, width ? { width } : { width: null, autosize: true }); };
  resize(SHEET);
  window.addEventListener("afterprint", () => resize(null), { once: true });
}

// An area of fixed height whose contents are longer is reached with the Tab key, so that the arrows can scroll it.
function reachAreas() {
  for (const area of document.querySelectorAll('[class*="st-key-reserved_"]')) {
    if (area.scrollHeight > area.clientHeight + 1) area.tabIndex = 0; else area.removeAttribute("tabindex");
  }
}

function begin(data) {
  window.podiumKeys = { data };
  const state = { goingUntil: 0 };
  addStyle();
  window.addEventListener("keydown", (event) => onKey(state, event), { capture: true });
  window.addEventListener("beforeprint", printCharts);
  watchTaps();
  watchHover();
  applyTimes();
  setInterval(reachAreas, AREAS_MS);
}

export default function ({ data, parentElement }) {
  if (!window.podiumKeys) begin(data);
  window.podiumKeys.data = data;
  const node = parentElement.querySelector(".podium-keys");
  if (node.firstChild) return;
  node.innerHTML = `<button type="button" data-act="palette">Commands <kbd>${PALETTE_KEYS[0]}</kbd></button>
    <button type="button" data-act="keys">Keys <kbd>?</kbd></button>
    <label><input type="checkbox" role="switch"> Times in local time</label>`;
  node.querySelector('[data-act="palette"]').onclick = showPalette;
  node.querySelector('[data-act="keys"]').onclick = showKeys;
  const box = node.querySelector("input");
  box.checked = isLocal();
  box.onchange = () => setLocal(box.checked);
}
