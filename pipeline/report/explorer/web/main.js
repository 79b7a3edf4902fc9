// Puts the page together.

const state = new State();
const painter = new Painter(state);
const panes = STAGES.map((stage) => new Pane(state, painter, stage));

/** The method of each pane. */
function showMethods() {
  for (const { stage, root } of panes) {
    const choice = root.querySelector("select");
    choice.append(
      ...facts.methods.map((/** @type {any} */ { name, title }) => element("option", { value: name }, title)),
    );
    choice.addEventListener("change", () => {
      const methods = state.sameMethod
        ? { before: choice.value, after: choice.value }
        : { ...state.methods, [stage]: choice.value };
      state.set({ methods });
    });
    const remarks = root.querySelector(".remarks");
    const show = () => {
      choice.value = state.methods[stage];
      const layout = `${state.methods[stage]}/${stage}`;
      const beyond = facts.outside[layout];
      const laidOut = countLaidOut(state.methods[stage], stage);
      remarks.textContent = [
        facts.starts[layout],
        laidOut < N && `a layout of ${counted(laidOut)} of the ${plural(N, "image")}`,
        beyond && `${plural(beyond, "point")} farther out, drawn on the edge`,
      ]
        .filter(Boolean)
        .join("; ");
      byId("same").checked = state.sameMethod;
    };
    state.on(["methods", "sameMethod"], show);
    show();
  }
  byId("same").addEventListener("change", (/** @type {any} */ event) => {
    const sameMethod = event.target.checked;
    state.set({
      sameMethod,
      ...(sameMethod ? { methods: { ...state.methods, after: state.methods.before } } : {}),
    });
  });
}

/** Tools, undo, export, and how many images are shown and selected. */
function showTools() {
  for (const button of document.querySelectorAll("[name=tool]")) {
    button.addEventListener("change", () =>
      state.set({ tool: /** @type {HTMLInputElement} */ (button).value }),
    );
  }
  state.on(["tool"], () => {
    for (const { overlay } of panes) overlay.dataset.tool = state.tool;
  });
  byId("combine").addEventListener("change", (/** @type {any} */ event) =>
    state.set({ combine: event.target.value }),
  );
  byId("pictures").addEventListener("change", (/** @type {any} */ event) =>
    state.set({ pictures: event.target.checked }),
  );
  byId("pictures").closest("label").hidden = !sheets;
  byId("undo").addEventListener("click", () => undoSelection(state));
  byId("clear").addEventListener("click", () => replaceSelection(state, null));
  byId("select-shown").addEventListener("click", () => select(state, () => true));
  byId("save").addEventListener("click", () => saveCsv(state));
  byId("reset").addEventListener("click", () => {
    for (const pane of panes) {
      pane.camera.reset();
      pane.moved();
    }
  });
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement && event.target.type === "search";
    if (event.key === "Escape" && !typing) replaceSelection(state, null);
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && !typing) {
      event.preventDefault();
      undoSelection(state);
    }
  });
  const count = () => {
    const shown = state.shown.reduce((sum, each) => sum + each, 0);
    const selected = state.selection ? chosenRows(state).length : 0;
    byId("count").textContent =
      `${counted(shown)} of ${plural(N, "image")} shown, ${counted(selected)} selected`;
    byId("undo").disabled = !state.earlier.length;
    byId("clear").disabled = !state.selection;
  };
  state.on(["shown", "selection"], count);
  count();
}

/** Tabs, of which one panel is open. */
function showTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")].map((tab) => /** @type {HTMLElement} */ (tab));
  const nameOfTab = (/** @type {HTMLElement} */ tab) => tab.getAttribute("aria-controls") || "";
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => state.set({ tab: nameOfTab(tab) }));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(i + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  });
  const show = () => {
    for (const tab of tabs) {
      const open = nameOfTab(tab) === state.tab;
      tab.setAttribute("aria-selected", String(open));
      tab.tabIndex = open ? 0 : -1;
      byId(nameOfTab(tab)).hidden = !open;
    }
  };
  state.on(["tab"], show);
  show();
}

showMethods();
showTools();
showTabs();
showFilters(state);
showLegend(state);
showImage(state);
showSelection(state);
showTable(state);
showSearch(state);
showMorph(state);
for (const pane of panes) followPointer(pane);
darkness.addEventListener("change", () => {
  for (const pane of panes) pane.mark();
});
byId("notes").append(
  ...(panes[0].gl
    ? []
    : [
        "There is no WebGL2 on a GPU here: points are drawn by Canvas 2D, which is slower and leaves edges rough.",
      ]
  )
    .concat(facts.notes)
    .map((/** @type {string} */ note) => element("li", {}, note)),
);
byId("notes").closest("details").hidden = !byId("notes").children.length;
keepAddress(state, panes);
