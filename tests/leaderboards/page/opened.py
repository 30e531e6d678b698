"""A page in a window of its own, with all that it complained of."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from playwright.sync_api import Browser, Locator, Page, expect

Scheme = Literal["light", "dark"]


class Opened:
    """Opens a file in a new window, and notes errors, messages on the console, and requests that leave it.

    Args:
        part: of the page, as in an address: `#method-lip`.
    """

    def __init__(
        self,
        browser: Browser,
        file: Path,
        part: str = "",
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Scheme = "light",
    ) -> None:
        self._context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(20_000)
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda asked: self._asked(asked.url))
        self.page.goto(f"{file.as_uri()}{part}")
        self.settle()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()

    def settle(self) -> None:
        """Wait until the charts that are in sight are drawn."""
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.chart')].every("
            "chart => !chart.offsetParent || chart.querySelector('svg [tabindex], svg path'))"
        )

    def _asked(self, address: str) -> None:
        if not address.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request: {address}")

    def names(self) -> Locator:
        """The names in the body of the table that is shown, in their order."""
        return self.page.locator("table.ranked:visible tbody tr:visible th bdi")

    def methods(self) -> list[str]:
        """The names as they stand now: after an action, wait for what it does first."""
        return self.names().all_text_contents()

    def expect_methods(self, names: Sequence[str]) -> None:
        """Wait until the table shows these, in this order: an answer to an event may come after the event."""
        expect(self.names()).to_have_text(list(names))

    def sideways(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth"))
