"""Files of the Loihi 2 bundle, copied as they are; they import nothing of this package."""
