"""Text towers of transformers in models of open_clip: the library's own are built, code of others is not run."""

from collections.abc import Mapping
from typing import Any

from unlearn_bench.errors import InputError


def refuse_text_code(text: Mapping[str, Any]) -> None:
    """Take a `text_cfg` whose tower is transformers' only where that library itself has the tower.

    open_clip asks for the tower without saying what is to become of code beside it: transformers would ask the user
    on the terminal whether to run it.

    Raises:
        InputError: the tower is code in a folder or repository, or its configuration can't be had.
    """
    name = text.get("hf_model_name")
    if not name:
        return
    try:
        from transformers import AutoConfig  # noqa: PLC0415  (of an extra)
    except ImportError as error:
        raise InputError(
            f"the text tower {name!r} is of transformers, which is not installed ({error}); "
            "pip install 'unlearn-bench[transformers]'"
        ) from error
    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # the hub's client raises errors of many libraries
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise InputError(
            f"the configuration of the text tower {name!r} can't be had without running code ({reason}); "
            "name one that transformers has, and go online once where it is not here"
        ) from error
    if getattr(config, "auto_map", None):
        raise InputError(
            f"the text tower {name!r} brings code of its own (auto_map in its configuration), and nothing from a "
            "model's folder is run; take one that transformers has"
        )
