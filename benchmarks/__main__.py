"""Every benchmark, one after the other."""

from benchmarks import closed_form, lava_deit_tiny

if __name__ == "__main__":
    closed_form.main()
    lava_deit_tiny.main()
