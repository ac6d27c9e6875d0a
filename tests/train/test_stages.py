"""What learns in each of MedPLIB's stages, parameter by parameter."""

from __future__ import annotations

import pytest
import torch

from sagittal.errors import ConfigError
from sagittal.models.medplib.presets import medplib_config
from sagittal.models.mpllm.presets import mpllm_config
from sagittal.models.vlm.config import LoRAConfig
from sagittal.models.vlm.model import VLM
from sagittal.nn.expert_feed_forward import ExpertsConfig
from sagittal.train.stages import enter, medplib_stages


def model(experts: bool = False, adapted: bool = False) -> VLM:
    torch.manual_seed(0)
    config = medplib_config("tiny", 300, experts=ExpertsConfig() if experts else None)
    return VLM(config.model_copy(update={"lora": LoRAConfig(r=2) if adapted else None}))


def part_of(name: str) -> str:
    """Which part of the paper's figure a parameter belongs to."""
    if name.startswith("language."):
        return "feed-forward" if ".mlp." in name else "rest of the language model"
    if name == "pixels.frequencies":
        return "constants"
    return {
        "encoder": "vision tower", "projector": "projector", "point": "region prompt",
        "to_mask": "T-projector",
        "pixels": "pixel encoder" if name.startswith("pixels.encoder.") else "pixel decoder",
    }[name.split(".")[0]]  # fmt: skip


LEARNS = {
    "alignment": {"projector"},
    "recognition": {"projector", "region prompt", "feed-forward", "rest of the language model"},
    "grounding": {"feed-forward", "pixel decoder", "T-projector"},
    "adaption": {
        "projector", "region prompt", "feed-forward", "rest of the language model", "pixel decoder",
        "T-projector",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", LEARNS)
def test_each_parameter_of_each_stage(name: str) -> None:
    made = model(experts=name == "adaption")
    stage = medplib_stages().stages[name]
    learning = enter(stage, made)
    for parameter, tensor in made.named_parameters():
        assert tensor.requires_grad == (part_of(parameter) in LEARNS[name]) == (parameter in learning), (
            parameter
        )


def test_entering_a_stage_undoes_the_one_before() -> None:
    made = model()
    for name in LEARNS:
        first = enter(medplib_stages().stages[name], made)
    assert first == enter(medplib_stages().stages["adaption"], model())


def test_adapters_and_routers_learn_in_place_of_the_language_model() -> None:
    made = model(experts=True, adapted=True)
    learning = enter(medplib_stages().stages["adaption"], made)
    own = [name for name in learning if name.startswith("language.")]
    assert all("lora_" in name or ".router." in name for name in own)
    assert sum(".router." in name for name in own) == 2
    assert sum("experts.1." in name and "lora_A" in name for name in own) == 2 * 3


def test_the_published_numbers() -> None:
    table = medplib_stages()
    assert table.weights == {"text": 1.0, "bce": 2.0, "dice": 0.5}
    assert [stage.epochs for stage in table.stages.values()] == [1, 3, 10, 3]
    assert list(table.stages) == list(LEARNS)


def test_a_model_without_the_part_is_refused() -> None:
    with pytest.raises(ConfigError, match="not in the model"):
        enter(medplib_stages().stages["grounding"], VLM(mpllm_config("tiny", 300)))
