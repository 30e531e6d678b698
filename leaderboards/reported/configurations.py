"""Which of the paper's configurations a measured row is: the method as such, or one of Table 3's ablations."""

from unlearn_bench.leaderboards.records.record import Run

ORIGINAL, TEXT_LOSS, DESCRIPTIONS, EVALUATION = "Original", "NoTextLoss", "CuPLGen", "EvalTemplChange"
"""The ablation types of Table 3, as printed."""

TEMPLATES = (
    "We can see a {} in this image",
    "This is a representation of {}",
    "There is evidence of a {} in the picture",
)
"""The changed evaluation templates of section 6.3."""


def configuration_of(run: Run) -> str:
    """The printed name of the run's configuration; empty where the paper's tables have no such row.

    - `Original`: no variant of a suite, or one that sets only how its synthetic images are made and accepted.
    - `NoTextLoss`: Lip without its text loss, nothing else changed; the paper prints it as ULip.
    - `CuPLGen`: Lip with synthetic images made for descriptions, nothing else changed.
    - `EvalTemplChange`: Lip, evaluated with one of `TEMPLATES`, nothing else changed.
    """
    variant = run.variant
    changed = {key for key in ("hyperparameters", "template", "descriptions") if variant.get(key)}
    if not changed:
        return ORIGINAL
    if run.method != "lip":
        return ""
    if changed == {"hyperparameters"} and dict(variant["hyperparameters"]) == {"text_loss": False}:
        return TEXT_LOSS
    if changed == {"descriptions"}:
        return DESCRIPTIONS
    templates = {item.template.rstrip(".") for item in run.evaluation if not item.control}
    if changed == {"template"} and len(templates) == 1 and templates <= set(TEMPLATES):
        return EVALUATION
    return ""
