"""Work of a task that writes its key down first, to a file that the environment names; also in workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from physnn.samples.sample import work as physnns_work

FILE = "PHYSNN_TESTS_RAN"


def work(task: Any, *rest: Any) -> None:
    """Note the tasks of a batch, or one, and do them."""
    with Path(os.environ[FILE]).open("a") as stream:
        stream.write("".join(f"{one.key}\n" for one in getattr(task, "tasks", (task,))))
    physnns_work(task, *rest)
