"""Vision-language models: encoder → projector → causal language model, with parts that a config names."""
