"""What is installed is listed by its files alone, and runs only once it is enabled as it is."""

from __future__ import annotations

import json

import pytest
import yaml

from sagittal.errors import InputError, IntegrityError
from sagittal.specialists.enabling import disable, enabled_file, read_enabled
from sagittal.specialists.pool import Pool
from sagittal.specialists.protocol import SpecialistError
from sagittal.specialists.registry import enable_specialist, specialists


def imported(installed):
    return (installed / "their_specialists" / "imported.txt").exists()


@pytest.fixture
def untouched(build_package, tmp_path, data_folder, monkeypatch):
    """A package of its own that nothing has imported yet."""
    target = build_package(tmp_path)
    monkeypatch.syspath_prepend(str(target))
    return target


def test_listing_reads_cards_and_runs_nothing(untouched, study):
    known = specialists()
    entry = known.find("Bright")
    assert entry.card.summary == "marks what is bright"
    assert (entry.origin, entry.version, entry.enabled) == ("package", "their-specialists 1.0", False)
    assert not known.problems and "Bright" not in known.ready()
    with pytest.raises(SpecialistError):
        known.runnable("Bright")
    assert not imported(untouched)


def test_it_runs_once_it_is_enabled_and_no_more_once_it_is_not(theirs, study):
    enable_specialist("Bright")
    assert specialists().find("Bright").enabled and not specialists().find("Classes").enabled
    pool = Pool()
    pool.run(specialists().runnable("Bright").program, study, "bright")
    pool.close()
    assert imported(theirs)
    disable("Bright")
    assert not specialists().find("Bright").enabled


def test_another_version_or_card_is_enabled_anew(untouched, bright_card):
    target = untouched
    enable_specialist("Bright")
    card = target / "their_specialists" / "Bright.specialist.yaml"
    was = card.read_text()
    card.write_text(yaml.safe_dump(bright_card(summary="does more than before")))
    assert not specialists().find("Bright").enabled
    card.write_text(was)
    assert specialists().find("Bright").enabled
    metadata = target / "their_specialists-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.1"))
    changed = specialists().find("Bright")
    assert not changed.enabled and "their-specialists 1.0 was enabled" in changed.why_not
    enable_specialist("Bright")
    assert specialists().find("Bright").enabled


def test_damaged_cards_are_told_and_the_others_listed(untouched):
    folder = untouched / "their_specialists"
    (folder / "Bright.specialist.yaml").write_text("name: [")
    known = specialists()
    assert "Classes" in known.entries and "Bright" not in known.entries
    assert len(known.problems) == 1 and "YAML" in known.problems[0]
    (folder / "Bright.specialist.yaml").write_text((folder / "Classes.specialist.yaml").read_text())
    assert "the card Classes" in specialists().problems[0]
    (folder / "Bright.specialist.yaml").unlink()
    assert "brings no Bright.specialist.yaml" in specialists().problems[0] or (
        "no such file" in specialists().problems[0]
    )


@pytest.mark.parametrize("layout", [".", "src"])
def test_a_package_that_is_installed_in_place_is_listed(
    build_package, tmp_path, data_folder, monkeypatch, layout
):
    """As who writes a specialist has it."""
    target = build_package(tmp_path, in_place=layout)
    monkeypatch.syspath_prepend(str(target))
    known = specialists()
    card_file = known.find("Bright").program.card_file
    assert card_file == tmp_path / "source-1.0" / layout / "their_specialists" / "Bright.specialist.yaml"
    assert not known.problems and not known.find("Bright").enabled
    assert not (card_file.parent / "imported.txt").exists()
    card_file.unlink()
    assert "brings no Bright.specialist.yaml" in specialists().problems[0]


@pytest.mark.parametrize(
    "origin", ["", "[", "[]", '{"dir_info": 3}', '{"dir_info": {"editable": true}, "url": "https://x/y"}']
)
def test_what_says_nothing_of_its_place_brings_no_card(untouched, origin):
    (untouched / "their_specialists" / "Bright.specialist.yaml").unlink()
    info = untouched / "their_specialists-1.0.dist-info"
    record = info / "RECORD"
    record.write_text("".join(x for x in record.open() if "Bright" not in x))
    (info / "direct_url.json").write_text(origin)
    assert "brings no Bright.specialist.yaml" in specialists().problems[0]


def test_a_package_does_not_take_the_place_of_one_that_ships(
    build_package, bright_card, tmp_path, data_folder, monkeypatch
):
    target = build_package(tmp_path, cards={"ChestOrgans": bright_card(name="ChestOrgans")})
    monkeypatch.syspath_prepend(str(target))
    known = specialists()
    assert known.find("ChestOrgans").origin == "ships"
    assert "there already" in known.problems[0]


def test_a_folder_with_a_card_is_enabled_by_its_path(tmp_path, data_folder, bright_card):
    folder = tmp_path / "mine"
    folder.mkdir()
    card = bright_card(
        name="Mine", arguments={"heart": "heart"}, masks={"heart": ["heart"]}, images=[["cxr"]]
    )
    card |= {"looks_at": "picture", "adapter": "chest-organs"}
    (folder / "specialist.yaml").write_text(yaml.safe_dump(card))
    assert enable_specialist(str(folder)).card.name == "Mine"
    assert specialists().find("Mine").enabled and specialists().find("Mine").program.folder == folder
    (folder / "specialist.yaml").write_text(yaml.safe_dump({**card, "summary": "something else"}))
    assert not specialists().find("Mine").enabled
    enable_specialist("Mine")
    assert specialists().find("Mine").enabled
    (folder / "specialist.yaml").write_text(yaml.safe_dump({**card, "name": "Renamed"}))
    assert not specialists().find("Renamed").enabled
    enable_specialist(str(folder))
    known = specialists()
    assert known.find("Renamed").enabled and "Mine" not in known.entries and not known.problems
    (folder / "specialist.yaml").write_text(yaml.safe_dump(card))
    enable_specialist(str(folder))
    (folder / "specialist.yaml").unlink()
    known = specialists()
    assert "Mine" not in known.entries and str(folder) in known.problems[0]


def test_a_folder_whose_adapter_is_not_ours_is_refused(tmp_path, data_folder, bright_card):
    for adapter in (None, "os:system"):
        (tmp_path / "specialist.yaml").write_text(yaml.safe_dump(bright_card(adapter=adapter)))
        with pytest.raises(InputError, match="no adapter that ships"):
            enable_specialist(str(tmp_path))
    (tmp_path / "specialist.yaml").write_text(yaml.safe_dump(bright_card(name="Eyes", adapter="eyes")))
    with pytest.raises(InputError, match="this name already"):
        enable_specialist(str(tmp_path))
    assert read_enabled() == {}


def test_weights_of_ones_own_for_a_card_that_ships(tmp_path, data_folder):
    assert "the file model.json" in specialists().find("MeshNet").lacks()
    with pytest.raises(SpecialistError, match="is not MeshNet's"):
        enable_specialist("MeshNet", tmp_path)
    with pytest.raises(InputError, match="needs its weights"):
        enable_specialist("MeshNet")
    with pytest.raises(InputError, match="takes no folder"):
        enable_specialist("ChestOrgans", tmp_path)


def test_a_damaged_list_is_told(data_folder):
    enabled_file().parent.mkdir(parents=True)
    for text in ("{", "[]", json.dumps({"schema": "other", "specialists": {}})):
        enabled_file().write_text(text)
        with pytest.raises(IntegrityError):
            specialists()


def test_there_is_no_such_specialist(data_folder):
    with pytest.raises(InputError, match="no specialist of this name"):
        specialists().find("Nobody")
