"""The explorer in a browser without a GPU: bytes, seconds to the first picture, time of a frame."""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from bench.run.machine import describe
from pipeline.errors import InputError
from pipeline.methods.registry import METHODS
from pipeline.report.explorer.content import Explored, Placed
from pipeline.report.explorer.page import build_explorer

CLASSES, K, SIDE = 10, 15, 28
WIDTH, HEIGHT = 1920, 1080
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WATCH = "document.addEventListener('drawn', () => { window.first ??= performance.now(); })"
FIRST = """new Promise((done) => {
  const ask = () => (window.first ? done(window.first) : setTimeout(ask, 10));
  ask();
})"""
FRAMES = """async (count) => {
  const panes = [...document.querySelectorAll(".overlay")], times = [];
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    for (const pane of panes) {
      const { left, top } = pane.getBoundingClientRect();
      const at = { clientX: left + 300, clientY: top + 300, cancelable: true };
      pane.dispatchEvent(new WheelEvent("wheel", { ...at, deltaY: i % 20 < 10 ? -30 : 30 }));
    }
    await frame();
    times.push(performance.now() - began);
  }
  return times;
}"""


def synthetic(n: int, *, seed: int = 0) -> Explored:
    """A study of n images: blobs by class under every method, random neighbours, drawn strokes."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    names = np.array([str(i) for i in range(CLASSES)], object)
    share = {name: rng.integers(0, K + 1, n) / K for name in ("overlap", "own_before", "own_after")}
    codes = {
        "label": labels,
        "predicted_before": rng.integers(0, CLASSES, n),
        "predicted_after": labels,
        "prediction": labels,
    }
    columns = {
        name: pd.Categorical.from_codes(each, categories=names) for name, each in codes.items()
    }
    split = np.where(np.arange(n) < n * 6 // 7, "train", "test")
    confidence = rng.uniform(0.5, 1, n)
    layouts = {
        stage: {
            method: Placed(
                np.arange(n), rng.normal(size=(n, 2)) + apart * rng.normal(size=(10, 2))[labels]
            )
            for method in METHODS
        }
        for stage, apart in (("before", 1.0), ("after", 6.0))
    }
    neighbors = {stage: rng.integers(0, n, (n, K)) for stage in layouts}
    return Explored(
        study="synthetic",
        name="MobileNet",
        context={"dataset": f"{n:,} synthetic images"},
        images=pd.DataFrame(
            {"id": np.arange(n), "split": split, **columns, **share, "confidence": confidence}
        ),
        k=K,
        neighbors=neighbors,
        distances={stage: np.ones((n, K), np.float32) for stage in layouts},
        layouts=layouts,
        pixels=_strokes(n, rng),
    )


def _strokes(n: int, rng: np.random.Generator) -> np.ndarray:
    """Grey images (n, 28, 28, 1) with about as many inked pixels as MNIST's."""
    lines, columns = np.mgrid[:SIDE, :SIDE]
    pixels = np.empty((n, SIDE, SIDE, 1), np.uint8)
    for i, (x, y, tilt, bend) in enumerate(rng.uniform(-1, 1, (n, 4))):
        middle = 14 + 4 * x + tilt * (lines - 14) * 0.5 + bend * ((lines - 14 + 3 * y) / 6) ** 2
        ink = np.exp(-((columns - middle) ** 2) / 3) * (np.abs(lines - 14) < 10)
        pixels[i, ..., 0] = 255 * ink
    return pixels


def measure(found: Explored, folder: Path, *, frames: int = 60) -> dict[str, Any]:
    """Write the page into a folder, open it from there, pan and zoom both panes.

    Raises
    ------
    InputError
        No chromium.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        raise InputError("there is no chromium: apt-get install chromium (Debian), then run again")
    began = time.monotonic()
    html = build_explorer(found)
    written = time.monotonic() - began
    path = folder / "explorer.html"
    path.write_text(html, encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.add_init_script(WATCH)
        page.goto(path.as_uri())
        first = page.evaluate(FIRST)
        times = page.evaluate(FRAMES, frames)
        version = browser.version
        browser.close()
    return {
        "points": len(found.images),
        "methods": len(found.methods),
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "seconds_to_write": round(written, 1),
        "seconds_to_first_picture": round(first / 1000, 2),
        "frame_ms_median": round(statistics.median(times), 1),
        "frame_ms_largest": round(max(times), 1),
        "browser": f"Chromium {version}, no GPU, {WIDTH} x {HEIGHT}",
        "machine": describe(),
    }
