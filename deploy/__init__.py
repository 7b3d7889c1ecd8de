"""Deploys trained transformers on neuromorphic hardware."""
