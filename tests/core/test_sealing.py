"""What is in the cache is believed only while it is what was written."""

import os
from pathlib import Path

import pytest

from unlearn_bench.sealing import BROKEN, is_whole, seal, seal_path, sealed_path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "kept.npy"
    with sealed_path(path) as part:
        part.write_bytes(b"embeddings")
    return path


def test_what_was_written_is_whole(kept: Path) -> None:
    assert is_whole(kept)
    assert kept.read_bytes() == b"embeddings"
    assert {path.name for path in kept.parent.iterdir()} == {"kept.npy", "kept.npy.seal"}


@pytest.mark.parametrize("content", [b"", b"embedding", b"embeddingS", b"embeddings."])
def test_another_content_is_set_aside(kept: Path, content: bytes) -> None:
    kept.write_bytes(content)
    assert not is_whole(kept)
    assert not kept.exists()
    assert not seal_path(kept).exists()
    assert kept.with_name(kept.name + BROKEN).read_bytes() == content


@pytest.mark.parametrize("said", ["", "{", "[]", "{}", '{"bytes": 10}', "null"])
def test_without_a_seal_it_is_not_believed(kept: Path, said: str) -> None:
    seal_path(kept).write_text(said)
    assert not is_whole(kept)
    assert kept.read_bytes() == b"embeddings"  # nothing is known of it: it is no damaged file


def test_what_is_not_there_is_not_whole(kept: Path) -> None:
    kept.unlink()
    assert not is_whole(kept)
    assert not is_whole(kept.with_name("other"))


def test_a_file_made_in_another_way_can_be_sealed(kept: Path) -> None:
    kept.write_bytes(b"others")
    seal(kept)
    assert is_whole(kept)


def test_a_block_that_fails_leaves_what_was_there(kept: Path) -> None:
    def half() -> None:
        with sealed_path(kept) as part:
            part.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert is_whole(kept)
    assert kept.read_bytes() == b"embeddings"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_damaged_file_in_a_folder_to_read_only_stays(kept: Path) -> None:
    kept.write_bytes(b"other")
    kept.parent.chmod(0o555)
    try:
        assert not is_whole(kept)
        assert kept.exists()
    finally:
        kept.parent.chmod(0o755)
