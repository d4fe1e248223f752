"""Attribution: how much every element of an input or a layer moved an output."""

from pellucid.nn.attribution.cam import GradCAM, GradCAMPlusPlus, LayerCAM
from pellucid.nn.attribution.deeplift import DeepLift, DeepShap
from pellucid.nn.attribution.door import METHODS, attribute
from pellucid.nn.attribution.gradients import GradientXInput, GuidedBackprop, Saliency, SmoothGrad
from pellucid.nn.attribution.integrated import ExpectedGradients, IntegratedGradients
from pellucid.nn.attribution.perturbation import RISE, Occlusion, ShapleyOfSegments
from pellucid.nn.attribution.relevance import CPLRP, LRP, AttnLRP, LibraGrad

__all__ = [
    "CPLRP",
    "LRP",
    "METHODS",
    "RISE",
    "AttnLRP",
    "DeepLift",
    "DeepShap",
    "ExpectedGradients",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientXInput",
    "GuidedBackprop",
    "IntegratedGradients",
    "LayerCAM",
    "LibraGrad",
    "Occlusion",
    "Saliency",
    "ShapleyOfSegments",
    "SmoothGrad",
    "attribute",
]
