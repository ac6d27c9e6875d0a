"""The program language that the agent writes, what runs it, and the library it may call.

This package imports nothing by itself: the interpreter's child process loads only what it needs,
and neither numpy nor a network is part of that.
"""
