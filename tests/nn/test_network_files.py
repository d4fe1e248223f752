"""Networks in files: exported ones are explained as what they were exported from, and nothing runs untrusted."""

import hashlib
import json
import textwrap
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pellucid import FileError
from pellucid.cli.main import main
from pellucid.nn import attention, attribute, audit, record
from pellucid.nn.files import load_network, load_rows

from .networks import STYLES, Transformer, in_style


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def exported(model: nn.Module, x: torch.Tensor, path: Path) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        program = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("rows", min=1)},))
        torch.export.save(program, path)
    return load_network(path, trust_pickle=digest(path))


@pytest.mark.parametrize("style", sorted(set(STYLES) - {"Methods"}))  # its len(x) is exported as a number
@pytest.mark.parametrize("method", ["deeplift", "lrp", "guided_backprop"])
def test_an_exported_network_is_explained_as_what_it_was(style: str, method: str, tmp_path: Path) -> None:
    x = torch.randn(3, 2, 12, 12)
    model = in_style(style)
    found = attribute(exported(model, x, tmp_path / "net.pt2"), x, target=1, method=method)
    wanted = attribute(model, x, target=1, method=method)
    np.testing.assert_allclose(found.values, wanted.values, atol=1e-6 * np.abs(wanted.values).max())
    assert found.quality.warnings == wanted.quality.warnings


@pytest.mark.parametrize("method", ["attnlrp", "libragrad", "deeplift"])
def test_exported_attention_is_seen(method: str, tmp_path: Path) -> None:
    model, ids = Transformer().eval(), torch.randint(0, 11, (2, 6))
    net = exported(model, ids, tmp_path / "net.pt2")
    found, wanted = (attribute(one, ids, target=1, method=method).values for one in (net, model))
    np.testing.assert_allclose(found, wanted, atol=1e-6 * np.abs(wanted).max())
    np.testing.assert_allclose(attention(net, ids).weights[0], attention(model, ids).weights[0], atol=1e-6)


def test_exported_layers_keep_their_names(tmp_path: Path) -> None:
    x = torch.randn(3, 2, 12, 12)
    model = in_style("Modules")
    net = exported(model, x, tmp_path / "net.pt2")
    np.testing.assert_array_equal(record(net, x, layers="c2")["c2"], record(model, x, layers="c2")["c2"])


def sides(n: int = 40) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """Pictures bright on one side, and a network that tells which."""
    torch.manual_seed(0)
    y = np.arange(n) % 2
    x = 0.3 * torch.rand(n, 1, 8, 8)
    for side in (0, 1):
        x[torch.as_tensor(y == side), :, :, 4 * side : 4 * side + 4] += 0.7
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 2))
    with torch.no_grad():
        bright = torch.ones(2, 6, 6)
        bright[:, :, :3] = -1
        model[3].weight.copy_(torch.stack([-bright.flatten(), bright.flatten()]))
        model[0].weight.fill_(0.1)
    return model.eval(), x.numpy(), y


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("files")
    model, x, y = sides()
    torch.save(model, place / "net.pt")
    torch.save(model.state_dict(), place / "weights.pt")
    torch.save([1, 2], place / "list.pt")
    exported(model, torch.as_tensor(x[:3]), place / "net.pt2")
    np.savez(place / "rows.npz", x=x, y=y, class_names=np.array(["left", "right"]))
    np.savez(place / "two.npz", x=x, z=x, y=y)
    np.savez(place / "objects.npz", x=np.array([{}], dtype=object), y=y)
    (place / "my_net.py").write_text(
        textwrap.dedent(
            """
            import torch
            network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
            """
        )
    )
    return place


@pytest.fixture
def pellucid(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(folder)

    def run(*arguments: Any) -> SimpleNamespace:
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, arguments)])
        printed = capfd.readouterr()
        return SimpleNamespace(returncode=stopped.value.code, stdout=printed.out, stderr=printed.err)

    return run


@pytest.mark.parametrize("name", ["net.pt", "net.pt2"])
def test_the_command_line_audits_a_network(pellucid: Any, folder: Path, name: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    trusted = digest(folder / name)
    done = pellucid(
        "audit", name, "rows.npz", "--target", "y", "--rows", "typical", "--out", out, "--trust-pickle", trusted
    )
    assert done.returncode in (0, 1), done.stderr
    assert f"Report: {out}" in done.stdout
    findings = json.loads(out.with_suffix(".json").read_text())["findings"]
    said = [finding["statement"] for finding in findings]
    model, x, y = sides()
    named = ["left", "right"]
    wanted = [one.statement for one in audit(model, torch.as_tensor(x), y, class_names=named, rows="typical").findings]
    label = {"net.pt": "Sequential", "net.pt2": "ExportedProgram"}[name]
    kinds = {"net.pt": "4 kinds", "net.pt2": "1 kind"}[name]
    assert said == [one.replace("Sequential", label).replace("4 kinds", kinds) for one in wanted]


def test_a_network_is_named_in_code(pellucid: Any, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = pellucid("audit", "--model", "my_net:network", "rows.npz", "--target", "y", "--fast", "--out", out)
    assert done.returncode in (0, 1), done.stderr
    assert "right" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["net.pt", "rows.npz"], "runs whatever code it contains"),
        (["net.pt2", "rows.npz"], "runs whatever code it contains"),
        (["net.pt2", "rows.npz", "--trust-pickle", "12"], "not the pickle that was trusted"),
        (["rows.npz"], "name the network before it"),
        (["net.pt", "rows.pkl"], "arrays in a NumPy file (.npz, from numpy.savez); got rows.pkl"),
        (["net.pt", "rows.npz", "--sensitive", "a"], "--sensitive is for models of tables"),
        (["net.pt", "rows.npz", "--trust-type", "a"], "--trust-type is for models of tables"),
        (["--model", "json:dumps", "rows.npz"], "must be a torch.nn.Module; got function"),
        (["--model", "my_net:network", "two.npz"], "one array of numbers beside 'y', 'pictures' and 'class_names'"),
        (["--model", "my_net:network", "gone.npz"], "there is no file gone.npz"),
        (["--model", "my_net:network", "objects.npz"], "could not be read as NumPy arrays"),
    ],
)
def test_what_cannot_run_is_said(pellucid: Any, tmp_path: Path, arguments: list[str], said: str) -> None:
    done = pellucid("audit", *arguments, "--target", "y", "--out", tmp_path / "report.html")
    assert done.returncode == 2
    assert said in done.stderr
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize(
    ("name", "said"), [("weights.pt", "weights without the network"), ("list.pt", "no network but list")]
)
def test_a_file_without_a_network_is_refused(folder: Path, name: str, said: str) -> None:
    with pytest.raises(FileError, match=said):
        load_network(folder / name, trust_pickle=digest(folder / name))


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(b"nothing")
    with pytest.raises(FileError, match=r"could not be read as a network.*importable from the working directory"):
        load_network(path, trust_pickle=digest(path))
    with pytest.raises(FileError, match="there is no file"):
        load_network(tmp_path / "gone.pt")


def test_another_name_for_the_truth_is_asked_for(folder: Path) -> None:
    with pytest.raises(FileError, match=r"has no array 'label' for --target\. It has 'x', 'y', 'class_names'"):
        load_rows(folder / "rows.npz", "label")
