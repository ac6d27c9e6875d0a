"""One readable file a paper, and what they share: decoding with one growing cache."""
