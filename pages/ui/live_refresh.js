// Lets the parts of a page run again when they are due.
import { canAsk } from "./live_updates.js";

const LOOK_MS = 250;
let timer = 0;

function runDue() {
  if (!canAsk()) return;
  const now = performance.now();
  for (const node of document.querySelectorAll(".podium-refresh")) {
    if (!(now >= node.podiumDue)) continue; // nor where its script has yet to load
    node.podiumDue = now + node.podiumEvery;
    node.podiumRun();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const node = parentElement.querySelector(".podium-refresh");
  node.podiumEvery = data.every * 1000;
  node.podiumDue ??= performance.now() + node.podiumEvery;
  node.podiumRun = () => setTriggerValue("again", String(performance.now()));
  timer ||= setInterval(runDue, LOOK_MS);
}
