"""Write `catalogue.md` and `catalogue.json` from the recorded results of the studies.

    python docs/catalogue.py record RUN...    # add the results of finished runs to their studies
    python docs/catalogue.py                  # write both files again

`catalogue.yaml` lists every system with its study, model, baseline and metric.
`studies/NAME/results.json` keeps the results of all releases; none is overwritten by a later one.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml

import bunchtrain
from bunchtrain.files import write_json, write_text
from bunchtrain.report.labels import label
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.study import find, load, model_configs

DOCS = Path(__file__).resolve().parent
STUDIES = DOCS.parent / "studies"
#: Order of sizes, the most meaningful last.
SIZES = ("demo", "", "small", "full")
INTRODUCTION = """# Catalogue of systems

Written from the recorded results of the studies by `docs/catalogue.py`; the same content is in
`catalogue.json`. Each row is measured by the command next to it. The baseline is the classical
method, or the simplest one, on the same events. Published values are those of the cited paper on
its own sample. Time and peak memory are those of the model's training, on two cores. Uncertainties
are statistical.
"""


def record(path: str) -> None:
    """Add the results of a finished run to `results.json` of its study."""
    run = bunchtrain.open_run(path)
    place = STUDIES / run.study.name / "results.json"
    known = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else []
    environment = run.json("environment.json")
    entry = {
        "release": environment.get("bunchtrain", bunchtrain.__version__),
        "commit": environment.get("commit", ""),
        "date": date.fromtimestamp(run.folder.stat().st_mtime).isoformat(),
        "size": size_of(run.study),
        "machine": environment.get("machine", ""),
        "models": {name: _model(run, name) for name in run.metrics},
    }
    write_json(place, [one for one in known if _key(one) != _key(entry)] + [entry])
    print(f"{place}: {len(entry['models'])} models, size '{entry['size']}'")


def size_of(study: Any) -> str:
    """Return the `--size` whose values a study has, or ''; the number of threads is no matter."""
    file, threads = find(study.name), {"training.threads": study.training.threads}
    for size in reversed(SIZES):
        if size and size in study.sizes and load(file, size=size, **threads) == study:
            return size
    return ""


def _key(entry: Mapping[str, Any]) -> tuple[str, str]:
    return entry["release"], entry["size"]


def _model(run: Any, name: str) -> dict[str, Any]:
    training = run.json(f"models/{name}/training.json")
    kept = {k: m for k, m in run.metrics[name].items() if m.get("value") is not None}
    found = {"metrics": {k: {"value": m["value"], "error": m["error"]} for k, m in kept.items()}}
    found |= {"seconds": training.get("seconds"), "memory_mb": training.get("peak_rss_mb")}
    return found


def rows() -> list[dict[str, Any]]:
    """Return every system with its best recorded result, for JSON."""
    listed = yaml.safe_load((DOCS / "catalogue.yaml").read_text(encoding="utf-8"))
    return [_row(entry) for entry in listed]


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    row = {"id": entry["id"], "name": entry["name"]}
    if "study" not in entry:
        return row | {"note": entry.get("note", "")}
    place = STUDIES / entry["study"] / "results.json"
    recorded = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else []
    own = [one for one in recorded if _measurement(one, entry["model"], entry["metric"])]
    if not own:
        return row | {"study": entry["study"], "note": "no recorded result yet"}
    own.sort(key=lambda one: (SIZES.index(one["size"]), one["date"]))
    best, earlier = own[-1], own[:-1]
    size = f" --size {best['size']}" if best["size"] else ""
    model = best["models"][entry["model"]]
    return row | {
        "study": entry["study"],
        "command": best.get("command", f"bunchtrain run {entry['study']}{size}"),
        "model": entry["model"],
        "metric": entry["metric"],
        "value": _measurement(best, entry["model"], entry["metric"]),
        "baseline": entry.get("baseline"),
        "baseline_value": _measurement(best, entry.get("baseline", ""), entry["metric"]),
        "published": _published(entry),
        "seconds": model.get("seconds"),
        "memory_mb": model.get("memory_mb"),
        "release": best["release"],
        "date": best["date"],
        "earlier": [
            {k: one[k] for k in ("release", "date", "size")}
            | {"value": _measurement(one, entry["model"], entry["metric"])}
            for one in earlier
        ],
        "note": entry.get("note", ""),
    }


def _measurement(result: Mapping[str, Any], model: str, metric: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = result["models"].get(model, {}).get("metrics", {}).get(metric)
    return found


def _published(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the published value: of the row itself, or of the model in the study."""
    if "published" in entry:
        return dict(entry["published"])
    config = model_configs(load(entry["study"])).get(entry["model"])  # none of a policy
    published = config.published if config else None
    found = published.metrics.get(entry["metric"]) if published else None
    if published is None or found is None:
        return None
    return {"value": found.value, "error": found.error, "source": published.source}


def page(systems: Sequence[Mapping[str, Any]]) -> str:
    """Return the catalogue as Markdown."""
    head = (
        "| id | system | command | metric | value | baseline | published | training | memory |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    lines, done = [], 0
    for row in systems:
        if "value" in row:
            lines.append(_line(row))
            done += 1
        else:
            note = row.get("note") or "not yet"
            lines.append(f"| {row['id']} | {row['name']} | {note} | | | | | | |")
    counted = f"\n{done} of {len(systems)} rows have a recorded result.\n\n"
    return INTRODUCTION + counted + "\n".join([head, *lines]) + "\n" + _earlier(systems)


def _line(row: Mapping[str, Any]) -> str:
    baseline = f"{_text(row['baseline_value'])} (`{row['baseline']}`)" if row["baseline"] else ""
    published = row["published"] or {}
    source = f" ({published['source']})" if published.get("source") else ""
    cells = [
        row["id"],
        row["name"] + (f"; {row['note']}" if row["note"] else ""),
        f"`{row['command']}`",
        f"{label(row['metric'])} of `{row['model']}`",
        _text(row["value"]),
        baseline,
        _text(published) + source if published else "",
        f"{row['seconds']:.0f} s" if row["seconds"] else "",
        f"{row['memory_mb'] / 1000:.1f} GB" if row["memory_mb"] else "",
    ]
    return "| " + " | ".join(re.sub(r"\s*\|\s*", "/", cell) for cell in cells) + " |"


def _earlier(systems: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"| {row['id']} | {one['release']} | {one['date']} | {one['size'] or '–'} | "
        f"{_text(one['value'])} |"
        for row in systems
        for one in row.get("earlier", [])
    ]
    if not lines:
        return ""
    head = "\n## Other recorded results\n\n| id | release | date | size | value |\n"
    head += "|---|---|---|---|---|"
    return "\n".join([head, *lines]) + "\n"


def _text(entry: Mapping[str, Any] | None) -> str:
    return str(Measurement.from_dict(entry)) if entry else "–"


def main() -> None:
    if sys.argv[1:2] == ["record"]:
        for path in sys.argv[2:]:
            record(path)
    systems = rows()
    write_json(DOCS / "catalogue.json", systems)
    write_text(DOCS / "catalogue.md", page(systems))
    done = sum("value" in row for row in systems)
    print(f"{done} of {len(systems)} rows have a recorded result")


if __name__ == "__main__":
    main()
