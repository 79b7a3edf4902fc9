// What lies over the points of a pane: pictures, the image in focus and its neighbours, a lasso.

const PICTURE = 34; // CSS pixels of a picture in a pane
const CROWDED = 0.55; // share of the pane that pictures may cover before they give way to dots

/** @param {Pane} pane */
function drawOverlay(pane) {
  const context = /** @type {CanvasRenderingContext2D} */ (pane.overlay.getContext("2d"));
  pane.resizeCanvas(pane.overlay); // which clears: after clearRect alone Chromium may go on showing what was there
  context.scale(devicePixelRatio, devicePixelRatio);
  const style = getComputedStyle(pane.root);
  const ink = style.getPropertyValue("--ink"),
    paper = style.getPropertyValue("--paper");
  pane.root.dataset.pictures = String(sheets && pane.state.pictures ? drawPictures(context, pane, paper) : 0);
  drawNeighbors(context, pane, ink);
  for (const [row, radius] of [
    [pane.state.focus, 9],
    [pane.state.hover, 7],
  ]) {
    if (row >= 0) ring(context, pane, row, radius, ink, paper);
  }
  drawPath(context, pane, ink);
}

/** Pictures over dots where there is room: how many. @param {CanvasRenderingContext2D} context @param {Pane} pane @param {string} paper */
function drawPictures(context, pane, paper) {
  const { width, height } = pane.camera;
  const rows = pane.visible();
  if (rows.length * PICTURE ** 2 > CROWDED * width * height) return 0;
  const shrink = PICTURE / Math.max(sheets.width, sheets.height);
  const w = sheets.width * shrink,
    h = sheets.height * shrink;
  const places = pane.screen(),
    { colors } = pane.painter,
    { state } = pane;
  for (const row of rows) {
    const x = places[2 * row] - w / 2,
      y = places[2 * row + 1] - h / 2;
    context.globalAlpha = state.selection === null || state.selection[row] ? 1 : 0.25;
    context.fillStyle = state.color === NEAR ? paper : css([...colors.subarray(3 * row, 3 * row + 3)]);
    context.fillRect(x - 2, y - 2, w + 4, h + 4);
    drawThumbnail(context, row, x, y, w, h, () => pane.draw());
  }
  context.globalAlpha = 1;
  return rows.length;
}

/** Lines to the neighbours in feature space: kept ones solid, lost or gained ones dashed. @param {CanvasRenderingContext2D} context @param {Pane} pane @param {string} ink */
function drawNeighbors(context, pane, ink) {
  const { focus } = pane.state;
  if (focus < 0) return;
  const places = pane.screen();
  const kept = keptNeighbors(focus);
  context.strokeStyle = ink;
  for (const row of neighborsOf(pane.stage, focus)) {
    context.setLineDash(kept.has(row) ? [] : [3, 3]);
    context.beginPath();
    context.moveTo(places[2 * focus], places[2 * focus + 1]);
    context.lineTo(places[2 * row], places[2 * row + 1]);
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    context.arc(places[2 * row], places[2 * row + 1], 4, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** @param {CanvasRenderingContext2D} context @param {Pane} pane @param {number} row @param {number} radius @param {string} ink @param {string} paper */
function ring(context, pane, row, radius, ink, paper) {
  const [x, y] = pane.screen().subarray(2 * row);
  for (const [color, width] of /** @type {[string, number][]} */ ([
    [paper, 5],
    [ink, 2],
  ])) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.lineWidth = width;
    context.strokeStyle = color;
    context.stroke();
  }
  context.lineWidth = 1;
}

/** @param {CanvasRenderingContext2D} context @param {Pane} pane @param {string} ink */
function drawPath(context, pane, ink) {
  if (pane.path.length < 2) return;
  context.beginPath();
  for (const [x, y] of pane.path) context.lineTo(x, y);
  context.closePath();
  context.globalAlpha = 0.12;
  context.fillStyle = ink;
  context.fill();
  context.globalAlpha = 1;
  context.strokeStyle = ink;
  context.setLineDash([5, 4]);
  context.stroke();
  context.setLineDash([]);
}
