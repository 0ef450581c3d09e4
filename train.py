"""Train a network on labelled face pictures, measure it, publish it: `python train.py --help` tells how."""

import sys

from emotion.training.command import main

if __name__ == "__main__":
    sys.exit(main())
