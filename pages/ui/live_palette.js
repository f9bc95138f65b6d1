// The command palette, the list of keys and the list of terms: one modal dialog with a field and a list of options.
const LIMIT = 60; // options shown at once
const STYLE = `
.podium-dialog { width: min(40rem, 94vw); max-height: min(34rem, 84vh); margin: 9vh auto auto; padding: 0; border: 1px solid light-dark(#C4CAD1, #3A434D);
  border-radius: 9px; background: light-dark(#FFFFFF, #171D24); color: light-dark(#1B2027, #E8ECF1); box-shadow: 0 12px 44px rgb(0 0 0 / 34%); font-size: 0.95rem; }
.podium-dialog[open] { display: flex; flex-direction: column; }
.podium-dialog::backdrop { background: rgb(0 0 0 / 34%); }
.podium-dialog.podium-dialog h2 { font-size: 1.05rem; font-weight: 640; margin: 0; padding: 0.8rem 1rem 0.3rem; }
.podium-dialog input[role="combobox"] { border: none; border-bottom: 1px solid light-dark(#C4CAD1, #3A434D); background: none; color: inherit; font: inherit; padding: 0.8rem 1rem;
  outline: none; width: 100%; box-sizing: border-box; }
.podium-dialog input[role="combobox"]:focus-visible { box-shadow: inset 0 -2px 0 #0072B2; }
.podium-dialog input::placeholder { color: light-dark(#5A6470, #A7B0BA); opacity: 1; }
.podium-dialog ul { list-style: none; margin: 0; padding: 0.3rem; overflow-y: auto; }
.podium-dialog li { display: flex; gap: 0.2rem 1rem; align-items: baseline; padding: 0.4rem 0.7rem; border-radius: 6px; cursor: pointer; margin: 0; }
.podium-dialog li.wide { display: block; cursor: default; }
.podium-dialog li.wide b { margin-right: 0.5rem; }
.podium-dialog li[aria-selected="true"] { background: light-dark(#DCEBF5, #0B3A57); }
.podium-dialog li small { color: light-dark(#4A535D, #B4BDC7); font-size: 0.84rem; }
.podium-dialog li kbd { margin-left: auto; white-space: nowrap; }
.podium-dialog kbd, .podium-keys kbd { white-space: nowrap; font: inherit; font-size: 0.8rem; border: 1px solid currentColor; border-radius: 4px; padding: 0 0.35em; opacity: 0.8; }
.podium-dialog p { margin: 0; padding: 0.6rem 1rem; color: light-dark(#4A535D, #B4BDC7); }
.podium-dialog dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.3rem 1rem; margin: 0; padding: 0.4rem 1rem 0.6rem; overflow-y: auto; }
.podium-dialog dt { margin: 0; font-weight: 400; }
.podium-dialog dd { margin: 0; }
.podium-dialog footer { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: center; justify-content: space-between; padding: 0.6rem 1rem; border-top: 1px solid light-dark(#C4CAD1, #3A434D); }
.podium-dialog button, .podium-keys button { font: inherit; color: inherit; background: none; border: 1px solid color-mix(in srgb, currentColor 34%, transparent);
  border-radius: 6px; padding: 0.25rem 0.6rem; cursor: pointer; }
.podium-dialog :is(button, input[type="checkbox"]):focus-visible, .podium-keys :is(button, input):focus-visible { outline: 2px solid #0072B2; outline-offset: 1px; }
.podium-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.podium-keys { display: flex; flex-direction: column; gap: 0.4rem; font-size: 0.88rem; }
.podium-keys button { display: flex; justify-content: space-between; gap: 0.5rem; text-align: left; }
.podium-keys label { display: flex; gap: 0.5rem; align-items: center; cursor: pointer; }
.podium-hover-time { position: fixed; z-index: 999; pointer-events: none; padding: 0.05rem 0.45rem; border-radius: 4px; font-size: 0.78rem; background: #1B2027; color: #FFFFFF; }
.podium-tip { position: fixed; z-index: 1000; max-width: min(22rem, 92vw); padding: 0.45rem 0.65rem; border-radius: 6px; font-size: 0.88rem; background: #1B2027; color: #FFFFFF;
  box-shadow: 0 4px 18px rgb(0 0 0 / 30%); }
.podium-notice label { display: inline-flex; gap: 0.5rem; align-items: center; margin-right: 0.7rem; cursor: pointer; }
.pd :is([title$=" UTC"], [title$="(UTC)"]) { text-decoration: none !important; cursor: inherit !important; }
@media (max-width: 640px) { .podium-dialog { margin-top: 3vh; } .podium-dialog li kbd { display: none; } .podium-dialog li { flex-wrap: wrap; } }
@media print { .podium-dialog, .podium-hover-time, .podium-tip { display: none !important; } }`;

export function addStyle() {
  const style = document.createElement("style");
  style.textContent = STYLE;
  document.head.append(style);
}

const element = (tag, fields = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), fields);
  node.append(...children);
  return node;
};

// The native modal dialog keeps the focus inside, closes on Esc and gives the focus back.
function showDialog(label, ...children) {
  document.querySelector("dialog.podium-dialog")?.close();
  const dialog = element("dialog", { className: "podium-dialog" }, ...children);
  dialog.setAttribute("aria-label", label);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("pointerdown", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation(); // the page's own keys rest
    if (event.key === "Tab") keepFocus(dialog, event);
  });
  (document.querySelector(".stApp") || document.body).append(dialog);
  dialog.showModal();
  return dialog;
}

function keepFocus(dialog, event) {
  const stops = [...dialog.querySelectorAll("input, button")];
  const last = stops.at(event.shiftKey ? 0 : -1);
  if (document.activeElement !== last) return;
  event.preventDefault();
  stops.at(event.shiftKey ? -1 : 0).focus();
}

// An option is { label, about, keys, run }; the words typed must all stand in it, those at the beginning of its label come first.
export function rank(options, typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const score = ({ label }) => {
    const text = label.toLowerCase();
    if (!words.length || text.startsWith(words[0])) return 0;
    return text.split(/[^a-z0-9]+/).some((word) => word.startsWith(words[0])) ? 1 : text.includes(words[0]) ? 2 : 3;
  };
  const fits = options.filter(({ label, about }) => words.every((word) => `${label} ${about || ""}`.toLowerCase().includes(word)));
  return fits.map((option, place) => [score(option), place, option]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((entry) => entry[2]);
}

// `find` gives the options for what is typed; Enter runs the chosen one after the dialog has closed.
export function openList(label, placeholder, find) {
  const field = element("input", { type: "text", placeholder, autocomplete: "off", spellcheck: false });
  const list = element("ul", { id: "podium-options" });
  const count = element("p", { className: "podium-unseen" });
  const none = element("p", { hidden: true, textContent: "Nothing matches." });
  count.setAttribute("role", "status");
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", label);
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "true"], ["aria-controls", list.id], ["aria-autocomplete", "list"], ["aria-label", placeholder]]) {
    field.setAttribute(name, value);
  }
  const dialog = showDialog(label, field, list, none, count);
  let options = [];
  let chosen = 0;
  const choose = (place) => {
    chosen = Math.max(0, Math.min(place, options.length - 1));
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    const item = list.children[chosen];
    if (item) { field.setAttribute("aria-activedescendant", item.id); item.scrollIntoView({ block: "nearest" }); } else field.removeAttribute("aria-activedescendant");
  };
  const run = (option) => {
    if (!option || !option.run) return;
    dialog.close();
    option.run();
  };
  const fill = () => {
    options = find(field.value.trim()).slice(0, LIMIT);
    list.replaceChildren(...options.map((option, place) => {
      const item = element("li", { id: `podium-option-${place}`, className: option.run ? "" : "wide" }, element(option.run ? "span" : "b", { textContent: option.label }));
      item.setAttribute("role", "option");
      if (option.about) item.append(element("small", { textContent: option.about }));
      if (option.keys) item.append(element("kbd", { textContent: option.keys }));
      item.onclick = () => run(option);
      item.onpointermove = () => { if (chosen !== place) choose(place); };
      return item;
    }));
    list.hidden = !options.length;
    none.hidden = options.length > 0;
    count.textContent = options.length === 1 ? "1 result" : `${options.length} results`;
    choose(0);
  };
  field.oninput = fill;
  field.onkeydown = (event) => {
    if (event.isComposing) return;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in steps) {
      event.preventDefault();
      const wraps = Math.abs(steps[event.key]) === 1 && options.length;
      choose(wraps ? (chosen + steps[event.key] + options.length) % options.length : chosen + steps[event.key]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(options[chosen]);
    }
  };
  fill();
  field.focus();
}

export function openKeys(rows, switches) {
  const list = element("dl", {}, ...rows.flatMap(([keys, about]) => [element("dt", {}, ...keys.map((key) => element("kbd", { textContent: key }))), element("dd", { textContent: about })]));
  const close = element("button", { type: "button", textContent: "Close" });
  const boxes = switches.map(({ label, on, set }) => {
    const box = element("input", { type: "checkbox", checked: on, onchange: () => set(box.checked) });
    return element("label", {}, box, ` ${label}`);
  });
  const dialog = showDialog("Keys", element("h2", { textContent: "Keys" }), list, element("footer", {}, ...boxes, close));
  list.tabIndex = 0;
  close.onclick = () => dialog.close();
  close.focus();
}

// A tap shows what a pointer reads by hovering.
export function watchTaps() {
  const tip = element("div", { className: "podium-tip", hidden: true });
  tip.setAttribute("role", "status");
  document.body.append(tip);
  document.addEventListener("click", (event) => {
    tip.hidden = true;
    if (event.pointerType !== "touch" || event.target.closest("a, button, input, label, tr[data-link]")) return;
    const node = event.target.closest(".pd [title]");
    if (!node) return;
    tip.textContent = node.title;
    tip.hidden = false;
    const box = node.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(box.left, window.innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${box.bottom + 4 + tip.offsetHeight > window.innerHeight ? box.top - tip.offsetHeight - 4 : box.bottom + 4}px`;
  });
  document.addEventListener("scroll", () => { tip.hidden = true; }, { capture: true, passive: true });
}
