"""What the tests of the core share: a server on this machine, and small weights under a large name."""

from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
from safetensors.torch import save

from tests.core import tiny
from tests.core.hub import Server, serving, use_cache, use_server


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache folder of the hub."""
    return use_cache(monkeypatch, tmp_path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as book:
        use_server(monkeypatch, book.address)
        yield book


@pytest.fixture(scope="session")
def content() -> bytes:
    """A small RN50's weights as safetensors."""
    return save(tiny.resnet(seed=3).state())


@pytest.fixture
def small_rn50(monkeypatch: pytest.MonkeyPatch) -> None:
    """open_clip's RN50, shrunk to what `content` holds."""
    small = tiny.config(tiny.RESNET)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "RN50", small)
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "RN50-quickgelu", {**small, "quick_gelu": True})
