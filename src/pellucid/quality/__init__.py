"""How far explanations can be trusted: stability, faithfulness and agreement, measured with intervals."""

from pellucid.quality.agreement import Agreement, agreement
from pellucid.quality.faithfulness import Faithfulness, faithfulness
from pellucid.quality.measures import Measured
from pellucid.quality.stability import Stability, stability

__all__ = ["Agreement", "Faithfulness", "Measured", "Stability", "agreement", "faithfulness", "stability"]
