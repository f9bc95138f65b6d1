// The tab: its title and icon show the engine's state with its age, and the menu the number of open alerts.
const SHAPES = { ok: "#009E73", degraded: "#E69F00", paused: "#E69F00", flattening: "#E69F00", down: "#D1003F", "no contact": "#D1003F" };
const BARS = '<rect x="2" y="18" width="8" height="11" rx="1.5" fill="#56B4E9"/><rect x="12" y="5" width="8" height="24" rx="1.5" fill="#0072B2"/>' +
  '<rect x="22" y="12" width="8" height="17" rx="1.5" fill="#E69F00"/>';

// A state has a shape as well as a colour: a disc is fine, a square wants a look, a triangle is down.
function icon(word) {
  const fill = SHAPES[word] || "#6B7280";
  const line = `fill="${fill}" stroke="#FFFFFF" stroke-width="1.5"`;
  let shape = `<rect x="15" y="15" width="15" height="15" ${line}/>`;
  if (word === "ok") shape = `<circle cx="23" cy="23" r="8" ${line}/>`;
  if (word === "down" || word === "no contact") shape = `<path d="M13 31 22.5 13 32 31Z" ${line}/>`;
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${BARS}${shape}</svg>`)}`;
}

function showIcon(word) {
  const links = [...document.querySelectorAll('link[rel~="icon"]')];
  if (!links.length) {
    links.push(Object.assign(document.createElement("link"), { rel: "icon" }));
    document.head.append(links[0]);
  }
  const href = icon(word);
  for (const link of links) if (link.getAttribute("href") !== href) Object.assign(link, { type: "image/svg+xml", href });
}

// Called every second, also while the tab is in the background: that is where the title is read.
export function showTab({ state, age, page, alerts }) {
  if (!page) return;
  const title = [state, age, page, "Podium"].filter(Boolean).join(" · ");
  if (document.title !== title) document.title = title;
  showIcon(state);
  document.documentElement.style.setProperty("--pd-alerts", alerts ? `"${alerts}"` : "none");
}
