"""A download that stops goes on; a file of wrong content is never taken for the right one."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.core.hub import Server, block_network, git_hash, serving, sha256, use_server
from unlearn_bench.downloads.transfer import Checksum, bytes_at, download, set_aside, silent
from unlearn_bench.errors import InputError

CONTENT = bytes(range(256)) * 20_000  # 5.12 MB: several reads
RIGHT = Checksum(kind="sha256", value=sha256(CONTENT))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as book:
        use_server(monkeypatch, book.address)
        book.files["/file.bin"] = CONTENT
        yield book


def fetch(server: Server, target: Path, **more: Any) -> list[tuple[int, int | None]]:
    told: list[tuple[int, int | None]] = []
    settings: dict[str, Any] = {"checksum": RIGHT, "progress": lambda here, total: told.append((here, total))} | more
    download(f"{server.address}/file.bin", target, **settings)
    return told


def refusal(server: Server, target: Path, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        fetch(server, target, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_whole_file(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.bin"
    told = fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.bin"]
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)
    assert len(told) > 3


def test_half_a_download_goes_on(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "file.bin"
    (tmp_path / "file.bin.incomplete").write_bytes(CONTENT[:2_000_000])
    told = fetch(server, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges_of("file.bin") == ["bytes=2000000-"]
    assert told[0] == (2_000_000, len(CONTENT))


def test_a_connection_that_breaks_is_taken_up_again(server: Server, tmp_path: Path) -> None:
    server.cuts["/file.bin"] = [1_500_000, 2_000_000]
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges_of("file.bin") == [None, "bytes=1500000-", "bytes=3500000-"]


def test_a_server_that_sends_nothing_more(server: Server, tmp_path: Path) -> None:
    server.cuts["/file.bin"] = [1_500_000, 0]
    message = refusal(server, tmp_path / "file.bin")
    assert f"stops after 1500000 of {len(CONTENT)} bytes; the next try goes on from there" in message
    assert bytes_at(tmp_path / "file.bin.incomplete") == 1_500_000
    assert not (tmp_path / "file.bin").exists()
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges_of("file.bin")[-1] == "bytes=1500000-"


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "file.bin.incomplete").write_bytes(CONTENT[:99])
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_all_bytes_came_but_not_the_name(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.incomplete").write_bytes(CONTENT)
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_rest_that_is_longer_than_the_file_starts_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.incomplete").write_bytes(CONTENT + b"more")
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.ranges_of("file.bin") == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_wrong_checksum_is_kept_aside_and_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.incomplete").write_bytes(b"\0" * 1000 + b"\1" * 1000)
    message = refusal(server, tmp_path / "file.bin")
    assert "wrong checksum" in message
    assert RIGHT.value[:12] in message
    assert str(tmp_path / "file.bin.broken") in message
    assert [path.name for path in tmp_path.iterdir()] == ["file.bin.broken"]
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_without_a_checksum_the_length_counts(server: Server, tmp_path: Path) -> None:
    fetch(server, tmp_path / "file.bin", checksum=None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_an_address_that_is_not_there(server: Server, tmp_path: Path) -> None:
    del server.files["/file.bin"]
    assert "/file.bin answers 404" in refusal(server, tmp_path / "file.bin")


def test_no_network(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file.bin.incomplete").write_bytes(CONTENT[:99])
    block_network(monkeypatch)
    message = refusal(server, tmp_path / "file.bin")
    assert "can't be reached" in message
    assert "no network in tests" in message
    assert bytes_at(tmp_path / "file.bin.incomplete") == 99


def test_no_space_is_seen_before_the_bytes_come(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3_000_000))
    assert "no space at" in refusal(server, tmp_path / "file.bin")
    assert "5 MB to come, 3 MB free" in refusal(server, tmp_path / "file.bin")
    (tmp_path / "file.bin.incomplete").write_bytes(CONTENT[:4_000_000])
    fetch(server, tmp_path / "file.bin")  # what is here need not come


def test_a_disk_that_fills_up(server: Server, tmp_path: Path) -> None:
    def full(here: int, total: int | None) -> None:
        if here > 1_000_000:
            raise OSError(errno.ENOSPC, "No space left on device")

    assert "no space left at" in refusal(server, tmp_path / "file.bin", progress=full)
    assert len(server.asked) == 1


def test_a_folder_that_can_not_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "Error" in refusal(server, tmp_path / "file" / "file.bin")
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_secret_goes_to_the_first_address_alone(server: Server, tmp_path: Path) -> None:
    server.redirect = f"http://localhost:{server.port}"
    fetch(server, tmp_path / "file.bin", headers={"Authorization": "Bearer mine"})
    assert [(path, secret) for _, path, _, secret in server.asked] == [
        ("/file.bin", "Bearer mine"),
        ("/cdn/file.bin", None),
    ]


def test_a_range_survives_the_way_to_another_address(server: Server, tmp_path: Path) -> None:
    server.redirect = server.address
    (tmp_path / "file.bin.incomplete").write_bytes(CONTENT[:99])
    fetch(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked[-1][1:3] == ("/cdn/file.bin", "bytes=99-")


def test_checksums(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(b"hello\n")
    known = "ce013625030ba8dba906f756967f9e9ca394464a"  # `echo hello | git hash-object --stdin`
    assert Checksum(kind="git", value=known).of(tmp_path / "hello") == known == git_hash(b"hello\n")
    start = Checksum(kind="sha256", value="5891b5b5")
    assert start.fits(tmp_path / "hello")
    (tmp_path / "hello").write_bytes(b"hallo\n")
    assert not start.fits(tmp_path / "hello")
    assert not Checksum(kind="git", value=known).fits(tmp_path / "hello")


def test_bytes_at(tmp_path: Path) -> None:
    assert bytes_at(tmp_path / "nothing") == 0
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    (tmp_path / "c").write_bytes(b"123")
    (tmp_path / "d").symlink_to(tmp_path / "c")
    assert bytes_at(tmp_path) == 8
    assert bytes_at(tmp_path / "c") == 3


def test_set_aside(tmp_path: Path) -> None:
    (tmp_path / "x.pt.incomplete").write_text("new")
    (tmp_path / "x.pt.broken").write_text("old")
    assert set_aside(tmp_path / "x.pt.incomplete") == tmp_path / "x.pt.broken"
    assert (tmp_path / "x.pt.broken").read_text() == "new"
    silent(1, None)
