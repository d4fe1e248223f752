"""The doors for inputs that are no tables: `explain_text` and `explain_image`."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid._base.progress import Progress
from pellucid._door import Explainer
from pellucid.adapters.inputs import as_input_model
from pellucid.explainers.base import Method
from pellucid.explainers.lime_masks import MaskedLime
from pellucid.explanation import Explanation
from pellucid.games.image import ImageParts
from pellucid.games.parts import Parts, batch_of, presence
from pellucid.games.text import TextParts
from pellucid.table import Table

IMAGE_SAMPLES = 1000
"""lime's number of samples for an image."""


def explain_text(
    model: Any,
    text: str,
    *,
    tokenizer: Callable[[str], Sequence[Any]] | None = None,
    mask: str | None = None,
    outputs: Sequence[str] | None = None,
    method: str | Method = "auto",
    output: str | int | Sequence[str | int] | None = None,
    space: str = "raw",
    budget: int | None = None,
    tol: float | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Explanation:
    """Explain a text: how much each of its tokens moved each output.

    The game is to leave tokens out, or to put `mask` in their place; every method plays it.

    Parameters
    ----------
    model : callable or fitted estimator
        From a list of texts to outputs of shape (texts,) or (texts, outputs), or an estimator that takes such lists,
        for instance a pipeline that begins with a ``TfidfVectorizer``.
    text : str
    tokenizer : callable, optional
        From the text to its tokens, as text or as pairs (start, end); by default the words.
    mask : str, optional
        What stands for a hidden token, such as ``"[MASK]"``; by default it is left out.
    outputs : sequence of str, optional
        Names of a function's outputs.
    method : str or Method
        ``"auto"``, ``"exact"``, ``"shapley"``, ``"permutation"``, ``"lime"``, or an instance.
    output, space, budget, tol, random_state, n_jobs, progress
        As in `explain`.

    Returns
    -------
    Explanation
        Of one row, whose features are the tokens, numbered where they come again; its data has them as they stand in
        the text. ``pellucid.plot.text(explanation, text=text)`` draws it.

    Raises
    ------
    InputError
        When there is no token, or the tokens do not stand in the text.
    ModelError
        When the model fails on a list of texts or does not return numbers for each.

    Examples
    --------
    >>> import pellucid
    >>> def stars(texts):
    ...     return [3 + ("good" in text) - 2 * ("not" in text) for text in texts]
    >>> explanation = pellucid.explain_text(stars, "Not so good, not at all.")
    >>> dict(zip(explanation.features, explanation.values.round(9).ravel().tolist()))
    {'Not': 0.0, 'so': 0.0, 'good': 1.0, 'not': -2.0, 'at': 0.0, 'all': 0.0}
    """
    started = time.perf_counter()
    parts = TextParts.of(text, tokenizer=tokenizer, mask=mask)
    found = _explain(
        model, parts, outputs=outputs, method=MaskedLime() if method == "lime" else method, output=output, space=space,
        budget=budget, tol=tol, random_state=random_state, n_jobs=n_jobs, progress=progress,
    )  # fmt: skip
    data = Table.of(np.array([parts.tokens], dtype=object), names=parts.names)
    return _told(found, parts, {"text": hashlib.sha256(text.encode()).hexdigest()}, data, started)


def explain_image(
    model: Any,
    image: Any,
    *,
    segments: Any = None,
    fill: Any = "mean",
    outputs: Sequence[str] | None = None,
    method: str | Method = "auto",
    output: str | int | Sequence[str | int] | None = None,
    space: str = "raw",
    budget: int | None = None,
    tol: float | None = None,
    random_state: int = 0,
    n_jobs: int | None = None,
    progress: Progress = None,
) -> Explanation:
    """Explain an image: how much each of its areas moved each output.

    Parameters
    ----------
    model : callable or fitted estimator
        From an array of images (images, height, width, …) in the image's own dtype to outputs of shape (images,) or
        (images, outputs).
    image : array of shape (height, width) or (height, width, channels)
    segments : integer array of shape (height, width), optional
        Area of each pixel; by default a grid of 49, see `superpixels`.
    fill : {"mean", "blur", "inpaint"}, number or array
        What stands for a hidden area: its own mean, the blurred image, what is shown around it, or the number or
        image given.
    outputs : sequence of str, optional
        Names of a function's outputs.
    method, output, space, budget, tol, random_state, n_jobs, progress
        As in `explain_text`.

    Returns
    -------
    Explanation
        Of one row, whose features are ``area 0``, ``area 1``, ….
        ``pellucid.plot.image(explanation, images=image, segments=segments)`` draws it.

    Raises
    ------
    InputError
        When image, segments and fill do not fit together.
    ModelError
        When the model fails on an array of images or does not return numbers for each.

    Examples
    --------
    >>> import numpy as np
    >>> import pellucid
    >>> image = np.zeros((4, 4))
    >>> image[:2, 2:] = [[1.0, 0.0], [0.0, 0.0]]
    >>> segments = pellucid.superpixels(image, n_segments=4)
    >>> explanation = pellucid.explain_image(lambda images: images.max(axis=(1, 2)), image, segments=segments)
    >>> explanation.values.ravel().tolist()
    [0.0, 0.75, 0.0, 0.0]
    """
    started = time.perf_counter()
    parts = ImageParts.of(image, segments=segments, fill=fill)
    lime = MaskedLime(sizes="binomial", n_samples=IMAGE_SAMPLES)
    found = _explain(
        model, parts, outputs=outputs, method=lime if method == "lime" else method, output=output, space=space,
        budget=budget, tol=tol, random_state=random_state, n_jobs=n_jobs, progress=progress,
    )  # fmt: skip
    hashes = {
        name: hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()
        for name, array in (("image", parts.image), ("segments", parts.segments))
    }
    return _told(found, parts, hashes, None, started)


def _explain(model: Any, parts: Parts, *, outputs: Sequence[str] | None, **options: Any) -> Explanation:
    shown, hidden = presence(parts)
    asked = as_input_model(model, parts.show, parts.names, batch=batch_of(parts), outputs=outputs)
    return Explainer(asked, hidden, **options)(shown)


def _told(found: Explanation, parts: Parts, hashes: dict[str, str], data: Table | None, started: float) -> Explanation:
    """Put the input's own words in place of those of the table of ones and zeros."""
    made = replace(
        found.provenance, background=parts.hidden_in_words, hashes=hashes, seconds=time.perf_counter() - started
    )
    return replace(found, data=data, provenance=made)
