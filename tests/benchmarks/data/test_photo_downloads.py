"""Photographs from the web: half of them, others, none; what is unpacked stays in its folder."""

import hashlib
import io
import random
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.benchmarks.data.photo_trees import TREES, write_caltech, write_cifar, write_dogs
from tests.benchmarks.data.web import Web, serve
from unlearn_bench.benchmarks.data.fetching.archives import unpack
from unlearn_bench.benchmarks.data.fetching.assets import PhotographAsset
from unlearn_bench.benchmarks.data.layouts.hub_files import HubAsset
from unlearn_bench.benchmarks.data.layouts.photograph_facts import PHOTOGRAPHS, Download
from unlearn_bench.benchmarks.data.sources import asset_of, open_dataset
from unlearn_bench.errors import InputError

PAYLOAD = bytes(range(256)) * 40_000  # 10 MB: several chunks


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as served:
        yield served


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNLEARN_BENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def quiet(_here: int, _total: int | None) -> None:
    pass


def source(web: Web, path: str = "/a.bin", data: bytes = PAYLOAD, size: int | None = None) -> Download:
    web.files[path] = data
    return Download(url=web.address + path, md5=hashlib.md5(data).hexdigest(), bytes=size)


def pack_tar(entries: dict[str, bytes], *, link: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        if link:
            member = tarfile.TarInfo("link")
            member.type, member.linkname = tarfile.SYMTYPE, link
            tar.addfile(member)
    return packed.getvalue()


def pack_zip(entries: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, data in entries.items():
            opened.writestr(name, data)
    return packed.getvalue()


@pytest.mark.parametrize("pack", [pack_tar, pack_zip])
def test_unpacking(pack: object, tmp_path: Path) -> None:
    assert callable(pack)
    (tmp_path / "a").write_bytes(pack({"x/y.txt": b"1", "z.txt": b"2"}))
    unpack(tmp_path / "a", tmp_path / "out")
    assert (tmp_path / "out" / "x" / "y.txt").read_bytes() == b"1"
    assert (tmp_path / "out" / "z.txt").read_bytes() == b"2"


@pytest.mark.parametrize("pack", [pack_tar, pack_zip])
@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil", "c:/evil"])
def test_archives_stay_in_their_folder(pack: object, name: str, tmp_path: Path) -> None:
    assert callable(pack)
    (tmp_path / "a").write_bytes(pack({name: b"1"}))
    with pytest.raises(InputError, match="a link or a path out of its folder"):
        unpack(tmp_path / "a", tmp_path / "deep" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a"]


def test_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(pack_tar({"x": b"1"}, link="/etc/passwd"))
    with pytest.raises(InputError, match="has the member 'link', a link"):
        unpack(tmp_path / "a", tmp_path / "out")
    entry = zipfile.ZipInfo("soft")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b", "w") as opened:
        opened.writestr(entry, "/etc/passwd")
    with pytest.raises(InputError, match="has the member 'soft', a link"):
        unpack(tmp_path / "b", tmp_path / "out")


@pytest.mark.parametrize("cut", [0, 30, 3000])
def test_damaged_archives(cut: int, tmp_path: Path) -> None:
    whole = pack_tar({"x": random.Random(0).randbytes(5000)})
    (tmp_path / "a").write_bytes(whole[:cut])
    with pytest.raises(InputError, match=r"can't be unpacked \(.*remove it and run again"):
        unpack(tmp_path / "a", tmp_path / "out")


def small(
    monkeypatch: pytest.MonkeyPatch, name: str, downloads: tuple[Download, ...], classes: int, total: int
) -> None:
    """Make the facts of a dataset those of a small tree on the test's own server."""
    facts = replace(PHOTOGRAPHS[name], downloads=downloads, classes=classes, total=total)
    table = {**PHOTOGRAPHS, name: facts}
    for module in ("layouts.photograph_facts", "layouts.photographs", "fetching.assets", "sources"):
        monkeypatch.setattr(f"unlearn_bench.benchmarks.data.{module}.PHOTOGRAPHS", table)


def tar_of(folder: Path) -> bytes:
    return pack_tar({path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.*"))})


def caltech_zip(tmp_path: Path) -> bytes:
    """An archive in an archive, with what nobody needs beside it, as Caltech packs it."""
    tree = write_caltech(tmp_path / "tree")
    inner = tar_of(tree)
    return pack_zip({"caltech-101/101_ObjectCategories.tar.gz": inner, "caltech-101/show_annotation.m": b"%"})


def test_caltech_comes_whole(web: Web, tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = caltech_zip(tmp_path)
    wanted = replace(
        source(web, "/files/caltech-101.zip", data, len(data)), inner=("caltech-101/101_ObjectCategories.tar.gz",)
    )
    small(monkeypatch, "caltech101", (wanted,), 4, 40)
    asset = asset_of("caltech101")
    assert isinstance(asset, PhotographAsset)
    before = asset.availability()
    assert (before.state, before.bytes, before.path) == ("missing", len(data), str(data_folder / "caltech101"))
    assert not data_folder.exists()  # a look leaves nothing behind

    web.stop_at = 500
    with pytest.raises(
        InputError, match=r"'caltech101' can't be fetched \(.*stops after 500 of .*\); run again"
    ) as stop:
        asset.fetch(quiet)
    assert "\n" not in str(stop.value)
    half = asset.availability()
    assert (half.state, half.note) == ("partial", "500 bytes of the download are here; fetching goes on there")
    with pytest.raises(InputError, match="not on this machine"):
        open_dataset("caltech101")

    web.stop_at = None
    told: list[tuple[int, int | None]] = []
    asset.fetch(lambda here, total: told.append((here, total)))
    assert web.asked[-1][2] == "bytes=500-"
    assert told[0][0] >= 500
    assert told[-1] == (len(data), len(data))
    after = asset.availability()
    assert (after.state, after.note) == ("present", "")
    assert after.bytes == sum(
        path.stat().st_size for path in (data_folder / "caltech101").rglob("*") if path.is_file()
    )
    assert open_dataset("caltech101").version == open_dataset(f"caltech101:{tmp_path / 'tree'}").version
    assert not [path for path in data_folder.rglob("*") if path.suffix in {".zip", ".part", ".gz"}]
    asked = len(web.asked)
    asset.fetch(quiet)
    assert len(web.asked) == asked


def test_a_wrong_checksum_keeps_the_file_aside(web: Web, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = source(web, "/x.tar.gz", tar_of(write_caltech(data_folder.parent / "tree")))
    small(monkeypatch, "caltech101", (replace(good, md5="0" * 32),), 4, 40)
    asset = asset_of("caltech101")
    assert asset is not None
    with pytest.raises(InputError, match=r"wrong checksum, expected md5 0{12}\.\., found .*x\.tar\.gz\.broken"):
        asset.fetch(quiet)
    assert [path.name for path in data_folder.rglob("*.*") if path.is_file() and "lock" not in path.name] == [
        "x.tar.gz.broken"
    ]
    assert asset.availability().state == "missing"
    small(monkeypatch, "caltech101", (good,), 4, 40)
    again = asset_of("caltech101")
    assert again is not None
    again.fetch(quiet)
    assert again.availability().state == "present"


def test_no_network(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Download(url="http://127.0.0.1:9/x.tar.gz", md5="")
    small(monkeypatch, "caltech101", (gone,), 4, 40)
    asset = asset_of("caltech101")
    assert asset is not None
    with pytest.raises(
        InputError, match=r"'caltech101' can't be fetched \(http://127.0.0.1:9/x.tar.gz can't be reach"
    ):
        asset.fetch(quiet)
    assert asset.availability().state == "missing"


def test_files_that_are_no_archives_and_a_users_split_file(
    web: Web, tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = TREES["oxford-flowers"](tmp_path / "tree")
    images = pack_tar({f"jpg/{path.name}": path.read_bytes() for path in sorted((tree / "jpg").iterdir())})
    wanted = [source(web, "/102flowers.tgz", images)]
    for name in ("imagelabels.mat", "setid.mat"):
        wanted.append(replace(source(web, f"/{name}", (tree / name).read_bytes()), unpack=False))
    small(monkeypatch, "oxford-flowers", tuple(wanted), 102, 24)
    (data_folder / "oxford_flowers").mkdir(parents=True)
    (data_folder / "oxford_flowers" / "notes.txt").write_text("the user's")
    asset = asset_of("oxford-flowers")
    assert asset is not None
    assert asset.availability().state == "partial"
    asset.fetch(quiet)
    assert asset.availability().state == "present"
    assert asset.availability().path == str(data_folder / "oxford_flowers")
    assert (data_folder / "oxford_flowers" / "notes.txt").read_text() == "the user's"
    assert open_dataset("oxford-flowers").split_name == "official"


def test_an_archive_of_something_else(web: Web, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(monkeypatch, "caltech101", (source(web, "/x.tar.gz", pack_tar({"readme.txt": b"moved"})),), 4, 40)
    asset = asset_of("caltech101")
    assert asset is not None
    with pytest.raises(
        InputError, match=r"'caltech101' is not complete after its download: no '101_ObjectCategories'"
    ):
        asset.fetch(quiet)


def test_incomplete_data_are_told(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_caltech(data_folder / "caltech101")
    asset = asset_of("caltech101")
    assert asset is not None
    assert asset.availability().note == "4 classes are here, 100 expected; complete the folder"
    small(monkeypatch, "caltech101", (), 4, 41)
    again = asset_of("caltech101")
    assert again is not None
    assert again.availability().note == "40 images are here, 41 expected; complete the folder"


def test_cifar_comes(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = write_cifar(tmp_path / "tree", "cifar10")
    packed = pack_tar(
        {path.relative_to(tree).as_posix(): path.read_bytes() for path in (tree / "cifar-10-batches-py").iterdir()}
    )
    small(monkeypatch, "cifar10", (source(web, "/c.tar.gz", packed),), 3, 42)
    asset = asset_of("cifar10")
    assert asset is not None
    asset.fetch(quiet)
    assert open_dataset("cifar10").version == open_dataset(f"cifar10:{tree}").version


def test_what_nobody_can_download(data_folder: Path) -> None:
    asset = asset_of("pins-faces")
    assert asset is not None
    assert asset.availability().state == "missing"
    assert "Kaggle asks for an account" in asset.availability().note
    with pytest.raises(InputError, match=r"'pins-faces' can't be fetched: Kaggle .*; expected in '.*pins-faces'"):
        asset.fetch(quiet)


def test_a_mirror_serves_only_where_there_is_no_folder(data_folder: Path) -> None:
    assert isinstance(asset_of("stanford-dogs"), HubAsset)
    write_dogs(data_folder / "stanford_dogs")
    asset = asset_of("stanford-dogs")
    assert isinstance(asset, PhotographAsset)
    assert asset.availability().state == "partial"  # 4 of 120 classes
    with pytest.raises(InputError, match="complete the folder from the original archives"):
        asset.fetch(quiet)


@pytest.mark.parametrize("spec", ["mini-digits", "folder:/x", "caltech101:/x", "plugin.py:make"])
def test_no_supply_for_what_is_here_or_the_users(spec: str) -> None:
    assert asset_of(spec) is None
