"""Every benchmark, one after the other."""

from benchmarks import closed_form, lava_image, stepper

if __name__ == "__main__":
    closed_form.main()
    lava_image.main()
    stepper.main()
