// Which images are shown: categories that are switched on, right or wrong, ranges of scores.

/** @param {State} state @returns {Uint8Array} 1 for images that pass all filters */
function passing(state) {
  const shown = new Uint8Array(N).fill(1);
  for (const [name, hidden] of Object.entries(state.hidden)) {
    if (!hidden.size) continue;
    const { codes } = categories[name];
    for (let i = 0; i < N; i++) if (hidden.has(codes[i])) shown[i] = 0;
  }
  if (misses && state.wrong !== "all") {
    for (let i = 0; i < N; i++) if (misses(i) !== (state.wrong === "wrong")) shown[i] = 0;
  }
  for (const [name, [low, high]] of Object.entries(state.ranges)) {
    const score = scores[name];
    const slack = 0.5 / score.steps; // scores are whole steps
    for (let i = 0; i < N; i++) {
      const value = valueOf(score, i);
      if (value < low - slack || value > high + slack) shown[i] = 0;
    }
  }
  return shown;
}

/** @param {State} state */
function showFilters(state) {
  state.on(["hidden", "wrong", "ranges"], () => state.set({ shown: passing(state) }));
  if (misses) showWrong(state);
  byId("ranges").append(...Object.values(scores).map((score) => rangeOf(state, score)));
  byId("no-filters").addEventListener("click", () => state.set({ hidden: {}, wrong: "all", ranges: {} }));
}

/** @param {State} state */
function showWrong(state) {
  const choice = element(
    "select",
    { id: "wrong", onchange: () => state.set({ wrong: choice.value }) },
    element("option", { value: "all" }, "right and wrong"),
    element("option", { value: "wrong" }, "misclassified"),
    element("option", { value: "right" }, "right"),
  );
  byId("ranges").before(element("label", { class: "row" }, "The head is ", choice));
  state.on(["wrong"], () => {
    choice.value = state.wrong;
  });
}

/** Two sliders for the bounds of a score. @param {State} state @param {Score} score */
function rangeOf(state, score) {
  /** @param {number} end */
  const slider = (end) =>
    element("input", {
      type: "range",
      min: score.min * score.steps,
      max: score.max * score.steps,
      step: 1,
      "aria-label": `${score.title}, at ${end ? "most" : "least"}`,
      "data-score": score.name,
      oninput: change,
    });
  const said = element("span", { class: "faint" });
  const ends = [slider(0), slider(1)];
  function change() {
    const [low, high] = ends.map((each) => Number(each.value) / score.steps);
    const whole = low <= score.min && high >= score.max;
    const { [score.name]: _, ...others } = state.ranges;
    state.set({
      ranges: whole ? others : { ...others, [score.name]: [Math.min(low, high), Math.max(low, high)] },
    });
  }
  function show() {
    const [low, high] = state.ranges[score.name] || [score.min, score.max];
    ends[0].value = String(low * score.steps);
    ends[1].value = String(high * score.steps);
    said.textContent = score.name in state.ranges ? `${scoreText(score, low)} to ${scoreText(score, high)}` : "any";
  }
  state.on(["ranges"], show);
  show();
  return element(
    "div",
    { class: "range", role: "group", "aria-label": score.title },
    element("span", {}, score.title, " ", said),
    ends,
  );
}
