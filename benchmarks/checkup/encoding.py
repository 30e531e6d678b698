"""Do images and texts become embeddings as a run needs it: shapes, batches, padding, preparation, gradients aside."""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unlearn_bench.benchmarks.checkup.subject import (
    ROUNDING,
    TEXTS,
    Finding,
    Subject,
    apart,
    bad,
    doubtful,
    embed_images,
    embed_tokens,
    good,
)
from unlearn_bench.clip import Clip, resize_and_crop
from unlearn_bench.downloads.transfer import brief

CAPTION = (
    "Two children in bright yellow rain coats run along a wet street towards an old red tram, while a woman with a "
    "large black dog waits under the roof of the stop and reads the paper"
)
"""As long as captions are."""

_LOGARITHM = 4.7
"""A factor below this is more likely its logarithm: log 100 = 4.605 is where CLIP's is clipped."""


def shapes(subject: Subject) -> Iterator[Finding]:
    """Tokens are (N, L) int64; both towers give (N, D) float32, finite, for one and for three."""
    clip, tokens = subject.clip, subject.tokens
    if tokens.dtype != torch.int64 or tokens.ndim != 2 or len(tokens) != len(TEXTS):
        yield bad("tokens", f"{_kind(tokens)} for {len(TEXTS)} texts; `tokenize` gives (N, L) int64")
        return
    if tokens.device != clip.device:
        yield bad("tokens", f"on {tokens.device}, the model on {clip.device}; `tokenize` ends with .to(self.device)")
        return
    widths = set()
    for name, embed, given in (
        ("image embeddings", embed_images, subject.inputs),
        ("text embeddings", embed_tokens, tokens),
    ):
        for count in (1, 3):
            found = embed(clip, given[:count])
            if found.dtype != torch.float32 or found.ndim != 2 or len(found) != count:
                yield bad(name, f"{_kind(found)} for a batch of {count}; a tower gives (N, D) float32")
                return
            if not bool(found.isfinite().all()):
                yield bad(name, "not finite; check the weights")
                return
            widths.add(found.shape[1])
    if len(widths) != 1:
        image, text = (found.shape[1] for found in (subject.images, subject.texts))
        yield bad("embeddings", f"{image} wide for images, {text} for texts; both towers end in one joint space")
        return
    yield good("embeddings", f"{widths.pop()} wide and finite for images and texts, in batches of 1 and 3")
    for name, embeddings in (("image", subject.images), ("text", subject.texts)):
        if apart(torch.nn.functional.normalize(embeddings, dim=-1), embeddings) < ROUNDING:
            yield doubtful(
                f"{name} embeddings",
                "of length 1; methods that compare embeddings themselves (lip, emb) mean those before normalisation, "
                f"so let encode_{name}s return these: cosines stay the same",
            )


def _kind(found: Tensor) -> str:
    return f"{tuple(found.shape)} {str(found.dtype).removeprefix('torch.')}"


def batches(subject: Subject) -> Iterator[Finding]:
    """What an image or a text becomes does not depend on its batch."""
    clip = subject.clip
    for name, embed, given, together in (
        ("images in batches", embed_images, subject.inputs, subject.images),
        ("texts in batches", embed_tokens, subject.tokens, subject.texts),
    ):
        alone = torch.cat([embed(clip, row) for row in torch.split(given, 1)])
        gap = apart(together, alone)
        if gap < ROUNDING:
            yield good(name, "the same alone and together")
        else:
            yield bad(
                name,
                f"{gap:.1%} apart alone and together; no statistics of the batch may enter (batch normalisation in "
                "training mode, a mean over the batch)",
            )
    for name, embeddings in (("images", subject.images), ("texts", subject.texts)):
        unit = torch.nn.functional.normalize(embeddings, dim=-1)
        nearest = float((unit @ unit.T - 2 * torch.eye(len(unit)).to(unit)).max())
        if nearest > 1 - 1e-6:
            yield bad(f"different {name}", f"two of {len(unit)} have the same embedding; check what the tower reads")
        else:
            yield good(f"different {name}", f"told apart: cosines of {len(unit)} of noise at most {nearest:.3f}")


def _fault(clip: Clip, text: str) -> str:
    """Why a text can't be encoded; empty where it can."""
    try:
        taken = embed_tokens(clip, clip.tokenize([text]))
    except Exception as error:  # a tower of somebody else's may raise anything
        return brief(error)
    return "" if bool(taken.isfinite().all()) else "its embedding is not finite"


def padding(subject: Subject) -> Iterator[Finding]:
    """A text is the same beside longer ones, however far its batch is filled up; long and empty texts are taken."""
    clip, about = subject.clip, "text padding"
    for text, what, who in (
        ("", "the empty text", "text-space-adaptation needs it"),
        (CAPTION, f"a caption of {len(CAPTION)} characters", "data with captions need it"),
    ):
        fault = _fault(clip, text)
        if fault:
            advice = "cut in the tokenizer what the tower can't take, and give the empty text a token"
            yield doubtful("text length", f"{what} can't be encoded ({fault}); {who}: {advice}")
    if fault:  # without the caption there is nothing to fill up to
        return
    short = clip.tokenize([TEXTS[2]])
    wide = clip.tokenize([TEXTS[2], CAPTION])
    if short.shape[1] == wide.shape[1]:
        yield good(about, f"every text is {short.shape[1]} tokens long, whatever it stands beside")
        return
    gap = apart(embed_tokens(clip, wide)[:1], embed_tokens(clip, short))
    lengths = f"{short.shape[1]} tokens alone, {wide.shape[1]} beside a caption"
    if gap < ROUNDING:
        yield good(about, f"{lengths}, and the embedding is the same")
    else:
        yield bad(
            about,
            f"{lengths}, and the embedding moves by {gap:.1%}; leave filling out of attention and pooling (a mask), "
            "or let the tokenizer fill every text to one length",
        )


def preparation(subject: Subject) -> Iterator[Finding]:
    """`prepare` gives (H, W, 3) uint8 for any picture, `to_input` what `normalise` makes of the same pixels."""
    clip, side = subject.clip, subject.clip.image_size
    picture = subject.pictures[0]
    for mode in ("RGB", "L", "RGBA", "P", "CMYK"):
        found = clip.prepare(picture.convert(mode))
        if not isinstance(found, np.ndarray) or found.shape != (side, side, 3) or found.dtype != np.uint8:
            kind = f"{found.shape} {found.dtype}" if isinstance(found, np.ndarray) else type(found).__name__
            yield bad(
                "prepare",
                f"gave {kind} for a picture of mode {mode}; give ({side}, {side}, 3) uint8, as image_size says",
            )
            return
    yield good("prepare", f"pictures of any mode become ({side}, {side}, 3) uint8")
    if _shares_a_name(clip, picture):
        yield bad(
            "preparation",
            f"`prepare` does something of its own under the name {clip.preparation!r}, by which prepared images of "
            "other models are found; override the property `preparation` with a name of its own",
        )
    inputs = subject.inputs
    if inputs.dtype != torch.float32 or inputs.shape[:2] != (len(subject.pictures), 3):
        yield bad("to_input", f"gave {_kind(inputs)} for {len(subject.pictures)} images; give (N, 3, H, W) float32")
        return
    unit = subject.prepared.to(clip.device).permute(0, 3, 1, 2).float() / 255
    normal = clip.normalise(unit)
    if inputs.shape != normal.shape or apart(inputs, normal) > ROUNDING:
        yield bad(
            "to_input",
            "differs from `normalise` of the same pixels in [0, 1], by which synthetic images enter; set mean and "
            "std, or override `normalise` alone",
        )
    else:
        plain = clip.mean == (0.0, 0.0, 0.0) and clip.std == (1.0, 1.0, 1.0)
        how = "pixels enter in [0, 1]" if plain else f"mean {_short(clip.mean)}, std {_short(clip.std)}"
        yield good("to_input", f"{tuple(inputs.shape[1:])} float32, {how}; `normalise` gives the same")


def _shares_a_name(clip: Clip, picture: Image.Image) -> bool:
    """Whether `prepare` is its own while the prepared images are called as the usual ones."""
    usual = resize_and_crop(picture, clip.image_size, Image.Resampling.BICUBIC)
    called_usual = clip.preparation == f"bicubic-{clip.image_size}"
    return called_usual and not np.array_equal(clip.prepare(picture), usual)


def _short(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:.3g}" for value in values) + ")"


def evaluation(subject: Subject) -> Iterator[Finding]:
    """Two passes are equal, leave the state alone, and draw nothing from torch's global stream."""
    clip, about = subject.clip, "evaluation mode"
    training = [name for name, module in clip.module.named_modules() if module.training]
    if training:
        yield bad(about, f"module {training[0]!r} is in training mode; end building with .eval()")
        return
    before = {name: value.clone() for name, value in clip.state().items()}
    stream = torch.random.get_rng_state()
    pairs = [
        (embed_images(clip, subject.inputs), embed_images(clip, subject.inputs)),
        (embed_tokens(clip, subject.tokens), embed_tokens(clip, subject.tokens)),
    ]
    moved = [name for name, value in clip.state().items() if not torch.equal(value, before[name])]
    if moved:
        yield bad(about, f"a pass changes the state ({moved[0]}); freeze statistics in evaluation mode")
    elif any(apart(first, second) > ROUNDING for first, second in pairs):
        yield bad(about, "two passes differ; dropout and other noise must be off after .eval()")
    elif not torch.equal(stream, torch.random.get_rng_state()):
        yield doubtful(about, "a pass draws from torch's global random stream, though to no effect; leave it out")
    else:
        yield good(about, "two passes give the same, and change nothing")


def scale(subject: Subject) -> Iterator[Finding]:
    """The factor before the cosine is a number above 0, and not its logarithm."""
    clip, about = subject.clip, "logit scale"
    value = float(clip.logit_scale)
    bias = "" if clip.logit_bias is None else f", bias {float(clip.logit_bias):.4g}"
    if not 0 < value < float("inf"):
        yield bad(about, f"{value:.4g}; give the factor before the cosine, a number above 0")
    elif value < _LOGARITHM or value > 1000:
        yield doubtful(
            about,
            f"{value:.4g}{bias}, where 10 to 100 is usual; if it is stored as a logarithm, give its exponential "
            f"({np.exp(min(value, 50)):.4g})",
        )
    else:
        yield good(about, f"{value:.4g}{bias}")
