"""Lava Processes and ProcessModels: one base of each, which every operation's Process derives from."""
