"""Runs the benchmarks of `make bench` with their defaults: closed form, one image on Lava, and the stepper."""

from benchmarks import closed_form, lava_image, stepper

if __name__ == "__main__":
    closed_form.main()
    lava_image.main()
    stepper.main()
