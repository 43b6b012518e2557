"""Keys of release 0.1, translated for one release with a note that names the new ones."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import DeprecatedKey, StudyError, nearest, shorten
from bunchtrain.study.overrides import default_evaluations

#: Old key → new key, at the top of a study and in each of its models.
RENAMED = {
    "represent": "representation",
    "objective": "loss",
    "calibrate": "calibration",
    "members": "models",
}
#: Keys of the old mapping `evaluation`, and their defaults.
OLD_EVALUATION: dict[str, Any] = {
    "signal": None,
    "target": None,
    "efficiencies": [0.3, 0.5],
    "mistags": [0.01],
    "working_points": [],
    "fractions": {},
    "against": [],
    "parameter": None,
    "decorrelation": None,
    "luminosity_scale": 1.0,
    "note": "",
}
#: Words for the types of their values in messages; without an entry it is a text.
OLD_TYPES: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("efficiencies", "mistags", "working_points", "against"), ("a list", list)),
    **dict.fromkeys(("fractions", "decorrelation"), ("a mapping", Mapping)),
    "luminosity_scale": ("a number", int | float),
}
#: Of these the new key, where there is one.
OF_EVALUATION = {
    "efficiencies": "classification.efficiencies",
    "mistags": "classification.mistags",
    "working_points": "working_points.efficiencies",
    "fractions": "working_points.fractions",
    "parameter": "parameter_scan.parameter",
}

Notes = dict[str, str]


def translate(study: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Return a study's mapping with new keys only; `notes` gets old → new.

    Raises StudyError if an old key and its new name are both given.
    """
    found: dict[str, Any] = _model(study, notes)
    models = found.get("models")
    if isinstance(models, Mapping):
        found["models"] = {n: _model(_curve(given, notes), notes) for n, given in models.items()}
    if isinstance(found.get("ensembles"), Mapping):
        found["ensembles"] = {n: _model(one, notes) for n, one in found["ensembles"].items()}
    if found.get("invalid") == "refuse":
        found["invalid"], notes["invalid: refuse"] = "raise", "invalid: raise"
    weights = found.get("weights")
    if isinstance(weights, Mapping) and weights.get("negative") == "refuse":
        found["weights"] = {**weights, "negative": "raise"}
        notes["weights.negative: refuse"] = "weights.negative: raise"
    if isinstance(found.get("evaluation"), Mapping) and "name" not in found["evaluation"]:
        _translate_evaluation(found, notes)
    sizes = found.get("sizes")
    if isinstance(sizes, Mapping):
        found["sizes"] = {
            size: _overrides(given, found, notes) if isinstance(given, Mapping) else given
            for size, given in sizes.items()
        }
    return found


def translate_overrides(given: Mapping[str, Any], study: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted overrides of a study with new keys; a warning names those that were old."""
    notes: Notes = {}
    found = _overrides(given, study, notes)
    warn("overrides", notes, stacklevel=4)
    return found


def warn(origin: str, notes: Notes, stacklevel: int = 3) -> None:
    """Warn once, if any old key was translated, with all of their new names."""
    if notes:
        text = ", ".join(f"'{old}' is now '{new}'" for old, new in notes.items())
        warnings.warn(
            f"{origin}: old keys, which the next release will not accept: {text}",
            DeprecatedKey,
            stacklevel=stacklevel,
        )


def _model(given: Any, notes: Notes) -> Any:
    """Return the mapping of a study, model or ensemble with its keys renamed, in their order."""
    if not isinstance(given, Mapping):
        return given
    found: dict[str, Any] = {}
    for key, value in given.items():
        new = RENAMED.get(str(key), str(key))
        if new != key and new in given:
            raise StudyError(f"'{key}' is the old name of '{new}', which is given, too; remove it")
        notes |= {str(key): new} if new != key else {}
        found[new] = _part(new, value, notes)
    if isinstance(found.get("scan"), Mapping):
        found["scan"] = {_rename(str(key), notes): one for key, one in found["scan"].items()}
    published = found.get("published")
    if isinstance(published, Mapping) and isinstance(published.get("rejection"), Mapping):
        found["published"] = _rejections(published, notes)
    return found


def _curve(given: Any, notes: Notes) -> Any:
    """Return a model whose `method`, if it is not the name of a part, is called `curve`."""
    name = given.get("method") if isinstance(given, Mapping) else None
    if not isinstance(name, str) or ".py:" in name or name in parts.locate("method"):
        return given
    notes["models.…method"] = "models.…curve"
    return {("curve" if key == "method" else key): value for key, value in given.items()}


def _part(kind: str, value: Any, notes: Notes) -> Any:
    """Return the value of a key with the old names of parts and of their options replaced."""
    if kind == "loss" and isinstance(value, list):
        return [_part(kind, one, notes) for one in value]
    name = value.get("name") if isinstance(value, Mapping) else value
    new = parts.RENAMED.get(kind, {}).get(name) if isinstance(name, str) else None
    if new is None:
        return _options(kind, value, notes) if isinstance(value, Mapping) else value
    notes[f"{kind}: {name}"] = f"{kind}: {new}"
    return {**value, "name": new} if isinstance(value, Mapping) else new


def _options(kind: str, value: Mapping[str, Any], notes: Notes) -> Mapping[str, Any]:
    """Return a part with the old names of its options replaced; one that was removed is left out.

    Raises StudyError if an old option and its new name are both given.
    """
    name = value.get("name")
    renamed = parts.RENAMED_OPTIONS.get(kind, {}).get(name, {}) if isinstance(name, str) else {}
    for old, new in renamed.items():
        if old in value and new in value:
            raise StudyError(f"{name}.{old} is the old name of '{new}', which is given, too")
        if old in value:
            notes[f"{name}.{old}"] = f"{name}.{new}" if new else "of no effect"
    found = {renamed.get(key, key): one for key, one in value.items()}
    return {key: one for key, one in found.items() if key is not None}


def _rejections(given: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    found = {key: value for key, value in given.items() if key != "rejection"}
    for efficiency, value in given["rejection"].items():
        try:  # a text in study.yaml of a run
            percent = 100 * float(efficiency)
        except (TypeError, ValueError):
            percent = 0.0
        if not 0 < percent < 100:
            raise StudyError(f"published.rejection: {efficiency!r} is not a signal efficiency")
        if (name := f"rejection_{percent:g}") in found:
            raise StudyError(f"published.rejection: {efficiency} and '{name}' are both given")
        found[name] = value
        notes["published.rejection"] = "published.rejection_30"
    return found


def _rename(key: str, notes: Notes) -> str:
    words = key.split(".")
    notes |= {word: RENAMED[word] for word in words if word in RENAMED}
    words = [RENAMED.get(word, word) for word in words]
    for kind, part, option in zip(words, words[1:], words[2:], strict=False):
        if new := parts.RENAMED_OPTIONS.get(kind, {}).get(part, {}).get(option):
            words[-1], notes[f"{part}.{option}"] = new, f"{part}.{new}"
    return ".".join(words)


def _overrides(given: Mapping[str, Any], study: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Return dotted overrides with new keys, and the keys of models in their values renamed."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        new = _rename(str(key), notes)
        if (new, value) in (("invalid", "refuse"), ("weights.negative", "refuse")):
            found[new], notes[f"{new}: refuse"] = "raise", f"{new}: raise"
        elif new == "evaluation" and isinstance(value, Mapping) and "name" not in value:
            changed = {k: study[k] for k in ("targets", "weights") if k in study}
            changed["evaluation"] = value
            _translate_evaluation(changed, notes, override=True)
            found |= {"evaluation": changed.pop("evaluation", None)} | changed
        elif new.startswith("evaluation.") and new.count(".") == 1:
            found |= _evaluation_key(new.partition(".")[2], value, study, notes)
        elif new.startswith("models.") and new.count(".") == 1:
            found[new] = _model(value, notes)
        elif new.endswith(".scan") and isinstance(value, Mapping):
            found[new] = {_rename(str(k), notes): one for k, one in value.items()}
        else:
            words = new.split(".")
            kind = words[-2] if words[-1] == "name" and len(words) > 1 else words[-1]
            found[new] = _part(kind, value, notes)
    return found


def _evaluation_key(key: str, value: Any, study: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Return the overrides that an old `evaluation.<key>` stands for."""
    if key not in OLD_EVALUATION or (isinstance(value, Mapping) and key != "fractions"):
        return {f"evaluation.{key}": value}  # a part of that name, e.g. `decorrelation`
    _check_type(key, value)
    listed = study.get("evaluation")
    names = {one.get("name") if isinstance(one, Mapping) else one for one in listed or ()}
    if key in ("note", "luminosity_scale"):
        found = {"note" if key == "note" else "weights.luminosity_scale": value}
    elif key == "signal":
        found = {f"targets.{_signal_target(study, value)}.signal": value}
    elif key == "against":
        kinds = {"classification": "efficiency_profile", "regression": "regression"}
        defined = default_evaluations(study.get("targets"))
        found = {f"evaluation.{kinds[one]}.against": value for one in defined}
    elif key == "target":
        found = {f"evaluation.{name}.target": value for name in _with_target(study)}
    elif key == "decorrelation":
        return {"evaluation.decorrelation": value}
    else:
        found = {f"evaluation.{OF_EVALUATION[key]}": value}
    profile = "efficiency_profile" in names
    if key == "efficiencies" and profile and value:
        found["evaluation.efficiency_profile.efficiency"] = value[-1]
    if key == "fractions" and profile:
        found = found if "working_points" in names else {}
        found["evaluation.efficiency_profile.fractions"] = value
    if not value and key in ("working_points", "against", "parameter"):  # not to be evaluated
        found = {new.rpartition(".")[0]: None for new in found}
    notes[f"evaluation.{key}"] = " and ".join(
        f"{new}: null" if one is None else new for new, one in found.items()
    )
    return found


def _with_target(study: Mapping[str, Any]) -> list[str]:
    """Return the listed evaluations, or default ones, of the target of classes."""
    listed = study.get("evaluation") or default_evaluations(study.get("targets"))
    names = [str(one.get("name")) if isinstance(one, Mapping) else str(one) for one in listed]
    known = parts.locate("evaluation")
    return [
        name
        for name in names
        if name in known
        and name not in ("regression", "predicted_uncertainty")
        and "target" in parts.options(parts.find("evaluation", name))
    ]


def _check_type(key: str, value: Any) -> None:
    """Raise StudyError if the value of an old key of `evaluation` is of another type."""
    words, wanted = OLD_TYPES.get(key, ("a text", str))
    if value is not None and not isinstance(value, wanted):
        raise StudyError(f"evaluation.{key}: give {words}, got {shorten(value)}")


def _translate_evaluation(study: dict[str, Any], notes: Notes, override: bool = False) -> None:
    """Replace, in place, the old mapping `evaluation` of a study by the new keys.

    Raises StudyError if an old key and, unless it is an override, its new one are both given.
    """
    old = dict(study.pop("evaluation"))
    if not old:
        return
    for key in old:
        if key not in OLD_EVALUATION:
            if key in parts.locate("evaluation"):
                raise StudyError(f"evaluation: give a list, as [{{name: {key}}}]")
            hint = nearest(str(key), OLD_EVALUATION) or "; it is a list of evaluations"
            raise StudyError(f"evaluation: unknown key '{key}'{hint}")
        _check_type(key, old[key])
    given = {key: old[key] for key in old if old[key] not in (OLD_EVALUATION[key], None)}
    targets, weights = study.get("targets"), study.get("weights") or {}
    if isinstance(targets, Mapping) and given.get("target", "") not in (*targets, ""):
        hint = nearest(given["target"], map(str, targets))
        raise StudyError(f"evaluation.target: there is no target '{given['target']}'{hint}")
    for key, place in (("note", study), ("luminosity_scale", weights)):
        if key in given and key in place and not override:
            raise _both(key, key if place is study else f"weights.{key}")
    if "signal" in given and isinstance(targets, Mapping):
        name = _signal_target(study, given["signal"], given.get("target"))
        target = targets.get(name)
        if isinstance(target, Mapping):
            if "signal" in target and not override:
                raise _both("signal", f"targets.{name}.signal")
            study["targets"] = {**targets, name: {**target, "signal": given["signal"]}}
            notes["evaluation.signal"] = f"targets.{name}.signal"
    if "note" in given:
        study["note"], notes["evaluation.note"] = given["note"], "note"
    if "luminosity_scale" in given and isinstance(weights, Mapping):
        study["weights"] = {**weights, "luminosity_scale": given["luminosity_scale"]}
        notes["evaluation.luminosity_scale"] = "weights.luminosity_scale"
    defaults = default_evaluations(targets)
    listed = _evaluation_parts(given, study, defaults)
    if listed != [{"name": name} for name in defaults]:
        study["evaluation"] = listed
    notes["evaluation"] = f"evaluation: [{', '.join(part['name'] for part in listed)}]"


def _both(old: str, new: str) -> StudyError:
    return StudyError(f"'evaluation.{old}' is the old name of '{new}', which is given, too")


def _evaluation_parts(
    given: Mapping[str, Any], study: Mapping[str, Any], defaults: list[str]
) -> list[dict[str, Any]]:
    """Return the list of evaluations of an old mapping without its default values."""
    listed: list[dict[str, Any]] = []
    fractions = {"fractions": given["fractions"]} if "fractions" in given else {}
    if "classification" in defaults:
        several = len(_class_targets(study)) > 1
        one = {"target": given["target"]} if several and "target" in given else {}
        options = {key: given[key] for key in ("efficiencies", "mistags") if key in given}
        listed.append({"name": "classification", **options})
        if "working_points" in given:
            points = {"efficiencies": given["working_points"], **fractions, **one}
            listed.append({"name": "working_points", **points})
        if "against" in given:
            last = (given.get("efficiencies") or [0.5])[-1]
            cut = {} if last == 0.5 else {"efficiency": last}
            profile = {"against": given["against"], **cut, **fractions, **one}
            listed.append({"name": "efficiency_profile", **profile})
        if isinstance(given.get("decorrelation"), Mapping):
            listed.append({"name": "decorrelation", **given["decorrelation"], **one})
        if "parameter" in given:
            listed.append({"name": "parameter_scan", "parameter": given["parameter"], **one})
    if "regression" in defaults:
        against = {"against": given["against"]} if "against" in given else {}
        listed.append({"name": "regression", **against})
    return listed


def _class_targets(study: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    targets = study.get("targets")
    given = targets.items() if isinstance(targets, Mapping) else ()
    return {
        name: target["classes"]
        for name, target in given
        if isinstance(target, Mapping) and isinstance(target.get("classes"), Mapping)
    }


def _signal_target(study: Mapping[str, Any], signal: object, target: object = None) -> object:
    """Return the target of a signal class: the given one, else the one that has this class."""
    classes = _class_targets(study)
    found = [name for name in classes if signal in classes[name]]
    return target or next(iter([*found, *classes]), "")
