"""The wing for networks: attribution to inputs and layers, what layers hold, attention, and their trust.

It needs PyTorch, which `import pellucid` does not load: ``pip install 'pellucid[torch]'``.
"""

from pellucid._base.optional import optional_import

optional_import("torch", extra="torch", purpose="pellucid.nn")  # before the rest, to say what to install

from pellucid.nn.ablation import Ablation, ablate, ablate_heads
from pellucid.nn.activations import Activations, LayerSummary, channel_grid, record, summarize
from pellucid.nn.attending import Attention, attention
from pellucid.nn.attribution import (
    LRP,
    METHODS,
    RISE,
    ExpectedGradients,
    IntegratedGradients,
    Occlusion,
    SmoothGrad,
    attribute,
)
from pellucid.nn.auditing.audit import audit, report
from pellucid.nn.concepts import ConceptSensitivity, tcav
from pellucid.nn.deconstruction import Deconstruction, deconstruct
from pellucid.nn.dictionary import SparseDictionary, sparse_autoencoder
from pellucid.nn.dissection import Dissection, dissect
from pellucid.nn.faithfulness import Ranking, faithfulness, grid_pointing, rank_methods
from pellucid.nn.flipping import Flipping, flipping
from pellucid.nn.lens import LogitLens, logit_lens
from pellucid.nn.maps import AttentionMap, attention_map
from pellucid.nn.patching import Patching, attribution_patch, patch
from pellucid.nn.probes import Probes, probe
from pellucid.nn.sensitivity import Infidelity, Randomisation, infidelity, max_sensitivity, parameter_randomisation
from pellucid.nn.shortcuts import Shortcuts, find_shortcuts, find_word_shortcuts
from pellucid.nn.similarity import LayerSimilarity, Projection, cka, layer_similarity, project
from pellucid.nn.views import draw_attention, draw_attention_map, draw_channels, draw_patching
from pellucid.nn.visualisation import FeatureImages, visualize

__all__ = [
    "LRP",
    "METHODS",
    "RISE",
    "Ablation",
    "Activations",
    "Attention",
    "AttentionMap",
    "ConceptSensitivity",
    "Deconstruction",
    "Dissection",
    "ExpectedGradients",
    "FeatureImages",
    "Flipping",
    "Infidelity",
    "IntegratedGradients",
    "LayerSimilarity",
    "LayerSummary",
    "LogitLens",
    "Occlusion",
    "Patching",
    "Probes",
    "Projection",
    "Randomisation",
    "Ranking",
    "Shortcuts",
    "SmoothGrad",
    "SparseDictionary",
    "ablate",
    "ablate_heads",
    "attention",
    "attention_map",
    "attribute",
    "attribution_patch",
    "audit",
    "channel_grid",
    "cka",
    "deconstruct",
    "dissect",
    "draw_attention",
    "draw_attention_map",
    "draw_channels",
    "draw_patching",
    "faithfulness",
    "find_shortcuts",
    "find_word_shortcuts",
    "flipping",
    "grid_pointing",
    "infidelity",
    "layer_similarity",
    "logit_lens",
    "max_sensitivity",
    "parameter_randomisation",
    "patch",
    "probe",
    "project",
    "rank_methods",
    "record",
    "report",
    "sparse_autoencoder",
    "summarize",
    "tcav",
    "visualize",
]
