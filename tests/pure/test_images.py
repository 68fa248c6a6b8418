"""Image files as people have them, and images of one, three and four channels."""

import random

import numpy
import pytest
import torch
from PIL import Image, PngImagePlugin

from adaptive_diffusion.images import opaque, read_image, with_channels

UPRIGHT = numpy.arange(6 * 4 * 3, dtype=numpy.uint8).reshape(6, 4, 3) * 3
TURNS = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
ORIENTATION = 0x0112


def pixels(path) -> numpy.ndarray:
    image = read_image(path)
    assert image.mode == "RGB"
    return numpy.asarray(image)


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
def test_an_image_is_turned_as_its_camera_was(tmp_path, orientation, suffix):
    stored, path = Image.fromarray(UPRIGHT), tmp_path / f"a.{suffix}"
    if (turn := TURNS[orientation]) is not None:
        stored = stored.transpose(turn)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(path, exif=exif, quality=100, subsampling=0, lossless=True)
    assert abs(pixels(path).astype(int) - UPRIGHT).max() <= (8 if suffix == "jpg" else 0)


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_greys_of_sixteen_bits_are_scaled_not_cut(tmp_path, mode):
    levels = numpy.array([[0, 257, 257 * 100, 65535]])
    types = {"I;16": "<u2", "I;16B": ">u2", "I": "i4"}
    image, path = Image.fromarray(levels.astype(types[mode])), tmp_path / "grey.png"
    assert image.mode == mode
    image.save(path, format="TIFF" if mode == "I" else None)
    assert pixels(path).tolist() == [[[0] * 3, [1] * 3, [100] * 3, [255] * 3]]


def test_greys_of_sixteen_bits_are_turned_too(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(numpy.array([[0, 65535]], dtype="<u2")).save(tmp_path / "grey.png", exif=exif)
    assert pixels(tmp_path / "grey.png")[..., 0].tolist() == [[0], [255]]


def palette() -> Image.Image:
    image = Image.new("P", (1, 1))
    image.putpalette([10, 20, 30])
    return image


TRANSPARENT = {
    "RGBA": (Image.new("RGBA", (1, 1), (200, 100, 0, 51)), {}, [244, 224, 204]),
    "LA": (Image.new("LA", (1, 1), (0, 51)), {}, [204, 204, 204]),
    "RGB and a colour": (Image.new("RGB", (1, 1), (1, 2, 3)), {"transparency": (1, 2, 3)}, [255, 255, 255]),
    "L and a level": (Image.new("L", (1, 1), 7), {"transparency": 7}, [255, 255, 255]),
    "palette": (palette(), {"transparency": bytes([0])}, [255, 255, 255]),
    "opaque": (Image.new("RGBA", (1, 1), (200, 100, 0, 255)), {}, [200, 100, 0]),
}


@pytest.mark.parametrize("case", TRANSPARENT)
def test_what_is_transparent_shows_white(tmp_path, case):
    image, options, expected = TRANSPARENT[case]
    image.save(tmp_path / "a.png", **options)
    assert pixels(tmp_path / "a.png").tolist() == [[expected]]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (1, 1), 1), [255] * 3),
        (Image.new("L", (1, 1), 9), [9] * 3),
        (palette(), [10, 20, 30]),
    ],
)
def test_other_kinds_become_their_colours(tmp_path, image, expected):
    image.save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[expected]]


def test_of_an_animation_the_first_picture_counts(tmp_path):
    first, second = (Image.new("RGB", (2, 2), colour) for colour in ("red", "blue"))
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second], lossless=True)
    assert pixels(tmp_path / "a.webp")[0, 0].tolist() == [255, 0, 0]


def whole(folder, suffix: str) -> bytes:
    path = folder / f"whole.{suffix}"
    noise = numpy.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=numpy.uint8)
    info = PngImagePlugin.PngInfo() if suffix == "png" else None
    Image.fromarray(noise).save(path, pnginfo=info)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_damaged_file_is_named_whatever_is_wrong_with_it(tmp_path, suffix):
    data, path = whole(tmp_path, suffix), tmp_path / f"broken.{suffix}"
    lengths = range(0, len(data) - 60, max(1, len(data) // 60))
    cut = [data[:length] for length in lengths]
    for damaged in [b"", b"no image", *cut]:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"broken.{suffix}' is no whole image \(.*\); write it again") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_file_with_wrong_bytes_is_read_or_named(tmp_path, suffix):
    data, path, noise = bytearray(whole(tmp_path, suffix)), tmp_path / f"broken.{suffix}", random.Random(5)
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(noise.randint(1, 6)):
            damaged[noise.randrange(min(len(data), 200))] = noise.randrange(256)
        path.write_bytes(damaged)
        try:
            assert read_image(path).mode == "RGB"
        except ValueError as error:
            assert str(error).startswith(f"'{path}' is no whole image (")


@pytest.mark.parametrize("path", ["none.png", "."])
def test_what_is_not_there_is_named(tmp_path, path):
    with pytest.raises(ValueError, match=r"is no whole image \((No such file|Is a directory|Permission)"):
        read_image(tmp_path / path)


def test_tensors_are_laid_on_white_and_greys_are_repeated():
    image = torch.tensor([[[0.5, 0.25, -1.0, 0.2], [0.1, 0.2, 0.3, 1.0]]])
    assert torch.allclose(opaque(image), torch.tensor([[[0.9, 0.85, 0.8], [0.1, 0.2, 0.3]]]))
    assert torch.equal(opaque(image[..., :3]), image[..., :3])
    assert torch.equal(opaque(image[..., :1]), image[..., [0, 0, 0]])
    for channels in (2, 5):
        with pytest.raises(ValueError, match=f"images of {channels} channels cannot be shown; give"):
            opaque(torch.zeros(1, 2, 2, channels))


def test_images_get_the_channels_of_others():
    colours, clear = torch.rand(2, 3, 3, 3), torch.rand(2, 3, 3, 4)
    assert with_channels(clear, 4) is clear and with_channels(colours, 3) is colours
    assert torch.equal(with_channels(clear, 3), opaque(clear))
    assert torch.equal(with_channels(colours, 4)[..., :3], colours)
    assert (with_channels(colours, 4)[..., 3] == 1).all()
    with pytest.raises(ValueError, match="images of 3 channels cannot become ones of 1; give RGB or RGBA"):
        with_channels(colours, 1)
