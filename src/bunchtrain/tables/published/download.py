"""Loading one file over HTTP, going on where a broken connection stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from bunchtrain.errors import MachineError

TIMEOUT = 30.0  # s without a byte
BLOCK = 1 << 20


class Download:
    """A downloader for pooch that keeps what it has in a file beside the target."""

    def __init__(self, partial: Path) -> None:
        self.partial = partial

    def __call__(self, url: str, target: str, pooch: Any) -> None:
        """Load `url` into the file `target`.

        Raises MachineError without network, for an answer other than the file, or without space.
        """
        try:
            self._load(url)
        except requests.RequestException as problem:
            raise MachineError(
                f"cannot load {url} ({type(problem).__name__}); check the network and run again: "
                "what is loaded is kept"
            ) from None
        os.replace(self.partial, target)

    def _load(self, url: str) -> None:
        have = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if have and answer.status_code == requests.codes.requested_range_not_satisfiable:
                return  # all of it is here already; the checksum decides
            if not answer.ok:
                raise MachineError(
                    f"{url} was answered with {answer.status_code} {answer.reason}; try again later"
                )
            have = have if answer.status_code == requests.codes.partial_content else 0
            rest = int(answer.headers.get("Content-Length", 0))
            self._check_space(url, rest)
            with _progress() as progress, self.partial.open("ab" if have else "wb") as file:
                bar = progress.add_task(self.partial.stem, total=have + rest or None)
                progress.update(bar, completed=have)
                for block in answer.iter_content(BLOCK):
                    file.write(block)
                    progress.advance(bar, len(block))

    def _check_space(self, url: str, wanted: int) -> None:
        free = shutil.disk_usage(self.partial.parent).free
        if wanted > free:
            raise MachineError(
                f"{url} needs {wanted / 1e9:.1f} GB and {self.partial.parent} has "
                f"{free / 1e9:.1f} GB left; make room there or choose another folder"
            )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
