"""Specialists in processes of their own: they raise, hang, die, lie, and the caller goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sagittal.geometry import Geometry
from sagittal.specialists.pool import Pool
from sagittal.specialists.protocol import Classified, SpecialistError
from sagittal.specialists.registry import enable_specialist, specialists
from sagittal.study import Image, Study


@pytest.fixture
def programs(theirs):
    return {name: enable_specialist(name).program for name in ("Bright", "Classes")}


@pytest.fixture
def pool():
    made = Pool(seconds=2.0)
    yield made
    made.close()


def test_a_mask_comes_back_on_the_scans_grid(programs, pool, study, scan):
    call = pool.run(programs["Bright"], study, "bright")
    mask = call.result.mask
    assert mask.geometry == scan.geometry and call.result.image == scan.name
    np.testing.assert_array_equal(mask.data, scan.data > 0.5)
    # What is not drawn is not named.
    assert mask.labels == {1: "bright"} and mask.name == "by Bright"
    assert call.loaded and not pool.run(programs["Bright"], study, "bright").loaded
    assert call.memory_mb > 10


def children():
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell of processes")
def test_a_process_that_was_expected_is_the_first_specialists(programs, pool, study):
    before = children()
    pool.expect()
    pool.expect()
    [waiting] = children() - before
    call = pool.run(programs["Bright"], study, "bright")
    assert call.loaded and children() - before == {waiting}
    # Nothing waits where a specialist is loaded; another gets its own.
    pool.expect()
    assert children() - before == {waiting}
    pool.run(programs["Classes"], study, "fine")
    assert len(children() - before) == 2
    pool.close()
    assert children() == before


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system does not tell of processes")
def test_a_process_that_waits_is_ended_or_replaced(programs, pool, study):
    before = children()
    pool.expect()
    [waiting] = children() - before
    os.kill(waiting, signal.SIGKILL)
    pool._waiting.process.wait()
    assert pool.run(programs["Bright"], study, "bright").result.mask.data.any()
    pool.close()
    pool.expect()
    assert children() - before
    pool.close()
    assert children() == before


@pytest.mark.parametrize(
    ("argument", "fault", "word"),
    [
        ("raises", "failed", "ValueError: a fault of theirs"), ("dies", "failed", "(7)"),
        ("hangs", "hung", "at most 2 s"), ("nothing", "nothing", "nothing back"),
        ("shape", "wrong", "another grid"), ("nan", "wrong", "whole numbers"),
        ("label", "wrong", "labels"), ("negative", "wrong", "1 to 65535"), ("huge", "wrong", "1 to 65535"),
        ("refuses", "refused", "not theirs"), ("text", "wrong", "no mask"),
        ("unheard of", "unknown", "no such argument"),
    ],
)  # fmt: skip
def test_a_fault_is_named_and_the_specialist_can_be_asked_again(programs, pool, study, argument, fault, word):
    with pytest.raises(SpecialistError) as error:
        pool.run(programs["Bright"], study, argument)
    assert error.value.fault == fault and error.value.name == "Bright" and word in str(error.value)
    # What a terminal or a page could be steered by does not come through.
    assert "\x1b" not in str(error.value) and "<script>" not in str(error.value)
    assert pool.run(programs["Bright"], study, "bright").result.mask.data.any()


def test_what_it_forked_ends_with_it_and_holds_nobody_up(programs, pool, study):
    begun = time.monotonic()
    with pytest.raises(SpecialistError, match="too long"):
        pool.run(programs["Bright"], study, "forks")
    # The child of the specialist would hold the pipe open for 25 s.
    assert time.monotonic() - begun < 15


def test_after_an_interruption_an_answer_belongs_to_its_own_question(programs, study):
    class Stopped(BaseException):
        pass

    def stop(*_):
        raise Stopped

    pool = Pool(seconds=20)
    pool.run(programs["Bright"], study, "bright")
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        with pytest.raises(Stopped):
            pool.run(programs["Bright"], study, "slow")
    finally:
        signal.signal(signal.SIGUSR1, before)
    [image] = study.images
    dark = Study(
        "dark", "", (Image((image.data > 2).astype(np.float32) + 0.1, image.geometry, "t1", "dark"),)
    )
    assert not pool.run(programs["Bright"], dark, "bright").result.mask.data.any()
    pool.close()


def test_what_it_prints_does_not_disturb(programs, pool, study):
    assert pool.run(programs["Bright"], study, "prints").result.mask.data.any()
    assert pool.run(programs["Bright"], study, "floods").result.mask.data.any()


@pytest.mark.parametrize(("argument", "fine"), [("fine", True), ("nan", False), ("above", False)])
def test_probabilities_are_those_of_the_card(programs, pool, study, argument, fine):
    if fine:
        expected = Classified({"fracture": 0.7, "cyst": 0.1})
        assert pool.run(programs["Classes"], study, argument).result == expected
        return
    with pytest.raises(SpecialistError) as error:
        pool.run(programs["Classes"], study, argument)
    assert error.value.fault == "wrong"


def test_a_study_that_does_not_fit_is_not_sent(programs, pool, scan, theirs):
    film = Image(scan.data[:, :, :1], scan.geometry.cropped((0, 0, 0), (12, 10, 1)), "t1", "film")
    for images in ((), (film,)):
        with pytest.raises(SpecialistError) as error:
            pool.run(programs["Bright"], Study("s", "p", images), "bright")
        assert error.value.fault == "unsuitable"
    assert pool.loaded == []
    dark = Image(np.zeros_like(scan.data), scan.geometry, "t1", "dark")
    with pytest.raises(SpecialistError, match="too dark") as error:
        pool.run(programs["Bright"], Study("s", "p", (dark,)), "bright")
    assert error.value.fault == "refused" and pool.loaded == ["Bright"]


def test_two_questions_share_one_loaded_specialist(programs, pool, study):
    pool.run(programs["Bright"], study, "bright")
    calls, begun = [], time.monotonic()

    def ask():
        calls.append(pool.run(programs["Bright"], study, "slow"))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One after the other, neither loaded anew.
    assert time.monotonic() - begun >= 1.0
    assert [call.loaded for call in calls] == [False, False] and pool.loaded == ["Bright"]


def test_the_least_recently_used_is_released_for_room(programs, study):
    with_room = Pool(memory_mb=700)
    tight = Pool(memory_mb=400)
    try:
        for pool, kept in ((with_room, ["Bright", "Classes"]), (tight, ["Classes"])):
            pool.run(programs["Bright"], study, "bright")
            pool.run(programs["Classes"], study, "fine")
            assert pool.loaded == kept
            assert pool.run(programs["Bright"], study, "bright").loaded is (pool is tight)
    finally:
        with_room.close()
        tight.close()


@pytest.mark.parametrize(("memory_mb", "fits"), [(299, False), (300, True)])
def test_one_that_needs_more_memory_than_there_may_be_is_refused(programs, study, memory_mb, fits):
    pool = Pool(memory_mb=memory_mb)
    try:
        if fits:
            assert pool.run(programs["Bright"], study, "bright").result.mask.data.any()
        else:
            with pytest.raises(SpecialistError) as error:
                pool.run(programs["Bright"], study, "bright")
            assert error.value.fault == "memory"
    finally:
        pool.close()


def test_waiting_for_room_ends_when_another_is_done(programs, study):
    pool = Pool(memory_mb=400, seconds=30)
    try:
        other = threading.Thread(target=pool.run, args=(programs["Bright"], study, "slow"))
        other.start()
        time.sleep(0.1)
        assert pool.run(programs["Classes"], study, "fine").result.probabilities["cyst"] == 0.1
        other.join()
    finally:
        pool.close()


def test_masks_stand_in_every_orientation(programs, pool, scan):
    for codes in ("LPS", "SAR", "IRP"):
        turned = scan.reorient(codes)
        mask = pool.run(programs["Bright"], Study("s", "p", (turned,)), "bright").result.mask
        assert mask.geometry.same_grid(turned.geometry)
        np.testing.assert_array_equal(mask.reorient("RAS").data, scan.reorient("RAS").data > 0.5)


def test_geometry_without_known_spacing_travels(programs, pool, scan):
    unknown = Geometry(scan.shape, scan.geometry.affine, spacing_known=False)
    image = Image(scan.data, unknown, "t1", "scan")
    mask = pool.run(programs["Bright"], Study("s", "p", (image,)), "bright").result.mask
    assert not mask.geometry.spacing_known


def test_a_disabled_or_missing_specialist_says_so(theirs):
    known = specialists()
    with pytest.raises(SpecialistError) as error:
        known.runnable("Bright")
    assert error.value.fault == "disabled" and "sagittal specialists enable Bright" in str(error.value)
