"""The further evidence that some metrics need: made where a run's metrics ask for it, and for nobody else."""

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

import unlearn_bench
from unlearn_bench.benchmarks.referee.embedding import embed_after, kept, rounding
from unlearn_bench.benchmarks.referee.workbench import Evaluated, Workbench
from unlearn_bench.cache import cache_root
from unlearn_bench.clip import Clip, changed_names
from unlearn_bench.leaderboards.records.record import Run
from unlearn_bench.leaderboards.records.retrained_predictions import find_retrained
from unlearn_bench.metrics.base import DatasetEvidence, Need, Once
from unlearn_bench.metrics.further import Images, Models


class Further(TypedDict, total=False):
    """Fields of `Evidence` that stay None where nobody needs them."""

    train: DatasetEvidence
    models: Models
    reference: Mapping[str, Tensor]


def further_evidence(needs: set[Need], *, run: Run, bench: Workbench, unlearned: Clip) -> Further:
    """What these needs ask for. The "before" side is computed once for a model and kept on disk."""
    item = bench.evaluated[run.dataset]
    (template,) = (each.template for each in run.evaluation if each.name == run.dataset)
    found = Further()
    if "train" in needs:
        found["train"] = _train(item, bench, unlearned, template, run)
    if "models" in needs:
        found["models"] = _models(item, bench, unlearned, template)
    if "reference" in needs:
        found["reference"] = _reference(run, bench)
    return found


def _models(item: Evaluated, bench: Workbench, unlearned: Clip, template: str) -> Models:
    domain_labels = item.dataset.domain_labels
    return Models(
        original=bench.clip,
        unlearned=unlearned,
        train=Images(pixels=item.shots.pixels, labels=item.shots.labels),
        test=Images(pixels=item.images.pixels, labels=item.images.labels),
        template=template,
        classes=item.dataset.class_names if domain_labels is None else domain_labels.classes,
        phrases=()
        if domain_labels is None
        else tuple(domain_labels.phrases[domain] for domain in domain_labels.domains),
        synonyms=item.dataset.synonyms,
    )


def _train(item: Evaluated, bench: Workbench, unlearned: Clip, template: str, run: Run) -> DatasetEvidence:
    images, labels = item.shots, item.shots.labels
    before = after = item.before_in(template).at(torch.empty(0, dtype=torch.int64))
    if len(images):
        changed = changed_names(bench.clip.state(), unlearned.state())
        texts = item.dataset.texts_in(template)
        found = embed_after(
            unlearned, images, texts, before=item.train_before, changed=changed, precision=run.precision, inner=True
        )
        before = item.parted(item.in_template(item.train_before, template), labels)
        after = item.parted(found, labels)
    return DatasetEvidence(
        name=run.dataset,
        class_names=item.dataset.class_names,
        labels=labels,
        domains=images.domains,
        control=item.control,
        class_of=item.class_of,
        before=before,
        after=after,
    )


def once_for(item: Evaluated, bench: Workbench, template: str) -> Once:
    """Keeps on disk what depends on the original model and a dataset's images and words alone."""
    folder = cache_root() / "audits" / bench.fingerprint
    shown: list[object] = [
        item.dataset.name,
        item.shots.content,
        item.images.content,
        template,
        item.dataset.class_names,
        item.dataset.texts_in(template),
    ]
    shown += [dict(item.dataset.synonyms), bench.setting.precision, _code(), *rounding(bench.clip)]

    def once(purpose: str, compute: Callable[[], Tensor]) -> Tensor:
        stem = hashlib.sha256(json.dumps([purpose, *shown]).encode()).hexdigest()[:16]
        return kept(folder / f"{stem}.npy", compute)

    return once


@lru_cache(maxsize=1)
def _code() -> str:
    """A hash of the metrics and the core: nothing that one of them kept outlives a change of what computes it."""
    digest = hashlib.sha256()
    for entry in sorted(Path(unlearn_bench.__file__).parent.iterdir()):
        if entry.name not in {"benchmarks", "leaderboards", "methods"}:
            for path in [entry] if entry.suffix == ".py" else sorted(entry.rglob("*.py")):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _reference(run: Run, bench: Workbench) -> Mapping[str, Tensor]:
    """Predictions on the datasets that are as they were when the reference was made."""
    found = find_retrained(run.model, fingerprint=run.fingerprint, dataset=run.dataset, forget=run.forget)
    if found is None:
        return {}
    known = {part.name: part for part in found.evaluated}
    return {
        item.name: torch.tensor(known[item.name].predictions, dtype=torch.int64)
        for item in run.evaluation
        if item.name in known and known[item.name].fits(item, bench.evaluated[item.name].images.content)
    }
