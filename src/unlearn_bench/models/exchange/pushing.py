"""A model's folder to the Hugging Face hub, for those who are logged in there."""

from pathlib import Path

from huggingface_hub import HfApi, constants, get_token

from unlearn_bench.downloads.transfer import brief
from unlearn_bench.errors import InputError
from unlearn_bench.models.names import is_hub_id


def check_push(name: str) -> None:
    """What stands in the way of a push, before anything is done.

    Raises:
        InputError: no name of a repository, or nobody is logged in.
    """
    if not is_hub_id(name) or "/" not in name:
        raise InputError(f"{name!r} is no repository of the hub; give --push owner/name")
    if get_token() is None:
        raise InputError(
            "nobody is logged in to the Hugging Face hub here; run `hf auth login` first, or leave --push out"
        )


def push(folder: Path, name: str) -> str:
    """Upload every file of the folder to the repository, made if it is not there; says where it is.

    Raises:
        InputError: the hub refuses, or can't be reached; the folder stays.
    """
    try:
        api = HfApi(endpoint=constants.ENDPOINT)
        api.create_repo(name, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=str(folder), commit_message="Unlearned model and card")
    except Exception as error:  # the hub's client raises errors of many libraries
        raise InputError(
            f"{str(folder)!r} is written, and can't be pushed to {name!r} ({brief(error)}); push it by hand: "
            f"`hf upload {name} {folder}`"
        ) from error
    return f"{constants.ENDPOINT}/{name}"
