"""A barrel of flat modules and helices through it with multiple scattering, for tests of fits."""

import numpy as np

from bunchtrain.physics.helix import Planes, direction, move, path_to_planes
from bunchtrain.physics.kalman_filter import highland

RADII = (32.0, 72.0, 116.0, 172.0, 260.0, 360.0, 500.0)
SIDES = 24
LENGTH, MASS, FIELD = 0.02, 0.13957, 2.0
ERRORS = np.array([0.015, 0.05])


def modules(turn=0.0):
    """Number, and columns of the geometry, of modules that touch the layers."""
    angle = 2 * np.pi * np.arange(SIDES) / SIDES + turn
    cosine, sine = np.tile(np.cos(angle), len(RADII)), np.tile(np.sin(angle), len(RADII))
    radius, zero = np.repeat(RADII, SIDES), np.zeros(SIDES * len(RADII))
    number = (np.repeat(np.arange(len(RADII)), SIDES) + 1) * 100_000
    number = number + np.tile(np.arange(SIDES), len(RADII))
    columns = {"x": radius * cosine, "y": radius * sine, "z": zero}
    columns |= {"axis0_x": -sine, "axis0_y": cosine, "axis0_z": zero}
    columns |= {"axis1_x": zero, "axis1_y": zero, "axis1_z": zero + 1}
    return number, columns | {"radiation_lengths": zero + LENGTH}


def origins(count, seed=1):
    """Free states near the beam: x, y, z, φ, θ, q/p."""
    random = np.random.default_rng(seed)
    place = random.normal(0, [1, 1, 50], (count, 3))
    p = np.exp(random.uniform(np.log(0.7), np.log(10), count))
    angles = [random.uniform(-np.pi, np.pi, count), random.uniform(0.8, 2.3, count)]
    return np.column_stack([place, *angles, random.choice([-1, 1], count) / p])


def hits(free, scatters=True, smears=True, seed=2):
    """Module, local coordinates and layer of the hits, (tracks, layers, …)."""
    random = np.random.default_rng(seed)
    number, columns = modules()
    surface = np.zeros((len(free), len(RADII)), np.int64)
    local = np.zeros((len(free), len(RADII), 2))
    for k in range(len(RADII)):
        rows = slice(k * SIDES, (k + 1) * SIDES)
        guess = RADII[k] / np.sin(free[:, 4])
        if k:
            guess = (RADII[k] - RADII[k - 1]) / np.sin(free[:, 4])
        moved = move(free, guess, FIELD)
        side = np.rint(np.arctan2(moved[:, 1], moved[:, 0]) / (2 * np.pi / SIDES)).astype(int)
        side %= SIDES
        of = {name: values[rows][side] for name, values in columns.items()}
        planes = Planes(
            *(np.stack([of[f"{a}{c}"] for c in "xyz"], 1) for a in ("", "axis0_", "axis1_"))
        )
        free = move(free, path_to_planes(free, planes, FIELD, guess), FIELD)
        off = free[:, :3] - planes.centre
        surface[:, k] = number[rows][side]
        local[:, k] = np.stack([(off * planes.u).sum(1), (off * planes.v).sum(1)], 1)
        if scatters:
            radial = free[:, :2] / np.linalg.norm(free[:, :2], axis=1, keepdims=True)
            across = np.abs((direction(free)[:, :2] * radial).sum(1))
            angle = highland(free[:, 5], LENGTH / across, MASS)
            free[:, 3] += random.normal(0, angle) / np.sin(free[:, 4])
            free[:, 4] += random.normal(0, angle)
    if smears:
        local += random.normal(0, ERRORS, local.shape)
    return surface, local
