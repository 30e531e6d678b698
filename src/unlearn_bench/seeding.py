"""Randomness by purpose: every stream has a name, and no stream depends on how much another one drew."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def derive_seed(*parts: object) -> int:
    """A 63-bit seed from the text of `parts`: equal on every machine, different for every purpose.

    >>> derive_seed(0, "mini-digits", "batches") == derive_seed(0, "mini-digits", "batches")
    True
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@contextmanager
def global_streams(seed: int) -> Iterator[None]:
    """In this block the global streams of torch, numpy and `random` begin at `seed`; after it, they are as before.

    For code of others, who draw from them: what they do can then be repeated, and moves nobody else's numbers.
    """
    plain, arrays = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(arrays)


def generator(*parts: object) -> torch.Generator:
    """A CPU generator for one purpose; draw on the CPU and move, so that devices agree."""
    return torch.Generator().manual_seed(derive_seed(*parts))
