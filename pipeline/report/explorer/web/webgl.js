// Points by WebGL2: one draw call, of rows in the order of drawing.

const VERTEX = `#version 300 es
in vec2 start, end;
in vec4 color;
uniform float morph, size;
uniform vec2 centre, scale;
out vec4 tint;
void main() {
  bool absent = max(start.x, end.x) == 1.0;
  vec2 place = (mix(start, end, morph) * 65535.0 / 65534.0 - centre) * scale;
  gl_Position = absent ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(place, 0.0, 1.0);
  gl_PointSize = size;
  tint = color;
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec4 tint;
uniform float size;
out vec4 pixel;
void main() {
  float edge = size < 3.0 ? 1.0 : clamp((0.5 - distance(gl_PointCoord, vec2(0.5))) * size + 0.5, 0.0, 1.0);
  float opacity = tint.a * edge;
  pixel = vec4(tint.rgb * opacity, opacity);
}`;

// WebGL2 that a CPU computes takes four times as long as Canvas 2D.
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** @param {WebGL2RenderingContext} gl */
function rendererOf(gl) {
  const name = String(gl.getParameter(gl.RENDERER));
  if (name !== "WebKit WebGL") return name; // which says nothing
  const info = gl.getExtension("WEBGL_debug_renderer_info");
  return info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : name;
}

class WebglPoints {
  /** @param {HTMLCanvasElement} canvas @returns {WebglPoints | null} null where there is no WebGL2 on a GPU */
  static on(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false });
    if (!gl || SOFTWARE.test(rendererOf(gl))) return null;
    const points = new WebglPoints(canvas, gl);
    return points.prepare() ? points : null;
  }

  /** @param {HTMLCanvasElement} canvas @param {WebGL2RenderingContext} gl */
  constructor(canvas, gl) {
    this.canvas = canvas;
    this.gl = gl;
    this.count = 0;
    /** @type {Record<string, WebGLUniformLocation | null>} */
    this.uniforms = {};
    /** @type {Record<string, WebGLBuffer | null>} */
    this.buffers = {};
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
  }

  /** Compile, and lay out the buffers. @returns {boolean} whether the driver can */
  prepare() {
    const { gl } = this;
    const program = /** @type {WebGLProgram} */ (gl.createProgram());
    for (const [kind, source] of /** @type {[number, string][]} */ ([
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return false;
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    for (const name of ["morph", "size", "centre", "scale"])
      this.uniforms[name] = gl.getUniformLocation(program, name);
    /** @param {string} name @param {number} entries @param {number} type */
    const attribute = (name, entries, type) => {
      const buffer = gl.createBuffer(),
        at = gl.getAttribLocation(program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, entries, type, true, 0, 0);
      this.buffers[name] = buffer;
    };
    attribute("start", 2, gl.UNSIGNED_SHORT);
    attribute("end", 2, gl.UNSIGNED_SHORT);
    attribute("color", 4, gl.UNSIGNED_BYTE);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    return true;
  }

  /** @param {Uint16Array} start @param {Uint16Array} end */
  place(start, end) {
    this.fill("start", start);
    this.fill("end", end);
  }

  /** @param {Marks} marks */
  mark({ colors, order }) {
    this.fill("color", colors);
    this.gl.bufferData(this.gl.ELEMENT_ARRAY_BUFFER, order, this.gl.DYNAMIC_DRAW);
    this.count = order.length;
  }

  /** @param {string} name of an attribute @param {ArrayBufferView} values */
  fill(name, values) {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, values, this.gl.DYNAMIC_DRAW);
  }

  /** @param {View} view */
  draw({ camera, size, morph }) {
    const { gl, canvas, uniforms } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform1f(uniforms.morph, morph);
    gl.uniform1f(uniforms.size, size);
    gl.uniform2f(uniforms.centre, camera.x, camera.y);
    gl.uniform2f(uniforms.scale, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.drawElements(gl.POINTS, this.count, gl.UNSIGNED_INT, 0);
  }
}
