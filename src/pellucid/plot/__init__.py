"""Pictures: pure functions from results to Altair charts, or inline HTML for text and images; each with its table."""

from pellucid.plot.bars import bars, bars_data
from pellucid.plot.calibration import calibration, calibration_data
from pellucid.plot.compare import compare, compare_data
from pellucid.plot.draw import draw
from pellucid.plot.effect import effect, effect_data
from pellucid.plot.image import image, image_data
from pellucid.plot.intervals import intervals, intervals_data
from pellucid.plot.lines import lines, lines_data
from pellucid.plot.scatter import beeswarm, beeswarm_data, scatter, scatter_data
from pellucid.plot.text import text, text_data
from pellucid.plot.tree import tree, tree_data
from pellucid.plot.waterfall import waterfall, waterfall_data

__all__ = [
    "bars",
    "bars_data",
    "beeswarm",
    "beeswarm_data",
    "calibration",
    "calibration_data",
    "compare",
    "compare_data",
    "draw",
    "effect",
    "effect_data",
    "image",
    "image_data",
    "intervals",
    "intervals_data",
    "lines",
    "lines_data",
    "scatter",
    "scatter_data",
    "text",
    "text_data",
    "tree",
    "tree_data",
    "waterfall",
    "waterfall_data",
]
