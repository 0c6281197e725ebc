"""The colours of the page can be read, in both themes, also by people who see colours differently."""

from __future__ import annotations

import re

import pytest

from intermodal.report.charts.matrix import DEEPEST, shade_style
from intermodal.report.page import TEMPLATES

CSS = (TEMPLATES / "report.css").read_text(encoding="utf-8")
PAIRS = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}, #\w{6})\)", CSS))
THEMES = (0, 1)
TEXT = ["ink", "muted", "link", "good", "cached", "bad", "busy", "idle"]
MARKS = ["c1", "c2", "c3", "c4", "c5", "c6", "r1", "r5", "soft"]
# Machado, Oliveira and Fernandes 2009: severe deuteranomaly and protanomaly, on linear RGB
DEUTAN = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
PROTAN = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))


def linear(name: str, theme: int) -> list[float]:
    """Linear RGB of a colour."""
    text = PAIRS[name].split(", ")[theme]
    parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def luminance(rgb: list[float]) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def contrast(a: list[float], b: list[float]) -> float:
    """Contrast ratio of WCAG 2."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def oklab(rgb: list[float]) -> list[float]:
    """Ottosson 2020, from linear RGB."""
    r, g, b = (max(0.0, part) for part in rgb)
    roots = (
        (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3),
        (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3),
        (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3),
    )
    rows = ((0.2104542553, 0.793617785, -0.0040720468), (1.9779984951, -2.428592205, 0.4505937099))
    rows += ((0.0259040371, 0.7827717662, -0.808675766),)
    return [sum(factor * root for factor, root in zip(row, roots, strict=True)) for row in rows]


def from_oklab(lab: list[float]) -> list[float]:
    light, a, b = lab
    x = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    y = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    z = (light - 0.0894841775 * a - 1.291485548 * b) ** 3
    rows = ((4.0767416621, -3.3077115913, 0.2309699292), (-1.2684380046, 2.6097574011, -0.3413193965))
    rows += ((-0.0041960863, -0.7034186147, 1.707614701),)
    return [sum(factor * part for factor, part in zip(row, (x, y, z), strict=True)) for row in rows]


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
@pytest.mark.parametrize("name", TEXT)
def test_text_has_a_contrast_of_four_and_a_half(name, theme):
    for ground in ("surface", "bg", "sunken"):
        assert contrast(linear(name, theme), linear(ground, theme)) >= 4.5, ground


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_text_on_the_wash_of_an_error_can_be_read(theme):
    for name in ("ink", "muted"):
        assert contrast(linear(name, theme), linear("bad-wash", theme)) >= 4.5


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
@pytest.mark.parametrize("name", [mark for mark in MARKS if mark != "soft"])
def test_marks_stand_out_from_the_card(name, theme):
    assert contrast(linear(name, theme), linear("surface", theme)) >= 3


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
def test_ink_can_be_read_on_every_shade_of_a_heatmap(theme):
    deep, surface, ink = oklab(linear("deep", theme)), oklab(linear("surface", theme)), linear("ink", theme)
    for shade in (0.0, 0.25, 0.5, 0.75, 1.0):
        percent = int(re.search(r"(\d+)%", shade_style(shade))[1])
        assert percent <= DEEPEST
        mixed = [d * percent / 100 + s * (1 - percent / 100) for d, s in zip(deep, surface, strict=True)]
        assert contrast(from_oklab(mixed), ink) >= 4.5, shade


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark"])
@pytest.mark.parametrize("names", [("c1", "c2", "c3"), ("r1", "r2", "r3", "r4", "r5"), ("good", "bad")])
@pytest.mark.parametrize("sight", [None, DEUTAN, PROTAN], ids=["usual", "deutan", "protan"])
def test_colours_that_stand_beside_one_another_differ(names, theme, sight):
    seen = []
    for name in names:
        rgb = linear(name, theme)
        seen.append(oklab([sum(f * p for f, p in zip(row, rgb, strict=True)) for row in sight] if sight else rgb))
    for i, a in enumerate(seen):
        for j, b in enumerate(seen[:i]):
            distance = sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5
            assert distance >= 0.06, (names[i], names[j])


def test_every_colour_that_is_used_is_defined():
    sources = [
        path.read_text(encoding="utf-8")
        for path in TEMPLATES.parent.rglob("*")
        if path.suffix in (".py", ".j2", ".css")
    ]
    used = {name for text in sources for name in re.findall(r"var\(--([a-z][\w-]*)", text)}
    defined = set(re.findall(r"--([\w-]+):", CSS)) | {"tone", "c", "r"}
    assert used - defined == set()
