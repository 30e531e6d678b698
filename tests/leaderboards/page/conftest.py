"""A browser for the tests of pages, and pages to open in it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

from tests.leaderboards.page.opened import Opened
from tests.leaderboards.page.page_examples import many_kinds, nasty
from unlearn_bench.leaderboards.page.extras import Extras, Trial
from unlearn_bench.leaderboards.page.page import gathered, one_file

NEEDED = "UNLEARN_BENCH_NEEDS_BROWSER"
"""Set where a browser has to be there, as in the gate: its absence is a failure, no reason to skip."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def absent(reason: str) -> NoReturn:
    """Skip, or fail where a browser has to be there."""
    if os.environ.get(NEEDED):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window: Playwright's own, or the system's."""
    system = next((found for name in _NAMES if (found := shutil.which(name))), None)
    with sync_playwright() as play:
        own = play.chromium.executable_path
        path = own if Path(own).is_file() else system
        if path is None:
            absent("no browser: `playwright install --with-deps chromium` gets one")
        try:
            started = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            absent(f"{path} does not start: {error}")
        expect.set_options(timeout=20_000)  # a machine with two cores may be busy with other tests
        yield started
        started.close()


@pytest.fixture(scope="session")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of two models."""
    steps = [{"step": place, "loss": 3.0 / (place + 1)} for place in range(9)]
    records = many_kinds()
    extras = Extras(
        histories={item.run.key: steps for item in records if item.run.method == "lip"},
        trials={
            ("mini-rn", "lip"): (
                Trial(forgetting=0.9, retention=0.8, chosen=True),
                Trial(forgetting=1, retention=0.4),
            )
        },
    )
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(one_file(gathered(records, extras=extras)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def nasty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file with names that try to be markup."""
    path = tmp_path_factory.mktemp("nasty") / "page.html"
    path.write_text(one_file(gathered(nasty())), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser: Browser, page_file: Path) -> Iterator[Opened]:
    """The page in a window of its own; afterwards: nothing was said on its console, nothing was asked for."""
    with Opened(browser, page_file) as found:
        yield found
    assert found.complaints == []
