"""What tests of isolation share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.isolation.rooms import Room, new_player


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    player = new_player(tmp_path)
    yield Room(player, tmp_path)
    player.close()
