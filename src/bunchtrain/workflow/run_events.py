"""The event cache of a run, found by its key, which the events of a resumed run must have."""

from __future__ import annotations

import filecmp
from pathlib import Path

from bunchtrain.errors import RunError
from bunchtrain.study import Study
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.preparation import event_cache, event_caches


def run_events(folder: RunFolder, study: Study) -> EventCache:
    """Return the events of a run; its cache is created again if it was deleted.

    Raises RunError if the source has other events now, DataError if it is missing.
    """
    key = folder.json("data.json").get("key")
    place = event_caches(study) / str(key)
    if key is not None and EventCache.is_complete(place):
        return EventCache.open(place)
    made = event_cache(study)
    check_key(folder, study, made)
    return made


def check_key(folder: RunFolder, study: Study, cache: EventCache) -> None:
    """Raise RunError if a cache has other events than the run was made with."""
    key = folder.json("data.json").get("key", cache.key)
    if key != cache.key and not _has_same_events(event_caches(study) / key, cache):
        files = study.source.options.get("files", study.source.name)
        raise RunError(
            f"the events of '{files}' are not those that {folder.path} was started with: restore "
            f"the source, or start a new run: bunchtrain run {folder.study_file}"
        )


def _has_same_events(folder: Path, cache: EventCache) -> bool:
    """Return whether another cache has the same events, as of a file that was copied or touched."""
    if not EventCache.is_complete(folder):
        return False
    other = EventCache.open(folder)
    if {**other.manifest, "key": cache.key} != cache.manifest:
        return False
    shards = [shard["file"] for split in cache.manifest["shards"].values() for shard in split]
    return all(filecmp.cmp(folder / name, cache.folder / name, shallow=False) for name in shards)
