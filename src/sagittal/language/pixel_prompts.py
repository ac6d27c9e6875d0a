"""Prompts for describing a picture and asking about it (MedPLIB, Figures 14 and 15).

Step III's instruction is Figure 15's, word for word. Figure 14's text is not in the copy of the paper at
hand: step II's instruction is ours, by the appendix's standard. The paper sends approved samples as messages
of a conversation; here one message holds instruction, templates, form and picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

DESCRIBE = (
    "You are an AI visual assistant capable of analyzing a single medical image. Suppose you can see the "
    "given image, as you will receive its modality, the scanned region, the orientation and the classes of "
    "the objects within the image. Write a global description of the image in one to three sentences. It "
    "must include every class that is listed and name no other organ or disease. Do not state anything that "
    "is unknown. Do not mention the source of information, always respond as if you are directly looking at "
    "the image, and return the description alone, in English."
)

CONVERSE = (
    "You are an AI visual assistant capable of analyzing a single medical image. Suppose you can see the "
    "given image, as you will receive one global description, describing the contents observed within the "
    "image. Additionally, Objects and their classes are provided, indicating the specific entities' masks "
    'within the image. Mask are represented as <region_{number}>, where "{number}" indicates the sequence '
    "number of the mask.\n\n"
    "Your task is to generate multiple dialogues between the person asking about the image (User) and you "
    "(Assistant) answering their questions.\n\n"
    "To answer such questions, you first need to understand the visual content in the medical image and "
    "respond based on medical background knowledge or reasoning. Increase the challenge of the questions by "
    "not including detailed information about the visual content in the questions.\n\n"
    "Generate answers for the following three types of questions:\n\n"
    "1. RegionQA-I: The user's question must use the given object's mask to ask about the category of this "
    "area, without mentioning any object names. The answer must only contain the word for the entity name of "
    "this area, without any other words.\n\n"
    "2. RegionQA-II: The user's question must use the existing object's mask to ask for a simple description "
    "of the content within these area. The answer should provide a brief description based on the entity's "
    "relevant attributes and visual features, without including any mask number.\n\n"
    "3. Complex VQA: The question asks for a diagnosis of the entire image. The answer should be a "
    "comprehensive diagnostic analysis of the entire image based on the given information.\n\n"
    "Please note all questions and answers should not mention the source of information, always respond as "
    "if you are directly looking at the image, and return the results in English."
)

FORM = (
    "Return the three types one after the other. Begin each with its name alone on a line (RegionQA-I, "
    "RegionQA-II, Complex VQA), then one question starting with “Q:” and its answer starting with “A:”."
)


def describing_prompt(meta: Mapping[str, str], names: Sequence[str], templates: Sequence[str]) -> str:
    """Step II for one picture.

    Args:
        meta: modality, scanned region and orientation, as words.
        names: of the classes.
        templates: of the modality, with open slots.
    """
    return "\n\n".join([DESCRIBE, _examples(templates), _context(meta), f"Objects: {', '.join(names)}"])


def conversing_prompt(
    meta: Mapping[str, str], description: str, objects: Sequence[str], templates: Mapping[str, Sequence[str]]
) -> str:
    """Step III for one picture.

    Args:
        meta: as for :func:`describing_prompt`.
        description: step II's.
        objects: the class of each instance; its mask is ``<region_N>``, N from 0.
        templates: kind of question → answers of the modality, with open slots.
    """
    listed = "\n".join(f"<region_{number}>: {name}" for number, name in enumerate(objects))
    shown = "\n\n".join(f"{kind}. {_examples(each)}" for kind, each in templates.items())
    context = f"Global description: {description}\nObjects:\n{listed}"
    return "\n\n".join([CONVERSE, shown, FORM, _context(meta), context])


def _examples(templates: Sequence[str]) -> str:
    lines = "\n".join(f"- {template}" for template in templates)
    return f"Answers should be of this kind, with the words in braces replaced:\n{lines}"


def _context(meta: Mapping[str, str]) -> str:
    return "\n".join(f"{key}: {value}" for key, value in meta.items())
