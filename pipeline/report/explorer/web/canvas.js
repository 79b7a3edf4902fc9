// Points without a GPU: discs written into an image, line by line, in every browser.

class CanvasPoints {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    /** @type {Marks} */
    this.marks = { colors: new Uint8Array(0), order: new Uint32Array(0) };
  }

  place() {} // it draws from places on the screen

  /** @param {Marks} marks */
  mark(marks) {
    this.marks = marks;
  }

  /** @param {View} view */
  draw({ camera, size, screen }) {
    const { width, height } = this.canvas;
    const image = this.context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const marks = new Uint32Array(this.marks.colors.buffer);
    const places = screen();
    const insets = discInsets(Math.max(Math.round(size), 1)),
      side = insets.length,
      dense = width / camera.width;
    for (const row of this.marks.order) {
      const left = Math.round(places[2 * row] * dense - side / 2),
        top = Math.round(places[2 * row + 1] * dense - side / 2);
      for (let line = Math.max(-top, 0); line < Math.min(side, height - top); line++) {
        const from = Math.max(left + insets[line], 0),
          to = Math.min(left + side - insets[line], width);
        for (let column = from; column < to; column++) pixels[(top + line) * width + column] = marks[row];
      }
    }
    this.context.putImageData(image, 0, 0);
  }
}

/** How many pixels the lines of a disc are in from its square, from the upper to the lower. @param {number} side */
function discInsets(side) {
  const radius = side / 2;
  return Array.from({ length: side }, (_, line) =>
    Math.floor(radius - Math.sqrt(radius ** 2 - (line + 0.5 - radius) ** 2) + 0.3),
  );
}
