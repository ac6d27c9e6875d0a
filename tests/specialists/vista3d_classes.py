"""Names of VISTA3D's classes by number, as its bundle's metadata has them (0 is background)."""

from __future__ import annotations

_SIDES = ("left", "right")
_LOBES = ("left lung upper lobe", "left lung lower lobe", *(f"right lung {n} lobe" for n in
          ("upper", "middle", "lower")))  # fmt: skip
_SPINE = (*(f"L{n}" for n in range(5, 0, -1)), *(f"T{n}" for n in range(12, 0, -1)),
          *(f"C{n}" for n in range(7, 0, -1)))  # fmt: skip

NAMES = (
    "background", "liver", "kidney", "spleen", "pancreas", "right kidney", "aorta", "inferior vena cava",
    "right adrenal gland", "left adrenal gland", "gallbladder", "esophagus", "stomach", "duodenum",
    "left kidney", "bladder", "prostate or uterus", "portal vein and splenic vein", "rectum", "small bowel",
    "lung", "bone", "brain", "lung tumor", "pancreatic tumor", "hepatic vessel", "hepatic tumor",
    "colon cancer primaries", *_LOBES, *(f"vertebrae {n}" for n in _SPINE), "trachea",
    *(f"{side} iliac {what}" for what in ("artery", "vena") for side in _SIDES), "colon",
    *(f"{side} rib {n}" for side in _SIDES for n in range(1, 13)),
    *(f"{side} {bone}" for bone in ("humerus", "scapula", "clavicula", "femur", "hip") for side in _SIDES),
    "sacrum", *(f"{side} gluteus {n}" for n in ("maximus", "medius", "minimus") for side in _SIDES),
    *(f"{side} {muscle}" for muscle in ("autochthon", "iliopsoas") for side in _SIDES),
    "left atrial appendage", "brachiocephalic trunk",
    *(f"{side} brachiocephalic vein" for side in _SIDES),
    *(f"{side} common carotid artery" for side in _SIDES), "costal cartilages", "heart",
    *(f"{side} kidney cyst" for side in _SIDES), "prostate", "pulmonary vein", "skull", "spinal cord",
    "sternum", *(f"{side} subclavian artery" for side in _SIDES), "superior vena cava", "thyroid gland",
    "vertebrae S1", "bone lesion", "kidney mass", "liver tumor", "vertebrae L6", "airway",
)  # fmt: skip
