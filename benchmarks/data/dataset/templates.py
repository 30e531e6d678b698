"""Templates: the sentence around a class name with which a model is asked for it."""

from unlearn_bench.benchmarks.data.dataset.base import Dataset
from unlearn_bench.errors import InputError

DEFAULT_TEMPLATE = "a photo of a {}."


def check_template(template: str, *, of: str) -> None:
    """Refuse a template that can't be filled with a class and a domain."""
    rest = template.replace("{}", "").replace("{domain}", "")
    if template.count("{}") != 1 or "{" in rest or "}" in rest:
        raise InputError(f"the template {template!r} of {of} needs one {{}} for the class, and may hold {{domain}}")


def set_template(dataset: Dataset, template: str) -> None:
    """Have a dataset asked for with another template: for evaluation, methods and synthetic images alike.

    Raises:
        InputError: a template that can't be filled, one that names a domain where there are none, or a dataset of
            somebody's own that refuses another.
    """
    check_template(template, of=dataset.name)
    try:
        dataset.template = template
    except AttributeError as error:
        raise InputError(
            f"dataset {dataset.name!r} has a template of its own and takes no other ({error})"
        ) from error
    vars(dataset).pop("texts", None)  # a cached property
    dataset.texts_in(template)
