"""Download of a file over HTTP, resumed after an interruption, and lookup of a file on OpenML."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import requests

from bunchtrain.errors import MachineError
from bunchtrain.progress_bar import count_steps

TIMEOUT = 30.0  # s without data
BLOCK = 1 << 20


class Download:
    """A downloader for pooch that writes to a partial file next to the target, so it can resume."""

    def __init__(self, partial: Path) -> None:
        self.partial = partial

    def __call__(self, url: str, target: str, pooch: Any) -> None:
        """Download `url` into the file `target`.

        Raises MachineError without network, for an HTTP error, or if the disk is full.
        """
        try:
            self._download(url)
        except requests.RequestException as problem:
            raise MachineError(
                f"cannot download {url} ({type(problem).__name__}); check the network and run the "
                "command again to resume"
            ) from None
        os.replace(self.partial, target)

    def _download(self, url: str) -> None:
        offset = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if offset and response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # the file is complete; the checksum is verified later
            if not response.ok:
                raise MachineError(
                    f"{url}: the server responded {response.status_code} {response.reason}; "
                    "try again later"
                )
            offset = offset if response.status_code == requests.codes.partial_content else 0
            rest = int(response.headers.get("Content-Length", 0))
            self._check_space(url, rest)
            total = offset + rest or None
            with (
                count_steps(self.partial.stem, total, offset, _megabytes) as advance,
                self.partial.open("ab" if offset else "wb") as file,
            ):
                for block in response.iter_content(BLOCK):
                    file.write(block)
                    advance(len(block))

    def _check_space(self, url: str, size: int) -> None:
        free = shutil.disk_usage(self.partial.parent).free
        if size > free:
            raise MachineError(
                f"{url} needs {size / 1e9:.1f} GB but {self.partial.parent} has "
                f"{free / 1e9:.1f} GB free; free space there or choose another folder"
            )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def openml_file(address: str) -> tuple[str, str]:
    """Return the URL and the checksum `md5:…` from the OpenML description at `address`.

    Raises MachineError without network or for a response that is no such description.
    """
    try:
        response = requests.get(address, timeout=TIMEOUT)
        response.raise_for_status()
        description = response.json()["data_set_description"]
        return description["url"], f"md5:{description['md5_checksum']}"
    except (requests.ConnectionError, requests.Timeout) as problem:
        raise MachineError(
            f"cannot download {address} ({type(problem).__name__}); check the network and run the "
            "command again"
        ) from None
    except (requests.RequestException, KeyError, TypeError):
        raise MachineError(
            f"{address}: the response is not an OpenML description of a sample; try again later"
        ) from None
