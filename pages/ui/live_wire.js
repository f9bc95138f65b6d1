// Values of live components: kept by digest, changed by patches (patches.py), fetched whole where the patch does not fit what is here.
const FOLDER = `${location.origin}/podium/live/`;
const KEPT = 24; // values, of all components of a page
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

async function fetchWhole(digest) {
  const answer = await fetch(`${FOLDER}${digest}.json`, { cache: "no-store" });
  if (answer.status !== 200) throw new Error("a newer value is on its way");
  return answer.json();
}

// The value of a message: known, patched from one that is known, or fetched.
function find({ digest, base, patch }) {
  if (!values.has(digest)) {
    const earlier = patch && values.get(base);
    const value = earlier ? earlier.then((old) => apply(old, patch), () => fetchWhole(digest)) : fetchWhole(digest);
    value.catch(() => values.delete(digest)); // the same message may come again
    values.set(digest, value);
    if (values.size > KEPT) values.delete(values.keys().next().value);
  }
  return values.get(digest);
}

// Calls `show` with the value of this message, which it must not change; messages take effect in the order in which they came.
export function receive(node, data, show) {
  if (node.podiumDigest === data.digest) return;
  node.podiumDigest = data.digest;
  const value = find(data);
  node.podiumSteps = (node.podiumSteps ?? Promise.resolve()).then(() => value).then(show).catch(() => {
    if (node.podiumDigest === data.digest) node.podiumDigest = undefined;
  });
}
