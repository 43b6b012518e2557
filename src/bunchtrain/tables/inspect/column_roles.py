"""Probable roles of the columns of a table: target, weight, key of the split, input."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bunchtrain.tables.expressions.functions import CONSTANTS
from bunchtrain.tables.inspect.inspection import ColumnSummary, TableSummary
from bunchtrain.tables.momentum_names import find_momentum

#: Words in names of columns, in lower case.
_LABEL = {"label", "labels", "class", "signal", "sig", "target", "truth", "category", "window"}
_LABEL |= {"flavour", "flavor", "process", "outcome", "anomaly", "outlier", "fault", "changepoint"}
_IS = re.compile(r"(is(sig\w*|bkg|background|top|tau|higgs|quark|gluon|[bcwzh])|y)$", re.IGNORECASE)
_TRUTH = {"gen", "generator", "truth", "true", "mc", "lhe", "pdg", "pdgid", "htxs", "label"}
_TRUTH |= {"labels", "target", "flavour", "flavor"}
_SPECIES = {"pdg", "pdgid", "flavour", "flavor"}
_WEIGHT = {"weight", "weights", "wgt", "wgts", "sumw", "genweight", "evtweight"}
#: Words of isolations and of links to vertices, as in ptvarcone30_MaxWeightTTVA_pt1000.
_NO_WEIGHT = re.compile(r"(pt|et|topoet|ptvar)cone|iso(lation)?$|ttva|max$|min$")
_IDENTIFIER = {"id", "ids", "index", "idx", "ref", "key", "number", "hash", "uuid", "detid", "eid"}
_IDENTIFIER |= {"bits", "seed", "timestamp"}
_LINK = {"link", "links"}
_EVENT = re.compile(r"^(event|event_?number|event_?id|eid|evt|evt_?num(ber)?)$", re.IGNORECASE)
_RUN = re.compile(r"^(run|run_?number)$", re.IGNORECASE)
_RECORD = re.compile(
    r"^(entry|run|run_?number|lumi.*|ls|sub_?run|spill|split|fold|ttv|bunch_?crossing|bx|orbit.*)$",
    re.IGNORECASE,
)
_TRIGGER = re.compile(r"^(HLT|L1|Flag|DST|Dataset|trig\w*|xTrig\w*)[_.]")
#: Targets of a regression, the most probable first.
_VALUES = ("mass", "m", "energy", "e", "pt", "et", "met", "ht")
#: Classes of a column of numbers, and of a column of text.
_MAX_CLASSES, _MAX_TEXTS = 12, 50


@dataclass(frozen=True)
class Candidate:
    """A column that may have a role, and why."""

    column: ColumnSummary
    reason: str

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.column.name


@dataclass(frozen=True)
class Roles:
    """The columns of a table by their probable role, the most probable first.

    targets   columns of which each value may be a class.
    values    columns that may be predicted by a regression.
    weights   event weights.
    keys      columns that together identify an event.
    inputs    flat columns that may be inputs.
    excluded  numeric columns that are no inputs.
    groups    prefix → columns of lists that have it.
    """

    targets: list[Candidate]
    values: list[Candidate]
    weights: list[Candidate]
    keys: list[Candidate]
    inputs: list[ColumnSummary]
    excluded: list[Candidate]
    groups: dict[str, list[ColumnSummary]]


def guess_roles(table: TableSummary) -> Roles:
    """Return the probable roles of the columns of a table, from their names and values."""
    flat = [column for column in table.columns if not column.is_list]
    targets = [Candidate(c, reason) for c in flat if (reason := _target_reason(c, flat))]
    targets.sort(
        key=lambda t: (_ORDER.index(t.reason), t.column.type == "string", t.column.distinct)
    )
    weights = [
        Candidate(c, "its name contains 'weight' or 'w'")
        for c in flat
        if _is_weight(c) and c.range and c.range[1] > 0
    ]
    weights.sort(key=lambda one: not _WEIGHT & {words(one.name)[0], words(one.name)[-1]})
    named = {one.name for one in (*weights, *(t for t in targets if _is_label(t.column)))}
    excluded = [
        Candidate(c, reason)
        for c in flat
        if c.name not in named and (reason := _exclusion(c, table.sampled))
    ]
    taken = named | {one.name for one in excluded}
    inputs = [c for c in flat if c.range is not None and c.name not in taken]
    return Roles(
        targets, _values(excluded, inputs), weights, _keys(flat), inputs, excluded, _groups(table)
    )


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: `nTrueInt_pt` → n, true, int, pt."""
    found: list[str] = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name)
    return [word.lower() for word in found]


#: Reason against an input.
TRUE_QUANTITY = "true quantity"
#: Reasons for a target, the most probable first.
LABELLED, _FLAG, _FIRST = "its name is that of a label", "true or false", "the first column"
_TEXT, _TRUE, FEW = "text with few values", "a true category", "few different values"
GIVEN = "it was named"
CERTAIN, UNCERTAIN = (LABELLED, _FIRST, _TEXT), (_TRUE, _FLAG)
_ORDER = [*CERTAIN, *UNCERTAIN, FEW]


def _target_reason(column: ColumnSummary, flat: Sequence[ColumnSummary]) -> str:
    """Return why a column may be a target of classes, '' if it cannot be one."""
    limit = _MAX_TEXTS if column.type == "string" else _MAX_CLASSES
    discrete = column.type == "string" or (column.is_integer and column.range is not None)
    several = 2 <= column.distinct <= limit and len(column.values) == column.distinct
    if not (discrete and several) or _is_weight(column) or is_trigger(column.name):
        return ""
    if _RECORD.match(_last(column.name)) or _EVENT.match(_last(column.name)):
        return ""
    if _is_label(column):
        return LABELLED
    if _is_identifier(column.name):
        return ""
    # A table without header often has its label in the first column, as those of UCI.
    if column.name == "column_0" and flat and flat[0] is column:
        return _FIRST
    if column.type == "string":
        return _TEXT
    if _TRUTH & set(words(column.name)) and words(column.name)[0] != "n":
        return _TRUE
    return _FLAG if column.type == "bool" or set(column.values) == {0, 1} else FEW


def _is_label(column: ColumnSummary) -> bool:
    """Return whether a column of few values has the name of a label, such as `is_top`."""
    return bool(column.values) and has_label_name(column.name)


def has_label_name(name: str) -> bool:
    """Return whether a name is that of a label, such as `is_top` or `Jet_hadronFlavour`.

    A link to another object, such as `truthParticleLink.m_persKey`, is none.
    """
    found = words(name)
    if _LINK & set(found):
        return False
    return bool(_LABEL & set(found)) or "is" in found[:-1] or bool(_IS.match(_last(name)))


def is_trigger(name: str) -> bool:
    """Return whether a name is that of a trigger or a quality flag, such as `HLT_IsoMu24`."""
    return _TRIGGER.match(name) is not None


def _is_weight(column: ColumnSummary) -> bool:
    found = words(column.name)
    if found[:1] == ["n"] or any(map(_NO_WEIGHT.match, found)):
        return False
    return bool(_WEIGHT & set(found)) or found[-1:] == ["w"]


def _is_identifier(name: str) -> bool:
    found = set(words(_last(name)))
    return bool(_IDENTIFIER & found) and "pdg" not in found


def with_antiparticles(name: str, counts: Mapping[Any, int]) -> dict[Any, int] | None:
    """Return the rows of the absolute values of a column of PDG codes or flavours.

    None for other columns, and if no value occurs with both signs.
    """
    numbers = all(isinstance(value, int | float) for value in counts)
    if not numbers or not _SPECIES & set(words(name)):
        return None
    if not any(value and -value in counts for value in counts):
        return None
    found: dict[Any, int] = {}
    for value, rows in counts.items():
        found[abs(value)] = found.get(abs(value), 0) + rows
    return found


def _exclusion(column: ColumnSummary, rows: int) -> str:
    """Return why a numeric column is no input, '' if it may be one."""
    name, found = _last(column.name), set(words(column.name))
    if is_trigger(column.name):
        return "trigger or quality flag"
    if column.range is None:
        return ""
    if column.type.startswith("datetime"):
        return "time"
    if column.range[0] == column.range[1]:
        return "constant"
    if _TRUTH & found or _is_label(column):
        return TRUE_QUANTITY
    if _EVENT.match(name) or _RECORD.match(name):
        return "number of an event, run or set"
    if column.is_integer and column.distinct > _MAX_CLASSES:
        if _is_identifier(name):
            return "identifier"
        if rows >= 50 and column.distinct == rows:
            return "all values are different whole numbers"
    return ""


def _values(excluded: Sequence[Candidate], inputs: Sequence[ColumnSummary]) -> list[Candidate]:
    """Return the candidates of a regression: true quantities, then masses, energies and momenta."""
    true = [c for c in excluded if c.reason == TRUE_QUANTITY and _is_continuous(c.column)]
    found = sorted(true, key=lambda one: _value_rank(one.column))
    measured = [c for c in inputs if _is_continuous(c)] or list(inputs)
    ranked = sorted(measured, key=_value_rank)
    return found + [Candidate(c, "the values of a measured column") for c in ranked]


def _is_continuous(column: ColumnSummary) -> bool:
    return not column.is_integer and column.distinct > _MAX_CLASSES


def _value_rank(column: ColumnSummary) -> int:
    found = set(words(column.name))
    return next((n for n, word in enumerate(_VALUES) if word in found), len(_VALUES))


def _keys(flat: Sequence[ColumnSummary]) -> list[Candidate]:
    """Return the columns that identify an event: its number, and the run's if there are several."""
    events = [c for c in flat if _EVENT.match(_last(c.name)) and c.is_integer and c.range]
    if not events or events[0].distinct < _MAX_CLASSES:
        return []
    runs = [c for c in flat if _RUN.match(_last(c.name)) and c.is_integer and c.distinct > 1]
    reason = "rows of the same event stay in the same set"
    return [Candidate(one, reason) for one in (*runs[:1], events[0])]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _groups(table: TableSummary) -> dict[str, list[ColumnSummary]]:
    """Return prefix → the columns of lists of numbers that have it, the largest group first."""
    found: dict[str, list[ColumnSummary]] = {}
    for column in table.columns:
        prefix = object_of(column.name)
        single = column.type.startswith("var *") and column.type.count(" * ") == 1
        if single and "string" not in column.type and prefix != column.name:
            found.setdefault(prefix, []).append(column)
    many = {prefix: columns for prefix, columns in found.items() if len(columns) > 1}
    measured = {p: c for p, c in many.items() if not is_true(p)}
    ordered = sorted(measured.items(), key=lambda item: -len(item[1]))
    return dict(ordered) | {p: c for p, c in many.items() if is_true(p)}


def object_of(name: str) -> str:
    """Return the name of the object of a column: `Jet` of `Jet_pt`, `Jet.pt` and `JetPt`."""
    first = re.split(r"[_.]", name, maxsplit=1)[0]
    joined = re.fullmatch(r"(.+?)(P[tTxyz]|Eta|Phi|Energy|Mass|[EM])", name)
    return joined[1] if first == name and joined else first


def has_momentum(prefix: str, columns: Sequence[ColumnSummary]) -> bool:
    """Return whether the columns of a group hold a four-momentum."""
    rest = {column.name.removeprefix(prefix).lstrip("_."): column.name for column in columns}
    return bool(find_momentum(rest))


def is_true(prefix: str) -> bool:
    """Return whether the lists of this prefix are true particles of a simulation."""
    return bool(_TRUTH & set(words(prefix)))


def reducible(column: ColumnSummary) -> bool:
    """Return whether the sum and the maximum of a column of lists may be inputs."""
    found = set(words(_last(column.name)))
    varies = column.range is not None and column.range[0] < column.range[1]
    return varies and not (_TRUTH | _IDENTIFIER) & found and not is_trigger(column.name)


def as_expression(name: str) -> str:
    """Return the name of a column as it is written in an expression."""
    parts = name.split(".")
    plain = all(w.isidentifier() and not keyword.iskeyword(w) for w in parts)
    if plain and name.isascii() and name not in CONSTANTS:
        return name
    text = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'column("{text}")'
