"""Any standard NIR graph, run step by step: read and checked, then interpreted in numpy or run in Lava."""
