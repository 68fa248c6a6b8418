import torch

from adaptive_diffusion.digest import digest, image_digests

IMAGES = torch.rand(3, 4, 6, 3, generator=torch.Generator().manual_seed(0))
PROMPTS = ("a cat", "a cat", "a dog")


def test_a_picture_is_known_again_in_any_batch():
    digests = image_digests(IMAGES, PROMPTS)
    assert len(set(digests)) == 3
    assert image_digests(IMAGES[[2, 0]], ("a dog", "a cat")) == (digests[2], digests[0])


def test_one_step_of_one_pixel_another_prompt_or_another_shape_makes_another_picture():
    picture = IMAGES[:1]
    pixel = picture.clone()
    pixel[0, 3, 5, 2] += 1 / 255 if pixel[0, 3, 5, 2] < 0.5 else -1 / 255
    others = [(pixel, "a cat"), (picture, "a dog"), (picture.reshape(1, 6, 4, 3), "a cat")]
    known = image_digests(picture, ("a cat",))
    assert all(image_digests(image, (prompt,)) != known for image, prompt in others)


def test_what_an_8_bit_file_would_not_keep_does_not_count():
    rounded = IMAGES.mul(255).round() / 255
    assert image_digests(rounded, PROMPTS) == image_digests(IMAGES, PROMPTS)


def test_a_digest_is_short_and_does_not_depend_on_the_order_of_names():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 2, "b": 1})
    assert len(digest([])) == 16
