// Values of live components: kept by digest, changed by patches (patches.py), fetched whole where the patch does not fit what is here.
const FOLDER = `${location.origin}/podium/live/`;

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
  const answer = await fetch(FOLDER + digest, { cache: "no-store" });
  return answer.status === 200 ? answer.json() : undefined; // else a newer value is on its way
}

async function step(node, data, show) {
  const known = node.podiumKnown;
  if (known && known.digest === data.digest) return;
  const value = data.patch && known && known.digest === data.base ? apply(known.value, data.patch) : await fetchWhole(data.digest);
  if (value === undefined) return;
  node.podiumKnown = { digest: data.digest, value };
  show(value);
}

// Calls `show` with the value of this message, which it must not change; messages take effect in the order in which they came.
export function receive(node, data, show) {
  if (node.podiumDigest === data.digest) return;
  node.podiumDigest = data.digest;
  node.podiumSteps = (node.podiumSteps ?? Promise.resolve()).then(() => step(node, data, show)).catch(() => {
    if (node.podiumDigest === data.digest) node.podiumDigest = undefined; // the same message may come again
  });
}
