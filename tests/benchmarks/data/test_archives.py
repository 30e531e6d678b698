"""Archives of every odd kind: one line, nothing outside the folder, no disk filled."""

import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from unlearn_bench.benchmarks.data.fetching import archives
from unlearn_bench.benchmarks.data.fetching.archives import unpack
from unlearn_bench.errors import InputError


def tar_with(name: str, data: bytes = b"1") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as opened:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        opened.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def zip_with(name: str, data: bytes = b"1") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        entry = zipfile.ZipInfo("placeholder")
        entry.filename = name  # as a hostile archive would have it
        opened.writestr(entry, data)
    return packed.getvalue()


def encrypted() -> bytes:
    """A zip whose member says that it is encrypted."""
    data = bytearray(zip_with("x.txt"))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    return bytes(data)


def unknown_packing() -> bytes:
    data = bytearray(zip_with("x.txt"))
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + place] = 77
    return bytes(data)


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a tar's dot": (lambda: tar_with("."), "has the member"),
    "a zip's dot": (lambda: zip_with("."), "has the member"),
    "a zip's nothing": (lambda: zip_with(""), "archive"),
    "a tar's NUL": (lambda: tar_with("../a\0b"), "has the member"),
    "a zip's way out": (lambda: zip_with("../a\0b"), "has the member"),
    "a zip's NUL": (lambda: zip_with("a\0b"), "has the member"),
    "encrypted": (encrypted, "is encrypted; unpack it by hand"),
    "unknown packing": (unknown_packing, "can't be unpacked"),
    "cut gzip": (lambda: zlib.compress(tar_with("x"))[:20], "can't be unpacked"),
    "no archive": (lambda: b"<html>404</html>", "can't be unpacked"),
    "nothing": (lambda: b"", "can't be unpacked"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_nothing_elsewhere(case: str, tmp_path: Path) -> None:
    make, message = CASES[case]
    (tmp_path / "a").write_bytes(make())
    with pytest.raises(InputError, match=message) as caught:
        unpack(tmp_path / "a", tmp_path / "deep" / "out")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["a"]


def test_a_bomb_is_stopped_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(10 << 20))
    (tmp_path / "a").write_bytes(packed.getvalue())
    monkeypatch.setattr(archives, "_ALWAYS", 1 << 20)
    with pytest.raises(InputError, match="which no archive of pictures of its size does"):
        unpack(tmp_path / "a", tmp_path / "out")
    assert not (tmp_path / "out" / "zeros").exists()


def test_the_disk_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(tar_with("x", bytes(5 << 20)))

    class Usage:
        free = 1 << 20

    monkeypatch.setattr("unlearn_bench.benchmarks.data.fetching.archives.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(InputError, match=r"needs 5 MiB more at .*, where 1 MiB are free"):
        unpack(tmp_path / "a", tmp_path / "out")
    assert not (tmp_path / "out" / "x").exists()


def test_a_nul_in_a_tar_s_name_leads_nowhere(tmp_path: Path) -> None:
    """The format ends a name there; what is written lies in the folder."""
    (tmp_path / "packed").write_bytes(tar_with("a\0/../../b"))
    (tmp_path / "out").mkdir()
    unpack(tmp_path / "packed", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]
    assert {path.name for path in tmp_path.iterdir()} == {"packed", "out"}
