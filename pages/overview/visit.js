// What this browser remembers of its visits: when somebody last looked, and whether the tour is over. Nothing leaves the browser but these two.
const KEY = "podium.visit";
const AWAY_MS = 60000; // a shorter absence is the same visit

function read() {
  try { return JSON.parse(localStorage.getItem(KEY)) || {}; } catch { return {}; }
}

function write(visit) {
  try { localStorage.setItem(KEY, JSON.stringify(visit)); } catch { /* a browser that stores nothing remembers nothing */ }
}

// The server's time, ms, as the clock of the page has it: the browser's own may be wrong.
function serverTime() {
  const clock = window.podiumClock;
  return clock && clock.server ? clock.server + performance.now() - clock.heard : null;
}

function look(node) {
  const now = serverTime();
  if (now === null || !node.isConnected) return;
  const visit = read();
  if (!document.hidden) {
    if (visit.last && now - visit.last > AWAY_MS) visit.since = visit.last;
    visit.last = Math.round(now);
  }
  if (node.podiumToured) visit.toured = true;
  write(visit);
  report(node, "since", visit.since || null);
  report(node, "toured", Boolean(visit.toured));
}

// Each value is reported when it changes only: a report runs the page again.
function report(node, name, value) {
  if (node.podiumReported[name] === value) return;
  node.podiumReported[name] = value;
  node.podiumSet(name, value);
}

export default function ({ data, parentElement, setStateValue }) {
  const node = parentElement.querySelector(".podium-visit");
  node.podiumSet = setStateValue;
  node.podiumReported ??= {};
  node.podiumToured = data.toured;
  node.podiumTimer ??= setInterval(() => look(node), 1000);
  look(node);
  return () => { clearInterval(node.podiumTimer); node.podiumTimer = undefined; };
}
