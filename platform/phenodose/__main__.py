"""`python -m phenodose`: the same command line as the `phenodose` script."""

from phenodose.cli import main

if __name__ == "__main__":
    main()
