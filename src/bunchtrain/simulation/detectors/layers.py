"""Layers of a detector along z, from the declaration in a study to positions and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import NUMBER
from bunchtrain.simulation.detectors.materials import Material, find_material
from bunchtrain.tables.geometry import Geometry

Floats = NDArray[np.float64]
#: Length in mm; below a nanometre Geant4 takes two surfaces for one.
Length = Annotated[float, Field(ge=1e-6, le=1e5), NUMBER]
#: Position in mm.
Position = Annotated[float, Field(ge=-1e5, le=1e5), NUMBER]
Shape = Literal["square", "hexagon", "projective"]
#: Largest number of layers of a detector.
MAX_LAYERS = 1000


@dataclass(frozen=True)
class Layer:
    """A plate of one material.

    material   NIST name, e.g. G4_W.
    thickness  in mm.
    cell       side of square cells or distance between opposite sides of hexagonal ones in mm, or
               width of projective ones as a tangent; without it the layer is an absorber.
    shape      of the cells.
    z          of its front in mm; directly behind the layer before it if unset.
    """

    material: str
    thickness: Length
    cell: Length | None = None
    shape: Shape = "square"
    z: Position | None = None


@dataclass(frozen=True)
class Section:
    """Layers that are repeated.

    of      the layers in the order of the beam.
    repeat  how often they follow each other.
    """

    of: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=MAX_LAYERS)]
    repeat: Annotated[int, Field(ge=1, le=MAX_LAYERS), NUMBER] = 1


Sections = Annotated[tuple[Section, ...], Field(min_length=1, max_length=MAX_LAYERS)]


#: 28 layers of tungsten and silicon, 24 radiation lengths.
SILICON_TUNGSTEN = (Section((Layer("G4_W", 2.8), Layer("G4_Si", 0.3, cell=5.0)), repeat=28),)


@dataclass(frozen=True)
class Plate:
    """A layer at its place.

    material   its properties.
    front      z of its front in mm.
    thickness  in mm.
    cell       size of its cells, 0 for an absorber.
    shape      of its cells.
    """

    material: Material
    front: float
    thickness: float
    cell: float
    shape: Shape


class Stack:
    """Plates along z, the first of which begins at z = 0 unless it has a position.

    sections  as a study declares them.
    width     of all layers in x and in y in mm; they are centred on the axis.
    apex      z in mm of the point to which projective cells point.
    where     key of the study, for messages.

    Raises StudyError for unknown materials, layers that overlap, no layer with cells, more than
    1,000 layers, or an apex behind the front of a layer with projective cells.
    """

    def __init__(
        self, sections: Sequence[Section], width: float, apex: float, where: str = "layers"
    ) -> None:
        self.width, self.apex, self.where = width, apex, where
        self.plates = self._place(sections)
        self.sensitive = [plate for plate in self.plates if plate.cell]
        if not self.sensitive:
            raise StudyError(f"{where}: no layer has cells; give one a 'cell', its size in mm")
        for plate in self.sensitive:
            if plate.shape == "projective" and apex >= plate.front:
                text = f"must lie before the layer at {plate.front:g} mm, got {apex:g}"
                raise StudyError(f"apex: {text}")

    def _place(self, sections: Sequence[Section]) -> list[Plate]:
        plates, end = list[Plate](), 0.0
        number = sum(section.repeat * len(section.of) for section in sections)
        if number > MAX_LAYERS:
            raise StudyError(f"{self.where}: there are {number:,} layers, the most is {MAX_LAYERS}")
        for i, section in enumerate(sections):
            for _ in range(section.repeat):
                for j, layer in enumerate(section.of):
                    where = f"{self.where}.{i}.of.{j}"
                    material = find_material(layer.material, f"{where}.material")
                    front = end if layer.z is None else layer.z
                    if plates and front < end - 1e-9:
                        before = plates[-1].material.name
                        raise StudyError(
                            f"{where}.z: the layer of {material.name} begins at {front:g} mm and "
                            f"overlaps that of {before}, which ends at {end:g} mm"
                        )
                    thick, cell = layer.thickness, layer.cell or 0.0
                    plates.append(Plate(material, front, thick, cell, layer.shape))
                    end = front + layer.thickness
        return plates

    @property
    def front(self) -> float:
        """Z of the front of the first layer in mm."""
        return self.plates[0].front

    @property
    def back(self) -> float:
        """Z of the end of the last layer in mm."""
        return self.plates[-1].front + self.plates[-1].thickness

    @property
    def middles(self) -> Floats:
        """Z of the middle of each layer with cells in mm, (layers,)."""
        return np.array([plate.front + plate.thickness / 2 for plate in self.sensitive])

    def depths(self) -> tuple[Floats, Floats]:
        """Return matter before the middle of each layer with cells in X₀ and λ, (layers,) each."""
        found, total = list[Floats](), np.zeros(2)
        for plate in self.plates:
            lengths = [plate.material.radiation_length, plate.material.interaction_length]
            own = plate.thickness / np.array(lengths)
            if plate.cell:
                found.append(total + own / 2)
            total = total + own
        radiation, interaction = np.array(found).T
        return radiation, interaction

    def edges(self, length: str = "radiation_length") -> Floats:
        """Return the matter in X₀ before the front and up to the end of each layer with cells.

        What lies between two edges belongs to the layer with cells at its end, (layers + 1,).

        length  of the material that is the unit: radiation_length or interaction_length.
        """
        found, total = [0.0], 0.0
        for plate in self.plates:
            total += plate.thickness / getattr(plate.material, length)
            if plate.cell:
                found.append(total)
        return np.array(found)

    def table(self) -> Geometry:
        """Return the layers with cells as a table, which travels with the events."""
        radiation, interaction = self.depths()
        columns: dict[str, Any] = {
            "layer": np.arange(len(self.sensitive)),
            "z": self.middles,
            "width": [self.width] * len(self.sensitive),
            "thickness": [plate.thickness for plate in self.sensitive],
            "material": [plate.material.name for plate in self.sensitive],
            "shape": [plate.shape for plate in self.sensitive],
            "cell": [plate.cell for plate in self.sensitive],
            "radiation_lengths": radiation,
            "interaction_lengths": interaction,
        }
        return Geometry(columns, "layer")


def plain(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """Return sections as plain data, for a recipe."""
    return [asdict(section) for section in sections]


def from_plain(sections: Sequence[dict[str, Any]]) -> list[Section]:
    """Return the sections of a recipe."""
    return [Section(tuple(Layer(**one) for one in s["of"]), s["repeat"]) for s in sections]
