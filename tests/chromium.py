"""The browser that tests of pages drive: Debian's Chromium."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Set where the browser must be there, as in .ci/run: then a missing one is a failure.
REQUIRED = "TUNESCOPE_TEST_BROWSER"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: apt-get install chromium (Debian), then run again"
)
