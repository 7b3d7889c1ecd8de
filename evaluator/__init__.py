"""Evaluates converted networks by the closed form and step by step, compares both, and reads and writes network files.

This is the level between operations (``processes``) and everything that uses whole networks (``converters``, ``targets``).
"""
