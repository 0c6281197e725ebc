"""Synthetic reviews: the same every time, readable, their wording tells the rating as far as real wording does."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from review_rows import HEADER, TOLERANT, ingest_path, quarantined_in, reviews_in

from intermodal.errors import UsageError
from intermodal.reviews import generate, synthetic
from intermodal.reviews.defects import DEFECTS, QUARANTINED_FOR
from intermodal.reviews.generate import generate_reviews
from intermodal.reviews.products import PRODUCT_TYPES
from intermodal.reviews.synthetic import synthetic_reviews

ALL = list(PRODUCT_TYPES)


def rows_of(number: int, seed: int = 7, categories: list[str] = ALL) -> list[tuple[str, ...]]:
    return [row for chunk in synthetic_reviews(number, seed, categories) for row in zip(*chunk.columns, strict=True)]


def text_of(folder: Path) -> bytes:
    return b"".join(gzip.decompress(path.read_bytes()) for path in sorted(folder.iterdir()))


@pytest.fixture(scope="module")
def many() -> list[tuple[str, ...]]:
    return rows_of(60_000)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        generate_reviews(str(tmp_path / name), 3000, seed, {"bad_date": 0.1}, ALL)
    first, second, third = ((tmp_path / name / "reviews-00000.tsv.gz").read_bytes() for name in "abc")
    assert first == second != third
    assert first[3:8] == bytes(5)  # the gzip header says that there is neither name nor time


def test_more_rows_begin_with_the_same_rows(tmp_path: Path) -> None:
    for name, rows in (("few", 500), ("more", 21_000)):
        generate_reviews(str(tmp_path / name), rows, 7, {"bad_date": 0.1, "duplicate_body": 0.1}, ALL)
    assert text_of(tmp_path / "more").startswith(text_of(tmp_path / "few"))


def test_files_are_cut_and_each_has_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "_CHUNKS_PER_FILE", 1)
    done = generate_reviews(str(tmp_path / "raw"), synthetic.CHUNK_ROWS + 5, 7, {}, ["Toys"])
    files = sorted((tmp_path / "raw").iterdir())
    assert [file.name for file in files] == ["reviews-00000.tsv.gz", "reviews-00001.tsv.gz"]
    assert [gzip.decompress(file.read_bytes()).count(b"\n") for file in files] == [synthetic.CHUNK_ROWS + 1, 6]
    assert all(gzip.decompress(file.read_bytes()).startswith(HEADER.encode()) for file in files)
    assert (done.rows, done.files) == (synthetic.CHUNK_ROWS + 5, 2)


def test_without_defects_every_row_parses(tmp_path: Path) -> None:
    generate_reviews(str(tmp_path / "raw"), 5000, 11, {}, ALL)
    account = ingest_path(tmp_path / "raw", tmp_path)
    assert (account.rows_out, account.rows_quarantined) == (5000, 0)
    assert list(account.categories) == ALL
    reviews = reviews_in(tmp_path)
    assert all(None not in review.values() for review in reviews)
    assert all(0 <= review["helpful_votes"] <= review["total_votes"] for review in reviews)


def test_identifiers_are_unique_and_look_like_amazons(many: list[tuple[str, ...]]) -> None:
    assert len({row[2] for row in many}) == len(many)
    assert all(re.fullmatch(r"R[A-Z0-9]{13}", row[2]) for row in many)
    assert all(re.fullmatch(r"B00[A-Z0-9]{7}", row[3]) for row in many)
    titles: dict[str, set[str]] = {}
    for row in many:
        titles.setdefault(row[3], set()).add(row[5])
    assert max(map(len, titles.values())) == 1


def test_ratings_are_skewed_as_on_amazon_and_differ_by_category(many: list[tuple[str, ...]]) -> None:
    stars = Counter(int(row[7]) for row in many)
    assert 0.45 < stars[5] / len(many) < 0.60
    assert stars[1] > stars[2]
    assert min(stars.values()) > 0.04 * len(many)
    means = [np.mean([int(row[7]) for row in many if row[6] == name]) for name in ALL]
    assert max(means) - min(means) > 0.2
    years = Counter(row[14][:4] for row in many)
    assert years["2015"] > years["2010"] > years["2005"] > 0


def test_lengths_vary_and_short_bodies_repeat(many: list[tuple[str, ...]]) -> None:
    words = [len(row[13].split()) for row in many]
    assert min(words) == 1
    assert max(words) > 100
    assert 15 < np.median(words) < 60
    long = [row[13] for row in many if len(row[13].split()) > 5]
    assert len(set(long)) > 0.99 * len(long)
    short = [row[13] for row in many if len(row[13].split()) <= 5]
    assert len(set(short)) < 0.1 * len(short)


def test_bodies_are_plain_sentences_without_template_leftovers(many: list[tuple[str, ...]]) -> None:
    assert not [row[13] for row in many if re.search(r"[{}\t\n]|  | \.|\ba [aeiou]\w+ {", row[13])]
    vocabulary = Counter(word for row in many[:5000] for word in re.findall(r"[a-z']+", row[13].lower()))
    assert len(vocabulary) > 700


def balanced(rows: list[tuple[str, ...]], each: int) -> tuple[list[str], np.ndarray]:
    texts, labels, seen = [], [], set()
    counts: Counter[str] = Counter()
    for row in rows:
        if row[13].lower() not in seen and counts[row[7]] < each:
            seen.add(row[13].lower())
            counts[row[7]] += 1
            texts.append(row[13])
            labels.append(int(row[7]))
    assert set(counts.values()) == {each}
    return texts, np.array(labels)


def test_a_linear_model_learns_the_rating_but_not_perfectly(many: list[tuple[str, ...]]) -> None:
    """Five balanced classes: 0.20 is chance. Errors are mostly between neighbours, and word order helps."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import RidgeClassifier

    texts, labels = balanced(many, 2000)
    order = np.random.default_rng(0).permutation(len(texts))
    texts, labels = [texts[index] for index in order], labels[order]
    scores, guesses = {}, {}
    for longest in (1, 2):
        vectors = TfidfVectorizer(ngram_range=(1, longest), sublinear_tf=True, min_df=2).fit(texts[:8_000])
        model = RidgeClassifier(solver="sparse_cg").fit(vectors.transform(texts[:8_000]), labels[:8_000])
        guesses[longest] = model.predict(vectors.transform(texts[8_000:]))
        scores[longest] = float(np.mean(guesses[longest] == labels[8_000:]))
    assert 0.52 < scores[1] < 0.75
    assert scores[2] > scores[1]
    wrong = guesses[1] != labels[8_000:]
    assert np.mean(np.abs(guesses[1] - labels[8_000:])[wrong] == 1) > 0.5


def test_the_same_words_in_another_order_mean_another_rating(many: list[tuple[str, ...]]) -> None:
    """“X is weak, but Y is solid” praises, “Y is solid, but X is weak” complains."""
    praise, blame = [], []
    for row in many:
        praise += [int(row[7])] * len(re.findall(r"(?:poor|weak), but the \w+ (?:is|are) (?:solid|good)", row[13]))
        blame += [int(row[7])] * len(re.findall(r"(?:solid|good), but the \w+ (?:is|are) (?:poor|weak)", row[13]))
    assert min(len(praise), len(blame)) > 50
    assert np.mean(praise) > np.mean(blame) + 0.8


@pytest.mark.parametrize("kind", DEFECTS)
def test_each_kind_of_defect_does_what_it_says(tmp_path: Path, kind: str) -> None:
    """The file with the defect against the file without: as many rows differ as were said to."""
    generate_reviews(str(tmp_path / "sound"), 2000, 7, {}, ["Toys"])
    done = generate_reviews(str(tmp_path / "spoiled"), 2000, 7, {kind: 0.05}, ["Toys"])
    sound, spoiled = (text_of(tmp_path / name).split(b"\n") for name in ("sound", "spoiled"))
    differing = sum(one != other for one, other in zip(sound, spoiled, strict=True))
    assert 60 < done.defects[kind] < 140
    # Copying a short body from the row before may change nothing.
    assert 0.9 * done.defects[kind] <= differing <= done.defects[kind]
    account = ingest_path(tmp_path / "spoiled", tmp_path, TOLERANT)
    reason = QUARANTINED_FOR.get(kind)
    assert dict(account.reasons) == ({reason: done.defects[kind]} if reason else {})
    changed = {number for number, pair in enumerate(zip(sound, spoiled, strict=True), 1) if pair[0] != pair[1]}
    assert {item["line"] for item in quarantined_in(tmp_path)} == (changed if reason else set())


@pytest.mark.parametrize(
    ("kind", "judge"),
    [
        ("negative_votes", lambda review: review["helpful_votes"] < 0),
        ("helpful_above_total", lambda review: review["helpful_votes"] > review["total_votes"]),
        ("missing_body", lambda review: review["review_body"] is None),
        ("missing_headline", lambda review: review["review_headline"] is None),
        ("html_entities", lambda review: re.search(r"&#34;|&amp;|<br />", review["review_body"])),
        ("stray_quote", lambda review: review["review_body"].count('"') == 1),
        ("carriage_return", lambda review: "\r" in review["review_body"]),
        ("non_english", lambda review: "déçu" in review["review_body"]),
        ("lower_case_codes", lambda review: review["marketplace"] == "us" and review["product_id"].islower()),
        ("future_date", lambda review: review["review_date"].year > 2100),
    ],
)
def test_a_defect_that_parses_can_be_found_in_the_rows(tmp_path: Path, kind: str, judge: object) -> None:
    done = generate_reviews(str(tmp_path / "raw"), 1000, 7, {kind: 0.1}, ["Books"])
    ingest_path(tmp_path / "raw", tmp_path)
    found = sum(bool(judge(review)) for review in reviews_in(tmp_path))  # type: ignore[operator]
    short = sum(" " not in (review["review_body"] or "") for review in reviews_in(tmp_path))
    assert done.defects[kind] - short <= found <= done.defects[kind]
    assert found > 50


def test_duplicates_are_duplicates(tmp_path: Path) -> None:
    done = generate_reviews(str(tmp_path / "raw"), 2000, 7, {"duplicate_id": 0.05}, ["Books"])
    ingest_path(tmp_path / "raw", tmp_path)
    identifiers = [review["review_id"] for review in reviews_in(tmp_path)]
    assert len(identifiers) - len(set(identifiers)) == done.defects["duplicate_id"]


@pytest.mark.parametrize(
    ("defects", "text"),
    [
        ({"wrong_kind": 0.1}, "unknown kind of defect"),
        ({"bad_date": 1.5}, "shares"),
        ({"bad_date": -0.1}, "shares"),
        ({"bad_date": "much"}, "shares"),
        ({"bad_date": float("nan")}, "shares"),
        ({"bad_date": 0.6, "bad_votes": 0.6}, "shares"),
    ],
)
def test_defects_that_make_no_sense(tmp_path: Path, defects: dict[str, float], text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        generate_reviews(str(tmp_path / "raw"), 10, 7, defects, ALL)
    if "wrong_kind" in defects:
        assert all(kind in caught.value.expected for kind in DEFECTS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("rows", "seed", "categories"),
    [(0, 7, ALL), (-1, 7, ALL), (5, -1, ALL), (5, 2**32, ALL), (5, 7, []), (5, 7, ["Shoes"]), (5, 7, ["Toys", "Toys"])],
)
def test_parameters_out_of_range(tmp_path: Path, rows: int, seed: int, categories: list[str]) -> None:
    with pytest.raises(UsageError):
        generate_reviews(str(tmp_path / "raw"), rows, seed, {}, categories)
