"""Pictures are judged by the data they draw: order, signs, text and what is left out."""

import itertools
import json
import math

import altair as alt
import numpy as np
import pytest
import vl_convert

from pellucid import plot
from pellucid._base.errors import InputError
from pellucid.explanation import Effect, Explanation, Importance, Provenance, Quality
from pellucid.ir import Space
from pellucid.plot.draw import DRAWERS
from pellucid.plot.theme import series_scales
from pellucid.table import Table

MADE = Provenance(method="exact", reason="few features", model="a rule")
NAMES = ("age", "income", "city")


def drawn(chart: alt.LayerChart) -> list[dict[str, object]]:
    return chart.to_dict()["data"]["values"]


@pytest.fixture
def explanation() -> Explanation:
    values = np.array([[[0.1], [-0.3], [0.05]], [[0.2], [0.1], [-0.4]]])
    data = Table.of({"age": [31.0, math.nan], "income": [10, 20], "city": ["a.b[0]", "<i>"]})
    return Explanation(
        values=values, base_values=np.full((2, 1), 0.5), features=NAMES, outputs=("price",), space=Space.RAW,
        quality=Quality(residual=0.0, bound=1e-12), provenance=MADE, data=data,
    )  # fmt: skip


@pytest.fixture
def importance() -> Importance:
    values = np.array([[1.0, 0.1], [2.0, 0.3], [3.0, 0.2]])
    return Importance(
        values=values, low=values - 0.05, high=values + 0.05, features=NAMES, outputs=("no", "yes"),
        measure="mean absolute Shapley value", space=Space.PROBABILITY, n_rows=9, provenance=MADE,
    )  # fmt: skip


def test_bars_of_an_importance_go_from_large_to_small_in_the_second_of_two_classes(importance: Importance) -> None:
    table = plot.bars_data(importance)
    assert table["label"] == ["income", "city", "age"]
    assert table["value"] == [0.3, 0.2, 0.1]
    assert plot.bars_data(importance, output="no")["label"] == ["city", "income", "age"]
    chart = plot.bars(importance).to_dict()
    assert chart["layer"][0]["encoding"]["x"]["title"] == "mean absolute Shapley value (probability)"


def test_bars_keep_the_order_of_a_table_and_say_how_large_the_others_are() -> None:
    values = [float(i) for i in range(30)]
    table = plot.bars_data({"label": [f"x{i}" for i in range(30)], "value": values})
    assert table["label"] == [f"x{i}" for i in range(10, 30)] + ["10 others, each at most"]
    assert table["value"][-1] == 9.0


def test_bars_show_signs_by_text_and_missing_values_by_words() -> None:
    rows = drawn(plot.bars({"label": ["a", "b", "c"], "value": [0.25, -0.5, None], "low": [0.2, -0.6, None],
                            "high": [0.3, -0.4, math.nan]}))  # fmt: skip
    assert [row["text"] for row in rows] == ["0.250 [0.200, 0.300]", "−0.500 [−0.600, −0.400]", "no value"]
    assert [row["sign"] for row in rows] == ["up", "down", "up"]
    assert rows[2]["value"] is None


def test_waterfall_adds_up_from_base_to_prediction(explanation: Explanation) -> None:
    rows = drawn(plot.waterfall(explanation, row=0))
    assert [row["full"] for row in rows] == ["Base", "income", "age", "city", "Model’s output"]
    assert rows[1]["shown"] == "10"
    assert [row["text"] for row in rows] == ["0.500", "▼ −0.300", "▲ +0.100", "▲ +0.050", "0.350"]
    for before, after in itertools.pairwise(rows[:-1]):
        assert after["start"] == pytest.approx(before["end"])
    assert rows[-2]["end"] == pytest.approx(rows[-1]["end"])


@pytest.mark.parametrize("row", [-1, 2])
def test_rows_that_were_not_explained_are_refused(explanation: Explanation, row: int) -> None:
    with pytest.raises(InputError, match="one of the 2 explained rows"):
        plot.waterfall(explanation, row=row)
    with pytest.raises(InputError, match="one of the 2 explained rows"):
        plot.compare({"exact": explanation}, row=row)


def test_waterfall_sums_the_small_ones() -> None:
    table = {"feature": [f"x{i}" for i in range(40)], "contribution": [1.0] * 5 + [0.25] * 35}
    data = plot.waterfall_data(table, top=6)
    assert data["feature"][-1] == "35 others together"
    assert sum(data["contribution"]) == pytest.approx(sum(table["contribution"]))


def test_compare_keeps_the_features_that_any_method_finds_large(explanation: Explanation) -> None:
    table = plot.compare_data({"exact": explanation, "same": explanation}, top=2)
    assert table["feature"] == ["income", "income", "age", "age"]
    assert table["method"] == ["exact", "same"] * 2


def test_effect_of_numbers_is_a_line_and_of_categories_points() -> None:
    numbers = Effect(
        feature="age", kind="pdp", grid=np.array([1.0, 2.0]), values=np.array([[0.1], [0.2]]), outputs=("y",),
        space=Space.RAW, n_rows=5, provenance=MADE, individual=np.zeros((200, 2, 1)),
    )  # fmt: skip
    table = plot.effect_data(numbers)
    assert len(set(table["series"])) == 51  # the mean, and every fourth of 200 rows
    assert plot.effect(numbers).to_dict()["layer"][-1]["mark"]["type"] == "line"
    texts = plot.effect({"x": ["b", "a"], "y": [0.1, 0.2]}).to_dict()
    assert texts["layer"][-1]["mark"]["type"] == "point"
    assert [row["x"] for row in texts["data"]["values"]] == ["b", "a"]


def test_beeswarm_ranks_features_and_keeps_points_in_their_lane(explanation: Explanation) -> None:
    table = plot.beeswarm_data(explanation)
    assert list(dict.fromkeys(table["feature"])) == ["city", "income", "age"]
    assert table["level"][:2] == [None, None]  # text has no order
    assert table["level"][2:4] == [0.0, 1.0]
    assert all(abs(row["lane"]) <= 11 for row in drawn(plot.beeswarm(explanation)))


def test_scatter_takes_numbers_and_text(explanation: Explanation) -> None:
    assert [row["x"] for row in drawn(plot.scatter(explanation, "age"))] == [31.0, None]
    assert [row["shown"] for row in drawn(plot.scatter(explanation, "city"))] == ["a.b[0]", "<i>"]


def test_tree_puts_parents_between_their_children() -> None:
    table = plot.tree_data({"id": [7, 3, 9, 5, 4], "parent": [-1, 7, 7, 9, 9], "branch": [""] * 5, "text": ["t"] * 5})
    assert table["depth"] == [0, 1, 1, 2, 2]
    assert table["place"] == [0.75, 0.0, 1.5, 1.0, 2.0]


def test_the_lines_of_a_box_stand_around_its_middle() -> None:
    table = {"id": [0, 1, 2], "parent": [-1, 0, 0], "branch": ["", "b", "b"], "text": ["short", "two words " * 3, "t"]}
    boxes = drawn(plot.tree(table))
    assert [box["y"] - box["first"] for box in boxes] == [0, 7, 0]


def test_tree_leaves_out_whole_levels_and_says_so() -> None:
    count = 2**8 - 1
    table = {"id": list(range(count)), "parent": [-1, *[(i - 1) // 2 for i in range(1, count)]]}
    table |= {"branch": ["b"] * count, "text": ["t"] * count}
    assert max(plot.tree_data(table)["depth"]) == 5
    assert "192 deeper nodes are in the table" in plot.tree(table).to_dict()["title"]


@pytest.mark.parametrize("parent", [[-1, -1], [-1, 1], [1, 0]])
def test_tree_refuses_what_is_no_tree(parent: list[int]) -> None:
    with pytest.raises(InputError, match="tree"):
        plot.tree({"id": [0, 1], "parent": parent, "branch": ["", ""], "text": ["a", "b"]})


def test_draw_refuses_unknown_kinds_columns_and_options() -> None:
    with pytest.raises(InputError, match="no picture of kind 'pie'"):
        plot.draw("pie", {})
    with pytest.raises(InputError, match="lacks value"):
        plot.draw("bars", {"label": ["a"]})
    with pytest.raises(InputError, match="equally long"):
        plot.draw("bars", {"label": ["a"], "value": [1.0, 2.0]})
    with pytest.raises(InputError, match="no option color"):
        plot.draw("bars", {"label": ["a"], "value": [1.0]}, {"color": "red"})


def test_a_picture_of_many_outputs_asks_which_one() -> None:
    three = np.zeros((1, 3))
    many = Importance(values=three, low=three, high=three, features=("a",), outputs=("x", "y", "z"), measure="m",
                      space=Space.RAW, n_rows=1, provenance=MADE)  # fmt: skip
    with pytest.raises(InputError, match="choose it with output=, one of 'x', 'y', 'z'"):
        plot.bars(many)


COLUMNS = {
    "bars": {"label": "text", "value": "number", "low": "number", "high": "number"},
    "intervals": {"label": "text", "value": "number", "low": "number", "high": "number", "group": "text"},
    "waterfall": {"feature": "text", "shown": "text", "contribution": "number"},
    "compare": {"feature": "text", "method": "text", "contribution": "number"},
    "calibration": {"predicted": "number", "observed": "number", "low": "number", "high": "number", "n": "number"},
    "effect": {"x": "number", "y": "number", "low": "number", "high": "number"},
    "lines": {"x": "number", "y": "number", "series": "text"},
    "frontier": {
        "label": "text",
        "x": "number",
        "x_low": "number",
        "x_high": "number",
        "y": "number",
        "y_low": "number",
        "y_high": "number",
    },
}
HARD = {
    "none": [None, None, None],
    "not finite": [math.nan, math.inf, -math.inf],
    "huge": [1e300, -1e300, 5e-324],
    "offset": [1e6, 1e6 + 1e-9, 1e6],
    "whole": [10**20, 0, -3],
    "one": [0.5],
    "nothing": [],
}
TEXTS = ["</script><img src=x onerror=alert(1)>", "a.b[0]\\'\"", "\u202eשלום\x00\ud800 🙂" + "n" * 10_000]


@pytest.mark.parametrize("values", HARD.values(), ids=HARD.keys())
@pytest.mark.parametrize("kind", COLUMNS)
def test_every_kind_draws_hard_values_and_hostile_text(kind: str, values: list[float | None]) -> None:
    table = {name: TEXTS[: len(values)] if what == "text" else values for name, what in COLUMNS[kind].items()}
    options = {option: TEXTS[0] for option in DRAWERS[kind][1] if option.endswith("title")}
    spec = plot.draw(kind, table, options, title=TEXTS[2], description=TEXTS[0]).to_dict()
    text = json.dumps(spec, allow_nan=False, ensure_ascii=False)
    assert len(text) < 20_000
    assert "\ud800" not in text
    assert vl_convert.vegalite_to_svg(text).startswith("<svg")


def test_every_kind_of_the_contract_can_be_drawn() -> None:
    assert set(COLUMNS) | {"tree"} == set(DRAWERS)


def test_user_text_never_names_a_field(explanation: Explanation) -> None:
    charts = [plot.scatter(explanation, "city"), plot.waterfall(explanation), plot.compare({"a.b": explanation})]
    for chart in charts:
        spec = chart.to_dict()
        fields = {part["field"] for layer in spec["layer"] for part in layer["encoding"].values() if "field" in part}
        assert all(field.isalpha() for field in fields)


def test_names_that_look_alike_after_shortening_keep_their_own_rows() -> None:
    rows = drawn(plot.bars({"label": ["n" * 60 + "1", "n" * 60 + "2"], "value": [1.0, 2.0]}))
    assert len({row["key"] for row in rows}) == 2
    assert [row["full"][-1] for row in rows] == ["1", "2"]


def test_no_two_of_many_series_look_the_same() -> None:
    colours, shapes, dashes = series_scales([f"way {i}" for i in range(20)])
    assert len(set(zip(colours.range, shapes.range, strict=True))) == 20
    assert len({(colour, tuple(dash)) for colour, dash in zip(colours.range, dashes.range, strict=True)}) == 20


@pytest.mark.parametrize("last", [9, 50, 99, 20_000])
def test_round_numbers_on_axes_are_written_out(last: int) -> None:
    chart = plot.lines({"x": [0, last], "y": [0, 3 * last], "series": ["a", "a"]})
    svg = vl_convert.vegalite_to_svg(json.dumps(chart.to_dict()))
    assert "e+" not in svg
    assert ">0<" in svg
