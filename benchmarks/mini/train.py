"""The command that trains a mini model from scratch.

    python -m unlearn_bench.benchmarks.mini.train --model mini-rn --out runs/mini-rn
    python -m unlearn_bench.benchmarks.mini.train --model mini-rn --out runs/without-red-circle \\
        --without "mini-shapes/red circle"

writes `mini-rn.safetensors` (packed by `models.embedded.save_weights`) and `mini-rn.json` (how it was made and
how well it does on val) into the folder. It keeps a checkpoint per epoch there: killed and started again,
it goes on and ends with the same weights. Which images form a batch, how they are shifted and which caption
each gets depend on (seed, epoch) only. Weights are bit-equal for one machine, one torch version and one
`--threads`.

The loss is CLIP's symmetric cross-entropy with targets that know when a caption is true of several images.
With unit embeddings x_i of the images and t_j of the captions in a batch, s = exp(logit scale), and T_ij =
1 if caption j is true of image i (same class, and every stated fact agrees), else 0:

    P_ij = T_ij / sum_j T_ij,   Q_ij = T_ij / sum_i T_ij
    loss = - 1/(2B) sum_ij [ P_ij log softmax_j(s x_i . t_j) + Q_ij log softmax_i(s x_i . t_j) ]

so "a red circle." claims every red circle of the batch, and "a small red circle." only the small ones: the
words for domain, size and background are learnt beside the classes.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import open_clip
import torch
import torch.nn.functional as F
import typer
from rich.console import Console
from torch import Tensor

from unlearn_bench.benchmarks.data.embedded.drawing.concepts import DATASETS
from unlearn_bench.benchmarks.mini.accuracy import measure
from unlearn_bench.benchmarks.mini.pretraining import Corpus, corpus, draw_captions, parse_without, truth
from unlearn_bench.cache import atomic_path, make_folder, write_text
from unlearn_bench.errors import InputError, unknown
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.models.embedded import MEAN, NAMES, STD, build_untrained, load_weights, save_weights
from unlearn_bench.seeding import derive_seed, generator
from unlearn_bench.shown import console_of

app = typer.Typer(add_completion=False)

EPOCHS = {"mini-rn": 12, "mini-vit": 32}
"""What the shipped weights took: patches learn more slowly than convolutions, at about the same cost in all."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides the weights.

    Args:
        model: "mini-rn" or "mini-vit".
        seed: of the initial weights and of all batches.
        epochs: passes over the pretrain images.
        batch: images (and captions) per step.
        learning_rate: at the top of a cosine after one epoch of warm-up.
        weight_decay: on matrices, not on the token embedding.
        shift: images are moved by up to so many pixels (edges repeat).
        without: classes left out, "dataset/class".
        threads: of torch; the sums, and so the last bits, depend on it.
        limit: at most so many images per class, for trials.
    """

    model: str
    seed: int = 0
    epochs: int = 30
    batch: int = 128
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    shift: int = 2
    without: tuple[str, ...] = ()
    threads: int = 1
    limit: int | None = None


def contrastive_loss(images: Tensor, captions: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """The loss of the module's docstring.

    Args:
        images, captions: (B, D) unit embeddings.
        scale: s.
        true: (B, B) bool, T; each row and column has at least one true entry.
    """
    logits = scale * images @ captions.T  # (B, B)
    weights = true.to(logits.dtype)
    by_image = weights / weights.sum(dim=1, keepdim=True)
    by_caption = weights / weights.sum(dim=0, keepdim=True)
    forth = (by_image * F.log_softmax(logits, dim=1)).sum()
    back = (by_caption * F.log_softmax(logits, dim=0)).sum()
    return -(forth + back) / (2 * len(logits))


def encode_short_texts(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """`model.encode_text` without the empty places at the end, which a causal tower never looks at: (B,
    D)."""
    length = tokens.shape[1]
    hidden = model.token_embedding(tokens) + model.positional_embedding[:length]
    hidden = model.ln_final(model.transformer(hidden, attn_mask=model.attn_mask[:length, :length]))
    ends = hidden[torch.arange(len(tokens)), tokens.argmax(dim=1)]
    return torch.as_tensor(ends @ model.text_projection)


def shifted(pixels: Tensor, reach: int, draws: torch.Generator) -> Tensor:
    """Images (B, 3, 64, 64) uint8 moved by up to `reach` pixels, each its own way, as normalised float32."""
    batch, size = len(pixels), pixels.shape[-1]
    padded = F.pad(pixels.float() / 255, (reach,) * 4, mode="replicate")
    offsets = torch.randint(0, 2 * reach + 1, (2, batch, 1), generator=draws)
    rows = (torch.arange(size) + offsets[0])[:, None, :, None]
    columns = (torch.arange(size) + offsets[1])[:, None, None, :]
    moved = padded[torch.arange(batch)[:, None, None, None], torch.arange(3)[None, :, None, None], rows, columns]
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    return (moved - mean) / std


class Training:
    """A model on its way: weights, optimiser and the number of epochs done, saved and resumed as one.

    Only the embeddings of tokens that occur are trained, as a small table of their own: the optimiser would
    else walk over 49,408 rows in every step. Their order is kept, so that the largest token number still
    marks the end of text.
    """

    def __init__(self, recipe: Recipe, data: Corpus) -> None:
        self.recipe, self.data = recipe, data
        self.model = build_untrained(recipe.model, derive_seed(recipe.seed, recipe.model, "initial weights"))
        self.rows, compact = torch.unique(data.tokens, return_inverse=True)
        self.tokens = compact  # (M, L), numbers of rows in the small table
        self.full_table = self.model.token_embedding.weight.detach().clone()
        self.model.token_embedding = torch.nn.Embedding(
            len(self.rows), self.full_table.shape[1], _weight=self.full_table[self.rows]
        )
        self.model.train()
        if recipe.model == "mini-rn":
            self.model.visual.to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.AdamW(_groups(self.model, recipe.weight_decay), betas=(0.9, 0.98), eps=1e-6)
        self.epochs_done = 0
        self.cpu_seconds = 0.0

    def run_epoch(self) -> float:
        """One pass over the images in an order of its own; returns the mean loss."""
        start = time.process_time()
        draws = generator(self.recipe.seed, "epoch", self.epochs_done)
        order = torch.randperm(len(self.data.pixels), generator=draws)
        steps = len(order) // self.recipe.batch or 1
        total = 0.0
        for step in range(steps):
            self._set_learning_rate(self.epochs_done + step / steps)
            total += self._step(order[step * self.recipe.batch : (step + 1) * self.recipe.batch], draws)
        self.epochs_done += 1
        self.cpu_seconds += time.process_time() - start
        return total / steps

    def _step(self, rows: Tensor, draws: torch.Generator) -> float:
        captions = draw_captions(self.data, rows, draws)
        pixels = shifted(self.data.pixels[rows], self.recipe.shift, draws)
        tokens = self.tokens[captions]
        longest = int((self.data.tokens[captions] != 0).sum(dim=1).max())
        images = F.normalize(self.model.encode_image(pixels), dim=-1)
        texts = F.normalize(encode_short_texts(self.model, tokens[:, :longest]), dim=-1)
        true = truth(self.data.caption_codes[captions], self.data.image_codes[rows])
        loss = contrastive_loss(images, texts, self.model.logit_scale.exp(), true)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(100))
        return float(loss.detach())

    def _set_learning_rate(self, epoch: float) -> None:
        """Linear over the first epoch, then half a cosine to nought."""
        cosine = 0.5 * (1 + math.cos(math.pi * epoch / self.recipe.epochs))
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * min(1.0, epoch + 0.02) * cosine

    def finished_model(self) -> open_clip.CLIP:
        """The model with its whole token embedding."""
        whole = build_untrained(self.recipe.model, seed=0)
        state = self.model.state_dict()
        table = self.full_table.clone()
        table[self.rows] = state["token_embedding.weight"]
        whole.load_state_dict({**state, "token_embedding.weight": table})
        return whole.eval()

    def save(self, path: Path) -> None:
        """Everything that the next epoch depends on, written atomically."""
        state = {
            "recipe": json.dumps(asdict(self.recipe), sort_keys=True),
            "epochs_done": self.epochs_done,
            "cpu_seconds": self.cpu_seconds,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        with atomic_path(path) as part:
            torch.save(state, part)

    def resume(self, path: Path) -> None:
        """Go on from `path`.

        Raises:
            InputError: the checkpoint belongs to another recipe or architecture, or is damaged.
        """
        try:
            self._take_over(torch.load(path, map_location="cpu", weights_only=True), path)
        except InputError:
            raise
        except Exception as error:  # what torch raises depends on what does not fit, and where the file breaks off
            said = str(error).split("\n", 1)[0]
            raise InputError(
                f"checkpoint {str(path)!r} can't be gone on from ({type(error).__name__}: {said}); it is damaged or "
                "of another architecture: remove it, or give another --out"
            ) from error

    def _take_over(self, state: dict[str, Any], path: Path) -> None:
        if state["recipe"] != json.dumps(asdict(self.recipe), sort_keys=True):
            raise InputError(f"checkpoint {str(path)!r} is of another recipe ({state['recipe']}); give another --out")
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epochs_done, self.cpu_seconds = state["epochs_done"], state["cpu_seconds"]


def _groups(model: open_clip.CLIP, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; gains, biases, embeddings and the scale don't."""
    decays = {True: [], False: []}  # type: dict[bool, list[torch.nn.Parameter]]
    for name, parameter in model.named_parameters():
        decays[parameter.ndim >= 2 and "embedding" not in name].append(parameter)
    return [
        {"params": decays[True], "weight_decay": weight_decay},
        {"params": decays[False], "weight_decay": 0.0},
    ]


def fit(recipe: Recipe, data: Corpus, folder: Path, console: Console, *, stop_after: int | None = None) -> Training:
    """Train up to the recipe's epochs (or `stop_after`), a checkpoint per epoch, from the last checkpoint
    on."""
    training = Training(recipe, data)
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.is_file():
        training.resume(checkpoint)
        console.print(f"{recipe.model}: goes on after epoch {training.epochs_done}")
    while training.epochs_done < (stop_after or recipe.epochs):
        loss = training.run_epoch()
        training.save(checkpoint)
        console.print(
            f"{recipe.model}: epoch {training.epochs_done}/{recipe.epochs}, loss {loss:.3f}, "
            f"{training.cpu_seconds / 60:.1f} CPU minutes"
        )
    return training


def report(recipe: Recipe, training: Training, weights: Path) -> dict[str, Any]:
    """How the weights came about, and val accuracies measured on them as they lie on the disk."""
    model = load_weights(recipe.model, weights)
    measured = {name: measure(model, dataset, "val") for name, dataset in DATASETS.items()}
    return {
        "command": "python -m unlearn_bench.benchmarks.mini.train",
        "recipe": asdict(recipe),
        "cpu_minutes": round(training.cpu_seconds / 60, 1),
        "versions": {name: version(name) for name in ("torch", "open_clip_torch", "numpy", "pillow", "scikit-learn")},
        "dataset_versions": {name: dataset.version for name, dataset in DATASETS.items()},
        "val_accuracy": {name: round(found.overall, 4) for name, found in measured.items()},
        "val_accuracy_of_forget_classes": {
            name: {each: round(found.per_class[each], 4) for each in DATASETS[name].forget_classes}
            for name, found in measured.items()
        },
        "val_accuracy_of_tuning_classes": {
            name: {each: round(found.per_class[each], 4) for each in DATASETS[name].tuning_classes}
            for name, found in measured.items()
        },
    }


@app.command()
@mistakes_in_a_line
def main(
    *,
    model: Annotated[str, typer.Option(help="mini-rn or mini-vit.")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint, the weights and the report.")],
    without: Annotated[list[str] | None, typer.Option(help='Leave a class out: "mini-shapes/red circle".')] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Those of the shipped weights by default.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many images per class, for trials.")] = None,
) -> None:
    """Train a mini model; started again on the same folder, it goes on where it was.

    Example: python -m unlearn_bench.benchmarks.mini.train --model mini-rn --out runs/mini-rn
    """
    console = console_of()
    if model not in NAMES:
        raise unknown("mini model", model, NAMES)
    recipe = Recipe(
        model=model,
        seed=seed,
        epochs=epochs or EPOCHS[model],
        without=tuple(sorted(without or ())),
        threads=threads,
        limit=limit,
    )
    left_out = parse_without(recipe.without)
    folder = make_folder(out, what="output folder")
    torch.set_num_threads(threads)
    training = fit(recipe, corpus(left_out, limit=limit), folder, console)
    weights = folder / f"{model}.safetensors"
    save_weights(training.finished_model(), weights)
    found = report(recipe, training, weights)
    write_text(folder / f"{model}.json", json.dumps(found, indent=2) + "\n")
    console.print_json(data=found)


if __name__ == "__main__":
    app()
