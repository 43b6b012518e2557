"""Hard processes: Pythia's settings, and the particles and quarks that a jet is matched to."""

from __future__ import annotations

from dataclasses import dataclass

LIGHT = "1 2 3 4 5"
INVISIBLE = "12 14 16"


@dataclass(frozen=True)
class Process:
    """A hard process and the truth in it.

    settings   lines as Pythia reads them.
    matched    species |pid| of the particles that define the class, in their `status`.
    decays     species whose quarks (status −23) must lie in the jet too.
    """

    settings: tuple[str, ...]
    matched: tuple[int, ...] = ()
    status: int = -23
    decays: tuple[int, ...] = ()


def _decay_settings(boson: int, to: str) -> tuple[str, str]:
    return f"{boson}:onMode = off", f"{boson}:onIfAny = {to}"


TOP_PAIRS = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on", *_decay_settings(24, LIGHT))
TOP = Process(TOP_PAIRS, matched=(6,), status=-62, decays=(6, 24))
QCD = Process(("HardQCD:all = on",))
SOFT = Process(("SoftQCD:nonDiffractive = on",))
DIJETS = {
    "b": Process(("HardQCD:hardbbbar = on",)),
    "c": Process(("HardQCD:hardccbar = on",)),
    "light": QCD,
}
TTH = ("HiggsSM:gg2Httbar = on", "HiggsSM:qqbar2Httbar = on", *_decay_settings(25, "5"))
TTBB = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")


def one_lepton(settings: tuple[str, ...], charge: int) -> Process:
    """Return a process with tt̄ in which the W of this charge gives e or μ, the other quarks."""
    leptonic, hadronic = ("Pos", "Neg") if charge > 0 else ("Neg", "Pos")
    decays = f"24:on{leptonic}IfAny = 11 13", f"24:on{hadronic}IfAny = {LIGHT}"
    return Process((*settings, "24:onMode = off", *decays))


def z_prime(mass: float) -> tuple[str, ...]:
    """Return the settings of a Z′ of a mass in GeV that decays to tt̄, without γ* and Z."""
    return (
        "NewGaugeBoson:ffbar2gmZZprime = on",
        "Zprime:gmZmode = 3",
        f"32:m0 = {mass}",
        f"32:mMin = {max(350.0, 0.5 * mass)}",
        "32:onMode = off",
        "32:onIfAny = 6",
    )


def w_prime(pt_min: float, pt_max: float) -> Process:
    """Return W′ → WZ, W → qq′ and Z → νν, whose W fill the window of pT in GeV."""
    settings = (
        "NewGaugeBoson:ffbar2Wprime = on",
        "Wprime:coup2WZ = 1",
        "Wprime:anglesWZ = 1",
        f"34:m0 = {pt_min + pt_max}",
        "34:doForceWidth = on",
        f"34:mWidth = {pt_max}",
        f"34:mMin = {1.7 * pt_min}",
        f"34:mMax = {5 * pt_max}",
        "34:onMode = off",
        "34:onIfAll = 24 23",
        *_decay_settings(24, LIGHT),
        *_decay_settings(23, INVISIBLE),
    )
    return Process(settings, matched=(24,), status=-22, decays=(24,))


BOSONS_TO_QUARKS = (*_decay_settings(24, LIGHT), *_decay_settings(23, LIGHT), "WeakZ0:gmZmode = 2")
FIVE_CLASSES = {
    "g": Process(("HardQCD:gg2gg = on", "HardQCD:qqbar2gg = on"), matched=(21,)),
    "q": Process(
        (
            "HardQCD:qq2qq = on",
            "HardQCD:qqbar2qqbarNew = on",
            "HardQCD:gg2qqbar = on",
            "HardQCD:nQuarkNew = 3",
        ),
        matched=(1, 2, 3),
    ),
    "w": Process(("WeakDoubleBoson:ffbar2WW = on", *BOSONS_TO_QUARKS), matched=(24,), status=-62),
    "z": Process(
        ("WeakDoubleBoson:ffbar2gmZgmZ = on", *BOSONS_TO_QUARKS), matched=(23,), status=-62
    ),
    "t": Process(TOP_PAIRS, matched=(6,), status=-62),
}
