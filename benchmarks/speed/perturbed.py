"""Noisy copies of few images, as Lip, Emb and ULip ask for: each by itself against many in one pass.

    python -m unlearn_bench.benchmarks.speed.perturbed

embeds `--copies` noisy copies of a batch both ways, in turns: CPU seconds, best of `--turns`, and their ratio.
"""

import time
from typing import Annotated

import torch
import typer
from tabulate import tabulate

from unlearn_bench.clip import Clip
from unlearn_bench.mistakes import mistakes_in_a_line
from unlearn_bench.models.sources import open_model
from unlearn_bench.seeding import generator
from unlearn_bench.training import perturbation

SIZES = (2, 4, 8, 16)


def cpu_seconds(clip: Clip, *, size: int, copies: int, turns: int) -> tuple[float, float]:
    """Of the copies of `size` images, one by one and together: the best of `turns` each, in turns."""
    shape = (size, 3, clip.image_size, clip.image_size)
    inputs = torch.randn(shape, generator=generator("images")).contiguous(memory_format=torch.channels_last)
    took: dict[int, list[float]] = {size: [], perturbation.PASS: []}
    for _ in range(turns):
        for together, seconds in took.items():
            began = time.process_time()
            for start in range(0, copies, many := max(1, together // size)):
                perturbation.perturb(
                    clip,
                    inputs,
                    sigma=0.5,
                    count=min(many, copies - start),
                    generator=generator("noise", start),
                )
            seconds.append(time.process_time() - began)
    return min(took[size]), min(took[perturbation.PASS])


@mistakes_in_a_line
def main(
    *,
    model: Annotated[str, typer.Option(help="Whose image tower.")] = "mini-rn",
    copies: Annotated[int, typer.Option(min=1, help="Of each image.")] = 25,
    turns: Annotated[int, typer.Option(min=1, help="How often each way.")] = 5,
) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    clip = open_model(model)
    rows = []
    for size in SIZES:
        each, together = cpu_seconds(clip, size=size, copies=copies, turns=turns)
        rows.append([size, 1000 * each, 1000 * together, each / max(together, 1e-9)])
    typer.echo(
        tabulate(rows, ["images", "one by one, ms", "together, ms", "ratio"], tablefmt="github", floatfmt=".2f")
    )


if __name__ == "__main__":
    typer.run(main)
