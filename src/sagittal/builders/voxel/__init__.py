"""VoxelPrompt's tasks (§4): which structures, which questions, their programs, and the truth behind them.

Needs neither torch nor a network: a simulated (or annotated) study, the committed table of structures, the
grammar of prompts and the agent's own interpreter are enough.
"""
