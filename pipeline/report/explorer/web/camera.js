// Which part of a layout a pane shows.

const MARGIN = 0.96; // of the pane's shorter side that a whole layout fills
const LEAST_ZOOM = 0.5,
  MOST_ZOOM = 400;
const OUTSIDE = 0.1; // sides of the square that the centre may be beside it

class Camera {
  constructor() {
    this.width = this.height = 1; // CSS pixels
    this.x = this.y = 0.5; // centre, in sides of the layout's square
    this.zoom = 1;
  }

  reset() {
    this.look(0.5, 0.5, 1);
  }

  /** Look at a place, or at the nearest to it that is not too far off. @param {number} x @param {number} y @param {number} zoom */
  look(x, y, zoom) {
    this.x = Math.min(Math.max(x, -OUTSIDE), 1 + OUTSIDE);
    this.y = Math.min(Math.max(y, -OUTSIDE), 1 + OUTSIDE);
    this.zoom = Math.min(Math.max(zoom, LEAST_ZOOM), MOST_ZOOM);
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
    this.look(this.x - dx / this.scale, this.y + dy / this.scale, this.zoom);
  }

  /** Zoom so that what is at a place stays there. @param {number} factor @param {number} left @param {number} top */
  zoomAt(factor, left, top) {
    const [x, y] = this.toLayout(left, top);
    this.look(this.x, this.y, this.zoom * factor);
    const [newX, newY] = this.toLayout(left, top);
    this.look(this.x + x - newX, this.y + y - newY, this.zoom);
  }
}
