"""What the metrics see: everything embedded with the unlearned model, beside what was there before."""

from dataclasses import replace

import torch

from unlearn_bench.benchmarks.referee.audits import once_for
from unlearn_bench.benchmarks.referee.embedding import embed_after, embed_inputs, embed_texts
from unlearn_bench.benchmarks.referee.game import Game
from unlearn_bench.benchmarks.referee.workbench import Workbench
from unlearn_bench.clip import Clip, State, changed_names
from unlearn_bench.metrics.base import (
    Cost,
    DatasetEvidence,
    Embedded,
    Evidence,
    SyntheticEvidence,
)


def evidence_of(game: Game, unlearned: Clip) -> Evidence:
    """Embed everything with the unlearned model, reusing what its changes can't have moved."""
    bench = game.bench
    original: State = bench.clip.state()
    changed = changed_names(original, unlearned.state())
    datasets = {}
    templates = {item.name: item.template for item in game.run.evaluation}
    for name, item in bench.evaluated.items():
        texts = item.dataset.texts_in(templates[name])
        after = embed_after(
            unlearned,
            item.images,
            texts,
            before=item.before,
            changed=changed,
            precision=game.run.precision,
            inner=name == game.run.dataset,
        )
        datasets[name] = DatasetEvidence(
            name=name,
            class_names=item.dataset.class_names,
            labels=item.images.labels,
            domains=item.images.domains,
            control=item.control,
            before=item.before_in(templates[name]),
            after=item.parted(after, item.images.labels),
            class_of=item.class_of,
            captions=item.captions_of(unlearned),
            associations=item.dataset.associations,
        )
    bias = bench.clip.logit_bias
    return Evidence(
        dataset=game.dataset.name,
        forget=game.targets,
        datasets=datasets,
        logit_scale=float(bench.clip.logit_scale),
        logit_bias=0.0 if bias is None else float(bias),
        synthetic=_synthetic_evidence(game, unlearned),
        original=original,
        unlearned=unlearned.state(),
        trainable=tuple(weight.name for weight in bench.clip.weights()),
        cost=Cost(seconds={}, peak_memory_bytes=0),
        seed=game.run.seed,
        once=once_for(bench.evaluated[game.dataset.name], bench, templates[game.dataset.name]),
    )


def classified(evidence: Evidence, bench: Workbench) -> Evidence | None:
    """The evidence of the datasets whose class texts part the pictures; None where the own one is not among them."""
    datasets = {name: item for name, item in evidence.datasets.items() if bench.evaluated[name].dataset.classified}
    return replace(evidence, datasets=datasets) if evidence.dataset in datasets else None


def _synthetic_evidence(game: Game, unlearned: Clip) -> SyntheticEvidence | None:
    """Only where the method asked for synthetic images: nobody pays for what nobody used."""
    if game.made is None:
        return None
    templates = {item.name: item.template for item in game.run.evaluation}
    made, texts = game.made.synthetic, game.dataset.texts_in(templates[game.dataset.name])

    labels = torch.tensor(game.targets, dtype=torch.int64)[made.labels]

    def see(clip: Clip) -> Embedded:
        seen = Embedded(images=embed_inputs(clip, made.unit), texts=embed_texts(clip, texts))
        return game.bench.evaluated[game.dataset.name].parted(seen, labels)

    return SyntheticEvidence(labels=labels, before=see(game.bench.clip), after=see(unlearned))
