// Which part of a layout a pane shows.

const MARGIN = 0.96; // of the pane's shorter side that a whole layout fills
const MOST_ZOOM = 400;

class Camera {
  constructor() {
    this.width = this.height = 1; // CSS pixels
    this.reset();
  }

  reset() {
    this.x = this.y = 0.5; // centre, in sides of the layout's square
    this.zoom = 1;
  }

  /** CSS pixels a side of the square. */
  get scale() {
    return MARGIN * this.zoom * Math.min(this.width, this.height);
  }

  /** @param {number} x @param {number} y @returns {[number, number]} CSS pixels from the upper left corner */
  toScreen(x, y) {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  /** @param {number} left @param {number} top @returns {[number, number]} */
  toLayout(left, top) {
    return [this.x + (left - this.width / 2) / this.scale, this.y - (top - this.height / 2) / this.scale];
  }

  /** @param {number} dx @param {number} dy CSS pixels */
  pan(dx, dy) {
    this.x = Math.min(Math.max(this.x - dx / this.scale, -0.1), 1.1);
    this.y = Math.min(Math.max(this.y + dy / this.scale, -0.1), 1.1);
  }

  /** Zoom so that what is at a place stays there. @param {number} factor @param {number} left @param {number} top */
  zoomAt(factor, left, top) {
    const [x, y] = this.toLayout(left, top);
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), MOST_ZOOM);
    const [newX, newY] = this.toLayout(left, top);
    this.x += x - newX;
    this.y += y - newY;
  }
}
