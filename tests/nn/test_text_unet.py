"""The U-Net that a sentence conditions: its mask follows picture and words, and nothing else."""

from __future__ import annotations

import torch

from sagittal.nn.text_unet import TextUNet


def unet() -> TextUNet:
    torch.manual_seed(0)
    return TextUNet(50, channels=(8, 16, 16), words=16).eval()


IMAGES = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))
IDS = torch.tensor([[3, 4, 0, 0], [5, 6, 7, 8], [9, 0, 0, 0]])
REAL = torch.tensor([[True, True, False, False], [True] * 4, [True, False, False, False]])


def test_each_row_has_a_mask_of_its_own_picture_and_sentence() -> None:
    made = unet()
    with torch.no_grad():
        together = made(IMAGES, IDS, REAL)
        assert together.shape == (3, 16, 16)
        for row in range(3):
            count = int(REAL[row].sum())
            ids = IDS[row : row + 1, :count]
            alone = made(IMAGES[row : row + 1], ids, torch.ones_like(ids, dtype=torch.bool))
            torch.testing.assert_close(together[row], alone[0], rtol=1e-4, atol=1e-5)


def test_other_words_are_another_mask_and_padding_is_nothing() -> None:
    made = unet()
    with torch.no_grad():
        found = made(IMAGES, IDS, REAL)
        padded = made(IMAGES, IDS.masked_fill(~REAL, 11), REAL)
        other = made(IMAGES, IDS.roll(1, 0), REAL.roll(1, 0))
    torch.testing.assert_close(found, padded)
    assert all(not torch.allclose(found[n], other[n]) for n in range(3))


def test_it_learns_to_draw_one_of_two_things_by_what_is_said() -> None:
    made = unet().train()
    image = torch.zeros(2, 3, 16, 16)
    image[:, :, 2:7, 2:7], image[:, :, 9:14, 9:14] = 1.0, 0.5
    truth = torch.zeros(2, 16, 16)
    truth[0, 2:7, 2:7], truth[1, 9:14, 9:14] = 1, 1
    ids, real = torch.tensor([[3], [4]]), torch.ones(2, 1, dtype=torch.bool)
    optimiser = torch.optim.Adam(made.parameters(), 5e-3)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(made(image, ids, real), truth).backward()
        optimiser.step()
    assert ((made(image, ids, real) > 0) == (truth > 0)).float().mean() > 0.98
