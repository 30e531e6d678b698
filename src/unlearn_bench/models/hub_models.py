"""Models in repositories of the hub, or in folders laid out alike: `hf-hub:owner/name`, `hf:owner/name`.

Nothing that lies beside them is run.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import constants, snapshot_download

from unlearn_bench.downloads.assets import Asset, Availability, Fetched
from unlearn_bench.downloads.transfer import brief, bytes_at
from unlearn_bench.errors import InputError
from unlearn_bench.models.checkpoints import find_weights
from unlearn_bench.models.names import HUB_MODEL, TRANSFORMERS, is_hub_id

_CONFIG = {HUB_MODEL: "open_clip_config.json", TRANSFORMERS: "config.json"}
_DATA = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md")
"""What is fetched: settings, vocabularies, weights; never a program. Pickles only where nothing else is there."""

_PICKLES = ("*.bin", "*.pth")


class HubModel(Asset):
    """A model's repository in the hub's own cache, or a folder of the user's, for which nothing is to be fetched.

    Attributes:
        spec: as the model was named. repository: `owner/name`, or the folder.
    """

    def __init__(self, spec: str) -> None:
        self._prefix = next(prefix for prefix in _CONFIG if spec.startswith(prefix))
        self.spec, self.repository = spec, spec.removeprefix(self._prefix)
        self.name, self.kind = spec, "weights"
        self.source = f"{constants.ENDPOINT}/{self.repository}"
        self.licence = f"see {self.source}"

    def folder(self) -> Path | None:
        """Where its files are, whole; None where they are not here."""
        place = Path(self.repository).expanduser()
        if not is_hub_id(self.repository):
            return place if place.is_dir() else None
        try:
            found = Path(snapshot_download(self.repository, local_files_only=True))
        except Exception:  # the hub's client raises errors of many kinds for what is not there
            return None
        return found if self._is_whole(found) else None

    def open_folder(self) -> Path:
        """The same; fetched first where it is not here.

        Raises:
            InputError: it is neither here nor to be had.
        """
        found = self.folder()
        if found is None and not is_hub_id(self.repository):
            raise InputError(f"no folder at {self.repository!r}; give {self._prefix}owner/name or a model's folder")
        if found is None:
            self.fetch(lambda *_: None)
            found = self.folder()
        if found is None:
            raise InputError(
                f"{self.repository!r} on the hub has no {_CONFIG[self._prefix]} with weights; "
                "hf: is for models of transformers, hf-hub: for those of open_clip"
            )
        return found

    def availability(self) -> Availability:
        """Look at the disk; never at the network."""
        found = self.folder()
        if found is None:
            place = Path(constants.HF_HUB_CACHE) / f"models--{self.repository.replace('/', '--')}"
            return Availability(
                state="missing", path=str(place), bytes=None, note=f"by hand: `hf download {self.repository}`"
            )
        return Availability(state="present", path=str(found), bytes=sum(map(bytes_at, found.glob("*.safetensors"))))

    def fetch(self, progress: Fetched) -> None:  # noqa: ARG002  (the hub's client counts for itself)
        """Download settings, vocabularies and weights; what is here is kept."""
        if self.folder() is not None:
            return
        try:
            found = Path(snapshot_download(self.repository, allow_patterns=list(_DATA)))
            if not self._is_whole(found):
                snapshot_download(self.repository, allow_patterns=[*_DATA, *_PICKLES])
        except Exception as error:  # the hub's client raises errors of many libraries
            raise InputError(
                f"{self.repository!r} can't be fetched from the hub ({brief(error)}); go online once and run "
                f"`unlearn-bench prepare --model {self.spec}`, or give a folder"
            ) from error

    def _is_whole(self, folder: Path) -> bool:
        if not (folder / _CONFIG[self._prefix]).is_file():
            return False
        try:
            find_weights(folder)
        except InputError:
            return False
        return True


def hub_model(spec: str) -> HubModel | None:
    """The repository or folder that `spec` names, if it is of that form."""
    return HubModel(spec) if spec.startswith(tuple(_CONFIG)) else None


def refuse_text_code(text: Mapping[str, Any]) -> None:
    """Take a `text_cfg` whose tower is transformers' only where that library itself has the tower.

    open_clip asks for the tower without saying what is to become of code beside it: transformers would ask the user
    on the terminal whether to run it.

    Raises:
        InputError: the tower is code in a folder or repository, or its configuration can't be had.
    """
    name = text.get("hf_model_name")
    if not name:
        return
    try:
        from transformers import AutoConfig  # noqa: PLC0415  (of an extra)
    except ImportError as error:
        raise InputError(
            f"the text tower {name!r} is of transformers, which is not installed ({error}); "
            "pip install 'unlearn-bench[transformers]'"
        ) from error
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # the hub's client raises errors of many libraries
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(
            f"the configuration of the text tower {name!r} can't be had without running code ({reason}); "
            "name one that transformers has, and go online once where it is not here"
        ) from error
    if getattr(config, "auto_map", None):
        raise InputError(
            f"the text tower {name!r} brings code of its own (auto_map in its configuration), and nothing from a "
            "model's folder is run; take one that transformers has"
        )
