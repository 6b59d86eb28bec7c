"""``python -m lumen_workers``: the ``lumen`` command of this interpreter."""

from lumen_workers.cli.main import main

if __name__ == "__main__":
    main()
