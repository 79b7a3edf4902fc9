// Pictures of the images: cut from sheets, each decoded when a picture of it is first wanted.

const sheets = facts.sheets;
/** @type {(HTMLImageElement | undefined)[]} */
const decodedSheets = [];

/** @param {number} number @returns {HTMLImageElement} perhaps not decoded yet */
function sheet(number) {
  const known = decodedSheets[number];
  if (known) return known;
  const holder = /** @type {HTMLElement} */ (document.querySelector(`[data-sheet="${number}"]`));
  const image = new Image();
  image.src = `data:${sheets.mime};base64,${holder.textContent}`;
  holder.textContent = "";
  decodedSheets[number] = image;
  return image;
}

/** Where the picture of an image is. @param {number} row */
function cut(row) {
  const { width, height, columns, rows } = sheets;
  const at = row % (columns * rows);
  return {
    number: Math.floor(row / (columns * rows)),
    left: (at % columns) * width,
    top: Math.floor(at / columns) * height,
  };
}

/**
 * Draw a picture, now or, through `later`, once its sheet is decoded.
 * @param {CanvasRenderingContext2D} context @param {number} row
 * @param {number} x @param {number} y @param {number} w @param {number} h @param {() => void} later
 */
function drawThumbnail(context, row, x, y, w, h, later) {
  const { number, left, top } = cut(row);
  const image = sheet(number);
  if (image.complete && image.naturalWidth) {
    context.imageSmoothingEnabled = false;
    context.drawImage(image, left, top, sheets.width, sheets.height, x, y, w, h);
  } else image.addEventListener("load", later, { once: true });
}

/** A picture as an element, with the name of its image; null without pictures. @param {number} row @param {number} side */
function thumbnail(row, side) {
  if (!sheets) return null;
  const shrink = side / Math.max(sheets.width, sheets.height);
  const canvas = element("canvas", {
    width: sheets.width,
    height: sheets.height,
    role: "img",
    "aria-label": `image ${nameOf(row)}`,
  });
  canvas.style.width = `${sheets.width * shrink}px`;
  canvas.style.height = `${sheets.height * shrink}px`;
  const draw = () => drawThumbnail(canvas.getContext("2d"), row, 0, 0, sheets.width, sheets.height, draw);
  draw();
  return canvas;
}
