// What this browser remembers of its visits: when somebody last looked, and whether the tour is over. Nothing leaves the browser but these two.
const KEY = "podium.visit";
const AWAY_MS = 60000; // a shorter absence is the same visit
const AGAIN_MS = 4000; // after which a report that nobody has heard is made again

function read() {
  try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; }
}

function write(visit) {
  try { localStorage.setItem(KEY, JSON.stringify(visit)); } catch { /* a browser that stores nothing remembers nothing */ }
}

// The server's time, ms, as the clock of the page has it: the browser's own may be wrong. A still clock shows a past tick, which is no visit.
function serverTime() {
  const clock = window.podiumClock;
  return clock && clock.server && !clock.still ? clock.server + performance.now() - clock.heard : null;
}

function look(node) {
  const now = serverTime();
  if (now === null || !node.isConnected) return;
  const visit = read();
  if (!document.hidden) {
    if (visit.last && now - visit.last > AWAY_MS) visit.since = visit.last;
    visit.last = Math.round(now);
  }
  if (node.podiumVisit.toured) visit.toured = true;
  write(visit);
  report(node, "since", visit.since || null);
  report(node, "toured", Boolean(visit.toured));
}

// A report runs the page again, so there is one for each change; one that got lost, which the page's answer shows, is made again. None is made while
// the page is being left (live_updates.js): it would take the next page away.
function report(node, name, value) {
  if (!window.podiumCanAsk?.()) return;
  const { known, sent } = node.podiumVisit;
  if (known[name] === value || (sent[name] && sent[name].value === value && performance.now() - sent[name].at < AGAIN_MS)) return;
  sent[name] = { value, at: performance.now() };
  node.podiumVisit.set(name, value);
}

export default function ({ data, parentElement, setStateValue }) {
  const node = parentElement.querySelector(".podium-visit");
  node.podiumVisit = { set: setStateValue, known: data.known, toured: data.toured, sent: node.podiumVisit ? node.podiumVisit.sent : {} };
  node.podiumTimer ??= setInterval(() => look(node), 1000);
  look(node);
  return () => { clearInterval(node.podiumTimer); node.podiumTimer = undefined; };
}
