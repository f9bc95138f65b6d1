// Asks the server at every refresh what has changed of the parts that the page shows, and lets a script run where something else has changed.
import { localise } from "./live_time.js";

const WAIT_MS = 10000; // for one answer
const LOOK_MS = 100; // for a part that is due
const ANSWER_MS = 4000; // within which a run begins that was asked for
const LEAVE_MS = 60000; // within which another page begins to be shown, else it was not one
const RELOADED = "podium.reloaded"; // when a blank page was loaded again
const LINKS = '[data-testid="stSidebarNavLink"], [data-testid="stLogoLink"]'; // to another page
const RUNS = ["running", "rerunRequested", "stopRequested"].map((state) => `[data-test-script-state="${state}"]`).join();
const asking = { address: "", hear: null, timer: null, isBusy: false };

// Changes what differs and leaves every other node: focus, selection and tooltips stay. A text that differs comes as the new node, which live_time.js
// knows to be in local time already.
function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName) { old.replaceWith(fresh); return; }
  if (old.nodeType === Node.TEXT_NODE) { if (old.data !== fresh.data) old.replaceWith(fresh); return; }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morphInside(old, fresh);
}

function morphInside(old, fresh) {
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
  after.forEach((node, place) => (before[place] ? morph(before[place], node) : old.append(node)));
  for (const node of before.slice(after.length)) node.remove();
}

function showPart(node, change) {
  if (change.html === undefined) { node.podiumReceive?.(change); return; }
  const fresh = document.createElement("template");
  fresh.innerHTML = change.html;
  localise(fresh.content);
  morphInside(node, fresh.content);
  node.dataset.digest = change.digest;
}

const shown = () => [...document.querySelectorAll("[data-part][data-digest]")];

function lastVisit() {
  try { return JSON.parse(localStorage.getItem("podium.visit"))?.since || ""; } catch { return ""; } // as visit.js stores it
}

// A page that Streamlit's browser side has given up is blank; nothing but loading it again brings it back.
function reloadBlank() {
  const app = document.querySelector('[data-testid="stApp"]');
  asking.app ??= app;
  if (app || !asking.app) return;
  try {
    const last = Number(sessionStorage.getItem(RELOADED));
    if (Date.now() - last < LEAVE_MS) return;
    sessionStorage.setItem(RELOADED, String(Date.now()));
  } catch { return; } // else it could load again and again
  location.reload();
}

async function ask() {
  const { address } = asking;
  reloadBlank();
  if (!address || asking.isBusy) return;
  asking.isBusy = true;
  try {
    const have = shown().map((node) => `${node.dataset.part}.${node.dataset.digest}`).join(",");
    const answer = await fetch(`${address}?since=${lastVisit()}&have=${have}`, { cache: "no-store", signal: AbortSignal.timeout(WAIT_MS) });
    const news = answer.ok ? await answer.json() : null;
    if (news && address === asking.address) show(news); // else the page has changed meanwhile
  } catch { /* the clock notices the silence */ } finally {
    asking.isBusy = false;
  }
}

// Buttons and most of what is shown need the WebSocket; updates do not, and are no contact without it, nor can a script run then.
export const isConnected = () => !document.querySelector('[data-test-connection-state]:not([data-test-connection-state="CONNECTED"])');

// A run that a part of the page before asks for would be sent for that page, and Streamlit's browser side would remove what it has drawn of the new
// one. So nothing asks from the moment another page is wanted until it is shown, nor while a script runs.
const NEVER = { at: -Infinity, server: 0 };
let left = NEVER;
function leave() {
  const clock = window.podiumClock, at = performance.now();
  left = { at, server: clock ? clock.server + at - clock.heard : Date.now() }; // ms by the server's clock, where that is known
}
window.addEventListener("popstate", leave, true);
document.addEventListener("click", ({ target }) => { if (target.closest?.(LINKS)) leave(); }, true);

// Whatever is sent to the server, a click too, is answered by a run: until that has ended nothing else asks, since the run that is asked for meanwhile
// would have the address and the choices of before.
const run = { sent: -Infinity, seen: -Infinity }; // when something was sent, and when a script was last seen to begin or end
const send = window.WebSocket.prototype.send;
window.WebSocket.prototype.send = function (message) {
  if (this.url.includes("/_stcore/")) run.sent = performance.now();
  return send.call(this, message);
};

// Streamlit's browser side sends what was set in a timeout of 0 ms, with all that was set until then, as a request of the first part among it: a click
// in that moment would be answered by the run of another part, that is not at all, and a part of the page before could ask for its run after the next
// page is wanted. So it is sent at the end of the task that set it.
const later = window.setTimeout;
window.setTimeout = function (callback, delay, ...rest) {
  if (delay || !String(callback).includes("sendUpdateWidgetsMessage")) return later.call(window, callback, delay, ...rest);
  queueMicrotask(callback);
  return 0;
};

new MutationObserver(() => { run.seen = performance.now(); })
  .observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ["data-test-script-state"] });

const isIdle = () => !document.querySelector(RUNS) && (run.seen > run.sent || performance.now() - run.sent > ANSWER_MS);

export const canAsk = () => isConnected() && performance.now() - left.at > LEAVE_MS && isIdle();
window.podiumCanAsk = canAsk; // for scripts of a single page

function show({ clock, frames, parts }) {
  if (asking.hear) {
    if (clock) asking.hear(clock);
    for (const node of shown()) if (parts[node.dataset.part]) showPart(node, parts[node.dataset.part]);
  }
  for (const node of document.querySelectorAll(".podium-frame[data-name]")) {
    if (frames[node.dataset.name] !== node.podiumFrame) node.podiumDue = Math.min(node.podiumDue, performance.now());
  }
}

// `hear` gets what the clock needs; without it nothing is shown of an answer, but scripts run again. An empty address ends the questions.
// `now` is the server's time, ms, at which the page was drawn: what was drawn before another page was wanted does not show that one.
export function follow(address, every, hear, now = Infinity) {
  if (now > left.server) left = NEVER;
  Object.assign(asking, { address, hear });
  asking.timer ||= [setInterval(ask, every * 1000), setInterval(runDue, LOOK_MS)];
}

// Of several parts that ask at once Streamlit runs one: so the one that has waited longest, and the next when no script runs any more.
function runDue() {
  if (!canAsk()) return;
  const now = performance.now(), due = [...document.querySelectorAll(".podium-frame")].filter((node) => node.podiumDue <= now);
  if (!due.length) return; // a part whose script has yet to load is due at no time
  const longest = due.reduce((first, node) => (node.podiumDue < first.podiumDue ? node : first));
  longest.podiumDue = now + longest.podiumEvery;
  longest.podiumRun();
}

// A part that runs again every so many seconds, or as soon as the server has another frame of its name.
export default function ({ data, parentElement, setTriggerValue }) {
  const node = parentElement.querySelector(".podium-frame");
  node.podiumRun = () => setTriggerValue("again", String(performance.now()));
  if (data.every) {
    const every = data.every * 1000;
    if (node.podiumEvery !== every) Object.assign(node, { podiumEvery: every, podiumDue: performance.now() + every });
  } else {
    node.dataset.name = data.name;
    Object.assign(node, { podiumFrame: data.frame, podiumEvery: Infinity, podiumDue: Infinity });
  }
}
