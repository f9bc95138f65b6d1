// Times of the page in UTC or in the browser's time zone. The server sends UTC; only the texts of the page are changed here, so no update carries more.
const KEY = "podium.time";
const TIME = /(?<![\d-])(?:(\d{4})-)?(\d\d)-(\d\d) (\d\d):(\d\d)(?::(\d\d))?( UTC)?(?![\d:])/g;
const TWO_DAYS = 172800000; // ms
const shown = new WeakMap(); // text node -> { utc, local }
const titled = new WeakSet(); // elements whose tooltip was set here
const two = (value) => String(value).padStart(2, "0");

export function isLocal() {
  try { return localStorage.getItem(KEY) === "local"; } catch { return false; }
}

function now() {
  const clock = window.podiumClock;
  return clock && clock.server ? clock.server + performance.now() - clock.heard : Date.now();
}

// "UTC+2", as it is in force at that time.
export function zone(date) {
  const minutes = -date.getTimezoneOffset();
  if (!minutes) return "UTC";
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? "\u2212" : "+"}${Math.floor(Math.abs(minutes) / 60)}${rest ? `:${two(rest)}` : ""}`;
}

// A time without a year is the newest one that is not in the future.
function moment([, year, month, day, hour, minute, second]) {
  const at = (inYear) => new Date(Date.UTC(inYear, month - 1, day, hour, minute, second || 0));
  if (year) return at(year);
  const thisYear = new Date(now()).getUTCFullYear();
  return at(thisYear) - now() > TWO_DAYS ? at(thisYear - 1) : at(thisYear);
}

export function toLocal(text) {
  const times = text.replace(TIME, (...match) => {
    const date = moment(match);
    const head = match[1] ? `${date.getFullYear()}-` : "";
    const seconds = match[6] ? `:${two(date.getSeconds())}` : "";
    const clock = `${two(date.getHours())}:${two(date.getMinutes())}${seconds}`;
    return `${head}${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock}${match[7] ? ` ${zone(date)}` : ""}`;
  });
  return times.replace(/\bin UTC\b/g, "in your local time");
}

function change(node) {
  const known = shown.get(node);
  const utc = node.nodeValue;
  if (known && known.local === utc) return;
  const local = toLocal(utc);
  if (local === utc) {
    if (shown.delete(node)) removeTitle(node); // it was a time before
    return;
  }
  shown.set(node, { utc, local });
  node.nodeValue = local; // the node may be React's: only its text is changed
  const parent = node.parentElement;
  if (parent && (!parent.title || titled.has(parent))) {
    parent.title = utc.trim().endsWith("UTC") ? utc.trim() : `${utc.trim()} (UTC)`;
    titled.add(parent);
  }
}

// The tooltip goes with the time that it explains, also where the text under it was replaced meanwhile.
function removeTitle(node) {
  const parent = node.parentElement;
  if (parent && titled.delete(parent)) parent.removeAttribute("title");
}

function restore(node) {
  const known = shown.get(node);
  if (known && known.local === node.nodeValue) node.nodeValue = known.utc;
  shown.delete(node);
  removeTitle(node);
}

function each(root, act) {
  if (root.nodeType === Node.TEXT_NODE) { act(root); return; }
  if (![Node.ELEMENT_NODE, Node.DOCUMENT_FRAGMENT_NODE].includes(root.nodeType)) return;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  nodes.forEach(act);
}

// Markup that is about to be compared with what is shown has to be in the same time zone.
export function localise(fragment) {
  if (isLocal()) each(fragment, change);
}

const isOurs = (node) => (node.nodeType === Node.TEXT_NODE ? node.parentElement : node)?.closest?.(".pd");
const watcher = new MutationObserver((records) => {
  for (const record of records) {
    const nodes = record.type === "characterData" ? [record.target] : record.addedNodes;
    for (const node of nodes) {
      if (isOurs(node)) each(node, change);
      else if (node.querySelectorAll) for (const part of node.querySelectorAll(".pd")) each(part, change);
    }
  }
});

export function applyTimes() {
  const parts = document.querySelectorAll('[data-testid="stMain"] .pd');
  watcher.disconnect();
  if (!isLocal()) { for (const part of parts) each(part, restore); return; }
  for (const part of parts) each(part, change);
  watcher.observe(document.body, { childList: true, characterData: true, subtree: true });
}

export function setLocal(on) {
  try { localStorage.setItem(KEY, on ? "local" : "utc"); } catch { /* a browser that stores nothing forgets the choice */ }
  applyTimes();
  window.dispatchEvent(new Event("podium-times")); // charts are drawn again (live_chart.js)
}

// What the hover of a chart says in one zone stands beside it in the other, at the chart's upper edge: UTC for a hover in local time.
function translateHover(chart) {
  const texts = [...chart.querySelectorAll(".hoverlayer text")].map((text) => [...text.childNodes].map((part) => part.textContent).join(" ")).join(" ");
  const match = [...texts.matchAll(TIME)].find((each) => each[7]);
  if (match) return zone(moment(match)) === "UTC" ? "" : `${toLocal(match[0])}, your local time`;
  const at = /\blocal\b/.test(texts) && chart.podiumHover;
  return at && zone(new Date(at)) !== "UTC" ? `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC` : "";
}

function showHover(chip, chart) {
  chip.textContent = chart.isConnected ? translateHover(chart) : "";
  chip.hidden = !chip.textContent;
  if (chip.hidden) return;
  const box = chart.getBoundingClientRect();
  chip.style.top = `${Math.max(4, box.top - 2)}px`;
  chip.style.right = `${Math.max(4, window.innerWidth - box.right)}px`;
}

export function watchHover() {
  const chip = Object.assign(document.createElement("div"), { className: "podium-hover-time", hidden: true });
  chip.setAttribute("aria-hidden", "true");
  document.body.append(chip);
  let timer = 0;
  window.addEventListener("popstate", () => { chip.hidden = true; });
  document.addEventListener("pointermove", (event) => {
    const chart = event.target.closest?.(".podium-chart");
    if (!chart && chip.hidden) return;
    clearTimeout(timer);
    timer = setTimeout(() => (chart ? showHover(chip, chart) : (chip.hidden = true)), 80); // after Plotly has drawn its own
  }, { passive: true });
}
