"""A browser for all tests of pages."""

import pytest
from chromium import ARGUMENTS, CHROMIUM
from playwright import sync_api


@pytest.fixture(scope="session")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
