"""An unlearned model in the format of open_clip, of transformers, or as the text encoder of a diffusion pipeline."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image

from unlearn_bench.cache import make_folder
from unlearn_bench.clip import Clip
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.models.checkpoints import load_strictly
from unlearn_bench.models.exchange.conversion import to_open_clip, to_transformers
from unlearn_bench.models.open_clip_model import OpenClip, build_open_clip
from unlearn_bench.models.transformers_clip import TransformersClip, import_transformers, plain_config

FORMATS = ("open_clip", "transformers", "diffusers")
OWN = ""
"""In place of a format: that of the model's own library."""

ENCODER, TOKENIZER = "text_encoder", "tokenizer"
"""Folders of a diffusion pipeline that hold what is written for it."""

_THEIR_WORDS = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
"""What transformers calls the ends of a text."""

_PROBES = ("a photo of a cat.", "Naïve jaguars, 3 of them & more!", "x")
"""Texts by which two tokenizers are told to be one."""


def check_format(fmt: str) -> None:
    """Refuse a format that nobody knows, or for which a library is missing."""
    if fmt not in {*FORMATS, OWN}:
        raise unknown("format of models", fmt, FORMATS)
    if fmt in {"transformers", "diffusers"}:
        import_transformers()


def write_model(clip: Clip, folder: Path, fmt: str = OWN) -> str:
    """Write the model into the folder, and say how it is loaded.

    Raises:
        InputError: an unknown format, a model that the format can't hold, or a folder that can't be written.
    """
    check_format(fmt)
    make_folder(folder, what="output folder")
    if fmt == OWN:
        return clip.save(folder)
    if fmt == "open_clip":
        return as_open_clip(clip).save(folder)
    theirs = as_transformers(clip)
    return theirs.save(folder) if fmt == "transformers" else _write_encoder(theirs, folder)


def library_of(clip: Clip, fmt: str = OWN) -> str:
    """The library that reads what `write_model` writes; empty for a model of somebody's own in its own format."""
    if fmt != OWN:
        return fmt
    return (
        "transformers" if isinstance(clip, TransformersClip) else "open_clip" if isinstance(clip, OpenClip) else OWN
    )


def check_convertible(clip: Clip, fmt: str) -> None:
    """What `write_model` would refuse, before anything is done.

    Raises:
        InputError: a model that the format can't hold.
    """
    check_format(fmt)
    if fmt == "open_clip":
        as_open_clip(clip)
    elif fmt:
        as_transformers(clip)


def reaches_encoder(clip: Clip, changed: Collection[str]) -> bool:
    """Whether a change of these tensors is one of the text encoder that a diffusion pipeline takes: the tower without
    its projection."""
    places = [clip.locate(name) for name in changed]
    return any(place.tower == "text" and place.role != "projection" for place in places)


def as_transformers(clip: Clip) -> TransformersClip:
    """The same model as one of transformers, with tokenizer and processor.

    Raises:
        InputError: it is not one that transformers has.
    """
    if isinstance(clip, TransformersClip):
        return clip
    if not isinstance(clip, OpenClip):
        raise _of_another(clip, "transformers")
    library = import_transformers()
    state, table = to_transformers(clip.state(), clip.config)
    with torch.random.fork_rng(devices=[]):
        model = library.CLIPModel(library.CLIPConfig.from_dict(table))
    load_strictly(model, state, source=clip.name)
    return TransformersClip(model, _their_tokenizer(clip, library), _their_processor(clip, library), name=clip.name)


def as_open_clip(clip: Clip) -> OpenClip:
    """The same model as one of open_clip.

    Raises:
        InputError: it is not one that open_clip has, or its tokenizer is not CLIP's.
    """
    if isinstance(clip, OpenClip):
        return clip
    if not isinstance(clip, TransformersClip):
        raise _of_another(clip, "open_clip")
    if clip.is_siglip:
        raise InputError(
            f"{clip.name!r} is a SigLIP, whose image tower open_clip takes from timm in timm's own sizes only; give "
            "--format transformers, which keeps it"
        )
    state, config = to_open_clip(clip.state(), plain_config(cast(Any, clip.module).config))
    tokenizer = SimpleTokenizer(context_length=config["text_cfg"]["context_length"])
    if not _same_texts(clip, tokenizer):
        raise InputError(f"the tokenizer of {clip.name!r} is not CLIP's; give --format transformers, which keeps it")
    model = build_open_clip(config)
    load_strictly(model, state, source=clip.name)
    settings = clip.processor
    return OpenClip(
        model,
        tokenizer,
        name=clip.name,
        config=config,
        mean=clip.mean,
        std=clip.std,
        interpolation=Image.Resampling(int(settings.resample)).name.lower(),
        resize_mode="shortest" if dict(settings.size).get("shortest_edge") else "squash",
    )


def _write_encoder(clip: TransformersClip, folder: Path) -> str:
    """The text tower without its projection, and the tokenizer, as Stable Diffusion's pipelines hold them."""
    if clip.is_siglip:
        raise InputError(f"{clip.name!r} is a SigLIP, and Stable Diffusion's text encoder is CLIP's; choose another")
    library = import_transformers()
    config = cast(Any, clip.module).config.text_config
    with torch.random.fork_rng(devices=[]):
        encoder = library.CLIPTextModel(config)
    own = {name.removeprefix("text_model."): value for name, value in clip.state().items()}
    names = {name.removeprefix("text_model."): name for name in encoder.state_dict()}
    encoder.load_state_dict({whole: own[name] for name, whole in names.items()}, strict=True)
    encoder.save_pretrained(str(make_folder(folder / ENCODER, what="output folder")))
    clip.tokenizer.save_pretrained(str(make_folder(folder / TOKENIZER, what="output folder")))
    return f"transformers.CLIPTextModel.from_pretrained({str(folder / ENCODER)!r}), as text_encoder of the pipeline"


def _their_tokenizer(clip: OpenClip, library: Any) -> Any:  # noqa: ANN401  (of an extra)
    own = clip.tokenizer
    inner = getattr(own, "tokenizer", None)
    if inner is not None and hasattr(inner, "save_pretrained"):
        return inner
    if not isinstance(own, open_clip.SimpleTokenizer):
        raise InputError(f"the tokenizer of {clip.name!r} is none of open_clip's; give --format open_clip")
    merges = sorted(own.bpe_ranks, key=own.bpe_ranks.__getitem__)
    length = int(clip.config["text_cfg"].get("context_length", 77))
    vocabulary = {_THEIR_WORDS.get(word, word): number for word, number in own.encoder.items()}
    return library.CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=length)


def _their_processor(clip: OpenClip, library: Any) -> Any:  # noqa: ANN401
    side = clip.image_size
    square = {"height": side, "width": side}
    squash = clip.resize_mode == "squash"
    return library.CLIPImageProcessor(
        size=square if squash else {"shortest_edge": side},
        crop_size=square,
        do_center_crop=not squash,
        resample=int(Image.Resampling[clip.interpolation.upper()]),
        image_mean=list(clip.mean),
        image_std=list(clip.std),
    )


def _same_texts(clip: TransformersClip, tokenizer: SimpleTokenizer) -> bool:
    """Whether both make the same tokens up to the end of each text; what fills up differs."""
    ends = tokenizer(list(_PROBES)).argmax(dim=-1)
    theirs, own = clip.tokenize(_PROBES).cpu(), tokenizer(list(_PROBES))
    return all(
        torch.equal(own[row, : end + 1], theirs[row, : end + 1]) for row, end in enumerate(ends.tolist())
    ) and bool((theirs <= len(tokenizer.encoder)).all())


def _of_another(clip: Clip, library: str) -> InputError:
    return InputError(
        f"{clip.name!r} is a model of somebody's own ({type(clip).__name__}), which {library} can't hold; leave "
        "--format out"
    )
