"""Files in, nouns out: NIfTI, DICOM, pictures and data-set folders to and from studies."""
