"""The language model of a vision-language model: from scratch, from a folder or hub, from GGUF; with LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from sagittal.errors import ConfigError, FileFormatError, MissingExtraError, StorageError
from sagittal.models.checkpoint import MOST_LAYERS
from sagittal.models.vlm.config import LoRAConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# What transformers writes into a config beside the architecture, and what changes nothing about the weights.
_LEFT_OUT = (
    "architectures", "transformers_version", "torch_dtype", "dtype", "_name_or_path", "quantization_config",
    "auto_map", "attn_implementation", "_attn_implementation",
)  # fmt: skip


def make_language(config: Mapping[str, Any]) -> PreTrainedModel:
    """A language model with random weights.

    Args:
        config: of transformers, with ``model_type``; architectures of the library alone, no foreign code.

    Raises:
        ConfigError: an architecture that is not known, or sizes that do not fit each other.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    values = {name: value for name, value in config.items() if name != "model_type"}
    try:
        own = AutoConfig.for_model(config["model_type"], **values)
        if own.num_hidden_layers > MOST_LAYERS:
            raise ValueError(f"{own.num_hidden_layers} layers, more than {MOST_LAYERS}")
        model: PreTrainedModel = AutoModelForCausalLM.from_config(own)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            "This is not the config of a causal language model.",
            expected="model_type (llama, phi3, qwen3, …) and its sizes",
            got=str(error)[:300],
        ) from error
    return model


def config_of(language: PreTrainedModel) -> dict[str, Any]:
    """The config of a language model, as :func:`make_language` takes it."""
    values = language.config.to_dict()
    return {name: value for name, value in values.items() if name not in _LEFT_OUT and value is not None}


def fetch_language(
    source: str | Path, gguf: str | None = None, *, fetch: bool = True
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A pretrained language model and its tokenizer.

    Args:
        source: a local folder in transformers' layout, or the id of a model on a hub.
        gguf: name of a GGUF file in it, instead of safetensors; read into single precision.
        fetch: whether a hub is asked for what is not on this machine.

    Raises:
        StorageError: it is not there, or cannot be fetched.
        FileFormatError: it holds no language model that transformers can read.
        MissingExtraError: the gguf library is not installed.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    more: dict[str, Any] = {"local_files_only": not fetch, **({"gguf_file": gguf} if gguf else {})}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype="float32", output_loading_info=True, **more
        )
        model, found = loaded
        # transformers draws weights that are not there at random.
        if found["missing_keys"]:
            raise ValueError(f"it has no weights named {', '.join(sorted(found['missing_keys']))}")
        tokenizer = AutoTokenizer.from_pretrained(source, **more)
    except ImportError as error:
        raise MissingExtraError("Reading a GGUF file", "train") from error
    except OSError as error:
        raise StorageError(
            "The language model cannot be read.",
            expected="a folder with config.json and safetensors, or the id of a model on a hub",
            got=f"{source}: {str(error)[:200]}",
            remedy="fetch it again, or name another folder"
            if Path(source).is_dir()
            else "check the name, or the connection"
            if fetch
            else f"fetch it first, if you trust it: hf download {source}",
        ) from error
    # transformers raises a RuntimeError where the weights have other shapes than the config says.
    except (ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise FileFormatError(
            "This is no causal language model, or not a whole one.",
            expected="config.json, weights that fit it and a tokenizer",
            got=f"{source}: {str(error)[:200]}",
            remedy="fetch it again, or name another",
        ) from error
    # A model from GGUF remembers that it was quantised, and could not be saved: it goes on as a fresh one.
    return (_fresh(model) if gguf else model), tokenizer


def _fresh(model: PreTrainedModel) -> PreTrainedModel:
    made = make_language(config_of(model))
    made.load_state_dict(model.state_dict())
    return made


def with_lora(language: nn.Module, config: LoRAConfig) -> nn.Module:
    """The same model with adapters: its own weights are frozen, the adapters are trained.

    Raises:
        MissingExtraError: peft is not installed.
        ConfigError: no layer has such a name.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtraError("LoRA", "train") from error
    targets = config.targets if isinstance(config.targets, str) else list(config.targets)
    own = LoraConfig(
        r=config.r, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=targets,
        task_type="CAUSAL_LM",
    )  # fmt: skip
    try:
        made: nn.Module = get_peft_model(language, own)
    except ValueError as error:
        raise ConfigError("Adapters cannot be put in.", got=str(error)[:300]) from error
    return made
