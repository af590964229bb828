import os
import shutil
import signal

import pytest
import torch

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small sizes are quicker on one thread, and sums come out in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def interruptible():
    """A child inherits a SIGINT that is ignored, as a shell's background jobs have it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def browser():
    """A real browser, by playwright; where there is none a test is skipped, or fails if it is required."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        reason = "no chromium here; install it (Debian: apt-get install chromium)"
        if "browser" in os.environ.get("CLEARHEAD_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def tab(browser):
    """A new page without a network, which fails the test for any error or message of its own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    troubles = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text))
    yield page
    context.close()
    assert troubles == []


@pytest.fixture
def inside(tab):
    """An empty page that has loaded the views, with their own functions as `inside`."""
    from clearhead.views import joined

    names = "App, Edits, Evaluation, Trace, Writing, atCell, exact, networkView, attentionView, render, shown"
    tab.goto("about:blank")
    tab.add_script_tag(type="module", content=f"{joined()}\nglobalThis.inside = {{ {names} }};")
    tab.wait_for_function("() => globalThis.inside")
    return tab
