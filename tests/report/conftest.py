"""A browser for all tests of pages, and an explorer that it has open."""

import pytest
from chromium import ARGUMENTS, CHROMIUM
from opened_explorer import Opened, written
from playwright import sync_api
from synthetic_explorer import explored_of


@pytest.fixture(scope="session")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def explored():
    return explored_of(warnings=("<i>t-SNE</i>, after: not converged",))


@pytest.fixture(scope="module")
def explorer_address(explored, tmp_path_factory):
    return written(tmp_path_factory.mktemp("a folder, 猫 #1"), explored)


@pytest.fixture(scope="module")
def explorer_context(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    yield context
    context.close()


@pytest.fixture
def explorer(explorer_context, explorer_address):
    page = explorer_context.new_page()
    yield Opened(page, explorer_address)
    page.close()
