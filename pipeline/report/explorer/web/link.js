// What is on the page, in the address after #, so that a link brings it back.

const WAIT = 250; // milliseconds

/** @param {State} state @param {Pane[]} panes */
function addressOf(state, panes) {
  const told = new URLSearchParams();
  for (const stage of STAGES) told.set(stage, state.methods[stage]);
  told.set("color", state.color);
  for (const [name, codes] of Object.entries(state.hidden))
    if (codes.size) told.set(`hide.${name}`, [...codes].join("."));
  for (const [name, [low, high]] of Object.entries(state.ranges)) told.set(`range.${name}`, `${low}_${high}`);
  if (state.wrong !== "all") told.set("head", state.wrong);
  if (state.focus >= 0) told.set("focus", facts.ids[state.focus]);
  if (state.morph) told.set("morph", String(Number(state.morph.toFixed(3))));
  if (state.tab !== "image") told.set("tab", state.tab);
  for (const { stage, camera } of panes) {
    if (camera.zoom !== 1 || camera.x !== 0.5 || camera.y !== 0.5)
      told.set(
        `view.${stage}`,
        [camera.x, camera.y, camera.zoom].map((each) => Number(each.toFixed(4))).join("_"),
      );
  }
  if (state.selection) told.set("selected", encodeSelection(state.selection));
  return `#${told}`;
}

/** Take over what an address says, as far as this page knows it. @param {string} address @param {State} state @param {Pane[]} panes */
function readAddress(address, state, panes) {
  const told = new URLSearchParams(address.slice(1));
  /** @param {string} text @param {string} separator */
  const numbers = (text, separator) =>
    text.split(separator).filter(Boolean).map(Number).filter(Number.isFinite);
  /** @type {Record<string, any>} */
  const changes = {
    methods: { ...state.methods },
    hidden: {},
    ranges: {},
    wrong: "all",
    focus: -1,
    morph: 0,
    tab: "image",
  };
  for (const stage of STAGES) {
    const method = told.get(stage);
    if (facts.methods.some((/** @type {any} */ each) => each.name === method))
      changes.methods[stage] = method;
  }
  changes.sameMethod = changes.methods.before === changes.methods.after;
  if (colorings().some(({ name }) => name === told.get("color"))) changes.color = told.get("color");
  for (const name of Object.keys(categories))
    if (told.has(`hide.${name}`))
      changes.hidden[name] = new Set(numbers(told.get(`hide.${name}`) || "", "."));
  for (const name of Object.keys(scores)) {
    const ends = numbers(told.get(`range.${name}`) || "", "_");
    if (ends.length === 2) changes.ranges[name] = ends;
  }
  if (misses && ["right", "wrong"].includes(told.get("head") || "")) changes.wrong = told.get("head");
  changes.focus = facts.ids.indexOf(told.get("focus"));
  changes.morph = Math.min(Math.max(Number(told.get("morph")) || 0, 0), 1);
  changes.selection = told.has("selected") ? decodeSelection(told.get("selected") || "") : null;
  if (["selection", "table"].includes(told.get("tab") || "")) changes.tab = told.get("tab");
  state.set(changes);
  for (const pane of panes) {
    const view = numbers(told.get(`view.${pane.stage}`) || "", "_");
    if (view.length === 3 && view[2] > 0) pane.camera.look(view[0], view[1], view[2]);
    else pane.camera.reset();
    pane.moved();
  }
}

/** @param {State} state @param {Pane[]} panes */
function keepAddress(state, panes) {
  let timer = 0;
  let own = location.hash;
  const keep = () => {
    own = addressOf(state, panes);
    history.replaceState(null, "", own);
  };
  document.addEventListener("drawn", () => {
    clearTimeout(timer);
    timer = setTimeout(keep, WAIT);
  });
  addEventListener("hashchange", () => {
    if (location.hash !== own) readAddress(location.hash, state, panes);
  });
  if (location.hash.length > 1) readAddress(location.hash, state, panes);
}
