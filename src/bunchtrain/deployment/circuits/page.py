"""The page of a circuit: one HTML file that asks nothing of a network."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bunchtrain.deployment.circuits.summary import Summary
from bunchtrain.files import write_text


def write_page(summary: Summary, path: Path) -> None:
    """Write the page of a circuit."""
    environment = Environment(
        loader=PackageLoader("bunchtrain.deployment.circuits", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    style = resources.files("bunchtrain.report").joinpath("report.css").read_text()
    inputs, outputs = summary.proof.hardware.inputs, summary.proof.hardware.outputs
    text = environment.get_template("page.html").render(
        summary=summary,
        proof=summary.proof,
        style=Markup(style),
        ports={"model_inp": inputs, "model_out": outputs},
        rows=list(next(iter(summary.quality.values()), {})),
    )
    write_text(path, text)
