// One of the two panes: a layout, what is under the pointer, what a lasso encloses.

/** @typedef {{camera: Camera, size: number, morph: number, screen: () => Float32Array}} View */

const COVER = 0.3; // share of the layout's square that points would cover if none overlapped
const NEARBY = 14; // CSS pixels within which a point is meant

class Pane {
  /** @param {State} state @param {Painter} painter @param {Stage} stage */
  constructor(state, painter, stage) {
    this.state = state;
    this.painter = painter;
    this.stage = stage;
    this.root = byId(stage);
    /** @type {HTMLCanvasElement} */
    this.canvas = this.root.querySelector(".points");
    /** @type {HTMLCanvasElement} */
    this.overlay = this.root.querySelector(".overlay");
    this.camera = new Camera();
    this.gl = WebglPoints.on(this.canvas);
    if (!this.gl) this.replaceCanvas();
    this.renderer = this.gl || new CanvasPoints(this.canvas);
    /** @type {[number, number][]} CSS pixels, while a lasso or box is drawn */
    this.path = [];
    /** @type {Uint16Array} */
    this.start = new Uint16Array(0);
    this.end = this.start;
    this.places = new Float32Array(2 * N);
    this.stale = true; // whether places are those of another view
    this.scheduled = false;
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.gl?.prepare();
      this.place();
      this.mark();
    });
    state.on(["methods"], () => this.place());
    state.on(["morph"], () => this.travel());
    state.on(["shown", "selection", "color", "spot"], () => this.mark());
    state.on(["focus"], () => this.reveal(state.focus));
    state.on(["hover", "focus"], () => (state.color === NEAR ? this.mark() : this.draw()));
    state.on(["pictures"], () => this.draw());
    new ResizeObserver(() => this.resize()).observe(this.root);
    this.place();
    this.mark();
    this.resize();
  }

  /** A canvas that once was asked for WebGL gives nothing else. */
  replaceCanvas() {
    const fresh = /** @type {HTMLCanvasElement} */ (this.canvas.cloneNode());
    this.canvas.replaceWith(fresh);
    this.canvas = fresh;
  }

  /** How far the points are on their way to the other pane's layout: those of the left one travel. */
  get morph() {
    return this.stage === "before" ? this.state.morph : 0;
  }

  place() {
    const { methods } = this.state;
    this.start = coordinates(methods[this.stage], this.stage);
    // Only while points travel does it matter that some are in one layout alone.
    this.end = this.morph ? coordinates(methods.after, "after") : this.start;
    this.renderer.place(this.start, this.end);
    this.moved();
  }

  travel() {
    if (this.stage === "after") return; // where they travel to
    if (this.morph && this.end !== this.start) this.moved();
    else this.place();
  }

  mark() {
    this.renderer.mark(this.painter.marks(this.stage));
    this.draw();
  }

  moved() {
    this.stale = true;
    this.draw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.overlay;
    if (!width || !height) return;
    Object.assign(this.camera, { width, height });
    this.resizeCanvas(this.canvas);
    this.moved();
  }

  /** @param {HTMLCanvasElement} canvas */
  resizeCanvas(canvas) {
    canvas.width = Math.round(this.camera.width * devicePixelRatio);
    canvas.height = Math.round(this.camera.height * devicePixelRatio);
  }

  /** CSS pixels across a point, larger when there are few, and when zoomed in. */
  get pointSize() {
    const apart = 2 * Math.sqrt(COVER / Math.PI / N) * this.camera.scale * this.camera.zoom ** -0.4;
    return Math.min(Math.max(apart, 1.5), 14);
  }

  /** Where each image is on the screen, x, y in CSS pixels; NaN where it was not laid out. */
  screen() {
    if (!this.stale) return this.places;
    this.stale = false;
    const { start, end, morph, places, camera } = this;
    const { scale } = camera,
      [left, top] = camera.toScreen(0, 0),
      steps = ABSENT - 1;
    for (let i = 0; i < 2 * N; i += 2) {
      const absent = start[i] === ABSENT || end[i] === ABSENT;
      places[i] = absent ? NaN : left + (scale * (start[i] + morph * (end[i] - start[i]))) / steps;
      places[i + 1] = absent
        ? NaN
        : top - (scale * (start[i + 1] + morph * (end[i + 1] - start[i + 1]))) / steps;
    }
    return places;
  }

  /** The image nearest to a place; -1 where none is near. @param {number} x @param {number} y CSS pixels */
  nearest(x, y) {
    const places = this.screen(),
      { shown } = this.state;
    let found = -1,
      least = NEARBY ** 2;
    for (let i = 0; i < N; i++) {
      const distance = (places[2 * i] - x) ** 2 + (places[2 * i + 1] - y) ** 2;
      if (distance < least && shown[i]) [found, least] = [i, distance];
    }
    return found;
  }

  /** Rows of the shown images inside the pane. */
  visible() {
    const places = this.screen(),
      { width, height } = this.camera,
      rows = [];
    for (let i = 0; i < N; i++) {
      const x = places[2 * i],
        y = places[2 * i + 1];
      if (x >= 0 && x <= width && y >= 0 && y <= height && this.state.shown[i]) rows.push(i);
    }
    return rows;
  }

  /** Select what a polygon encloses. @param {[number, number][]} polygon CSS pixels @param {string} [combine] */
  enclose(polygon, combine) {
    const places = this.screen();
    select(this.state, (row) => isInside(polygon, places[2 * row], places[2 * row + 1]), combine);
  }

  /** Bring an image to the middle, if it is not in sight. @param {number} row */
  reveal(row) {
    if (row < 0) return;
    const [x, y] = this.screen().subarray(2 * row);
    const { width, height } = this.camera;
    if (isNaN(x) || (x > 0 && x < width && y > 0 && y < height)) return;
    this.camera.pan(width / 2 - x, height / 2 - y);
    this.moved();
  }

  draw() {
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      const { camera, morph } = this;
      this.renderer.draw({
        camera,
        morph,
        size: this.pointSize * devicePixelRatio,
        screen: () => this.screen(),
      });
      drawOverlay(this);
      document.dispatchEvent(new Event("drawn"));
    });
  }
}

/** @param {[number, number][]} polygon @param {number} x @param {number} y */
function isInside(polygon, x, y) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i],
      [xj, yj] = polygon[j];
    if (yi > y !== yj > y && x < xi + ((xj - xi) * (y - yi)) / (yj - yi)) inside = !inside;
  }
  return inside;
}

/** The corners of a box. @param {[number, number]} one @param {[number, number]} other @returns {[number, number][]} */
const boxOf = ([left, top], [right, bottom]) => [
  [left, top],
  [right, top],
  [right, bottom],
  [left, bottom],
];
