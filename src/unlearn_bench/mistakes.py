"""How a mistake of the user's ends one of the project's own tools."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from unlearn_bench.errors import InputError
from unlearn_bench.shown import visible

Options = ParamSpec("Options")


def mistakes_in_a_line(command: Callable[Options, None]) -> Callable[Options, None]:
    """The same command, in which a mistake of its user is one line on the error stream and exit code 2."""

    @wraps(command)
    def careful(*args: Options.args, **options: Options.kwargs) -> None:
        try:
            command(*args, **options)
        except InputError as error:
            sys.stderr.write(f"error: {visible(str(error))}\n")
            raise SystemExit(2) from error

    return careful
