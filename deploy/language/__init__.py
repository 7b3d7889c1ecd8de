"""Language models: perplexity and agreement of a spiking one beside its original, and text that it generates."""
