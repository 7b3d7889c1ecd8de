"""Benchmarks, each a program; costs are ratios within one run where possible. `make bench` runs three of them."""
