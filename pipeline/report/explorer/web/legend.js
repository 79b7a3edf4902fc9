// Colours and their meaning; values of categories are switched on and off here.

const MANY_VALUES = 12; // from here on they can be searched

/** @param {State} state */
function showLegend(state) {
  const choice = byId("color");
  choice.append(...colorings().map(({ name, title }) => element("option", { value: name }, title)));
  choice.addEventListener("change", () => state.set({ color: choice.value }));
  const parts = new Map();
  const show = () => {
    choice.value = state.color;
    const names = [state.color, "label", "split"].filter(
      (name, i, all) => name in categories && all.indexOf(name) === i,
    );
    for (const name of names) if (!parts.has(name)) parts.set(name, toggles(state, categories[name]));
    byId("legend").replaceChildren(
      ...(state.color in scores ? [ramp(scores[state.color])] : []),
      ...names.map((name) => parts.get(name)),
    );
  };
  state.on(["color"], show);
  darkness.addEventListener("change", () => {
    parts.clear();
    show();
  });
  show();
}

/** @param {Score} score */
function ramp(score) {
  const stops = Array.from({ length: 9 }, (_, i) => css(onRamp(rampOf(score), i / 8)));
  const [least, most] = [score.min, topOf(score)].map((value) => scoreText(score, value));
  const bar = element("div", {
    class: "ramp",
    role: "img",
    "aria-label": `${score.title} from ${least} to ${most}`,
  });
  bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  return element(
    "div",
    {},
    element("h3", {}, score.title),
    bar,
    element("div", { class: "ends" }, element("span", {}, least), element("span", {}, most)),
  );
}

/** @param {State} state @param {Category} category */
function toggles(state, { name, title, values, colors, codes, counts }) {
  const present = values.map((_, code) => code).filter((code) => counts[code]);
  const hidden = () => state.hidden[name] || new Set();
  /** @param {Set<number>} chosen */
  const hide = (chosen) => state.set({ hidden: { ...state.hidden, [name]: chosen } });
  /** @param {number} code */
  const toggle = (code) => {
    const chosen = new Set(hidden());
    if (!chosen.delete(code)) chosen.add(code);
    hide(chosen);
  };
  const unspot = () => state.set({ spot: null });
  const entries = present.map((code) => {
    const swatch = element("i");
    swatch.style.background = css(onPaper(colors[code]));
    const box = element(
      "button",
      { type: "button", role: "checkbox", "data-code": code, title: values[code], onclick: () => toggle(code) },
      swatch,
      named(values[code]),
      element("small", {}, counted(counts[code])),
    );
    const only = element(
      "button",
      {
        type: "button",
        class: "only",
        "aria-label": `only ${values[code]}`,
        onclick: () => hide(new Set(present.filter((each) => each !== code))),
      },
      "only",
    );
    const spot = () => state.set({ spot: { codes, code } });
    return element(
      "li",
      {
        "data-value": values[code].toLowerCase(),
        onpointerenter: spot,
        onpointerleave: unspot,
        onfocusin: spot,
        onfocusout: unspot,
      },
      box,
      only,
    );
  });
  const check = () => {
    for (const entry of entries)
      entry.firstElementChild.setAttribute(
        "aria-checked",
        String(!hidden().has(Number(entry.firstElementChild.dataset.code))),
      );
  };
  state.on(["hidden"], check);
  check();
  const search =
    present.length > MANY_VALUES &&
    element("input", {
      type: "search",
      placeholder: `Find one of ${present.length}`,
      "aria-label": `Find in ${title}`,
      oninput: () => {
        const wanted = search.value.toLowerCase();
        for (const entry of entries) entry.hidden = !entry.dataset.value.includes(wanted);
      },
    });
  const all = element("button", { type: "button", class: "all", onclick: () => hide(new Set()) }, "all");
  return element(
    "div",
    { class: "toggles", role: "group", "aria-label": title, "data-category": name },
    element("h3", {}, title, all),
    search,
    element("ul", {}, entries),
  );
}
