"""Where OpenML keeps a sample, and its checksum, by OpenML's own description of it."""

from __future__ import annotations

import requests

from bunchtrain.errors import MachineError
from bunchtrain.tables.published.download import TIMEOUT


def described(address: str) -> tuple[str, str]:
    """Return the URL and the checksum `md5:…` that the description at `address` tells.

    Raises MachineError without network or for an answer that is no such description.
    """
    try:
        answer = requests.get(address, timeout=TIMEOUT)
        answer.raise_for_status()
        told = answer.json()["data_set_description"]
        return told["url"], f"md5:{told['md5_checksum']}"
    except (requests.ConnectionError, requests.Timeout) as problem:
        raise MachineError(
            f"cannot load {address} ({type(problem).__name__}); check the network and run again"
        ) from None
    except (requests.RequestException, KeyError, TypeError):
        raise MachineError(
            f"{address} was not answered with OpenML's description of a sample; try again later"
        ) from None
