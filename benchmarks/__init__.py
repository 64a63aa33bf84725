"""Ours and the real peer, the same work, in turns, in one run."""
