// Counts ages by the server's clock, and says so when the server has not been heard for three refreshes.
import { notifyCritical } from "./live_notice.js";
import { showTab } from "./live_tab.js";
import { follow, isConnected } from "./live_updates.js";

const REFRESHES = 3;
const ANSWER_MS = 3000; // within which a living server answers
const HEALTH = new URL("./_stcore/health", document.baseURI).href;

// As units.age.
function words(seconds) {
  for (const [length, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= 2 * length || (seconds >= length && unit !== "d")) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

// The server's time, ms: what it said last and what has passed since. The browser's own clock may be wrong and is not asked.
function time(clock) {
  return clock.still ? clock.server : clock.server + performance.now() - clock.heard;
}

function refreshTab(clock) {
  const { word, since, page, alerts } = clock.tab;
  const from = clock.bar ? clock.contact : since ?? null;
  showTab({ state: clock.bar ? "no contact" : word, age: from === null ? "" : words((time(clock) - from) / 1000), page, alerts });
}

function count(clock) {
  const now = time(clock);
  for (const node of document.querySelectorAll(".pd-ticking")) {
    const { since, until } = node.dataset;
    const text = words((since ? now - Number(since) : Number(until) - now) / 1000);
    if (node.firstChild && node.firstChild.nodeValue !== text) node.firstChild.nodeValue = text; // the node is React's: only its text is changed
  }
}

function lose(clock, what) {
  dismiss();
  if (clock.bar) return;
  clock.bar = document.createElement("div");
  clock.bar.className = "podium-lost-bar";
  clock.bar.setAttribute("role", "alert");
  const at = new Date(clock.contact).toISOString().slice(11, 19);
  clock.bar.innerHTML = `<b>No contact.</b> ${what[0]} since ${at} UTC, <span class="pd-ticking" data-since="${clock.contact}">0 s</span> ago. ${what[1]}`;
  document.body.append(clock.bar);
  document.documentElement.classList.add("podium-lost");
  count(clock);
  refreshTab(clock);
}

const GONE = ["The server has not answered", "What is shown is as of then. Start the server again with make run; this page then goes on by itself."];
const CUT_OFF = ["The server answers, but this page has had nothing from it", "What is shown is as of then. Reload the page."];
const UNLINKED = ["The server answers, but the connection of this page has been cut", "Buttons do nothing, and most of what is shown is as of then. Reload the page."];

function recover(clock) {
  if (clock.bar) clock.bar.remove();
  clock.bar = null;
  document.documentElement.classList.remove("podium-lost");
}

// Streamlit's own words for it ask about the internet and cover the page.
function dismiss() {
  for (const dialog of document.querySelectorAll('[role="dialog"]')) {
    if (dialog.textContent.startsWith("Connection error")) dialog.querySelector('button[aria-label="Close"]')?.click();
  }
}

// No refresh may also mean that a long script runs: a server that answers is not gone.
async function ask(clock) {
  const { contact } = clock;
  clock.asking = true;
  const answers = await fetch(HEALTH, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) }).then((answer) => answer.ok, () => false);
  clock.asking = false;
  if (clock.contact !== contact) return;
  if (!answers) lose(clock, GONE);
  else if (clock.silent >= 2 * REFRESHES * clock.every && !document.querySelector('[data-test-script-state="running"]')) {
    lose(clock, clock.server === contact ? CUT_OFF : UNLINKED);
  }
}

// Seconds are counted only while the page is looked at: the timers of a page in the background stand still and prove nothing about the server.
function tick(clock) {
  refreshTab(clock);
  if (document.hidden || clock.still) return;
  count(clock);
  clock.silent += 1;
  if (clock.bar) dismiss();
  else if (clock.silent >= REFRESHES * clock.every && !clock.asking) ask(clock);
}

function begin() {
  const clock = { server: 0, heard: 0, contact: 0, sent: "", every: 2, silent: 0, asking: false, bar: null, tab: {} };
  setInterval(() => tick(clock), 1000);
  document.addEventListener("visibilitychange", () => {
    clock.silent = 0;
    if (!document.hidden) count(clock);
  });
  return clock;
}

function hear(clock, data, isContact) {
  clock.tab = data.tab ?? {};
  clock.still = data.still ?? false;
  if (data.now === clock.server) return; // drawn again, nothing new
  Object.assign(clock, { server: data.now, heard: performance.now(), every: data.every });
  if (isContact) {
    Object.assign(clock, { contact: data.now, silent: 0 });
    recover(clock);
  }
  count(clock);
  refreshTab(clock);
  if (typeof clock.tab.alerts === "number") notifyCritical(clock.tab.critical ?? []);
}

function reportUse() { // what a person does, and nothing that the page does by itself, keeps a log-in from ending for idleness
  const report = (event) => {
    if (!event.isTrusted || performance.now() - (window.podiumUsed ?? -60000) < 60000) return;
    window.podiumUsed = performance.now();
    fetch("/podium/use", { method: "POST", keepalive: true }).catch(() => {});
  };
  for (const kind of ["pointerdown", "keydown", "wheel", "touchmove"]) document.addEventListener(kind, report, { capture: true, passive: true });
}

function belongsToAnother(owner) { // somebody else has logged in: what this tab holds is not theirs
  if (owner && window.podiumOwner && owner !== window.podiumOwner) return true;
  if (owner && !window.podiumOwner) reportUse();
  if (owner) window.podiumOwner = owner;
  return false;
}

export default function ({ data }) {
  if (belongsToAnother(data.owner)) {
    location.reload();
    return;
  }
  window.podiumClock ??= begin();
  const clock = window.podiumClock;
  const sent = JSON.stringify(data);
  if (sent !== clock.sent) { // else it is drawn again, and updates have brought newer data since
    clock.sent = sent;
    hear(clock, data, true);
  }
  follow(data.updates ?? "", data.every, data.still ? null : (news) => hear(clock, { ...news, every: data.every }, isConnected()), data.now);
}
