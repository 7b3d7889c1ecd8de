"""Networks that were trained as spiking ones: compiled to programs, floating point or integer, and written as NIR."""
