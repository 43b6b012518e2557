"""Training in this process, on its accelerator if it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bunchtrain.methods.task import Task
from bunchtrain.training.place import Place

if TYPE_CHECKING:
    from bunchtrain.training.fit import Watcher


class Local:
    """Training in this process, on its accelerator if it has one."""

    def run(
        self,
        task: Task,
        *,
        resume: bool = False,
        progress: bool = True,
        watch: Watcher | None = None,
    ) -> None:
        """Train the task; the outcome lies in its folder."""
        from bunchtrain.training.fit import fit  # Lightning takes seconds to import

        fit(task, Place(), resume=resume, progress=progress, watch=watch)
