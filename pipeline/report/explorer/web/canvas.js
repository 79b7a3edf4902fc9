// Points without WebGL2: squares written into an image, for every browser.

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
    const side = Math.max(Math.round(size), 1), dense = width / camera.width;
    for (const row of this.marks.order) {
      const left = Math.round(places[2 * row] * dense - side / 2), top = Math.round(places[2 * row + 1] * dense - side / 2);
      const right = Math.min(left + side, width), bottom = Math.min(top + side, height);
      for (let line = Math.max(top, 0); line < bottom; line++) {
        for (let column = Math.max(left, 0); column < right; column++) pixels[line * width + column] = marks[row];
      }
    }
    this.context.putImageData(image, 0, 0);
  }
}
