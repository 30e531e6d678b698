"""Fetching from a server that answers as the Hugging Face hub does."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.data.hub_stand_in import COMMIT, put_on_web
from tests.benchmarks.data.web import Web, serve
from unlearn_bench.benchmarks.data.layouts.hub_files import HubAsset, HubRepository, find_snapshot
from unlearn_bench.errors import InputError

NAME = "owner/animals"
FILES = {
    "README.md": b"# card",
    "data/train-00000-of-00002.parquet": bytes(range(256)) * 20_000,
    "data/train-00001-of-00002.parquet": b"second",
    "data/contrast-00000-of-00001.parquet": b"not wanted",
    "animals.py": b"raise SystemExit",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def web(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    from huggingface_hub import constants

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.address)
        template = served.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        put_on_web(served, NAME, FILES)
        yield served


def asset(*patterns: str) -> HubAsset:
    return HubAsset("hf:owner/animals", HubRepository(name=NAME, patterns=patterns), licence="as its card says")


def quiet(_here: int, _total: int | None) -> None:
    pass


def test_what_is_wanted_comes_and_stays(web: Web) -> None:
    wanted = asset("data/train-*")
    assert wanted.availability().state == "missing"
    told: list[tuple[int, int | None]] = []
    wanted.fetch(lambda here, total: told.append((here, total)))
    total = sum(len(FILES[name]) for name in FILES if "train" in name or name == "README.md")
    assert told[-1] == (total, total)
    assert [here for here, _ in told] == sorted(here for here, _ in told)
    found = wanted.availability()
    assert (found.state, found.bytes, found.note) == ("present", total, "")
    snapshot = find_snapshot(wanted.repository)
    assert snapshot is not None
    assert snapshot.name == COMMIT
    names = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file()}
    assert names == {name for name in FILES if "train" in name or name == "README.md"}
    for name in names:
        assert (snapshot / name).read_bytes() == FILES[name]
    asked = len(web.asked)
    wanted.fetch(quiet)
    assert len(web.asked) == asked


def test_a_download_that_stops_goes_on(web: Web, cache: Path) -> None:
    wanted = asset("data/train-*")
    web.stop_at = 1_000_000
    with pytest.raises(InputError, match="can't be fetched from the Hugging Face hub") as caught:
        wanted.fetch(quiet)
    assert "\n" not in str(caught.value)
    assert wanted.availability().state in {"partial", "missing"}
    assert find_snapshot(wanted.repository) is None  # the branch points only at what came completely
    web.stop_at = None
    wanted.fetch(quiet)
    assert wanted.availability().state == "present"


def test_bytes_of_another_sum_are_kept_aside(web: Web, cache: Path) -> None:
    path = f"/datasets/{NAME}/resolve/{COMMIT}/data/train-00001-of-00002.parquet"
    web.files[path] = b"SECOND"  # of the length that the list says
    wanted = asset("data/train-*")
    expected = hashlib.sha256(b"second").hexdigest()
    with pytest.raises(
        InputError, match=rf"has SHA-256 [0-9a-f]{{64}}, expected {expected}; it is kept as .*\.broken"
    ):
        wanted.fetch(quiet)
    assert [file.read_bytes() for file in cache.rglob("*.broken")] == [b"SECOND"]
    assert wanted.availability().state != "present"
    web.files[path] = b"second"
    wanted.fetch(quiet)
    assert wanted.availability().state == "present"


def test_nothing_there(web: Web) -> None:
    put_on_web(web, NAME, {"animals.py": b""})
    with pytest.raises(InputError, match=r"'owner/animals' on the Hugging Face hub has no files other-\*"):
        asset("other-*").fetch(quiet)
    with pytest.raises(InputError, match="'owner/none' can't be fetched from the Hugging Face hub"):
        HubAsset("x", HubRepository(name="owner/none"), licence="").fetch(quiet)


def test_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        InputError, match=r"can't be fetched from the Hugging Face hub \(.+\); .* go online"
    ) as caught:
        asset().fetch(quiet)
    assert "\n" not in str(caught.value)
    assert asset().availability().state == "missing"
