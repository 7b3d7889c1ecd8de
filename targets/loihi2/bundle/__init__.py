"""Files of the Loihi 2 bundle, which are copied unchanged and import nothing of this package."""
