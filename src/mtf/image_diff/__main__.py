"""`python -m mtf.image_diff`: the same as `dvc-image-diff`."""

from mtf.image_diff.command import run

if __name__ == "__main__":
    run()
