"""Games of blocks of pixels and of words: each row is a set function, however it hides its players."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Games: TypeAlias = tuple[int, list[Callable[[Any], Any]]]
"""Number of players, and one function of coalitions (coalitions, players) for each row."""

BLOCKS = np.repeat(np.repeat(np.arange(16).reshape(4, 4), 2, axis=0), 2, axis=1).ravel()
"""Block of every pixel of an image of 8 × 8."""
WORDS = 12


def digits_blocks(rows: int) -> Games:
    """A network's probability of the digit's class; hidden blocks of 2 × 2 pixels are those of 100 other images."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    X, y = load_digits(return_X_y=True)
    X = X / 16.0
    model = MLPClassifier(hidden_layer_sizes=(32, 32), max_iter=200, random_state=0).fit(X[rows:], y[rows:])
    background = X[-100:]

    def game(image: Any, label: int) -> Callable[[Any], Any]:
        def value(coalitions: Any) -> Any:
            found = np.empty(len(coalitions))
            for first in range(0, len(coalitions), 512):
                shown = coalitions[first : first + 512][:, BLOCKS]
                filled = np.where(shown[:, None, :], image, background).reshape(-1, 64)
                found[first : first + 512] = _network(model, filled)[:, label].reshape(len(shown), -1).mean(axis=1)
            return found

        return value

    return 16, [game(image, int(label)) for image, label in zip(X[:rows], y[:rows], strict=True)]


def _network(model: Any, X: Any) -> Any:
    """Probabilities in single precision, several times faster than scikit-learn's own."""
    at = X.astype(np.float32)
    for weights, bias in zip(model.coefs_, model.intercepts_, strict=True):
        at = at @ weights.astype(np.float32) + bias.astype(np.float32)
        if weights is not model.coefs_[-1]:
            np.maximum(at, 0.0, out=at)
    at = np.exp(at - at.max(axis=1, keepdims=True))
    return at / at.sum(axis=1, keepdims=True)


def image(rows: int) -> Games:
    """Return a support vector machine's margin for an image; hidden superpixels get the image's mean."""
    from sklearn.datasets import load_digits
    from sklearn.svm import SVC

    X, y = load_digits(return_X_y=True)
    X, odd = X / 16.0, y % 2
    model = SVC(gamma=0.05, C=5.0).fit(X[rows : rows + 400], odd[rows : rows + 400])

    def game(pixels: Any) -> Callable[[Any], Any]:
        return lambda coalitions: model.decision_function(np.where(coalitions[:, BLOCKS], pixels, pixels.mean()))

    return 16, [game(pixels) for pixels in X[:rows]]


def text(rows: int) -> Games:
    """Return the probability that a sentence is about the language's statements; hidden words are deleted.

    The sentences are those of Python's own documentation, which comes with Python.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline

    sentences, about = _sentences()
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2), MLPClassifier((16,), max_iter=60, random_state=0)
    )
    model.fit(sentences[rows:], about[rows:])

    def game(sentence: str) -> Callable[[Any], Any]:
        words = np.array(sentence.split(), dtype=object)

        def value(coalitions: Any) -> Any:
            return model.predict_proba([" ".join(words[shown]) for shown in coalitions])[:, 1]

        return value

    return WORDS, [game(sentence) for sentence in sentences[:rows]]


def _sentences() -> tuple[list[str], Any]:
    """Runs of twelve words from the documentation, in a drawn order, and whether they are about statements."""
    from pydoc_data.topics import topics

    statements = {"assert", "assignment", "break", "class", "continue", "del", "for", "function", "global", "if"}
    statements |= {"import", "nonlocal", "pass", "raise", "return", "try", "while", "with", "compound", "async"}
    found = [
        (" ".join(words[first : first + WORDS]), name in statements)
        for name, said in sorted(topics.items())
        for words in [said.split()]
        for first in range(0, len(words) - WORDS + 1, WORDS)
    ]
    order = np.random.default_rng(0).permutation(len(found))[:4000]
    return [found[i][0] for i in order], np.array([found[i][1] for i in order])


SET_FUNCTIONS: dict[str, Callable[[int], Games]] = {
    "digits_blocks-mlp": digits_blocks,
    "image-svm": image,
    "text-mlp": text,
}
