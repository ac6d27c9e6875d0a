"""A tokenizer of transformers with a chat template, as pretrained models bring them."""

from __future__ import annotations

from tokenizers import Tokenizer as Backend
from transformers import PreTrainedTokenizerFast

from sagittal.language.tokenizer import Tokenizer

TEXTS = ["How large is the tumour?", "The volume of ET is 1-5%.", "Where is it?", "Frontal and insula."] * 4
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


def hub_tokenizer(template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    made = Tokenizer.train(TEXTS, 300, ("<unk>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|end|>"))
    backend = Backend.from_str(made.to_json())
    backend.encode_special_tokens = False
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>",
        extra_special_tokens=["<|user|>", "<|assistant|>", "<|end|>"],
    )  # fmt: skip
    tokenizer.chat_template = template
    return tokenizer
