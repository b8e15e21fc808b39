"""A drawing as a file that stands alone: SVG as the pages have it, or PNG made of that."""

from pathlib import Path
from typing import Final

from projections.desk.drawing.places import drawing_of
from projections.desk.drawing.timeline import Timeline
from projections.desk.framing.language import words_of
from projections.desk.framing.rendering import drawing_style, templates
from projections.desk.schemes.facet import Told
from replay.errors import UsageError

FORMS: Final = (".svg", ".png")
_ZOOM: Final = 2
"""So many pixels has a picture for each of a screen's."""


def check_form(path: Path) -> None:
    """Raises UsageError for a file of another form."""
    if path.suffix.lower() not in FORMS:
        raise UsageError(f"{path} names no form of a drawing; end its name in {' or '.join(FORMS)}")


def write_drawing(path: Path, timeline: Timeline, subject: str, told: Told, language: str) -> None:
    """Write the drawing of a timeline. Raises UsageError where there is nothing to draw."""
    text = svg_of(timeline, subject, told, language)
    path.write_bytes(_png_of(text) if path.suffix.lower() == ".png" else text.encode())


def svg_of(timeline: Timeline, subject: str, told: Told, language: str) -> str:
    """The drawing as SVG. Raises UsageError where there is nothing to draw."""
    drawing = drawing_of(timeline)
    if drawing is None:
        raise UsageError(f"there is nothing to draw of {subject} yet: no score was reached")
    scope = {"drawing": drawing, "drawing_style": drawing_style(), "told": told, "scheme": told.scheme}
    template = templates().get_template("drawing.svg")
    return template.render(scope | {"subject": subject, "t": words_of(language)}).lstrip()


def _png_of(svg: str) -> bytes:
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        raise UsageError(
            "PNG needs a library that is not here; install it with 'pip install levelbook[png]', or name a .svg"
        ) from None
    return bytes(svg_to_bytes(svg_string=svg, zoom=_ZOOM))
