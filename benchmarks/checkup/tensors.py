"""Are a model's tensors where it says: copies, stages, towers, gradients."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

import torch
from torch import Tensor

from unlearn_bench.benchmarks.checkup.subject import (
    ROUNDING,
    Finding,
    Subject,
    apart,
    bad,
    doubtful,
    embed_images,
    embed_tokens,
    good,
    some,
)
from unlearn_bench.clip import Clip, Role, Tower
from unlearn_bench.seeding import generator

_TOWERS: tuple[Tower, ...] = ("image", "text")


def copies(subject: Subject) -> Iterator[Finding]:
    """A copy computes the same, follows its own tensors, and leaves the original alone; a state comes back whole."""
    clip, about = subject.clip, "copies"
    before = {name: value.clone() for name, value in clip.state().items()}
    with torch.no_grad():
        again = clip.with_state(before)
    if max(_gaps(subject, again)) > ROUNDING:
        yield bad(about, "a copy with the same state computes something else; keep all that counts in `module`")
        return
    twin = clip.copy()
    _shake(twin, list(twin.state()))
    if max(_gaps(subject, clip)) > 0 or any(not torch.equal(value, before[n]) for n, value in clip.state().items()):
        yield bad(about, "changing a copy changes the original; hold tensors in `module` alone, which `copy` copies")
    elif min(_gaps(subject, twin)) < ROUNDING:
        yield bad(
            about,
            "a copy with other tensors computes the same as before; encode by what is in `self.module`, and hold no "
            "second reference to a tower",
        )
    else:
        yield good(about, "copies compute the same, and what changes them leaves the original alone")


def _gaps(subject: Subject, other: Clip) -> tuple[float, float]:
    """How far image and text embeddings of `other` are from the subject's."""
    images, texts = embed_images(other, subject.inputs), embed_tokens(other, subject.tokens)
    return apart(images, subject.images), apart(texts, subject.texts)


@torch.no_grad()
def _shake(clip: Clip, names: Sequence[str]) -> None:
    """Add noise to these tensors, in place."""
    state, stream = clip.state(), generator("checkup", "noise")
    for name in names:
        value = state[name]
        if value.is_floating_point():
            spread = 0.5 * float(value.float().std()) if value.numel() > 1 else 0.0
            noise = torch.rand(value.shape, generator=stream)  # not negative: variances stay variances
            value.add_((noise * (spread or 0.1)).to(value))


def stages(subject: Subject) -> Iterator[Finding]:
    """Stage by stage the image tower computes what it does at once, and `locate` tells what each stage holds."""
    clip, names = subject.clip, subject.clip.image_stages
    about = "image stages"
    if not names or len(set(names)) != len(names):
        yield bad(about, f"{names}; give each a name of its own, one at least")
        return
    activation = subject.inputs
    kept = []
    with torch.inference_mode():
        for index in range(len(names)):
            kept.append(activation)
            activation = clip.run_image_stages(activation, start=index, stop=index + 1)
    if apart(activation, subject.images) > ROUNDING:
        yield bad(about, "one after the other they do not compute what encode_images does; mend run_image_stages")
        return
    places = {name: clip.locate(name) for name in clip.state()}
    lost = [name for name, place in places.items() if place.tower == "image" and place.stage not in names]
    if lost:
        yield bad(about, f"locate puts {some(lost)} into a stage that image_stages does not name")
        return
    twin, originals = clip.copy(), clip.state()
    for index, stage in enumerate(names[1:], start=1):
        own = [name for name, place in places.items() if (place.tower, place.stage) == ("image", stage)]
        _shake(twin, own)
        with torch.inference_mode():
            reached = twin.run_image_stages(subject.inputs, stop=index)
        _put_back(twin, originals, own)
        if apart(reached, kept[index]) > ROUNDING:
            yield bad(about, f"tensors of stage {stage!r} act before it, so that what is kept would be wrong")
            return
    reuse = "; nothing before a changed one is computed again" if len(names) > 1 else ", computed as a whole"
    yield good(about, f"{some(names, 8)}{reuse}")


@torch.no_grad()
def _put_back(clip: Clip, originals: dict[str, Tensor], names: Sequence[str]) -> None:
    state = clip.state()
    for name in names:
        state[name].copy_(originals[name])


def towers(subject: Subject) -> Iterator[Finding]:
    """What `locate` counts to one tower leaves the other alone; each tensor has a tower and a known role."""
    clip, about = subject.clip, "towers"
    places = {name: clip.locate(name) for name in clip.state()}
    strange = [n for n, p in places.items() if p.tower not in get_args(Tower) or p.role not in get_args(Role)]
    if strange:
        roles = ", ".join(get_args(Role))
        yield bad(about, f"locate gives {strange[0]} a tower or role that there is not; roles are {roles}")
        return
    for tower, other, which in (("image", "text", 1), ("text", "image", 0)):
        twin = clip.copy()
        _shake(twin, [name for name, place in places.items() if place.tower == tower])
        if _gaps(subject, twin)[which] > ROUNDING:
            yield bad(
                about,
                f"tensors that locate counts to the {tower} tower change {other} embeddings; give each tower tensors "
                "of its own (copy what they share), since a tower whose tensors did not change is not run again",
            )
            return
    count = Counter(place.tower for place in places.values())
    yield good(about, f"{count['image']} tensors of the image tower, {count['text']} of the text tower, none of both")


def gradients(subject: Subject) -> Iterator[Finding]:
    """From the cosine to the pixels, by which synthetic images are made, and to each tower's tensors."""
    clip, about = subject.clip.copy(), "gradients"
    unit = (subject.prepared.to(clip.device).permute(0, 3, 1, 2).float() / 255).requires_grad_()
    weights = [weight for weight in clip.weights() if weight.place.tower != "joint"]
    clip.train_only([weight.name for weight in weights])
    logits = clip.logits(clip.encode_images(clip.normalise(unit)), clip.encode_texts(subject.tokens.clone()))
    mix = torch.randn(logits.shape, generator=generator("checkup", "mix")).to(logits)
    if not logits.requires_grad:
        yield bad(about, "none reach anything; the towers run under torch.no_grad or detach what they compute")
        return
    asked = [unit, *(weight.value for weight in weights)]
    pixels, *slopes = torch.autograd.grad((logits * mix).sum(), asked, allow_unused=True)
    if pixels is None or not bool(pixels.isfinite().all()) or not bool(pixels.any()):
        yield bad(about, "none (or none that is finite) reach the pixels, so no synthetic image can be made")
    for tower in _TOWERS:
        found = [(w.name, slope) for w, slope in zip(weights, slopes, strict=True) if w.place.tower == tower]
        silent = [name for name, slope in found if slope is None or not bool(slope.any())]
        wild = [name for name, slope in found if slope is not None and not bool(slope.isfinite().all())]
        if wild:
            yield bad(about, f"not finite in {some(wild)} of the {tower} tower")
        elif len(silent) == len(found):
            yield bad(
                about, f"none reach the {tower} tower; it runs under torch.no_grad or detaches what it computes"
            )
        elif silent:
            yield doubtful(about, f"none reach {some(silent)} of the {tower} tower; drop what is not used")
        else:
            yield good(about, f"from the cosine to all {len(found)} tensors of the {tower} tower")
