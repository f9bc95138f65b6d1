// Values of live components: kept by digest, changed by patches (patches.py), fetched whole where the patch does not fit what is here.
const FOLDER = `${location.origin}/podium/live/`;
const KEPT = 24; // values, of all components of a page
const WAIT_MS = 10000; // for one answer
const PATIENCE_MS = 3000; // for the value that a patch is against; then the whole is fetched
const PAUSES_MS = [300, 1000]; // before a fetch that failed is tried again
const GRACE_MS = 2000; // for a newer value, before a line says that there is none
const NOT_LOADED = "not loaded: reload the page";
const values = (window.podiumValues ??= new Map()); // a promise of the value of each digest, oldest first

function apply(old, patch) {
  if (!patch) return old;
  const [kind, parts, removed] = patch;
  if (kind === "=") return parts;
  if (kind === "{") {
    const changed = { ...old };
    for (const [key, inner] of Object.entries(parts)) changed[key] = apply(old[key], inner);
    for (const key of removed) delete changed[key];
    return changed;
  }
  return parts.flatMap((part) => {
    if (part.length === 1) return part[0];
    return part.length === 3 ? [apply(old[part[0]], part[2])] : old.slice(part[0], part[0] + part[1]);
  });
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function fetchWhole(digest, pauses = PAUSES_MS) {
  let isReplaced = false;
  try {
    const answer = await fetch(`${FOLDER}${digest}.json`, { cache: "no-store", signal: AbortSignal.timeout(WAIT_MS) });
    isReplaced = answer.status === 204; // a newer value is on its way
    if (answer.status !== 200) throw new Error(`answered with ${answer.status}`);
    return await answer.json();
  } catch (problem) {
    if (isReplaced || !pauses.length) throw problem;
    await pause(pauses[0]);
    return fetchWhole(digest, pauses.slice(1));
  }
}

// The value that a patch is against, unless it takes too long.
const awaitEarlier = (earlier) => Promise.race([earlier, pause(PATIENCE_MS).then(() => { throw new Error("too late"); })]);

// The value of a message: known, patched from one that is known, or fetched.
function find({ digest, base, patch }) {
  if (!values.has(digest)) {
    const earlier = patch && (patch[0] === "=" ? Promise.resolve() : values.get(base));
    const value = earlier ? awaitEarlier(earlier).then((old) => apply(old, patch), () => fetchWhole(digest)) : fetchWhole(digest);
    value.catch(() => values.delete(digest)); // the same message may come again
    values.set(digest, value);
    if (values.size > KEPT) values.delete(values.keys().next().value);
  }
  return values.get(digest);
}

// Calls `show` with the value of this message, which it must not change. One that arrives after a later one has been shown is left out;
// where the newest cannot be had, a line in the node says so.
//
// A part of the page that is updated (live_updates.js) names what it shows; what the script sent before does not come back when it is drawn again.
export function receive(node, data, show) {
  if (data.part) {
    if (node.podiumSent === data.digest) return;
    node.podiumSent = data.digest;
    node.dataset.part = data.part;
    node.podiumReceive = (change) => accept(node, change, show);
  } else {
    delete node.dataset.part;
    node.podiumSent = undefined;
  }
  accept(node, data, show);
}

function accept(node, data, show) {
  if (node.podiumDigest === data.digest) return;
  node.dataset.digest = data.digest;
  node.podiumDigest = data.digest;
  const turn = node.podiumTurn = (node.podiumTurn ?? 0) + 1;
  find(data).then((value) => {
    if (turn < (node.podiumShown ?? 0)) return;
    node.podiumShown = turn;
    if (node.podiumLine) node.podiumLine.remove();
    show(value, data.digest);
  }).catch(async () => {
    if (turn !== node.podiumTurn) return;
    node.podiumDigest = undefined; // the same message may come again
    node.dataset.digest = "missing";
    await pause(GRACE_MS);
    if (turn === node.podiumTurn) showMissing(node);
  });
}

function showMissing(node) {
  node.podiumLine ??= document.createElement("div");
  node.podiumLine.className = "pd-wait";
  node.podiumLine.textContent = NOT_LOADED;
  node.prepend(node.podiumLine);
}
