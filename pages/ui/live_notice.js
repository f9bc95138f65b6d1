// Browser notifications of critical alerts: off until somebody switches them on, and permission is asked for then, once.
const WANTED = "podium.notify";
const SEEN = "podium.notified";

function read(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}

function write(key, value) {
  try { localStorage.setItem(key, value); } catch { /* a browser that stores nothing is not notified */ }
}

const isSupported = () => "Notification" in window && window.isSecureContext;
const isOn = () => isSupported() && read(WANTED) === "on" && Notification.permission === "granted";

function seen() {
  try { return JSON.parse(read(SEEN)) || []; } catch { return []; }
}

// `alerts` are [rule, message] of the critical alerts that are open; each is shown when it opens, by one tab only.
export function notifyCritical(alerts) {
  if (!isOn()) return;
  const before = seen();
  const rules = alerts.map(([rule]) => rule);
  if (String(before) === String(rules)) return;
  write(SEEN, JSON.stringify(rules));
  for (const [rule, message] of alerts) {
    if (before.includes(rule)) continue;
    try {
      const notice = new Notification(`Podium: critical alert, ${rule}`, { body: message, tag: `podium-${rule}` });
      notice.onclick = () => window.focus();
    } catch { /* some phones allow notifications only to installed apps */ }
  }
}

function describe() {
  if (!isSupported()) return "This browser offers notifications only on https addresses and on this machine.";
  if (Notification.permission === "denied") return "The browser blocks notifications from this address. Allow them in its settings for this site.";
  return isOn() ? "On in this browser, while a Podium tab is open." : "Off in this browser.";
}

export default function ({ parentElement }) {
  const node = parentElement.querySelector(".podium-notice");
  if (!node.firstChild) {
    node.innerHTML = '<label><input type="checkbox" role="switch"> Notify me in this browser when a critical alert opens</label> <span class="pd-muted" role="status"></span>';
  }
  const box = node.querySelector("input");
  const refresh = () => {
    box.checked = isOn();
    box.disabled = !isSupported() || Notification.permission === "denied";
    node.querySelector("span").textContent = describe();
  };
  box.onchange = async () => {
    write(WANTED, box.checked ? "on" : "off");
    write(SEEN, "[]");
    if (box.checked && Notification.permission === "default") await Notification.requestPermission();
    refresh();
    if (isOn() && window.podiumClock) notifyCritical(window.podiumClock.tab.critical || []);
  };
  refresh();
}
