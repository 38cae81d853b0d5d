"""What describe says of a method's frozen part."""

from __future__ import annotations

from benchmarks.describe.method import method_card


def test_each_choice_of_a_frozen_part_is_described_with_its_source():
    text = method_card("stable_keypoints")
    mini, paper = text.split("model=mini")[1].split("model=stable-diffusion-v1-5/stable-diffusion-v1-5", 1)
    assert "drawings of the synthetic world" in mini and "contains no test images" in mini
    assert "LAION-2B; labels: captions" in paper
    assert "may contain the test images of celeba, cub, deepfashion" in paper
    assert text.count("source: ") == 3
    assert "other values of model: what it was trained on is not known" in text


def test_a_method_without_a_frozen_part_says_none():
    assert "frozen part    none" in method_card("grid")
