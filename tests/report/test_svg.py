"""Static pictures: smaller, safe, and the same every time."""

import re

import vl_convert

from pellucid import plot
from pellucid.auditing.findings import Exhibit
from pellucid.report.pictures import picture_of, shared_config, themed
from pellucid.report.svg import inline_svg

SVG = "http://www.w3.org/2000/svg"
TABLE = {"predicted": [0.2, 0.6], "observed": [0.25, 0.5], "low": [0.1, 0.4], "high": [0.3, 0.7], "n": [40, 60]}


def test_keeps_drawing_and_drops_everything_else() -> None:
    hostile = f"""<svg xmlns="{SVG}" onload="x()" width="9" viewBox="0 0 9 9" class="c">
    <script>alert(1)</script><image href="http://e"/><foreignObject/><a href="javascript:x"><rect/></a>
    <g><g transform="translate(1.2345,6)" style="fill:red" onclick="x()">
    <text font-family="f">a &lt;b&gt; 1.23456</text>
    </g></g></svg>"""
    text = inline_svg(hostile, "p")
    assert not re.search(r"script|image|foreign|href|style|onclick|onload|class|font-family|<a", text)
    assert 'transform="translate(1.2,6)"' in text
    assert "a &lt;b&gt; 1.23456" in text  # a number in the text is not a coordinate


def test_identifiers_are_the_pictures_own_and_every_reference_has_one() -> None:
    chart = plot.calibration(TABLE).to_dict()
    texts = [inline_svg(vl_convert.vegalite_to_svg(chart), "p") for _ in range(2)]
    assert texts[0] == texts[1]
    ids = set(re.findall(r' id="([^"]+)"', texts[0]))
    assert ids
    assert ids == set(re.findall(r"url\(#([^)]+)\)", texts[0]))
    assert all(name.startswith("p-") for name in ids)


def test_is_less_than_two_thirds_of_what_was_drawn() -> None:
    drawn = vl_convert.vegalite_to_svg(plot.calibration(TABLE).to_dict())
    assert len(inline_svg(drawn, "p")) < 0.67 * len(drawn)


def test_pictures_take_their_colours_from_the_page_and_data_stay_as_they_are() -> None:
    exhibit = Exhibit(kind="bars", title="t", description="d", table={"label": ["#2166ac", "b"], "value": [-1.0, 2.0]})
    picture = picture_of(exhibit, "p")
    assert 'fill="var(--down)"' in picture.svg
    assert not re.search(r'(fill|stroke)="#', picture.svg)
    assert picture.spec is not None
    assert picture.spec["data"]["values"][0]["key"] == "#2166ac"
    assert "#2166ac" not in str({**picture.spec, "data": None})
    assert themed({"title": "#2166ac", "mark": {"color": "#2166ac"}}) == {
        "title": "#2166ac",
        "mark": {"color": "var(--down)"},
    }
    assert "#" not in str({key: value for key, value in shared_config().items() if key != "title"})
