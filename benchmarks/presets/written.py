"""A preset file that is being written: each table as it is found, so that nothing is lost with a search that ends."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from unlearn_bench import __version__
from unlearn_bench.benchmarks.presets.places import preset_name
from unlearn_bench.benchmarks.presets.preset import ABOUT, read_presets
from unlearn_bench.cache import free, make_folder, take_lock, write_text
from unlearn_bench.errors import InputError


@dataclass(frozen=True, kw_only=True)
class PresetFile:
    """Settings for one model on the disk.

    Attributes:
        path: of the file. tables: what it holds, by name; written anew with each `put`.
    """

    path: Path
    tables: dict[str, Any]

    def put(self, name: str, table: Mapping[str, Any], **about: Any) -> None:  # noqa: ANN401
        """Take in a table, and what is to be said `about` the file's tables that are no method's.

        What another search put there meanwhile stays.

        Raises:
            InputError: the file was replaced by something that can't be read, or is of a model with other weights.
        """
        lock = take_lock(self.path)
        try:
            now = read_presets(self.path)
            _check_model(self.path, now, self.tables[ABOUT]["fingerprint"])
            about = {**self.tables[ABOUT], **now.get(ABOUT, {}), **about}
            self.tables.update({**now, name: dict(table), ABOUT: about})
            write_text(self.path, tomli_w.dumps(dict(sorted(self.tables.items()))))
        finally:
            if lock is not None:
                free(lock)


def preset_file(path: Path, model: str, fingerprint: str) -> PresetFile:
    """The file at `path` for a model, with what it holds already; it is there from the first `put` on.

    Raises:
        InputError: it was written for a model with other weights, or nothing can be written there.
    """
    make_folder(path.parent, what="preset folder")
    if not os.access(path.parent, os.W_OK):  # now, not after a minute of searching
        raise InputError(f"settings can't be written to {str(path)!r}; give --out a place of yours")
    tables: dict[str, Any] = dict(read_presets(path))
    _check_model(path, tables, fingerprint)
    about = {"model": preset_name(model), "fingerprint": fingerprint, "version": __version__}
    tables[ABOUT] = {**tables.get(ABOUT, {}), **about}
    return PresetFile(path=path, tables=tables)


def _check_model(path: Path, tables: Mapping[str, Any], fingerprint: str) -> None:
    there = tables.get(ABOUT, {}).get("fingerprint", fingerprint)
    if there != fingerprint:
        raise InputError(
            f"{str(path)!r} holds settings for a model with other weights (fingerprint {there}, this one has "
            f"{fingerprint}); move it away, or give another --out"
        )
