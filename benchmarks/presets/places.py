"""Where the settings for a model are looked for, and where those that `tune` finds are written."""

from pathlib import Path

from unlearn_bench.errors import InputError
from unlearn_bench.models.names import HUB_MODEL, LOCAL_FOLDER, PLAIN, QUICK, TRANSFORMERS, is_file
from unlearn_bench.registry import is_path_target

_PACKAGE = Path(__file__).parent
_BESIDE = ".presets.toml"
_IN_FOLDER = "presets.toml"
_FOLDER = "presets"


def preset_places(model: str, *, given: Path | None = None, suite: Path | None = None) -> tuple[Path, ...]:
    """The files that may hold settings for a model, those that count more first; they need not be there.

    1. `given`: a file, or a folder with a file `<name>.toml` for each model (`preset_name` is the name).
    2. Beside a model of one's own: `mine.presets.toml` beside `mine.py`; beside a weights file in the same way;
       `presets.toml` in a model's folder.
    3. Beside a suite's file: `presets/<name>.toml`.
    4. In the package, for open_clip's architectures and the embedded models, by the architecture's name.

    Args:
        model: as `--model` takes it. given: what the user named. suite: the suite's file, where it is the user's own.

    Raises:
        InputError: nothing is at `given`.
    """
    places = []
    if given is not None:
        places.append(_given(model, given))
    beside = _beside(model)
    places += [beside] if beside is not None else []
    places += [suite.parent / _FOLDER / f"{preset_name(model)}.toml"] if suite is not None else []
    packaged = _packaged(model)
    places += [packaged] if packaged is not None else []
    return tuple(places)


def home_of(model: str, *, suite: Path | None = None) -> Path | None:
    """Where settings for a model are looked for without being told, and may be written: beside the model, else beside
    the suite; None for a model and a suite of the package, into which nothing is written."""
    beside = _beside(model)
    if beside is not None:
        return beside
    return None if suite is None else suite.parent / _FOLDER / f"{preset_name(model)}.toml"


def preset_name(model: str) -> str:
    """A model in a file's name: what parts it from others in one folder.

    >>> preset_name("RN50:openai"), preset_name("mini-rn"), preset_name("models/mine.py:build")
    ('RN50-openai', 'mini-rn', 'mine')
    >>> preset_name("mine.py:small"), preset_name("local-dir:out/forgotten"), preset_name("RN50-quickgelu:w/a.pt")
    ('mine-small', 'forgotten', 'RN50-quickgelu-a')
    """
    if is_path_target(model):
        file, _, attribute = model.rpartition(":")
        return Path(file).stem if attribute == "build" else f"{Path(file).stem}-{attribute}"
    if model.startswith(LOCAL_FOLDER):
        return Path(model.removeprefix(LOCAL_FOLDER)).expanduser().resolve().name
    name, _, rest = model.partition(":")
    if not rest:
        return name
    if model.startswith((HUB_MODEL, TRANSFORMERS)):
        return Path(rest).expanduser().name
    return f"{name}-{Path(rest).stem if is_file(rest) else rest}"


def _given(model: str, given: Path) -> Path:
    if given.is_file():
        return given
    if not given.is_dir():
        raise InputError(
            f"no presets at {str(given)!r}; give a .toml file that `tune` wrote, or a folder of them "
            f"({preset_name(model)}.toml for this model)"
        )
    names = [f"{preset_name(model)}.toml", *([f"{_architecture(model)}.toml"] if ":" in model else [])]
    found = next((given / name for name in names if (given / name).is_file()), None)
    if found is None:
        raise InputError(f"no {names[0]!r} in the folder of presets {str(given)!r}; tune the model, or name a file")
    return found


def _beside(model: str) -> Path | None:
    if is_path_target(model):
        file, _, _ = model.rpartition(":")
        return Path(file).expanduser().with_name(preset_name(model) + _BESIDE)
    if model.startswith(LOCAL_FOLDER):
        return Path(model.removeprefix(LOCAL_FOLDER)).expanduser() / _IN_FOLDER
    if model.startswith((HUB_MODEL, TRANSFORMERS)):
        folder = Path(model.partition(":")[2]).expanduser()
        return folder / _IN_FOLDER if folder.is_dir() else None
    _, _, rest = model.partition(":")
    if rest and is_file(rest):
        path = Path(rest).expanduser()
        return path.with_name(path.stem + _BESIDE)
    return None


def _packaged(model: str) -> Path | None:
    if is_path_target(model) or model.startswith((LOCAL_FOLDER, HUB_MODEL, TRANSFORMERS)):
        return None
    return _PACKAGE / f"{_architecture(model)}.toml"


def _architecture(model: str) -> str:
    """`RN50` for `RN50:openai` and `RN50-quickgelu:FILE`: the activation is part of the weights, not of settings."""
    name = model.split(":", 1)[0]
    for activation in (QUICK, PLAIN):
        name = name.removesuffix(activation)
    return name
