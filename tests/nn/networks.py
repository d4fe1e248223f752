"""Small networks for the tests: one function in six styles, and the habits real code has."""

import torch
from torch import nn
from torch.nn import functional


class Parts(nn.Module):
    """A small convolutional network's parameters; subclasses write its one function in different styles."""

    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.f1, self.f2 = nn.Linear(6 * 3 * 3, 8), nn.Linear(8, 3)


class Functions(Parts):
    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.c1(x)), 2)
        x = functional.max_pool2d(functional.relu6(self.c2(x)), 2)
        return self.f2(functional.gelu(self.f1(x.flatten(1))))


class Modules(Parts):
    def __init__(self):
        super().__init__()
        self.r1, self.r2, self.r3, self.pool = nn.ReLU(), nn.ReLU6(), nn.GELU(), nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(self.r1(self.c1(x)))
        x = self.pool(self.r2(self.c2(x)))
        return self.f2(self.r3(self.f1(x.flatten(1))))


class InPlace(Parts):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.c1(x)
        self.relu(x)
        x = torch.max_pool2d(x, 2)
        x = self.c2(x)
        functional.hardtanh_(x, 0.0, 6.0)
        x = torch.max_pool2d(x, 2)
        return self.f2(functional.gelu(self.f1(torch.flatten(x, 1))))


class Methods(Parts):
    def forward(self, x):
        x = functional.max_pool2d(self.c1(x).relu_(), kernel_size=2, stride=2)
        x = functional.max_pool2d(self.c2(x).clamp_(0, 6), (2, 2))
        return torch.addmm(self.f2.bias, functional.gelu(self.f1(x.reshape(len(x), -1))), self.f2.weight.T)


class OwnConv(nn.Conv2d):
    def forward(self, x):
        return functional.conv2d(functional.pad(x, (1, 1, 1, 1)), self.weight, self.bias)


class Subclassed(Modules):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = OwnConv(2, 4, 3), OwnConv(4, 6, 3)


class Chained(Parts):
    def forward(self, x):
        first = nn.Sequential(self.c1, nn.ReLU(), nn.MaxPool2d(2), self.c2, nn.ReLU6(inplace=True), nn.MaxPool2d(2))
        return nn.Sequential(first, nn.Flatten(), self.f1, nn.GELU(), self.f2)(x)


STYLES = {style.__name__: style for style in (Functions, Modules, InPlace, Methods, Subclassed, Chained)}


def in_style(name):
    """The same function, written in another style."""
    torch.manual_seed(1)
    weights = Functions().state_dict()
    net = STYLES[name]()
    net.load_state_dict(weights)
    return net.eval()


class Transformer(nn.Module):
    """Tokens to classes: an embedding, one encoder layer of torch's own, a mean."""

    def __init__(self, tokens=11, width=8, classes=3):
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.layer = nn.TransformerEncoderLayer(width, 2, 16, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, ids):
        return self.head(self.layer(self.embed(ids)).mean(1))


def tabular(outputs=3):
    """A small dense network."""
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, outputs)).eval()
