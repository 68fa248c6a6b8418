"""Frechet inception distance by torchmetrics; Inception's published weights are not at hand, so others stand in.

In most tests the mean colours of an image's halves stand in for Inception's features, so that the distance can be
worked out by hand. One runs the whole network with random weights, from a file in the form of the published one.
"""

import io
import re
import sys

import numpy
import pytest
import scipy.linalg
import torch
from PIL import Image

from adaptive_diffusion import standalone
from adaptive_diffusion.__main__ import main

pytest.importorskip("torchmetrics", reason="torchmetrics is not installed (extra `evaluate`)")

from adaptive_diffusion.standalone import fid  # noqa: E402

torch.set_num_threads(1)


class MeanColours(torch.nn.Module):
    """Stands in for Inception: the mean of each channel in the upper and in the lower half, (B, 6)."""

    num_features = 6

    def forward(self, images):
        assert images.dtype == torch.uint8 and images.shape[1] == 3
        half = images.shape[2] // 2
        halves = images.float()[:, :, :half], images.float()[:, :, half:]
        return torch.cat([part.mean((2, 3)) for part in halves], 1)


def write_noise(folder, seed: int, count: int, low: int = 0):
    """Images of blocks in random colours, their files in order."""
    random = numpy.random.default_rng(seed)
    folder.mkdir()
    for i in range(count):
        blocks = random.integers(low, 256, (2, 2, 3), dtype=numpy.uint8)
        Image.fromarray(blocks).resize((16, 16), Image.Resampling.NEAREST).save(folder / f"{i:03d}.png")
    return sorted(folder.iterdir())


def by_hand(files, reference) -> float:
    """The distance of the Gaussians through both sets of features (arXiv 1706.08500, equation 6)."""
    sets = []
    for names in (files, reference):
        arrays = [numpy.asarray(Image.open(name)) for name in names]
        halves = [[array[:8].mean((0, 1)), array[8:].mean((0, 1))] for array in arrays]
        sets.append(numpy.reshape(halves, (len(names), 6)))
    means, covariances = [rows.mean(0) for rows in sets], [numpy.cov(rows.T) for rows in sets]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    return numpy.square(means[0] - means[1]).sum() + numpy.trace(covariances[0] + covariances[1] - 2 * root)


def test_the_distance_is_the_papers(tmp_path):
    files, reference = write_noise(tmp_path / "a", 1, 40), write_noise(tmp_path / "b", 2, 70, low=60)
    found = fid.distance(MeanColours(), files, reference)
    assert found == pytest.approx(by_hand(files, reference), rel=1e-4) and found > 10


def test_a_set_has_no_distance_from_itself(tmp_path):
    files = write_noise(tmp_path / "a", 1, 40)
    assert fid.distance(MeanColours(), files, files) == pytest.approx(0, abs=0.05)


def test_one_image_is_refused(tmp_path):
    files = write_noise(tmp_path / "a", 1, 3)
    with pytest.raises(ValueError, match="FID needs at least two images in each set; there are 3 and 1"):
        fid.distance(MeanColours(), files, files[:1])


def test_the_network_is_torch_fidelitys_with_exactly_the_files_weights(tmp_path, monkeypatch):
    reason = "torch-fidelity is not installed (extra `evaluate`)"
    library = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason=reason)
    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with monkeypatch.context() as patch:
        patch.setattr(fid.NoTrainInceptionV3, "load_state_dict", lambda *_: None)
        weights = fid.NoTrainInceptionV3("inception-v3-compat", ["2048"], empty).state_dict()
    torch.save(weights, tmp_path / "random.pth")
    network = fid.inception(tmp_path / "random.pth")
    loaded = network.state_dict()
    assert loaded.keys() == weights.keys() and all(torch.equal(loaded[key], weights[key]) for key in weights)
    original = library.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], tmp_path / "random.pth")
    images = torch.randint(256, (2, 3, 400, 400), dtype=torch.uint8)
    features = network(images)
    assert features.shape == (2, 2048) and features.std(0).max() > 0
    assert torch.equal(features, original(images)[0])
    torch.save({"fc.weight": weights["fc.weight"]}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="'other.pth' does not hold the weights of FID's Inception; download https"):
        fid.inception(tmp_path / "other.pth")


def test_the_command_prints_the_distance_of_each_folder(tmp_path, monkeypatch, capsys):
    one, other, reference = (tmp_path / name for name in ("one", "other", "reference"))
    files = {one: write_noise(one, 1, 9), other: write_noise(other, 2, 9, low=90)}
    against = write_noise(reference, 3, 12)
    given = []
    monkeypatch.setattr(fid, "inception", lambda weights: given.append(weights) or MeanColours())
    main(["evaluate", str(one), str(other), "--fid", str(reference), "--fid-weights", "stand-in.pth"])
    expected = [
        f"FID of {folder} (9 images) against {reference} (12): {by_hand(names, against):.2f}"
        for folder, names in files.items()
    ]
    assert capsys.readouterr().out.splitlines() == expected
    assert [str(path) for path in given] == ["stand-in.pth"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], r"FID needs Inception's weights; download https://.*\.pth and name it with --fid-weights"),
        (["--fid-weights", "nothing.pth"], "there is no weight file 'nothing.pth'"),
    ],
)
def test_missing_weights_are_one_sentence(tmp_path, capsys, options, sentence):
    write_noise(tmp_path / "a", 1, 4)
    folder = str(tmp_path / "a")
    with pytest.raises(SystemExit, match="^2$"):
        main(["evaluate", folder, "--fid", folder, *options])
    said = capsys.readouterr()
    assert not said.out and re.fullmatch(f"error: {sentence}\n", said.err)


@pytest.mark.parametrize("library", ["torchmetrics.image.fid", "torch_fidelity"])
def test_missing_libraries_are_one_sentence(tmp_path, monkeypatch, capsys, library):
    write_noise(tmp_path / "a", 1, 4)
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "some.pth")
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, "adaptive_diffusion.standalone.fid")
    monkeypatch.delattr(standalone, "fid")
    folder = str(tmp_path / "a")
    with pytest.raises(SystemExit, match="^2$"):
        main(["evaluate", folder, "--fid", folder, "--fid-weights", str(tmp_path / "some.pth")])
    sentence = f"error: {library} is not installed; run: pip install 'adaptive-diffusion[evaluate]'\n"
    assert capsys.readouterr().err == sentence


def test_a_file_with_code_in_it_is_not_run(tmp_path, capsys):
    class Code:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save({"fc.weight": Code()}, tmp_path / "code.pth")
    with pytest.raises(ValueError, match="holds more than weights and was not opened"):
        fid.inception(tmp_path / "code.pth")
    assert "ran" not in capsys.readouterr().out
