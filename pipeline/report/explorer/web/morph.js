// The way from before to after: the left pane's points travel to their places in the right one.

const SECONDS = 2;
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** @param {State} state */
function showMorph(state) {
  const slider = byId("morph"),
    play = byId("play"),
    note = byId("morph-note");
  let running = 0;
  const stop = () => {
    cancelAnimationFrame(running);
    running = 0;
    play.textContent = "Play";
  };
  slider.addEventListener("input", () => {
    stop();
    state.set({ morph: Number(slider.value) });
  });
  play.addEventListener("click", () => {
    if (running) return stop();
    const from = state.morph < 1 ? state.morph : 0;
    if (still.matches) return state.set({ morph: state.morph < 1 ? 1 : 0 });
    const began = performance.now();
    play.textContent = "Stop";
    const step = (/** @type {number} */ now) => {
      const share = Math.min(from + Math.max(now - began, 0) / (1000 * SECONDS), 1);
      state.set({ morph: share });
      if (share < 1) running = requestAnimationFrame(step);
      else stop();
    };
    running = requestAnimationFrame(step);
  });
  state.on(["morph", "methods"], () => {
    slider.value = String(state.morph);
    const aligned =
      state.methods.before === state.methods.after
        ? "the layout after is turned and mirrored towards the one before"
        : "the two methods' layouts are not aligned to each other";
    note.textContent = state.morph
      ? `Interpolated, ${percent(state.morph)} of the way: no layout was computed in between, and ${aligned}.`
      : "";
    note.hidden = !state.morph;
  });
}
