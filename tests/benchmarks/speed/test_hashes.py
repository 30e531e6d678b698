"""What checking hashes costs is counted over every file that carries one, and a damaged one ends it."""

from pathlib import Path

import pytest

from tests.benchmarks.support import write_suite
from unlearn_bench.benchmarks.speed.hashes import cpu_seconds_of_checks, main, sealed_files
from unlearn_bench.errors import InputError
from unlearn_bench.sealing import sealed_path


def test_every_sealed_file_is_checked_in_every_turn(tmp_path: Path) -> None:
    for name in ("a", "deep/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with sealed_path(tmp_path / name) as part:
            part.write_bytes(bytes(2**22))
    (tmp_path / "plain").write_text("no seal")
    files = sealed_files(tmp_path)
    assert files == [tmp_path / "a", tmp_path / "deep" / "b"]
    seconds = cpu_seconds_of_checks(files, 3)
    assert len(seconds) == 3
    assert min(seconds) > 0
    (tmp_path / "a").write_bytes(bytes(5))
    with pytest.raises(InputError, match="is not what was written"):
        cpu_seconds_of_checks(files, 1)


def test_the_table_counts_what_a_suite_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(suite=str(write_suite(tmp_path)), turns=2)
    header, _, row = capsys.readouterr().out.splitlines()
    assert [word.strip() for word in header.split("|")[1:-1]] == ["files", "MB", "CPU s", "spread", "GB/s"]
    files, megabytes, *_ = (float(word) for word in row.split("|")[1:-1])
    assert files >= 8, "pixels, labels and embeddings of two folders"
    assert megabytes > 0
