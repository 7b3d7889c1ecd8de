"""Runs any standard NIR graph step by step: checked and ordered, then interpreted in numpy or run in Lava."""
