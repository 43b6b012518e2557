"""A display as a self-contained page, and as a fragment of the report."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources

from markupsafe import Markup

from bunchtrain.displays.content import Display
from bunchtrain.page_templates import page_templates


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def script_hash() -> str:
    """Return the source of a content security policy that allows the script of displays only."""
    digest = hashlib.sha256(script().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def script() -> str:
    """Return the text of the script."""
    return _file("display.js")


def style() -> str:
    """Return the style sheet of displays, without that of the page around them."""
    return _file("display.css")


def fragment(display: Display) -> str:
    """Return a display as HTML; it is drawn when it is scrolled into view.

    The page has to include `style` and `script`.
    """
    content = json.dumps(display.payload, ensure_ascii=False, allow_nan=False)
    data = content.replace("<", "\\u003c")
    alone = " only" if len(display.payload["panels"]) == 1 else ""
    return (
        f'<div class="ev-display{alone}"><script type="application/json">{data}</script>'
        "<noscript>The display needs JavaScript.</noscript></div>"
    )


def page(display: Display) -> str:
    """Return the text of a self-contained HTML file.

    Its content security policy forbids every request and every other script.
    """
    environment = page_templates("bunchtrain.displays")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "
    return environment.get_template("page.html").render(
        display=display,
        policy=Markup(policy + script_hash()),
        style=Markup(style() + _file("page.css")),
        script=Markup(script()),
        fragment=Markup(fragment(display)),
    )
