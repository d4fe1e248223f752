"""Static pictures: an SVG made smaller, safe to stand inside a page, and themed by the page's own style."""

import re
from xml.etree import ElementTree

_SVG = "{http://www.w3.org/2000/svg}"
_ELEMENTS = {"svg", "g", "path", "rect", "line", "circle", "text", "tspan", "defs", "clipPath"}
_ATTRIBUTES = {
    "clip-path",
    "d",
    "dx",
    "dy",
    "fill",
    "fill-opacity",
    "font-size",
    "font-weight",
    "height",
    "id",
    "opacity",
    "r",
    "stroke",
    "stroke-dasharray",
    "stroke-opacity",
    "stroke-width",
    "text-anchor",
    "transform",
    "viewBox",
    "width",
    "x",
    "x1",
    "x2",
    "y",
    "y1",
    "y2",
}
_DEFAULTS = {"opacity": "1", "stroke-width": "1", "font-size": "12px", "text-anchor": "start"}
_GEOMETRY = {"d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "r", "viewBox", "stroke-width"}
_LONG_NUMBER = re.compile(r"-?\d*\.\d{2,}")


def inline_svg(svg: str, prefix: str) -> str:
    """Return the picture for use inside a page.

    Only drawing elements and attributes are kept, coordinates have one decimal, and identifiers
    get a prefix so that several pictures can share a page. Fonts come from the page.

    Parameters
    ----------
    svg : str
        A picture that this package drew itself.
    prefix : str
        Makes the picture's identifiers its own.
    """
    root = ElementTree.fromstring(svg)  # noqa: S314  (our own drawing, never a user's file)
    # The renderer numbers its identifiers on through its whole life; ours depend on the picture alone.
    old = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    _shrink(root, {name: f"{prefix}-c{number}" for number, name in enumerate(old)})
    root.attrib.update({"aria-hidden": "true", "focusable": "false"})
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _shrink(element: ElementTree.Element, names: dict[str, str]) -> None:
    element.tag = element.tag.removeprefix(_SVG)
    element.attrib = {
        name: _attribute(name, value, names)
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _DEFAULTS.get(name) != value
    }
    for child in list(element):
        if child.tag.removeprefix(_SVG) not in _ELEMENTS or _invisible(child):
            element.remove(child)
        else:
            _shrink(child, names)
    for child in list(element):
        if child.tag == "g" and len(child) == 0 and not child.text:
            element.remove(child)
        elif child.tag == "g" and not child.attrib:  # a group that says nothing gives way to its children
            place = list(element).index(child)
            element.remove(child)
            for offset, inner in enumerate(list(child)):
                element.insert(place + offset, inner)


def _invisible(element: ElementTree.Element) -> bool:
    if element.get("display") == "none":
        return True
    painted = any(element.get(name) not in (None, "none") for name in ("fill", "stroke"))
    return element.tag == f"{_SVG}path" and element.get("class") in ("background", "foreground") and not painted


def _attribute(name: str, value: str, names: dict[str, str]) -> str:
    if name == "id":
        return names[value]
    if name == "clip-path":
        return f"url(#{names[value.removeprefix('url(#').removesuffix(')')]})"
    return _LONG_NUMBER.sub(_rounded, value) if name in _GEOMETRY else value


def _rounded(match: re.Match[str]) -> str:
    text = f"{float(match.group()):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
