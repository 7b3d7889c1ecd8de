"""Language models: how well a spiking one predicts text beside its original, and text that it goes on with."""
