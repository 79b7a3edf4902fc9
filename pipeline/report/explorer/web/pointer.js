// Mouse, touch and keyboard in a pane: pan, zoom, point, click, lasso, box.

const STILL = 4; // CSS pixels that a click may move
const STEP = 50; // CSS pixels, of the arrow keys

/** @param {Pane} pane */
function followPointer(pane) {
  const { overlay, camera, state } = pane;
  /** @type {Map<number, [number, number]>} */
  const pressed = new Map();
  /** @type {[number, number]} */
  let began = [0, 0];
  let drawing = false;

  /** @param {MouseEvent} event @returns {[number, number]} */
  const placeOf = (event) => {
    const { left, top } = overlay.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const wandered = (/** @type {[number, number]} */ [x, y]) => Math.hypot(x - began[0], y - began[1]) > STILL;

  overlay.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    overlay.setPointerCapture(event.pointerId);
    began = placeOf(event);
    pressed.set(event.pointerId, began);
    drawing = pressed.size === 1 && (state.tool !== "pan" || event.shiftKey);
    pane.path = [];
  });

  overlay.addEventListener("pointermove", (event) => {
    const place = placeOf(event),
      last = pressed.get(event.pointerId);
    if (!last) {
      hoverOver(pane, pane.nearest(...place), event);
      return;
    }
    const before = [...pressed.values()];
    pressed.set(event.pointerId, place);
    if (drawing && pressed.size === 1) {
      pane.path =
        state.tool === "box" ? boxOf(began, place) : [...(pane.path.length ? pane.path : [began]), place];
      pane.draw();
      return;
    }
    drawing = false;
    pane.path = [];
    if (pressed.size === 2) pinch(camera, before, [...pressed.values()]);
    else camera.pan(place[0] - last[0], place[1] - last[1]);
    pane.moved();
  });

  const release = (/** @type {PointerEvent} */ event) => {
    const place = placeOf(event);
    if (!pressed.delete(event.pointerId)) return;
    const path = pane.path;
    pane.path = [];
    pane.draw();
    if (event.type === "pointercancel" || pressed.size) return;
    if (drawing && path.length > 2 && path.some(wandered)) pane.enclose(path);
    else if (!wandered(place)) state.set({ focus: pane.nearest(...place), tab: "image" });
  };
  overlay.addEventListener("pointerup", release);
  overlay.addEventListener("pointercancel", release);
  const giveUp = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || !pane.path.length) return;
    event.stopImmediatePropagation(); // which would clear the selection
    pressed.clear();
    pane.path = [];
    pane.draw();
  };
  addEventListener("keydown", giveUp, { capture: true });
  overlay.addEventListener("pointerleave", () => {
    if (!pressed.size) hoverOver(pane, -1);
  });
  overlay.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      camera.zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...placeOf(event));
      pane.moved();
    },
    { passive: false },
  );
  overlay.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!pressKey(pane, event.key)) return;
    event.preventDefault();
    pane.moved();
  });
}

/** @param {Camera} camera @param {[number, number][]} before @param {[number, number][]} now of two fingers */
function pinch(camera, before, now) {
  const [[a, b], [c, d]] = [before, now];
  const apart = (/** @type {number[]} */ p, /** @type {number[]} */ q) =>
    Math.hypot(p[0] - q[0], p[1] - q[1]);
  const middle = [(c[0] + d[0]) / 2, (c[1] + d[1]) / 2];
  camera.pan(middle[0] - (a[0] + b[0]) / 2, middle[1] - (a[1] + b[1]) / 2);
  camera.zoomAt(apart(c, d) / Math.max(apart(a, b), 1), middle[0], middle[1]);
}

/** @param {Pane} pane @param {string} key @returns {boolean} whether it means something here */
function pressKey(pane, key) {
  const { camera, state } = pane;
  const middle = /** @type {[number, number]} */ ([camera.width / 2, camera.height / 2]);
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowLeft: () => camera.pan(STEP, 0),
    ArrowRight: () => camera.pan(-STEP, 0),
    ArrowUp: () => camera.pan(0, STEP),
    ArrowDown: () => camera.pan(0, -STEP),
    "+": () => camera.zoomAt(1.4, ...middle),
    "=": () => camera.zoomAt(1.4, ...middle),
    "-": () => camera.zoomAt(1 / 1.4, ...middle),
    0: () => camera.reset(),
    Enter: () => pane.enclose(boxOf([0, 0], [camera.width, camera.height])),
    " ": () => state.set({ focus: nearestToMiddle(pane), tab: "image" }),
  };
  keys[key]?.();
  return key in keys;
}

/** The shown image nearest to the middle of a pane. @param {Pane} pane */
function nearestToMiddle(pane) {
  const places = pane.screen(),
    { width, height } = pane.camera;
  let found = -1,
    least = Infinity;
  for (const row of pane.visible()) {
    const distance = Math.hypot(places[2 * row] - width / 2, places[2 * row + 1] - height / 2);
    if (distance < least) [found, least] = [row, distance];
  }
  return found;
}
