"""Layers and blocks that know no paper's whole model: native-space convolution, streams, φ, U-Net arms."""
