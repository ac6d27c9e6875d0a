"""IMAX, DMAX and the test set: equal entries task by task, nothing in common, whatever the pool."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sagittal.builders.chest.choosing import COPY, LEAST_TASKS, NOTHING, SHARES, Chosen, Offer, choose
from sagittal.builders.chest.prompts import SEVEN
from sagittal.errors import ConfigError, InputError
from sagittal.score.chest_tasks import Task
from sagittal.splits import split_of

TASKS: tuple[Task, ...] = tuple(SEVEN)


def pool(count: int, seed: int, dense: float = 0.5) -> list[Offer]:
    rng = np.random.default_rng(seed)
    offers = []
    for number in range(count):
        share = 0.8 if rng.random() < dense else 0.15
        entries: dict[Task, int] = {task: int(rng.integers(1, 4)) for task in TASKS if rng.random() < share}
        offers.append(Offer(f"film-{number:05d}", f"patient-{number // 3}", f"{number:064d}", entries))
    return offers


def totals(films: object) -> Counter[str]:
    assert isinstance(films, dict)
    total: Counter[str] = Counter()
    for own in films.values():
        total.update(own)
    return total


def check(offers: list[Offer], chosen: Chosen) -> None:
    by_name = {one.name: one for one in offers}
    assert totals(chosen.imax) == totals(chosen.dmax)
    arms = [set(arm) for arm in (chosen.imax, chosen.dmax, chosen.test)]
    assert sum(map(len, arms)) == len(set().union(*arms))
    patients = [{by_name[name].patient for name in arm} for arm in arms]
    assert not patients[2] & (patients[0] | patients[1])
    pictures = [by_name[name].sha256 for arm in arms for name in arm]
    assert len(pictures) == len(set(pictures))
    for name, own in chosen.imax.items():
        assert own == by_name[name].entries
        assert len({SEVEN[task] for task in own}) >= LEAST_TASKS
    for name, own in chosen.dmax.items():
        assert 1 <= len({SEVEN[task] for task in own}) <= 2
        assert all(0 < count <= by_name[name].entries[task] for task, count in own.items())
    for name, own in chosen.test.items():
        assert own == by_name[name].entries
        assert len({SEVEN[task] for task in own}) >= LEAST_TASKS


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dense", [0.2, 0.6, 1.0])
def test_any_pool_is_divided_exactly(seed: int, dense: float) -> None:
    offers = pool(600, seed, dense)
    chosen = choose(offers, seed)
    assert len(chosen.imax) > 20
    check(offers, chosen)


def test_a_smaller_number_can_be_asked_for_and_a_larger_one_not() -> None:
    offers = pool(600, 1)
    most = len(choose(offers, 0).imax)
    asked = choose(offers, 0, most // 2)
    assert len(asked.imax) == most // 2
    check(offers, asked)
    with pytest.raises(ConfigError, match="DMAX cannot match"):
        choose(offers, 0, sum(len(one.tasks) >= 3 for one in offers) // 2)
    with pytest.raises(ConfigError, match="so many"):
        choose(offers, 0, 601)


def test_tasks_a_film_are_as_far_apart_as_in_the_paper() -> None:
    chosen = choose(pool(3_000, 2, 1.0), 0)
    tasks = {
        arm: np.mean([len({SEVEN[task] for task in own}) for own in getattr(chosen, arm).values()])
        for arm in ("imax", "dmax")
    }
    assert tasks["imax"] > 4
    assert 1.1 < tasks["dmax"] < 1.4


def test_the_order_of_the_offers_does_not_matter() -> None:
    offers = pool(300, 3)
    assert choose(offers, 0) == choose(offers[::-1], 0)
    assert choose(offers, 0).imax != choose(offers, 1).imax


def test_copies_of_a_picture_and_films_without_entries_are_counted() -> None:
    offers = pool(300, 4)
    copies = [Offer(f"z-{one.name}", f"other-{one.patient}", one.sha256, one.entries) for one in offers[:7]]
    empty = Offer("empty", "nobody", "e" * 64, {})
    there = [one for one in offers if one.entries]
    chosen = choose([*there, *copies, empty], 0)
    held = sum(1 for one in copies if one.entries)
    assert chosen.left_out == {COPY: held, NOTHING: 1 + 7 - held}
    check([*there, *copies], chosen)


def test_patients_are_split_four_to_one() -> None:
    offers = pool(4_000, 5)
    testing = {one.patient for one in offers if split_of(one.patient, shares=SHARES) == "test"}
    assert len(testing) / len({one.patient for one in offers}) == pytest.approx(0.2, abs=0.03)


def test_a_pool_without_dense_films_says_what_is_missing() -> None:
    with pytest.raises(InputError, match="three of the seven"):
        choose([Offer(f"f{n}", f"p{n}", f"{n:064d}", {"caption": 1}) for n in range(50)], 0)


def test_a_patient_s_side_is_that_of_every_other_recipe() -> None:
    offers = [
        Offer(f"set/f{n}", f"set/{n}", f"{n:064d}", {"caption": 1, "rec": 1, "reg": 1}) for n in range(300)
    ]
    chosen = choose(offers, 0)
    testing = {one.name for one in offers if split_of(one.patient.removeprefix("set/")) != "train"}
    assert set(chosen.test) == testing
