"""Reuse changes no bit: what is taken over from "before" equals what the whole tower would compute."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.benchmarks.support import COLOURS, write_colours
from tests.core.tiny import TEXTS, resnet, transformer, two_towers
from unlearn_bench.benchmarks.data.layouts.folder import FolderDataset
from unlearn_bench.benchmarks.images.image_cache import PreparedImages, prepared_images
from unlearn_bench.benchmarks.referee import embedding
from unlearn_bench.benchmarks.referee.embedding import agreement, embed_after, embed_before, embed_inputs
from unlearn_bench.benchmarks.referee.setting import as_precision
from unlearn_bench.clip import Clip, changed_names
from unlearn_bench.errors import InputError

MODELS: dict[str, Callable[[], Clip]] = {"resnet": resnet, "vit": transformer, "two-towers": two_towers}


@pytest.fixture(params=list(MODELS))
def clip(request: pytest.FixtureRequest) -> Clip:
    return MODELS[request.param]()


@pytest.fixture
def images(clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PreparedImages:
    monkeypatch.setattr(embedding, "BATCH", 7)  # 24 images: three whole batches and a rest
    folder = FolderDataset(write_colours(tmp_path / "own", list(COLOURS)))
    return prepared_images(folder, "test", clip)


def plainly(clip: Clip, images: PreparedImages, *, batch: int = 7) -> Tensor:
    """The whole tower on every image, without the embedding module."""
    with torch.no_grad():
        parts = [clip.encode_images(clip.to_input(rows)) for rows in torch.split(images.pixels, batch)]
    return nn.functional.normalize(torch.cat(parts), dim=-1)


def moved(clip: Clip, chosen: Callable[[str], bool]) -> tuple[Clip, tuple[str, ...]]:
    """A copy with noise on the parameters whose stage is chosen, and their names."""
    twin = clip.copy()
    stream = torch.Generator().manual_seed(0)
    for weight in twin.weights():
        if chosen(f"{weight.place.tower}/{weight.place.stage}"):
            weight.value.add_(0.01 * torch.randn(weight.value.shape, generator=stream))
    return twin, changed_names(clip.state(), twin.state())


def test_before_equals_the_whole_tower(clip: Clip, images: PreparedImages) -> None:
    before = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    assert torch.equal(before.embedded.images, plainly(clip, images))
    texts = nn.functional.normalize(clip.embed_texts(TEXTS), dim=-1)
    assert torch.allclose(before.embedded.texts, texts, atol=1e-6)
    assert (before.trunk is None) == (len(clip.image_stages) == 1)
    assert len(before.embedded.images) == len(images) == 24


@pytest.mark.parametrize("what", ["nothing", "text", "last", "first", "all"])
def test_after_equals_the_whole_tower_bit_by_bit(what: str, clip: Clip, images: PreparedImages) -> None:
    before = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    stages = [f"image/{stage}" for stage in clip.image_stages]
    chosen = {"nothing": [], "text": [], "last": stages[-1:], "first": stages[:1], "all": stages}[what]
    twin, changed = moved(clip, lambda place: place in chosen or (what == "text" and place.startswith("text")))
    assert bool(changed) == (what != "nothing")
    after = embed_after(twin, images, TEXTS, before=before, changed=changed, inner=True)
    last = len(clip.image_stages) - 1
    assert (after.inner is None) == (last == 0), "what enters a tower of one stage are the images"
    if after.inner is not None:
        parts = [twin.run_image_stages(twin.to_input(rows), stop=last) for rows in torch.split(images.pixels, 7)]
        assert torch.equal(after.inner, torch.cat(parts))
    assert torch.equal(after.images, plainly(twin, images))
    assert torch.equal(after.images, before.embedded.images) == (what in {"nothing", "text"})
    assert torch.equal(after.texts, before.embedded.texts) == (what != "text")


@pytest.mark.parametrize("what", ["text", "last", "first"])
def test_reuse_runs_no_stage_that_did_not_change(what: str, images: PreparedImages, clip: Clip) -> None:
    before = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    stages = clip.image_stages
    chosen = {"text": "text", "last": f"image/{stages[-1]}", "first": f"image/{stages[0]}"}[what]
    twin, changed = moved(clip, lambda place: place.startswith(chosen))
    plain, starts = twin.run_image_stages, set()

    def noting(activation: Tensor, *, start: int = 0, stop: int | None = None) -> Tensor:
        starts.add(start)
        return plain(activation, start=start, stop=stop)

    twin.run_image_stages = noting  # type: ignore[method-assign]
    embed_after(twin, images, TEXTS, before=before, changed=changed)
    assert starts == {"text": set(), "last": {len(stages) - 1}, "first": {0, len(stages) - 1}}[what]


def test_before_is_kept(clip: Clip, images: PreparedImages, tmp_path: Path) -> None:
    first = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    broken = clip.copy()
    for value in broken.module.parameters():
        value.zero_()
    again = embed_before(broken, images, TEXTS, fingerprint=clip.fingerprint())
    assert torch.equal(again.embedded.images, first.embedded.images)
    folder = tmp_path / "cache" / "embeddings" / clip.fingerprint()
    assert len(list(folder.glob("*.npy"))) == (1 if first.trunk is None else 2)


@pytest.mark.parametrize("change", [lambda data: data[:-5], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
@pytest.mark.parametrize("which", ["final", "trunk"])
def test_what_was_cut_or_changed_is_set_aside(
    which: str, change: Callable[[bytes], bytes], clip: Clip, images: PreparedImages, tmp_path: Path
) -> None:
    """A poisoned "before" would spoil later sweeps: one bit is enough to be found."""
    first = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    if which == "trunk" and first.trunk is None:
        pytest.skip("a tower of one stage keeps none")
    kept, had_trunk = first.embedded.images.clone(), first.trunk is not None
    del first
    folder = tmp_path / "cache" / "embeddings" / clip.fingerprint()
    (path,) = (p for p in folder.glob("*.npy") if p.stem.endswith("-trunk") == (which == "trunk"))
    path.write_bytes(change(path.read_bytes()))
    again = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    assert torch.equal(again.embedded.images, kept)
    assert (again.trunk is not None) == had_trunk, "it is made again too"
    assert len(list(folder.glob("*.broken"))) == 1


def test_other_rounding_has_files_of_its_own(
    clip: Clip, images: PreparedImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stems = {embedding._stem(clip, images, "fp32")}
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    stems.add(embedding._stem(clip, images, "fp32"))
    monkeypatch.setattr(type(clip), "device", torch.device("cuda"))
    stems.add(embedding._stem(clip, images, "fp32"))
    monkeypatch.setattr(embedding, "BATCH", 8)
    stems.add(embedding._stem(clip, images, "fp32"))
    stems.add(embedding._stem(clip, images, "bf16"))
    assert len(stems) == 5


def test_half_precision_is_close_and_reuses_alike(clip: Clip, images: PreparedImages) -> None:
    """bf16 has eight bits of mantissa: embeddings agree to a hundredth, and "before" is what "after" repeats."""
    plain = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    half = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint(), precision="bf16")
    assert half.embedded.images.dtype == torch.float32
    assert not torch.equal(half.embedded.images, plain.embedded.images)
    cosines = (half.embedded.images * plain.embedded.images).sum(-1)
    assert float(cosines.min()) > 0.999
    assert torch.equal(half.embedded.texts, plain.embedded.texts)
    same = embed_after(clip, images, TEXTS, before=half, changed=(), precision="bf16")
    assert torch.equal(same.images, half.embedded.images)
    twin, changed = moved(clip, lambda place: place == f"image/{clip.image_stages[-1]}")
    after = embed_after(twin, images, TEXTS, before=half, changed=changed, precision="bf16")
    assert float((after.images * plainly(twin, images)).sum(-1).min()) > 0.999


def test_agreement_counts_the_images_that_keep_their_nearest_text(clip: Clip, images: PreparedImages) -> None:
    before = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint()).embedded
    assert agreement(clip, images, before) == 1.0
    nearest = (before.images @ before.texts.T).argmax(1)
    others = before.texts[(nearest + 1) % len(TEXTS)]
    spoilt = before.images.clone()
    spoilt[:2] = others[:2]  # these two now name another class
    assert agreement(clip, images, replace(before, images=spoilt)) == pytest.approx(1 - 2 / len(images))


def test_agreement_looks_at_a_sample_of_large_splits(
    clip: Clip, images: PreparedImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint()).embedded
    monkeypatch.setattr(embedding, "AGREEMENT_IMAGES", 2)
    spoilt = before.images.clone()
    spoilt[1:-1] = -spoilt[1:-1]  # all but the two that are looked at
    assert agreement(clip, images, replace(before, images=spoilt)) == 1.0


def test_precisions_by_name() -> None:
    assert as_precision("bf16") == "bf16"
    with pytest.raises(InputError, match=r"unknown precision 'bf-16'; known: .*did you mean 'bf16'"):
        as_precision("bf-16")


def test_large_activations_are_not_kept(clip: Clip, images: PreparedImages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "TRUNK_LIMIT_BYTES", 100)
    before = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    assert before.trunk is None
    twin, changed = moved(clip, lambda place: place == f"image/{clip.image_stages[-1]}")
    after = embed_after(twin, images, TEXTS, before=before, changed=changed, inner=True)
    last = len(clip.image_stages) - 1
    assert (after.inner is None) == (last == 0), "what enters a tower of one stage are the images"
    if after.inner is not None:
        parts = [twin.run_image_stages(twin.to_input(rows), stop=last) for rows in torch.split(images.pixels, 7)]
        assert torch.equal(after.inner, torch.cat(parts))
    assert torch.equal(after.images, plainly(twin, images))


def test_activations_are_not_kept_on_a_full_disk(clip: Clip, images: PreparedImages) -> None:
    usual = shutil.disk_usage("/")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usual._replace(free=200))
        assert embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint()).trunk is None
    with_room = embed_before(clip, images, TEXTS, fingerprint="another").trunk
    assert (with_room is not None) == (len(clip.image_stages) > 1)


def test_inputs_in_the_unit_interval(clip: Clip) -> None:
    unit = torch.rand(3, 3, clip.image_size, clip.image_size, generator=torch.Generator().manual_seed(0))
    found = embed_inputs(clip, unit)
    with torch.no_grad():
        expected = nn.functional.normalize(clip.encode_images(clip.normalise(unit)), dim=-1)
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(found.norm(dim=-1), torch.ones(3), atol=1e-6)


@pytest.mark.parametrize("clip", ["resnet", "vit"], indirect=True)
def test_what_enters_the_last_stage_is_held_only_where_it_is_wanted_and_small(
    images: PreparedImages, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = embed_before(clip, images, TEXTS, fingerprint=clip.fingerprint())
    assert before.embedded.inner is before.trunk
    plain = replace(before, trunk=None, embedded=replace(before.embedded, inner=None))
    twin, changed = moved(clip, lambda place: place == "image/stem")

    def inner(*, wanted: bool, precision: str = "fp32") -> Tensor | None:
        found = embed_after(twin, images, TEXTS, before=plain, changed=changed, precision=precision, inner=wanted)
        return found.inner

    assert inner(wanted=False) is None
    assert inner(wanted=True) is not None
    assert inner(wanted=True, precision="bf16") is None, "audits run in fp32"
    monkeypatch.setattr(embedding, "INNER_LIMIT_BYTES", 100)
    assert inner(wanted=True) is None
