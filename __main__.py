"""Run pixelcat as ``python -m pixelcat``."""

from .cli import main

if __name__ == "__main__":
    main()
