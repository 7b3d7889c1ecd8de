"""Evaluates converted networks: closed form, steps in time, the comparison of both, and networks in files.

This is the level between operations (``processes``) and everything that uses whole networks (``converters``, ``targets``).
"""
